//! Texts as streams of tokens.

use std::path::Path;
use std::sync::Arc;

use demotic::prelude::*;
use demotic::text::{BpeOptions, BpeTokenizer, CharTokenizer, TokenStream, Tokenizer, WordTokenizer};

use crate::options::{Options, Tokens};
use crate::stories::{self, Language};

/// The stories are always the same ones, whatever the seed of a run is.
const STORIES_SEED: u64 = 1;
/// How much there is in each language.
const STORIES_BYTES: usize = 1_000_000;

/// The share of the text that the model is trained on; the rest is for measuring.
const TRAINED: f64 = 0.9;

pub struct Corpus {
    pub name: String,
    pub text: String,
    pub tokenizer: Arc<dyn Tokenizer>,
    pub num_tokens: usize,
    pub parts: Parts,
    /// The number of characters in the part that is kept for measuring.
    pub kept_characters: usize,
}

/// What to train on, and what to keep for measuring.
pub enum Parts {
    /// Stories, each of which fits into the context as a whole and begins at its first position. So it is easy to look up
    /// what the title said.
    Stories { train: Vec<Vec<i64>>, kept: Vec<Vec<i64>> },
    /// One long text, of which any window is an example.
    Stream { train: TokenStream, kept: TokenStream },
}

impl Corpus {
    pub fn new(options: &Options) -> Result<Self> {
        let (name, text) = match &options.corpus {
            Some(path) => (path.display().to_string(), read(path)?),
            None => {
                let text = stories::corpus(&Language::ALL, STORIES_BYTES, STORIES_SEED)?;
                ("small stories in English and Chinese, written by a grammar".to_string(), text)
            }
        };
        if text.trim().is_empty() {
            return Err(Error::argument("text_generation", format!("{name} has no text")));
        }
        let tokenizer: Arc<dyn Tokenizer> = match options.tokens {
            Tokens::Char => Arc::new(CharTokenizer::fit([&text])?.with_unknown("<?>")?),
            Tokens::Bpe if options.corpus.is_none() => Arc::new(tokenizer_of_stories(options.vocabulary)?),
            Tokens::Bpe => Arc::new(BpeTokenizer::train([&text], &BpeOptions::new().vocab_size(options.vocabulary))?),
            Tokens::Word => {
                let mut words = WordTokenizer::new().oov_token("<?>");
                words.fit_on_texts([&text])?;
                Arc::new(words)
            }
        };
        if options.corpus.is_none() {
            let mut stories = Vec::new();
            for story in text.split_inclusive(stories::END) {
                stories.push(tokenizer.encode(story)?);
            }
            if stories.iter().all(|story| (2..=options.context + 1).contains(&story.len())) {
                let num_tokens = stories.iter().map(Vec::len).sum();
                let kept = stories.split_off((stories.len() as f64 * TRAINED) as usize);
                let first_kept = text.split_inclusive(stories::END).skip(stories.len());
                let kept_characters = first_kept.map(|story| story.chars().count()).sum();
                let parts = Parts::Stories { train: stories, kept };
                return Ok(Self { name, text, tokenizer, num_tokens, parts, kept_characters });
            }
        }
        let stream = TokenStream::from_ids(tokenizer.encode(&text)?)?;
        let (train, kept) = stream.split(TRAINED)?;
        if kept.len() < 2 || train.len() <= options.context {
            let message = format!("{name} has {} tokens, a context of {} needs more", stream.len(), options.context);
            return Err(
                Error::argument("text_generation", message).with_help("use a longer text, or a shorter --context")
            );
        }
        let kept_characters = tokenizer.decode(&kept.slice(0..kept.len())?)?.chars().count();
        let num_tokens = stream.len();
        Ok(Self { name, text, tokenizer, num_tokens, parts: Parts::Stream { train, kept }, kept_characters })
    }

    /// What a prompt is if none is asked for: how the kept part begins.
    pub fn beginning(&self) -> Result<String> {
        match &self.parts {
            Parts::Stories { kept, .. } => {
                let ids: Vec<i64> = kept[0].iter().take(8).copied().collect();
                self.tokenizer.decode(&ids)
            }
            Parts::Stream { kept, .. } => self.tokenizer.decode(&kept.slice(0..kept.len().min(8))?),
        }
    }
}

/// A tokenizer that has seen what stories are put together from, part by part. From whole stories, in which there are no
/// spaces between Chinese words, it would learn tokens that reach from one word into the next, and a name would be another
/// token at each place.
fn tokenizer_of_stories(vocabulary: usize) -> Result<BpeTokenizer> {
    let mut parts = Vec::new();
    for language in Language::ALL {
        // At the beginning of a text, and after a space.
        parts.extend(language.grammar()?.parts().flat_map(|part| [part.to_string(), format!(" {part}")]));
    }
    BpeTokenizer::train(&parts, &BpeOptions::new().vocab_size(vocabulary).min_frequency(1))
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("text_generation", path, e))?;
    String::from_utf8(bytes).map_err(|e| {
        let message = format!("{} is not UTF-8 text from byte {} on", path.display(), e.utf8_error().valid_up_to());
        Error::format("text_generation", message)
    })
}
