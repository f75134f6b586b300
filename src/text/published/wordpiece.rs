//! WordPiece and whole words as published models have them.

use serde_json::Value;

use super::check::cut;
use super::parts::{self, Read};
use super::prefixes::Prefixes;
use super::tokens::Tokens;
use crate::text::bpe::Cache;

#[derive(Debug, Clone)]
pub(super) struct WordPiece {
    unknown: String,
    max_characters: usize,
    /// The tokens by their texts, and those that continue a word by theirs without the mark of it.
    begins: Prefixes,
    continues: Prefixes,
    cache: Cache,
}

impl WordPiece {
    pub(super) fn new(part: &Value, tokens: &Tokens) -> Read<Self> {
        let given = |name| !part[name].is_null();
        let prefix = "continuing_subword_prefix";
        let prefix = if given(prefix) { parts::text(part, prefix)? } else { "##" };
        let most = "max_input_chars_per_word";
        let continues = tokens.iter().filter_map(|(token, id)| Some((token.strip_prefix(prefix)?, id)));
        Ok(Self {
            unknown: parts::optional_text(part, "unk_token")?.unwrap_or("[UNK]").to_string(),
            max_characters: if given(most) { parts::number(part, most)? } else { 100 },
            begins: Prefixes::new(tokens.iter()),
            continues: Prefixes::new(continues),
            cache: Cache::default(),
        })
    }

    /// Appends the ids of a word: of the longest token that begins it, of the longest that goes on, and so forth.
    pub(super) fn append(&self, tokens: &Tokens, word: &str, ids: &mut Vec<i64>) -> Result<(), String> {
        self.cache.append(word.as_bytes(), ids, || match self.divided(word) {
            Some(ids) => Ok(ids),
            None => Ok(vec![unknown_id(tokens, &self.unknown)?]),
        })
    }

    fn divided(&self, word: &str) -> Option<Vec<u32>> {
        if word.chars().count() > self.max_characters {
            return None;
        }
        let (mut ids, mut from) = (Vec::new(), 0);
        while from < word.len() {
            let prefixes = if from == 0 { &self.begins } else { &self.continues };
            let mut longest = None;
            prefixes.each(&word.as_bytes()[from..], |length, id| longest = Some((length, id)));
            let (length, id) = longest?;
            ids.push(id);
            from += length;
        }
        Some(ids)
    }
}

/// Appends the id of a word that is a token, or that of the token for all others.
pub(super) fn append_word(tokens: &Tokens, unknown: &str, word: &str, ids: &mut Vec<i64>) -> Result<(), String> {
    let id = tokens.id(word).map_or_else(|| unknown_id(tokens, unknown), Ok)?;
    ids.push(i64::from(id));
    Ok(())
}

/// The id of the token for what is unknown.
pub(super) fn unknown_id(tokens: &Tokens, unknown: &str) -> Result<u32, String> {
    tokens
        .id(unknown)
        .ok_or_else(|| format!("the vocabulary has no `{}`, the token for what it does not know", cut(unknown)))
}
