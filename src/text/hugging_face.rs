//! Hugging Face's `tokenizer.json`, through their crate.

use std::fmt;
use std::path::Path;

use tokenizers::Tokenizer as Inner;

use super::saved::{in_file, read_text};
use super::tokenizer::{Tokenizer, truncate};
use crate::error::{Error, Result};
use crate::files;

/// A tokenizer of Hugging Face's library, read from the `tokenizer.json` that is published with a model.
///
/// [`encode`](Tokenizer::encode) adds the special tokens that the file says, [`decode`](Tokenizer::decode) shows them.
/// Truncation and padding that the file asks for are not done; use [`BatchOptions`](super::BatchOptions).
///
/// Available with the feature `tokenizers`.
#[derive(Clone)]
pub struct HuggingFaceTokenizer {
    inner: Box<Inner>,
    special_tokens: bool,
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
    /// If the file cannot be read, is larger than 256 MiB, or is not what the library writes.
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
        let mut inner: Inner = match json.parse() {
            Ok(inner) => inner,
            Err(e) => return Err(Error::format(op, e.to_string()).with_source(e)),
        };
        inner.with_padding(None);
        if let Err(e) = inner.with_truncation(None) {
            return Err(Error::format(op, e.to_string()).with_source(e));
        }
        Ok(Self { inner: Box::new(inner), special_tokens: true })
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
        match self.inner.encode_fast(text, special_tokens) {
            Ok(encoding) => Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect()),
            Err(e) => Err(Error::argument("encode", e.to_string()).with_source(e)),
        }
    }
}

impl Tokenizer for HuggingFaceTokenizer {
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        self.ids(text, self.special_tokens)
    }

    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String> {
        let size = self.vocab_size();
        let known = |id: i64| u32::try_from(id).ok().filter(|id| self.inner.id_to_token(*id).is_some());
        let ids: Result<Vec<u32>> = ids
            .iter()
            .map(|id| match known(*id) {
                Some(id) => Ok(id),
                None => Err(Error::index("decode", format!("the id {id}, the vocabulary has {size} entries"))),
            })
            .collect();
        self.inner.decode(&ids?, false).map_err(|e| Error::argument("decode", e.to_string()).with_source(e))
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
        // Added tokens may leave gaps before them.
        let added = self.inner.get_added_tokens_decoder();
        let highest = added.keys().max().map_or(0, |id| *id as usize + 1);
        self.inner.get_vocab_size(true).max(highest)
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
        special.sort_by_key(|(_, id)| *id);
        special
    }

    #[track_caller]
    fn to_json(&self) -> Result<String> {
        self.inner.to_string(false).map_err(|e| Error::format("to_json", e.to_string()).with_source(e))
    }
}
