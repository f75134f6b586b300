//! Hugging Face's `tokenizer.json`, through their crate.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tokenizers::normalizers::Replace;
use tokenizers::{Decoder, Model, Tokenizer as Inner};

use super::decode_stream::TokenDecoder;
use super::published::{Refusal, Rewrite, Stages, check};
use super::saved::{in_file, read_text};
use super::tokenizer::{Tokenizer, truncate};
use crate::error::{Error, Here, Result};
use crate::files;

/// A tokenizer of Hugging Face's library, read from the `tokenizer.json` that is published with a model: for files that have
/// parts which [`PublishedTokenizer`](super::PublishedTokenizer) does not have.
///
/// [`encode`](Tokenizer::encode) adds the special tokens that the file says, [`decode`](Tokenizer::decode) shows them.
/// Truncation and padding that the file asks for are not done; use [`BatchOptions`](super::BatchOptions).
///
/// Files may come from anywhere. What the `tokenizers` crate would take without looking is checked first: ids, merges, the
/// tables of normalizers, the tokens of templates. Should it panic all the same, that becomes an error as well, though the
/// program's panic hook will have printed its message by then (and a program built with `panic = "abort"` ends).
///
/// Available with the feature `tokenizers`.
#[derive(Clone)]
pub struct HuggingFaceTokenizer {
    inner: Box<Inner>,
    special_tokens: bool,
    stages: Stages,
    /// One more than the highest id.
    vocab_size: usize,
}

/// Calls the `tokenizers` crate. A panic in there becomes an error, in the `part` of the file that it is about.
#[track_caller]
fn contained<T>(op: &str, part: &str, call: impl FnOnce() -> T) -> Result<T> {
    // What the crate shares between calls are caches, whose entries are complete whenever they can be seen.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Ok(value),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for an unknown reason");
            Err(Error::format(op, format!("{part}: the `tokenizers` crate panicked: {text}")))
        }
    }
}

/// A decoder that replaces what an expression matches.
#[derive(Debug)]
struct Expression(Replace);

impl Rewrite for Expression {
    fn rewrite(&self, token: &str) -> String {
        self.0.decode_chain(vec![token.to_string()]).map_or_else(|_| token.to_string(), |parts| parts.concat())
    }
}

fn expression(part: &Value) -> Result<Arc<dyn Rewrite>, Refusal> {
    match serde_json::from_value(part.clone()) {
        Ok(replace) => Ok(Arc::new(Expression(replace))),
        Err(e) => Err(Refusal::Malformed(format!("Replace: {e}"))),
    }
}

impl fmt::Debug for HuggingFaceTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HuggingFaceTokenizer({} tokens)", self.vocab_size())
    }
}

impl HuggingFaceTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// If the file cannot be read, is larger than 256 MiB, or is not what the library writes; if its parts do not fit each
    /// other, such as merges or templates with tokens that the vocabulary lacks.
    #[track_caller]
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("load", path.as_ref());
        let text = read_text(op, path)?;
        in_file(op, path, Self::parse(op, &text))
    }

    /// Reads the text of a `tokenizer.json`.
    ///
    /// # Errors
    /// If it is not what the library writes.
    #[track_caller]
    pub fn from_json(json: &str) -> Result<Self> {
        Self::parse("from_json", json)
    }

    #[track_caller]
    pub(super) fn parse(op: &str, json: &str) -> Result<Self> {
        let (_, ids) = check(op, json)?;
        let mut inner: Inner = match contained(op, "tokenizer.json", || json.parse())? {
            Ok(inner) => inner,
            Err(e) => {
                let e: tokenizers::Error = e;
                return Err(Error::format(op, e.to_string()).with_source(e));
            }
        };
        inner.with_padding(None);
        if let Err(e) = inner.with_truncation(None) {
            return Err(Error::format(op, e.to_string()).with_source(e));
        }
        let highest = inner
            .get_model()
            .get_vocab()
            .into_values()
            .chain(inner.get_added_vocabulary().get_vocab().values().copied())
            .max();
        // In the form that the crate writes, whatever earlier one it has read.
        let decoder = match serde_json::to_value(inner.get_decoder()) {
            Ok(decoder) => decoder,
            Err(e) => return Err(Error::format(op, format!("decoder: {e}")).with_source(e)),
        };
        let stages = Stages::new(&decoder, &expression).map_err(|e| e.into_error(op, "decoder"))?;
        let vocab_size = highest.map_or(0, |id| id as usize + 1);
        let tokenizer = Self { inner: Box::new(inner), special_tokens: true, stages, vocab_size };
        for (part, token, id) in ids {
            if tokenizer.inner.id_to_token(id).is_none() {
                let message = format!("{part}: `{token}` has the id {id}, which no token of the vocabulary has");
                return Err(Error::format(op, message));
            }
        }
        // What fails with every text shall fail here.
        for text in ["", "a b"] {
            contained(op, "a first text", || _ = tokenizer.inner.encode_fast(text, true))?;
        }
        Ok(tokenizer)
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

    /// Adds no special tokens to texts.
    #[must_use]
    #[doc(alias = "add_special_tokens")]
    pub fn without_special_tokens(mut self) -> Self {
        self.special_tokens = false;
        self
    }

    #[track_caller]
    fn ids(&self, text: &str, special_tokens: bool) -> Result<Vec<i64>> {
        match contained("encode", "tokenizer.json", || self.inner.encode_fast(text, special_tokens))? {
            Ok(encoding) => Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect()),
            Err(e) => Err(Error::argument("encode", e.to_string()).with_source(e)),
        }
    }

    /// A token in the form in which decoders take it.
    #[track_caller]
    fn decoded_token(&self, op: &'static str, id: i64) -> Result<String> {
        let token = u32::try_from(id).ok().and_then(|id| {
            let added = self.inner.get_added_vocabulary().simple_id_to_token(id);
            added.or_else(|| self.inner.get_model().id_to_token(id))
        });
        token
            .ok_or_else(|| Error::index(op, format!("the id {id}, the vocabulary has {} entries", self.vocab_size)))
            .here()
    }
}

impl Tokenizer for HuggingFaceTokenizer {
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        self.ids(text, self.special_tokens)
    }

    #[track_caller]
    fn encode_without_special(&self, text: &str) -> Result<Vec<i64>> {
        self.ids(text, false)
    }

    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String> {
        let mut text = String::new();
        if ids.is_empty() {
            return Ok(text);
        }
        let mut decoder = HuggingFaceDecoder::new(self);
        for id in ids {
            decoder.take("decode", *id, &mut text)?;
        }
        decoder.end("decode", &mut text)?;
        Ok(text)
    }

    fn token_decoder(&self) -> Option<Box<dyn TokenDecoder + '_>> {
        Some(Box::new(HuggingFaceDecoder::new(self)))
    }

    #[track_caller]
    fn encode_at_most(&self, text: &str, max_length: usize, keep_end: bool) -> Result<Vec<i64>> {
        let (mut ids, whole) = (self.ids(text, false)?, self.encode(text)?);
        // Special tokens stand around the text, in a number that the file decides.
        let added = whole.len().saturating_sub(ids.len());
        let before = (0..=added).find(|at| whole[*at..].starts_with(&ids)).unwrap_or(0);
        let Some(room) = max_length.checked_sub(added) else {
            let message = format!("{max_length} tokens leave no room for the {added} special tokens around the text");
            return Err(Error::argument("encode", message));
        };
        let after = &whole[(before + ids.len()).min(whole.len())..];
        truncate(&mut ids, room, keep_end);
        Ok([&whole[..before], &ids, after].concat())
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn token(&self, id: i64) -> Option<String> {
        self.inner.id_to_token(u32::try_from(id).ok()?)
    }

    fn id(&self, token: &str) -> Option<i64> {
        self.inner.token_to_id(token).map(i64::from)
    }

    fn special_tokens(&self) -> Vec<(String, i64)> {
        let added = self.inner.get_added_tokens_decoder();
        let special = added.into_iter().filter(|(_, token)| token.special);
        let mut special: Vec<(String, i64)> = special.map(|(id, token)| (token.content, i64::from(id))).collect();
        crate::order::sort_by(&mut special, |(_, a), (_, b)| a.cmp(b));
        special
    }

    #[track_caller]
    fn to_json(&self) -> Result<String> {
        let json = contained("to_json", "tokenizer.json", || self.inner.to_string(false))?;
        json.map_err(|e| Error::format("to_json", e.to_string()).with_source(e)).here()
    }
}

/// A tokenizer's decoder in the middle of a text.
#[derive(Debug)]
struct HuggingFaceDecoder<'a> {
    tokenizer: &'a HuggingFaceTokenizer,
    stages: Stages,
}

impl<'a> HuggingFaceDecoder<'a> {
    fn new(tokenizer: &'a HuggingFaceTokenizer) -> Self {
        Self { tokenizer, stages: tokenizer.stages.clone() }
    }

    /// Takes a token for the operation `op`.
    #[track_caller]
    fn take(&mut self, op: &'static str, id: i64, text: &mut String) -> Result<()> {
        let token = self.tokenizer.decoded_token(op, id)?;
        contained(op, "decoder", || self.stages.run(Some(token), text))
    }

    /// Appends what was held back.
    #[track_caller]
    fn end(&mut self, op: &'static str, text: &mut String) -> Result<()> {
        contained(op, "decoder", || self.stages.run(None, text))
    }
}

impl TokenDecoder for HuggingFaceDecoder<'_> {
    #[track_caller]
    fn push(&mut self, id: i64, text: &mut String) -> Result<()> {
        self.take("push", id, text)
    }

    fn finish(&mut self, text: &mut String) {
        // Only an expression of the file can fail, in a way that `decode` reports; there is then no text to return.
        let _ = self.end("finish", text);
    }
}
