//! Texts as streams of tokens.

use std::path::Path;
use std::sync::Arc;

use demotic::prelude::*;
use demotic::text::{BpeOptions, BpeTokenizer, CharTokenizer, TokenStream, Tokenizer, WordTokenizer};

use crate::options::{Options, Tokens};

/// The tutorials of this crate, in English and in Chinese.
const TUTORIALS: [&str; 20] = [
    include_str!("../../docs/tutorials/01_tensors.md"),
    include_str!("../../docs/tutorials/02_gradients.md"),
    include_str!("../../docs/tutorials/03_first_model.md"),
    include_str!("../../docs/tutorials/04_layers_and_trainer.md"),
    include_str!("../../docs/tutorials/05_house_prices.md"),
    include_str!("../../docs/tutorials/06_text_into_numbers.md"),
    include_str!("../../docs/tutorials/07_recurrent_language_model.md"),
    include_str!("../../docs/tutorials/08_attention.md"),
    include_str!("../../docs/tutorials/09_train_a_gpt.md"),
    include_str!("../../docs/tutorials/10_sampling.md"),
    include_str!("../../docs/zh/01_tensors.md"),
    include_str!("../../docs/zh/02_gradients.md"),
    include_str!("../../docs/zh/03_first_model.md"),
    include_str!("../../docs/zh/04_layers_and_trainer.md"),
    include_str!("../../docs/zh/05_house_prices.md"),
    include_str!("../../docs/zh/06_text_into_numbers.md"),
    include_str!("../../docs/zh/07_recurrent_language_model.md"),
    include_str!("../../docs/zh/08_attention.md"),
    include_str!("../../docs/zh/09_train_a_gpt.md"),
    include_str!("../../docs/zh/10_sampling.md"),
];

/// The share of the text that the model is trained on; the rest is for measuring.
const TRAINED: f64 = 0.9;
/// The entries of the vocabulary of a byte-pair encoding that is trained here.
const BPE_VOCABULARY: usize = 1024;

pub struct Corpus {
    pub name: String,
    pub characters: usize,
    pub tokenizer: Arc<dyn Tokenizer>,
    pub train: TokenStream,
    pub validation: TokenStream,
    /// How many characters the validation part stands for.
    pub validation_characters: usize,
}

impl Corpus {
    pub fn new(options: &Options) -> Result<Self> {
        let (name, text) = match &options.corpus {
            Some(path) => (path.display().to_string(), read(path)?),
            None => ("the tutorials of this crate, in English and Chinese".to_string(), TUTORIALS.concat()),
        };
        if text.trim().is_empty() {
            return Err(Error::argument("text_generation", format!("{name} has no text")));
        }
        let tokenizer: Arc<dyn Tokenizer> = match options.tokens {
            Tokens::Char => Arc::new(CharTokenizer::fit([&text])?.with_unknown("<?>")?),
            Tokens::Bpe => Arc::new(BpeTokenizer::train([&text], &BpeOptions::new().vocab_size(BPE_VOCABULARY))?),
            Tokens::Word => {
                let mut words = WordTokenizer::new().oov_token("<?>");
                words.fit_on_texts([&text])?;
                Arc::new(words)
            }
        };
        let stream = TokenStream::from_ids(tokenizer.encode(&text)?)?;
        let (train, validation) = stream.split(TRAINED)?;
        if validation.len() < 2 || train.len() <= options.context {
            let message = format!("{name} has {} tokens, a context of {} needs more", stream.len(), options.context);
            return Err(
                Error::argument("text_generation", message).with_help("use a longer text, or a shorter --context")
            );
        }
        let ids = validation.slice(0..validation.len())?;
        let validation_characters = tokenizer.decode(&ids)?.chars().count();
        Ok(Self { name, characters: text.chars().count(), tokenizer, train, validation, validation_characters })
    }
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("text_generation", path, e))?;
    String::from_utf8(bytes).map_err(|e| {
        let message = format!("{} is not UTF-8 text from byte {} on", path.display(), e.utf8_error().valid_up_to());
        Error::format("text_generation", message)
    })
}
