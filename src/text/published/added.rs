//! Tokens that were added to a vocabulary: they are found in a text before anything else is done with it.

use serde_json::Value;

use super::check::cut;
use super::parts::{self, Read, Refusal};
use super::prefixes::Prefixes;
use super::tokens::Tokens;
use crate::text::unicode::is_word_character;

/// A token that is longer is none that anybody published, and looking for it would take long.
const LONGEST: usize = 4096;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    /// The content as the normalizer leaves it, which is looked for in what it leaves of a text.
    normal: String,
    /// Not in the middle of a word.
    single_word: bool,
    /// White space on the left belongs to the token.
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    pub(super) special: bool,
}

impl AddedToken {
    /// How decoders get the token.
    pub(super) fn decoded(&self) -> &str {
        if self.normalized { &self.normal } else { &self.content }
    }
}

/// A piece of a text: with the byte at which it begins, or an added token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(usize, &'t str),
    Token(u32),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Added {
    /// In the order of their ids.
    tokens: Vec<AddedToken>,
    /// Those that are looked for in the text as it is, and those in what the normalizer leaves of it.
    exact: Prefixes,
    normal: Prefixes,
}

impl Added {
    /// The list of a file. What the vocabulary has keeps its id, the others get the next ones, as in the reference.
    pub(super) fn read(list: &Value, tokens: &Tokens, normalize: &dyn Fn(&str) -> String) -> Read<Self> {
        let mut next = tokens.len() as u32;
        let mut added: Vec<AddedToken> = Vec::new();
        let mut places = std::collections::HashMap::new();
        let entries = match list {
            Value::Null => &[],
            Value::Array(entries) => entries.as_slice(),
            _ => return Refusal::malformed("not a list"),
        };
        for entry in entries {
            let content = parts::text(entry, "content")?;
            if content.is_empty() {
                continue;
            }
            if content.len() > LONGEST {
                let (token, length) = (cut(content), content.len());
                return Refusal::malformed(format!(
                    "the token `{token}` has {length} bytes, expected {LONGEST} at most"
                ));
            }
            let normalized = parts::flag(entry, "normalized", false)?;
            let normal = if normalized { normalize(content) } else { String::new() };
            let known = places.get(content).map(|at: &usize| added[*at].id).or_else(|| tokens.id(content));
            let id = known.unwrap_or(next);
            next += u32::from(known.is_none());
            let token = AddedToken {
                id,
                content: content.to_string(),
                normal,
                single_word: parts::flag(entry, "single_word", false)?,
                lstrip: parts::flag(entry, "lstrip", false)?,
                rstrip: parts::flag(entry, "rstrip", false)?,
                normalized,
                special: parts::flag(entry, "special", false)?,
            };
            match places.get(content) {
                Some(at) => added[*at] = token,
                None => {
                    places.insert(content, added.len());
                    added.push(token);
                }
            }
        }
        crate::order::sort_by(&mut added, |a, b| a.id.cmp(&b.id));
        added.dedup_by_key(|token| token.id);
        let finder = |normalized: bool| {
            let wanted = (0..).zip(&added).filter(|(_, token)| token.normalized == normalized);
            Prefixes::new(wanted.map(|(at, token)| (token.decoded(), at)))
        };
        let (exact, normal) = (finder(false), finder(true));
        Ok(Self { tokens: added, exact, normal })
    }

    pub(super) fn get(&self, id: u32) -> Option<&AddedToken> {
        let at = self.tokens.binary_search_by_key(&id, |token| token.id).ok()?;
        Some(&self.tokens[at])
    }

    pub(super) fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    /// Cuts a text at those tokens that are looked for before it is normalized, or after.
    pub(super) fn pieces<'t>(&self, text: &'t str, normalized: bool, emit: &mut dyn FnMut(Piece<'t>)) {
        let finder = if normalized { &self.normal } else { &self.exact };
        let (mut from, mut at) = (0, 0);
        while let Some((found, length, index)) = finder.find(text, at) {
            let end = found + length;
            at = end;
            let token = &self.tokens[index as usize];
            let (before, after) = (&text[..found], &text[end..]);
            if token.single_word && (before.ends_with(is_word_character) || after.starts_with(is_word_character)) {
                continue;
            }
            // White space that the token before has taken stays with it. The next token is looked for behind this one
            // itself, so that it may begin in white space that this one takes; it then begins where this one ends.
            let begin = if token.lstrip { before.trim_end().len().max(from) } else { found };
            let stop = if token.rstrip { text.len() - after.trim_start().len() } else { end };
            if from < begin {
                emit(Piece::Text(from, &text[from..begin]));
            }
            emit(Piece::Token(token.id));
            from = stop;
        }
        if from < text.len() {
            emit(Piece::Text(from, &text[from..]));
        }
    }
}
