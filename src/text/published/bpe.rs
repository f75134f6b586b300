//! Byte-pair encoding as published models have it: of bytes, or of characters with bytes to fall back on.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::check::cut;
use super::parts::{self, Read, Refusal};
use super::tokens::Tokens;
use super::wordpiece::unknown_id;
use crate::text::bpe::{Cache, Merges, byte_character, merge};

#[derive(Debug, Clone)]
pub(super) struct Bpe {
    merges: Merges,
    /// What stands for characters without a token.
    unknown: Option<String>,
    unknown_id: Option<u32>,
    /// Whether neighbours that are unknown are one unknown token.
    fuses: bool,
    /// The tokens `<0x00>` to `<0xFF>`, if characters without a token are written with them.
    fallback: Option<Box<[Option<u32>; 256]>>,
    /// Whether a word that is a token is one without any merges.
    whole_words: bool,
    /// What stands before the parts of a word but the first, and behind the last.
    prefix: String,
    suffix: String,
    /// The tokens of single bytes, if the model divides bytes.
    bytes: Option<Box<[Option<u32>; 256]>>,
    /// Pairs of characters that stand beside each other in a token: between others nothing is merged. `None` if more than
    /// the merges decides what becomes of a word.
    inner: Option<HashSet<(char, char)>>,
    cache: Cache,
}

impl Bpe {
    /// A model with the pairs of the tokens that are merged, in their order. `byte_level` says that words come as bytes.
    pub(super) fn new(part: &Value, tokens: &Tokens, pairs: &[(String, String)], byte_level: bool) -> Read<Self> {
        if part["dropout"].as_f64().is_some_and(|rate| rate != 0.0) {
            return Err(Refusal::Unknown("dropout is not done here".to_string()));
        }
        let prefix = parts::optional_text(part, "continuing_subword_prefix")?.unwrap_or_default().to_string();
        let suffix = parts::optional_text(part, "end_of_word_suffix")?.unwrap_or_default().to_string();
        let (mut merges, mut characters) = (Merges::new(), HashSet::new());
        for (rank, (left, right)) in (0..).zip(pairs) {
            let rest = right.get(prefix.len()..).unwrap_or_default();
            let merged = format!("{left}{rest}");
            let ids = (tokens.id(left), tokens.id(right), tokens.id(&merged));
            let (Some(left), Some(right), Some(id)) = ids else {
                let missing = [left, right, &merged].into_iter().find(|token| tokens.id(token).is_none());
                let missing = cut(missing.map_or("", |token| token.as_str()));
                return Refusal::malformed(format!("merge {rank}: the vocabulary has no `{missing}`"));
            };
            characters.extend(merged.chars().zip(merged.chars().skip(1)));
            merges.insert((left, right), (rank, id));
        }
        let unknown = parts::optional_text(part, "unk_token")?.map(String::from);
        let unknown_id = unknown.as_deref().and_then(|token| tokens.id(token));
        let fuses = parts::flag(part, "fuse_unk", false)?;
        let fallback = parts::flag(part, "byte_fallback", false)?;
        let fallback = fallback.then(|| tokens.bytes());
        let whole_words = parts::flag(part, "ignore_merges", false)?;
        let written = |byte| tokens.id(byte_character(byte as u8).encode_utf8(&mut [0; 4]));
        let bytes = byte_level.then(|| Box::new(std::array::from_fn(written)));

        let all_bytes = fallback.as_ref().map(|ids| ids.iter().flatten().copied().collect::<HashSet<u32>>());
        let apart = match &all_bytes {
            Some(ids) => {
                ids.len() == 256 && !merges.keys().any(|(left, right)| ids.contains(left) || ids.contains(right))
            }
            None => !fuses,
        };
        let plain = prefix.is_empty() && suffix.is_empty() && !whole_words && !byte_level;
        let inner = (apart && plain).then_some(characters);
        let cache = Cache::default();
        Ok(Self { merges, unknown, unknown_id, fuses, fallback, whole_words, prefix, suffix, bytes, inner, cache })
    }

    /// Appends the ids of a word.
    pub(super) fn append(&self, tokens: &Tokens, word: &str, ids: &mut Vec<i64>) -> Result<(), String> {
        let Some(inner) = &self.inner else { return self.append_whole(tokens, word, ids) };
        let (mut start, mut previous) = (0, None);
        for (at, c) in word.char_indices() {
            if previous.is_some_and(|previous| !inner.contains(&(previous, c))) {
                self.append_whole(tokens, &word[start..at], ids)?;
                start = at;
            }
            previous = Some(c);
        }
        self.append_whole(tokens, &word[start..], ids)
    }

    fn append_whole(&self, tokens: &Tokens, word: &str, ids: &mut Vec<i64>) -> Result<(), String> {
        self.cache.append(word.as_bytes(), ids, || {
            let parts = match &self.bytes {
                Some(bytes) => self.divided_bytes(tokens, bytes, word)?,
                None if self.whole_words
                    && let Some(id) = tokens.id(word) =>
                {
                    return Ok(vec![id]);
                }
                None => self.divided(tokens, word)?,
            };
            Ok(merge(parts, &self.merges))
        })
    }

    /// The tokens of the bytes of a word, or the one token that it is.
    fn divided_bytes(&self, tokens: &Tokens, table: &[Option<u32>; 256], word: &str) -> Result<Vec<u32>, String> {
        if self.prefix.is_empty() && self.suffix.is_empty() && !self.whole_words {
            let known: Option<Vec<u32>> = word.bytes().map(|byte| table[usize::from(byte)]).collect();
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let written: String = word.bytes().map(byte_character).collect();
        match tokens.id(&written) {
            Some(id) if self.whole_words => Ok(vec![id]),
            _ => self.divided(tokens, &written),
        }
    }

    /// The tokens of the characters of a word.
    fn divided(&self, tokens: &Tokens, word: &str) -> Result<Vec<u32>, String> {
        let mut out = Vec::with_capacity(word.len());
        let mut unknown = None;
        for (at, c) in word.char_indices() {
            let mut buffer = [0; 4];
            let (character, end) = (&*c.encode_utf8(&mut buffer), at + c.len_utf8());
            let prefix = if at == 0 { "" } else { &self.prefix };
            let suffix = if end == word.len() { &self.suffix } else { "" };
            let id = match (prefix, suffix) {
                ("", "") => tokens.id(character),
                _ => tokens.id(&format!("{prefix}{character}{suffix}")),
            };
            if let Some(id) = id {
                out.extend(unknown.take());
                out.push(id);
                continue;
            }
            if let Some(table) = &self.fallback {
                let written = format!("{prefix}{character}{suffix}");
                let bytes: Option<Vec<u32>> = written.bytes().map(|byte| table[usize::from(byte)]).collect();
                if let Some(bytes) = bytes {
                    out.extend(bytes);
                    continue;
                }
            }
            // Without a token for what is unknown, the reference leaves it out.
            let Some(token) = &self.unknown else { continue };
            let id = match self.unknown_id {
                Some(id) => id,
                None => unknown_id(tokens, token)?,
            };
            match unknown {
                Some(_) if self.fuses => {}
                _ => out.extend(unknown.replace(id)),
            }
        }
        out.extend(unknown);
        Ok(out)
    }

    /// Adds the merges to the options of the model, in the form of a `tokenizer.json`.
    pub(super) fn write(&self, tokens: &Tokens, part: &mut Value) {
        let mut sorted: Vec<(u32, (u32, u32))> = self.merges.iter().map(|(pair, (rank, _))| (*rank, *pair)).collect();
        crate::order::sort_by(&mut sorted, |a, b| a.0.cmp(&b.0));
        let written = |id| tokens.get(id).unwrap_or_default();
        part["merges"] = sorted.iter().map(|(_, (left, right))| json!([written(*left), written(*right)])).collect();
    }
}
