//! SentencePiece's unigram model (Kudo, 2018): of all ways to divide a word into tokens, the most probable one.

use serde_json::Value;

use super::parts::{self, Read, Refusal};
use super::prefixes::Prefixes;
use super::tokens::Tokens;
use crate::text::bpe::Cache;

#[derive(Debug, Clone)]
pub(super) struct Unigram {
    /// The logarithms of the probabilities of tokens, by id.
    scores: Vec<f64>,
    prefixes: Prefixes,
    unknown: Option<u32>,
    /// What a character costs that no token has.
    unknown_score: f64,
    /// The tokens `<0x00>` to `<0xFF>`, if what is unknown is written with them.
    fallback: Option<Box<[Option<u32>; 256]>>,
    cache: Cache,
}

/// How much less probable an unknown character is than the rarest token.
const PENALTY: f64 = 10.0;

/// The best way to a place in a word: how probable it is, and where its last token begins.
#[derive(Debug, Clone, Copy)]
struct Way {
    score: f64,
    from: usize,
    token: Option<u32>,
}

impl Unigram {
    pub(super) fn new(part: &Value, tokens: &Tokens, scores: Vec<f64>) -> Read<Self> {
        let unknown = match &part["unk_id"] {
            Value::Null => None,
            _ => Some(parts::number(part, "unk_id")?),
        };
        if let Some(id) = unknown.filter(|id| *id >= scores.len()) {
            return Refusal::malformed(format!(
                "the unknown token has the id {id}, the vocabulary has {}",
                scores.len()
            ));
        }
        let fallback = parts::flag(part, "byte_fallback", false)?;
        Ok(Self {
            prefixes: Prefixes::new(tokens.iter()),
            unknown: unknown.map(|id| id as u32),
            unknown_score: scores.iter().copied().fold(f64::INFINITY, f64::min) - PENALTY,
            fallback: fallback.then(|| tokens.bytes()),
            scores,
            cache: Cache::default(),
        })
    }

    /// Appends the ids of a word.
    pub(super) fn append(&self, tokens: &Tokens, word: &str, ids: &mut Vec<i64>) -> Result<(), String> {
        self.cache.append(word.as_bytes(), ids, || self.divided(tokens, word))
    }

    fn divided(&self, tokens: &Tokens, word: &str) -> Result<Vec<u32>, String> {
        let mut ways: Vec<Option<Way>> = vec![None; word.len() + 1];
        ways[0] = Some(Way { score: 0.0, from: 0, token: None });
        for (from, c) in word.char_indices() {
            let Some(here) = ways[from] else { continue };
            let mut reach = |to: usize, score: f64, token| {
                let score = here.score + score;
                if ways[to].is_none_or(|way| score > way.score) {
                    ways[to] = Some(Way { score, from, token });
                }
            };
            let mut single = false;
            self.prefixes.each(&word.as_bytes()[from..], |length, id| {
                reach(from + length, self.scores[id as usize], Some(id));
                single |= length == c.len_utf8();
            });
            if !single {
                if self.unknown.is_none() {
                    let (shown, code) = (c.escape_debug(), u32::from(c));
                    return Err(format!("the vocabulary has no `{shown}` (U+{code:04X}), and no unknown token"));
                }
                reach(from + c.len_utf8(), self.unknown_score, self.unknown);
            }
        }
        // Backwards; what is unknown is one piece with what is unknown beside it.
        let (mut pieces, mut to, mut end) = (Vec::new(), word.len(), None);
        while to > 0 {
            let Some(way) = ways[to] else { return Err("a word has no way to divide it".to_string()) };
            if way.token == self.unknown {
                end.get_or_insert(to);
            } else {
                pieces.extend(end.take().map(|end| (to, end)));
                pieces.push((way.from, to));
            }
            to = way.from;
        }
        pieces.extend(end.map(|end| (0, end)));
        let mut ids = Vec::with_capacity(pieces.len());
        for (from, to) in pieces.into_iter().rev() {
            let piece = &word[from..to];
            let bytes = || {
                let table = self.fallback.as_ref()?;
                piece.bytes().map(|byte| table[usize::from(byte)]).collect::<Option<Vec<u32>>>()
            };
            match tokens.id(piece) {
                Some(id) => ids.push(id),
                None => match bytes() {
                    Some(bytes) => ids.extend(bytes),
                    None => ids.extend(self.unknown),
                },
            }
        }
        Ok(ids)
    }

    /// The vocabulary in the form of a `tokenizer.json`.
    pub(super) fn write(&self, tokens: &Tokens) -> Value {
        tokens.iter().map(|(token, id)| serde_json::json!([token, self.scores[id as usize]])).collect()
    }
}
