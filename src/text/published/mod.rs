//! Tokenizers of published models: what a `tokenizer.json` says.
//!
//! A text goes through five parts, each of which has a file here: [added tokens](added) are cut out of it, the rest is
//! [normalized](normalizer) and [divided into words](pre_tokenizer), which the model ([`bpe`]) divides into tokens; then
//! [special tokens](post_processor) come around them. The [decoder] is the way back.

mod added;
mod bpe;
mod charsmap;
mod check;
mod decoder;
mod gguf;
mod normalizer;
mod parts;
mod pattern;
mod post_processor;
mod pre_tokenizer;
mod prefixes;
mod tokens;
mod unigram;
mod wordpiece;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::added::{Added, Piece};
use self::bpe::Bpe;
pub(super) use self::check::check;
#[cfg(feature = "tokenizers")]
pub(super) use self::decoder::Rewrite;
pub(super) use self::decoder::Stages;
pub(crate) use self::gguf::GgufVocabulary;
use self::normalizer::Normalizer;
use self::parts::Read;
pub(super) use self::parts::Refusal;
use self::post_processor::PostProcessor;
use self::pre_tokenizer::PreTokenizer;
use self::tokens::Tokens;
use self::unigram::Unigram;
use self::wordpiece::WordPiece;
use super::decode_stream::TokenDecoder;
use super::saved::{in_file, read_text};
use super::tokenizer::{Tokenizer, fit_pair, room, truncate};
use super::wordpiece::PairEncoding;
use crate::error::{Error, Here, Result};
use crate::files;

/// The tokenizer that is published with a model, as `tokenizer.json`.
///
/// Ids are those that the `tokenizers` package gives. [`encode`](Tokenizer::encode) adds the special tokens that the file
/// says, such as one for the beginning, and [`decode`](Tokenizer::decode) shows them. What the file says about truncation
/// and padding is not done; see [`BatchOptions`](super::BatchOptions).
///
/// Read are byte-pair encoding, of bytes as in GPT-2, Llama 3, Qwen and SmolLM, and of characters with bytes to fall back on
/// as in Llama 2, Mistral and Gemma; WordPiece as in BERT; and unigrams as in T5. Regular expressions are known by their text: those that published tokenizers have are
/// done by hand, and another is an error that names it, as is any other part that this crate does not have. What is left is
/// read with the feature `tokenizers`, by [`text::load`](super::load) without being told.
///
/// ```
/// use demotic::text::{PublishedTokenizer, Tokenizer};
///
/// let tokenizer = PublishedTokenizer::from_json(
///     r#"{
///         "model": {"type": "BPE", "vocab": {"l": 0, "o": 1, "w": 2, "Ġ": 3, "lo": 4, "low": 5}, "merges": ["l o", "lo w"]},
///         "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
///         "decoder": {"type": "ByteLevel"},
///         "added_tokens": [{"id": 6, "content": "<|end|>", "special": true}]
///     }"#,
/// )?;
/// let ids = tokenizer.encode("low lo<|end|>")?;
/// assert_eq!(ids, [5, 3, 4, 6]);
/// assert_eq!(tokenizer.decode_without_special(&ids)?, "low lo");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct PublishedTokenizer {
    added: Added,
    normalizer: Normalizer,
    pre_tokenizer: PreTokenizer,
    model: Model,
    tokens: Tokens,
    post_processor: PostProcessor,
    stages: Stages,
    /// Whether texts get special tokens around them.
    surrounds: bool,
    /// One more than the highest id.
    vocab_size: usize,
    /// The file without its vocabulary.
    parts: Arc<Value>,
}

/// What divides words into tokens.
#[derive(Debug, Clone)]
enum Model {
    Bpe(Bpe),
    Unigram(Unigram),
    WordPiece(WordPiece),
    /// Words are tokens, or unknown.
    WordLevel(String),
}

/// The vocabulary of a tokenizer, in whatever form a file has it.
#[derive(Debug, Default)]
struct Vocabulary {
    tokens: Vec<(String, u32)>,
    /// Of a unigram model, by id.
    scores: Vec<f64>,
    /// Of byte-pair encoding, in their order.
    merges: Vec<(String, String)>,
}

impl fmt::Debug for PublishedTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublishedTokenizer({} tokens)", self.vocab_size)
    }
}

/// What a file says in the place of what `to_json` keeps of [`PublishedTokenizer::without_special_tokens`].
const SURROUNDS: &str = "add_special_tokens";

impl PublishedTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// If the file cannot be read, is larger than 256 MiB, or is malformed; if its parts do not fit each other, such as
    /// merges or templates with tokens that the vocabulary lacks; if it has a part that this crate does not have.
    #[track_caller]
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("load", path.as_ref());
        let text = read_text(op, path)?;
        in_file(op, path, Self::parse(op, &text))
    }

    /// Reads the text of a `tokenizer.json`.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    #[track_caller]
    pub fn from_json(json: &str) -> Result<Self> {
        Self::parse("from_json", json)
    }

    #[track_caller]
    fn parse(op: &str, json: &str) -> Result<Self> {
        match Self::read(op, json)? {
            Ok(tokenizer) => Ok(tokenizer),
            Err((part, message)) => Err(Refusal::Unknown(message).into_error(op, part)),
        }
    }

    /// The tokenizer of a file, or the part of it that this crate does not have, with a message.
    #[track_caller]
    pub(super) fn read(op: &str, json: &str) -> Result<Result<Self, (&'static str, String)>> {
        let (mut root, added) = check(op, json)?;
        let vocabulary = Vocabulary::take(&mut root["model"]);
        let built = match Self::build(root, vocabulary) {
            Ok(built) => built,
            Err((part, Refusal::Unknown(message))) => return Ok(Err((part, message))),
            Err((part, refusal)) => return Err(refusal.into_error(op, part)),
        };
        for (part, token, id) in added {
            if built.written(id).is_none() {
                let message = format!("{part}: `{token}` has the id {id}, which no token of the vocabulary has");
                return Err(Error::format(op, message));
            }
        }
        Ok(Ok(built))
    }

    /// Makes the parts of a file, whose vocabulary was taken out.
    fn build(root: Value, vocabulary: Vocabulary) -> Result<Self, (&'static str, Refusal)> {
        fn of<T>(part: &'static str, read: Read<T>) -> Result<T, (&'static str, Refusal)> {
            read.map_err(|refusal| (part, refusal))
        }
        let normalizer = of("normalizer", Normalizer::read(&root["normalizer"]))?;
        let pre_tokenizer = of("pre_tokenizer", PreTokenizer::read(&root["pre_tokenizer"]))?;
        let post_processor = of("post_processor", PostProcessor::read(&root["post_processor"]))?;
        let no_expressions: decoder::Compile = &|part| {
            let pattern = part["pattern"]["Regex"].as_str().or(part["pattern"]["String"].as_str()).unwrap_or_default();
            Err(Refusal::Unknown(format!("`Replace` of `{}` is not done here", check::cut(pattern))))
        };
        let stages = of("decoder", Stages::new(&root["decoder"], no_expressions))?;
        let tokens = Tokens::new(vocabulary.tokens);
        let model = &root["model"];
        let model =
            of("model", Model::new(model, &tokens, vocabulary.scores, &vocabulary.merges, pre_tokenizer.byte_level))?;
        let normalize = |text: &str| normalizer.apply(text).into_owned();
        let added = of("added_tokens", Added::read(&root["added_tokens"], &tokens, &normalize))?;
        let highest = tokens.highest().into_iter().chain(added.tokens().iter().map(|token| token.id)).max();
        let vocab_size = highest.map_or(0, |id| id as usize + 1);
        let surrounds = root[SURROUNDS].as_bool().unwrap_or(true);
        let parts = Arc::new(root);
        Ok(Self {
            added,
            normalizer,
            pre_tokenizer,
            model,
            tokens,
            post_processor,
            stages,
            surrounds,
            vocab_size,
            parts,
        })
    }

    /// Writes a `tokenizer.json`.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let json = self.to_json()?;
        files::replace("save", path.as_ref(), |out| out.write_all(json.as_bytes()))
    }

    /// Adds no special tokens to texts. Those that stand in a text, such as the ones that a chat template writes, are
    /// recognised all the same.
    #[must_use]
    #[doc(alias = "add_special_tokens")]
    pub fn without_special_tokens(mut self) -> Self {
        self.surrounds = false;
        self
    }

    /// Two texts as one sequence, with the special tokens that the file says. Beyond `max_length`, tokens are taken from the
    /// end of the longer text.
    ///
    /// # Errors
    /// As for [`encode`](Tokenizer::encode), and if `max_length` leaves no room for the special tokens.
    #[track_caller]
    pub fn encode_pair(&self, first: &str, second: &str, max_length: Option<usize>) -> Result<PairEncoding> {
        let (mut first, mut second) = (self.plain(first)?, self.plain(second)?);
        if let Some(max_length) = max_length {
            let special = if self.surrounds { self.post_processor.added(2) } else { 0 };
            fit_pair(&mut first, &mut second, room("encode_pair", max_length, special)?);
        }
        let (ids, type_ids) = self.post_processor.apply(&[&first, &second], self.surrounds);
        Ok(PairEncoding { ids, type_ids })
    }

    /// The ids of a text alone.
    #[track_caller]
    fn plain(&self, text: &str) -> Result<Vec<i64>> {
        let (mut ids, mut wrong) = (Vec::with_capacity(text.len() / 3), None);
        self.added.pieces(text, false, &mut |piece| match piece {
            Piece::Token(id) => ids.push(i64::from(id)),
            Piece::Text(start, stretch) => {
                let normal = self.normalizer.apply(stretch);
                // Where the first character goes, the reference says that what is left does not stand at the beginning.
                let first = start == 0 && {
                    let end = stretch.chars().next().map_or(0, char::len_utf8);
                    !self.normalizer.apply(&stretch[..end]).is_empty()
                };
                self.added.pieces(&normal, true, &mut |piece| match piece {
                    Piece::Token(id) => ids.push(i64::from(id)),
                    Piece::Text(at, stretch) => self.pre_tokenizer.words(stretch, first && at == 0, &mut |word| {
                        if let Err(message) = self.model.append(&self.tokens, word, &mut ids) {
                            wrong = Some(message);
                        }
                    }),
                });
            }
        });
        match wrong {
            Some(message) => Err(Error::argument("encode", message)),
            None => Ok(ids),
        }
    }

    /// The token of an id as vocabularies write it.
    fn written(&self, id: u32) -> Option<&str> {
        self.added.get(id).map(|token| token.content.as_str()).or_else(|| self.tokens.get(id))
    }

    /// A token in the form in which decoders take it.
    #[track_caller]
    fn decoded_token(&self, op: &'static str, id: i64) -> Result<String> {
        let token = u32::try_from(id).ok().and_then(|id| {
            let added = self.added.get(id).map(added::AddedToken::decoded);
            added.or_else(|| self.tokens.get(id)).map(String::from)
        });
        token
            .ok_or_else(|| Error::index(op, format!("the id {id}, the vocabulary has {} entries", self.vocab_size)))
            .here()
    }
}

impl Vocabulary {
    /// Takes the vocabulary, which was checked, out of the model of a file.
    fn take(part: &mut Value) -> Self {
        let mut found = Self::default();
        match part["vocab"].take() {
            Value::Object(vocab) => {
                found.tokens = vocab.into_iter().filter_map(|(token, id)| Some((token, id.as_u64()? as u32))).collect();
            }
            Value::Array(entries) => {
                for (id, entry) in (0..).zip(&entries) {
                    if let (Some(token), Some(score)) = (entry[0].as_str(), entry[1].as_f64()) {
                        found.tokens.push((token.to_string(), id));
                        found.scores.push(score);
                    }
                }
            }
            _ => {}
        }
        if let Value::Array(entries) = part["merges"].take() {
            found.merges =
                entries.iter().filter_map(check::pair).map(|(a, b)| (a.to_string(), b.to_string())).collect();
        }
        found
    }
}

impl Model {
    fn new(
        part: &Value,
        tokens: &Tokens,
        scores: Vec<f64>,
        merges: &[(String, String)],
        byte_level: bool,
    ) -> Read<Self> {
        let kind = match part["type"].as_str() {
            // Early files do not say it.
            None if !merges.is_empty() => "BPE",
            None if !scores.is_empty() => "Unigram",
            None => return Err(Refusal::Unknown("it does not say of what type it is".to_string())),
            Some(kind) => kind,
        };
        if byte_level && kind != "BPE" {
            return Err(Refusal::Unknown(format!("`{kind}` of bytes is not done here")));
        }
        if (kind == "Unigram") != (tokens.len() > 0 && !scores.is_empty()) {
            return Refusal::malformed(format!("`vocab` is not the vocabulary of a model `{}`", check::cut(kind)));
        }
        Ok(match kind {
            "BPE" => Self::Bpe(Bpe::new(part, tokens, merges, byte_level)?),
            "Unigram" => Self::Unigram(Unigram::new(part, tokens, scores)?),
            "WordPiece" => Self::WordPiece(WordPiece::new(part, tokens)?),
            "WordLevel" => Self::WordLevel(parts::text(part, "unk_token")?.to_string()),
            other => return Err(Refusal::unknown(other)),
        })
    }

    /// Appends the ids of a word.
    fn append(&self, tokens: &Tokens, word: &str, ids: &mut Vec<i64>) -> Result<(), String> {
        match self {
            Self::Bpe(model) => model.append(tokens, word, ids),
            Self::Unigram(model) => model.append(tokens, word, ids),
            Self::WordPiece(model) => model.append(tokens, word, ids),
            Self::WordLevel(unknown) => wordpiece::append_word(tokens, unknown, word, ids),
        }
    }
}

impl Tokenizer for PublishedTokenizer {
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        Ok(self.post_processor.apply(&[&self.plain(text)?], self.surrounds).0)
    }

    #[track_caller]
    fn encode_without_special(&self, text: &str) -> Result<Vec<i64>> {
        Ok(self.post_processor.apply(&[&self.plain(text)?], false).0)
    }

    #[track_caller]
    fn encode_at_most(&self, text: &str, max_length: usize, keep_end: bool) -> Result<Vec<i64>> {
        let mut ids = self.plain(text)?;
        let special = if self.surrounds { self.post_processor.added(1) } else { 0 };
        truncate(&mut ids, room("encode", max_length, special)?, keep_end);
        Ok(self.post_processor.apply(&[&ids], self.surrounds).0)
    }

    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String> {
        let mut text = String::new();
        if ids.is_empty() {
            return Ok(text);
        }
        let mut stages = self.stages.clone();
        for id in ids {
            stages.run(Some(self.decoded_token("decode", *id)?), &mut text);
        }
        stages.run(None, &mut text);
        Ok(text)
    }

    fn token_decoder(&self) -> Option<Box<dyn TokenDecoder + '_>> {
        Some(Box::new(PublishedDecoder { tokenizer: self, stages: self.stages.clone() }))
    }

    #[track_caller]
    fn token_bytes(&self, id: i64, first: bool) -> Result<Option<Vec<u8>>> {
        let token = self.decoded_token("token_bytes", id)?;
        Ok(if first { None } else { self.stages.bytes(&token) })
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn token(&self, id: i64) -> Option<String> {
        self.written(u32::try_from(id).ok()?).map(String::from)
    }

    fn id(&self, token: &str) -> Option<i64> {
        let added = self.added.tokens().iter().find(|added| added.content == token);
        added.map(|added| added.id).or_else(|| self.tokens.id(token)).map(i64::from)
    }

    fn special_tokens(&self) -> Vec<(String, i64)> {
        let special = self.added.tokens().iter().filter(|token| token.special);
        special.map(|token| (token.content.clone(), i64::from(token.id))).collect()
    }

    #[track_caller]
    fn to_json(&self) -> Result<String> {
        let mut root = Value::clone(&self.parts);
        if !self.surrounds {
            root[SURROUNDS] = Value::Bool(false);
        }
        let part = &mut root["model"];
        part["vocab"] = match &self.model {
            Model::Unigram(model) => model.write(&self.tokens),
            _ => {
                self.tokens.iter().map(|(token, id)| (token.to_string(), Value::from(id))).collect::<Map<_, _>>().into()
            }
        };
        if let Model::Bpe(model) = &self.model {
            model.write(&self.tokens, part);
        }
        serde_json::to_string(&root).map_err(|e| Error::format("to_json", e.to_string()).with_source(e)).here()
    }
}

/// A tokenizer's decoder in the middle of a text.
#[derive(Debug)]
struct PublishedDecoder<'a> {
    tokenizer: &'a PublishedTokenizer,
    stages: Stages,
}

impl TokenDecoder for PublishedDecoder<'_> {
    #[track_caller]
    fn push(&mut self, id: i64, text: &mut String) -> Result<()> {
        let token = self.tokenizer.decoded_token("push", id)?;
        self.stages.run(Some(token), text);
        Ok(())
    }

    fn finish(&mut self, text: &mut String) {
        self.stages.run(None, text);
    }
}
