//! One token for each character.

use serde::{Deserialize, Serialize};

use super::saved::{self, Stored};
use super::tokenizer::Tokenizer;
use super::vocabulary::{self, Piece, SavedVocabulary, Vocabulary, unknown_character};
use crate::error::{Error, Here, Result};

/// One token for each character (Unicode scalar value) of the texts that it was fitted on, in the order of their code
/// points; special tokens follow.
///
/// The simplest tokenizer there is: nothing is lost, and the vocabulary is small, at the price of long sequences.
///
/// ```
/// use demotic::text::{CharTokenizer, Tokenizer};
///
/// let tokenizer = CharTokenizer::fit(["人工智能将改变我们的生活。"])?;
/// assert_eq!(tokenizer.vocab_size(), 13);
/// assert_eq!(tokenizer.decode(&tokenizer.encode("生活。")?)?, "生活。");
/// let e = tokenizer.encode("生火").unwrap_err();
/// assert_eq!(e.message(), "encode: the vocabulary has no `火` (U+706B), character 2 of the text");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CharTokenizer {
    vocabulary: Vocabulary,
    unknown: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    #[serde(flatten)]
    vocabulary: SavedVocabulary,
    unknown: Option<String>,
}

impl CharTokenizer {
    /// The characters of some texts.
    ///
    /// # Errors
    /// If the texts have no characters.
    #[track_caller]
    pub fn fit<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut characters = std::collections::BTreeSet::new();
        texts.into_iter().for_each(|text| characters.extend(text.as_ref().chars()));
        if characters.is_empty() {
            return Err(Error::argument("fit", "the texts have no characters"));
        }
        let vocabulary = Vocabulary::new("fit", characters.into_iter().map(String::from))?;
        Ok(Self { vocabulary, unknown: None })
    }

    /// Adds a special token, for example `<unk>`, that stands for every character that the vocabulary lacks. Without it
    /// such characters are errors.
    ///
    /// # Errors
    /// If the token is the empty text.
    #[track_caller]
    pub fn with_unknown(mut self, token: &str) -> Result<Self> {
        self.vocabulary.add_special("with_unknown", &[token])?;
        self.unknown = self.vocabulary.id(token);
        Ok(self)
    }

    /// Adds special tokens, such as `<pad>`, behind those that there are.
    ///
    /// # Errors
    /// If one is the empty text.
    #[track_caller]
    pub fn with_special_tokens<T: AsRef<str>>(mut self, tokens: &[T]) -> Result<Self> {
        self.vocabulary.add_special("with_special_tokens", tokens)?;
        Ok(self)
    }
}

impl Tokenizer for CharTokenizer {
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        let mut ids = Vec::with_capacity(text.len());
        let mut buffer = [0; 4];
        for piece in self.vocabulary.pieces(text) {
            let (start, stretch) = match piece {
                Piece::Special(id) => {
                    ids.push(i64::from(id));
                    continue;
                }
                Piece::Text(start, stretch) => (start, stretch),
            };
            for (at, c) in stretch.char_indices() {
                match self.vocabulary.id(c.encode_utf8(&mut buffer)).or(self.unknown) {
                    Some(id) => ids.push(i64::from(id)),
                    None => {
                        let help = "fit on texts that have it, or ask for an unknown token with `with_unknown`";
                        return Err(unknown_character(text, start + at).with_help(help));
                    }
                }
            }
        }
        Ok(ids)
    }

    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String> {
        ids.iter()
            .map(|id| self.vocabulary.index("decode", *id).map(|i| self.vocabulary.tokens()[i].as_str()))
            .collect::<Result<_>>()
            .here()
    }

    vocabulary::answers!();

    #[track_caller]
    fn token_bytes(&self, id: i64, _first: bool) -> Result<Option<Vec<u8>>> {
        let index = self.vocabulary.index("push", id)?;
        Ok(Some(self.vocabulary.tokens()[index].clone().into_bytes()))
    }
}

impl Stored for CharTokenizer {
    const KIND: &'static str = "char";
    type Saved = Saved;

    fn to_saved(&self) -> Saved {
        let unknown = self.unknown.map(|id| self.vocabulary.tokens()[id as usize].clone());
        Saved { vocabulary: self.vocabulary.to_saved(), unknown }
    }

    #[track_caller]
    fn from_saved(op: &str, saved: Saved) -> Result<Self> {
        let vocabulary = Vocabulary::from_saved(op, saved.vocabulary)?;
        let unknown = match saved.unknown {
            None => None,
            Some(token) => match vocabulary.id(&token) {
                Some(id) if vocabulary.is_special(id) => Some(id),
                _ => return Err(Error::format(op, format!("the unknown token `{token}` is not a special token"))),
            },
        };
        let ordinary = vocabulary.tokens().iter().enumerate().filter(|(id, _)| !vocabulary.is_special(*id as u32));
        for (_, token) in ordinary {
            if token.chars().count() != 1 {
                return Err(Error::format(op, format!("the token `{token}` is not one character")));
            }
        }
        Ok(Self { vocabulary, unknown })
    }
}

saved::save_and_load!(CharTokenizer);
