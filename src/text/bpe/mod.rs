//! Byte-pair encoding of bytes, as in GPT-2.

mod bytes;
mod files;
mod merge;
mod train;
mod words;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub(super) use self::merge::{Cache, Merges, merge};
pub use self::train::BpeOptions;
use super::saved::{self, Stored};
use super::tokenizer::Tokenizer;
use super::vocabulary::{self, Piece, SavedVocabulary, Vocabulary, unknown_character};
use crate::error::{Error, Result};

/// The bytes of a token as byte-level vocabularies write it; `None` if a character of it stands for no byte.
pub(super) fn written_bytes(token: &str) -> Option<Box<[u8]>> {
    bytes::read(token)
}

/// The character that stands for a byte in byte-level vocabularies.
pub(super) fn byte_character(byte: u8) -> char {
    bytes::character(byte)
}

/// The length in bytes of the first of GPT-2's words; the text is not empty.
pub(super) fn first_word(text: &str) -> usize {
    words::word(text)
}

/// Byte-pair encoding of bytes (Sennrich et al., 2016; Radford et al., 2019): frequent words are one token, rare ones
/// several, and no text is unknown, since every byte has a token.
///
/// A text is divided into words as GPT-2 does it; in each, the tokens of its bytes are merged in the order in which the
/// merges were learnt. Merges come [from training](Self::train) or [from GPT-2's files](Self::from_files), and give the same
/// ids as there.
///
/// ```
/// use demotic::text::{BpeOptions, BpeTokenizer, Tokenizer};
///
/// let tokenizer = BpeTokenizer::train(["the cat and the hat"], &BpeOptions::new().min_frequency(2))?;
/// let ids = tokenizer.encode("the bat 🦇")?;
/// let tokens: Vec<String> = ids.iter().filter_map(|id| tokenizer.token(*id)).collect();
/// assert_eq!(tokens[..4], ["the", "Ġ", "b", "at"]); // `Ġ` is how a space is written in tokens
/// assert_eq!(tokenizer.decode(&ids)?, "the bat 🦇");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BpeTokenizer {
    vocabulary: Vocabulary,
    /// What each token adds to a text.
    bytes: Vec<Box<[u8]>>,
    /// The tokens of single bytes.
    byte_ids: Box<[Option<u32>; 256]>,
    /// In the order in which they are applied.
    merge_list: Vec<(u32, u32)>,
    merges: Merges,
    cache: Cache,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    #[serde(flatten)]
    vocabulary: SavedVocabulary,
    merges: Vec<(u32, u32)>,
}

impl BpeTokenizer {
    /// Learns merges from texts: again and again, the most frequent pair of neighbouring tokens becomes a token of its own.
    /// Of equally frequent pairs, the one with the lowest ids comes first, so the result does not depend on the order of
    /// the texts.
    ///
    /// # Errors
    /// If the vocabulary is to be smaller than the special tokens and the 256 bytes, or a special token is empty.
    #[track_caller]
    pub fn train<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, options: &BpeOptions) -> Result<Self> {
        train::train(texts, options)
    }

    /// One token for each byte, and no merges: the id is the byte.
    #[must_use]
    pub fn bytes() -> Self {
        let tokens: Vec<String> = (0..=255).map(|byte| bytes::character(byte).to_string()).collect();
        let vocabulary = Vocabulary::new("bytes", tokens);
        match vocabulary.and_then(|vocabulary| Self::new("bytes", vocabulary, Vec::new())) {
            Ok(tokenizer) => tokenizer,
            Err(e) => unreachable!("256 different tokens, each of one byte: {e}"),
        }
    }

    /// Adds special tokens, such as `<|endoftext|>`, behind those that there are, or makes tokens special that are in the
    /// vocabulary already.
    ///
    /// # Errors
    /// If one is the empty text.
    #[track_caller]
    pub fn with_special_tokens<T: AsRef<str>>(mut self, tokens: &[T]) -> Result<Self> {
        self.vocabulary.add_special("with_special_tokens", tokens)?;
        Self::new("with_special_tokens", self.vocabulary, self.merge_list)
    }

    /// The merges, as pairs of ids, in their order.
    #[must_use]
    pub fn merges(&self) -> &[(u32, u32)] {
        &self.merge_list
    }

    #[track_caller]
    fn new(op: &str, vocabulary: Vocabulary, merge_list: Vec<(u32, u32)>) -> Result<Self> {
        let mut token_bytes = Vec::with_capacity(vocabulary.len());
        let mut byte_ids = Box::new([None; 256]);
        for (id, token) in (0..).zip(vocabulary.tokens()) {
            let bytes = bytes::read(token);
            if vocabulary.is_special(id) {
                if bytes.is_some_and(|bytes| bytes.len() == 1) {
                    return Err(Error::argument(op, format!("`{token}` is the token of a byte and cannot be special")));
                }
                token_bytes.push(token.as_bytes().into());
                continue;
            }
            let Some(bytes) = bytes else {
                let message = format!("the token `{token}` (id {id}) has characters that stand for no byte");
                return Err(Error::format(op, message).with_help("is it a special token?"));
            };
            if let [byte] = *bytes {
                byte_ids[usize::from(byte)] = Some(id);
            }
            token_bytes.push(bytes);
        }
        let mut merges = HashMap::with_capacity(merge_list.len());
        for (rank, (left, right)) in (0..).zip(&merge_list) {
            let tokens = vocabulary.tokens();
            let (Some(first), Some(second)) = (tokens.get(*left as usize), tokens.get(*right as usize)) else {
                let message =
                    format!("merge {rank} is of the ids {left} and {right}, the vocabulary has {}", tokens.len());
                return Err(Error::format(op, message));
            };
            let Some(merged) = vocabulary.id(&format!("{first}{second}")) else {
                let message = format!("merge {rank} makes `{first}{second}`, which is not in the vocabulary");
                return Err(Error::format(op, message));
            };
            if vocabulary.is_special(merged) {
                return Err(Error::format(op, format!("merge {rank} makes the special token `{first}{second}`")));
            }
            if merges.insert((*left, *right), (rank, merged)).is_some() {
                return Err(Error::format(op, format!("merge {rank}, of `{first}` and `{second}`, occurs twice")));
            }
        }
        Ok(Self { vocabulary, bytes: token_bytes, byte_ids, merge_list, merges, cache: Cache::default() })
    }

    /// The tokens of a word, or the place in it of a byte that has no token.
    fn merge_word(&self, word: &str) -> Result<Vec<u32>, usize> {
        let tokens: Result<Vec<u32>, usize> =
            word.bytes().enumerate().map(|(at, byte)| self.byte_ids[usize::from(byte)].ok_or(at)).collect();
        Ok(merge(tokens?, &self.merges))
    }

    #[track_caller]
    fn append_word(&self, text: &str, start: usize, word: &str, ids: &mut Vec<i64>) -> Result<()> {
        let Err(at) = self.cache.append(word.as_bytes(), ids, || self.merge_word(word)) else { return Ok(()) };
        Err(unknown_character(text, start + at)
            .with_help("a vocabulary with a token for each byte can encode any text"))
    }
}

/// Equal vocabularies and merges; what is cached does not matter.
impl PartialEq for BpeTokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.vocabulary == other.vocabulary && self.merge_list == other.merge_list
    }
}

impl Tokenizer for BpeTokenizer {
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        for piece in self.vocabulary.pieces(text) {
            match piece {
                Piece::Special(id) => ids.push(i64::from(id)),
                Piece::Text(mut start, stretch) => {
                    for word in words::words(stretch) {
                        self.append_word(text, start, word, &mut ids)?;
                        start += word.len();
                    }
                }
            }
        }
        Ok(ids)
    }

    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for id in ids {
            bytes.extend_from_slice(&self.bytes[self.vocabulary.index("decode", *id)?]);
        }
        Ok(match String::from_utf8_lossy(&bytes) {
            std::borrow::Cow::Owned(text) => text,
            std::borrow::Cow::Borrowed(text) => text.to_string(),
        })
    }

    vocabulary::answers!();

    #[track_caller]
    fn token_bytes(&self, id: i64, _first: bool) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.bytes[self.vocabulary.index("push", id)?].to_vec()))
    }
}

impl Stored for BpeTokenizer {
    const KIND: &'static str = "bpe";
    type Saved = Saved;

    fn to_saved(&self) -> Saved {
        Saved { vocabulary: self.vocabulary.to_saved(), merges: self.merge_list.clone() }
    }

    #[track_caller]
    fn from_saved(op: &str, saved: Saved) -> Result<Self> {
        Self::new(op, Vocabulary::from_saved(op, saved.vocabulary)?, saved.merges)
    }
}

saved::save_and_load!(BpeTokenizer);
