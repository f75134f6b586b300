//! Tokens and their ids.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which token has which id, and which tokens are special. Ids count from 0 without gaps, no token has two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Vocabulary {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    /// In ascending order.
    special: Vec<u32>,
}

/// A stretch of text between special tokens, with the byte at which it begins, or one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(usize, &'t str),
    Special(u32),
}

/// The form in which a vocabulary is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedVocabulary {
    tokens: Vec<String>,
    special_tokens: Vec<String>,
}

impl Vocabulary {
    /// The vocabulary in which the tokens have the ids 0, 1 …
    #[track_caller]
    pub(super) fn new(op: &str, tokens: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut vocabulary = Self::default();
        for token in tokens {
            if let Some(id) = vocabulary.ids.get(&token) {
                let (first, second) = (*id, vocabulary.tokens.len());
                return Err(Error::format(op, format!("the ids {first} and {second} have the same token `{token}`")));
            }
            vocabulary.push(op, token)?;
        }
        Ok(vocabulary)
    }

    /// The vocabulary of a map from tokens to ids.
    #[track_caller]
    pub(super) fn from_ids(op: &str, ids: impl IntoIterator<Item = (String, u64)>) -> Result<Self> {
        let mut sorted: Vec<(u64, String)> = ids.into_iter().map(|(token, id)| (id, token)).collect();
        crate::order::sort_by(&mut sorted, Ord::cmp);
        for (at, (id, token)) in sorted.iter().enumerate() {
            let at = at as u64;
            if *id < at {
                // The first id that is too small is that of the token before it.
                let other = &sorted[at as usize - 1].1;
                return Err(Error::format(op, format!("the tokens `{other}` and `{token}` have the same id {id}")));
            }
            if *id > at {
                let most = sorted.last().map_or(0, |last| last.0);
                return Err(Error::format(op, format!("no token has the id {at}, the ids go up to {most}")));
            }
        }
        Self::new(op, sorted.into_iter().map(|(_, token)| token))
    }

    #[track_caller]
    fn push(&mut self, op: &str, token: String) -> Result<u32> {
        let Ok(id) = u32::try_from(self.tokens.len()) else {
            return Err(Error::format(op, format!("more than {} tokens", u32::MAX)));
        };
        self.ids.insert(token.clone(), id);
        self.tokens.push(token);
        Ok(id)
    }

    /// Makes tokens special. Those that are new get the next ids.
    #[track_caller]
    pub(super) fn add_special<T: AsRef<str>>(&mut self, op: &str, tokens: &[T]) -> Result<()> {
        for token in tokens {
            let token = token.as_ref();
            if token.is_empty() {
                return Err(Error::argument(op, "a special token cannot be the empty text"));
            }
            let id = match self.ids.get(token) {
                Some(id) => *id,
                None => self.push(op, token.to_string())?,
            };
            if let Err(at) = self.special.binary_search(&id) {
                self.special.insert(at, id);
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    pub(super) fn get(&self, id: i64) -> Option<&str> {
        self.tokens.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub(super) fn is_special(&self, id: u32) -> bool {
        self.special.binary_search(&id).is_ok()
    }

    pub(super) fn special_tokens(&self) -> Vec<(String, i64)> {
        self.special.iter().map(|id| (self.tokens[*id as usize].clone(), i64::from(*id))).collect()
    }

    /// The position of `id` in the tables, or an error that says so.
    #[track_caller]
    pub(super) fn index(&self, op: &str, id: i64) -> Result<usize> {
        match usize::try_from(id) {
            Ok(index) if index < self.len() => Ok(index),
            _ => Err(Error::index(op, format!("the id {id}, the vocabulary has {} entries", self.len()))),
        }
    }

    /// Divides a text at the special tokens that occur in it: the first one first, of several at one place the longest.
    pub(super) fn pieces<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let mut next: Vec<(u32, Option<usize>)> =
            self.special.iter().map(|id| (*id, text.find(self.tokens[*id as usize].as_str()))).collect();
        let (mut pieces, mut from) = (Vec::new(), 0);
        loop {
            next.retain(|(_, at)| at.is_some());
            let length = |id: u32| self.tokens[id as usize].len();
            let first = next.iter().filter_map(|(id, at)| at.map(|at| (at, *id)));
            let Some((at, id)) = first.min_by_key(|(at, id)| (*at, std::cmp::Reverse(length(*id)))) else { break };
            if at > from {
                pieces.push(Piece::Text(from, &text[from..at]));
            }
            pieces.push(Piece::Special(id));
            from = at + length(id);
            for (id, at) in &mut next {
                if at.is_some_and(|at| at < from) {
                    *at = text[from..].find(self.tokens[*id as usize].as_str()).map(|at| from + at);
                }
            }
        }
        if from < text.len() {
            pieces.push(Piece::Text(from, &text[from..]));
        }
        pieces
    }

    pub(super) fn to_saved(&self) -> SavedVocabulary {
        let special_tokens = self.special.iter().map(|id| self.tokens[*id as usize].clone()).collect();
        SavedVocabulary { tokens: self.tokens.clone(), special_tokens }
    }

    #[track_caller]
    pub(super) fn from_saved(op: &str, saved: SavedVocabulary) -> Result<Self> {
        let mut vocabulary = Self::new(op, saved.tokens)?;
        if let Some(token) = saved.special_tokens.iter().find(|token| !vocabulary.ids.contains_key(*token)) {
            return Err(Error::format(op, format!("the special token `{token}` is not in the vocabulary")));
        }
        vocabulary.add_special(op, &saved.special_tokens)?;
        Ok(vocabulary)
    }
}

/// The character of a text that has the byte `at` has no token.
#[track_caller]
pub(super) fn unknown_character(text: &str, mut at: usize) -> Error {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let (before, c) = (text[..at].chars().count(), text[at..].chars().next().unwrap_or_default());
    let (shown, code) = (c.escape_debug(), u32::from(c));
    let message = format!("the vocabulary has no `{shown}` (U+{code:04X}), character {} of the text", before + 1);
    Error::argument("encode", message)
}

/// What a [`Tokenizer`](super::Tokenizer) with a field `vocabulary` answers out of it.
macro_rules! answers {
    () => {
        fn vocab_size(&self) -> usize {
            self.vocabulary.len()
        }

        fn token(&self, id: i64) -> Option<String> {
            self.vocabulary.get(id).map(String::from)
        }

        fn id(&self, token: &str) -> Option<i64> {
            self.vocabulary.id(token).map(i64::from)
        }

        fn special_tokens(&self) -> Vec<(String, i64)> {
            self.vocabulary.special_tokens()
        }

        #[track_caller]
        fn to_json(&self) -> $crate::error::Result<String> {
            $crate::text::saved::to_json(self)
        }
    };
}
pub(super) use answers;

#[cfg(test)]
mod tests;
