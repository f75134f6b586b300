//! Tokenizers from the metadata of GGUF files.
//!
//! A file says of what kind its tokenizer is and lists the tokens; everything else follows from the kind. It is written out
//! here as a `tokenizer.json` says it, and goes on from there.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::check::{MAX_ID, cut};
use super::parts::Refusal;
use super::prefixes::Prefixes;
use super::{PublishedTokenizer, Vocabulary, charsmap};
use crate::error::{Error, Result};

/// What a file says about its tokenizer: the keys `tokenizer.ggml.*`.
#[derive(Debug, Clone, Default)]
pub(crate) struct GgufVocabulary {
    pub(crate) model: String,
    pub(crate) pre: Option<String>,
    pub(crate) tokens: Vec<String>,
    pub(crate) scores: Vec<f64>,
    pub(crate) token_types: Vec<i64>,
    pub(crate) merges: Vec<String>,
    pub(crate) bos: Option<usize>,
    pub(crate) eos: Option<usize>,
    pub(crate) unknown: Option<usize>,
    pub(crate) separator: Option<usize>,
    pub(crate) class: Option<usize>,
    pub(crate) add_bos: Option<bool>,
    pub(crate) add_eos: Option<bool>,
    pub(crate) add_space_prefix: Option<bool>,
    pub(crate) remove_extra_whitespaces: Option<bool>,
    pub(crate) charsmap: Vec<u8>,
}

/// Types of tokens.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// What SentencePiece writes for a space.
const MARK: &str = "\u{2581}";

/// What BERT writes before what goes on with a word.
const GOES_ON: &str = "##";

/// Longer tokens are not looked at for the parts that they were merged of.
const LONGEST: usize = 512;

type Built = Result<(Value, Vocabulary), Refusal>;

impl PublishedTokenizer {
    /// The tokenizer of a GGUF file.
    #[track_caller]
    pub(crate) fn from_vocabulary(op: &str, file: GgufVocabulary) -> Result<Self> {
        let built = match file.build() {
            Ok((root, vocabulary)) => Self::build(root, vocabulary),
            Err(refusal) => Err(("tokenizer.ggml", refusal)),
        };
        match built {
            Ok(tokenizer) => Ok(tokenizer),
            Err((part, Refusal::Unknown(message) | Refusal::Malformed(message))) => {
                Err(Error::format(op, format!("{part}: {message}")))
            }
        }
    }
}

impl GgufVocabulary {
    fn build(self) -> Built {
        let count = self.tokens.len();
        if count == 0 {
            return Refusal::malformed("there are no tokens");
        }
        if count as u64 > MAX_ID {
            return Refusal::malformed(format!("{count} tokens, expected {MAX_ID} at most"));
        }
        for (what, length) in [("scores", self.scores.len()), ("token types", self.token_types.len())] {
            if length != 0 && length != count {
                return Refusal::malformed(format!("{length} {what} for {count} tokens"));
            }
        }
        let named = [
            ("bos", self.bos),
            ("eos", self.eos),
            ("unknown", self.unknown),
            ("seperator", self.separator),
            ("cls", self.class),
        ];
        for (what, id) in named {
            if let Some(id) = id.filter(|id| *id >= count) {
                return Refusal::malformed(format!("{what}_token_id is {id}, there are {count} tokens"));
            }
        }
        if let Some(score) = self.scores.iter().find(|score| !score.is_finite()) {
            return Refusal::malformed(format!("a score of {score}"));
        }
        match self.model.as_str() {
            "gpt2" => self.byte_pairs(),
            "llama" => self.scored_pairs(),
            "t5" => self.unigram(),
            "bert" => self.word_pieces(),
            other => Err(Refusal::Unknown(format!("there is no tokenizer `{}` here", cut(other)))),
        }
    }

    /// Byte-level byte-pair encoding.
    fn byte_pairs(self) -> Built {
        let pre = self.pre.as_deref().unwrap_or("default");
        let gpt2 = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let split = |expression: &str| {
            json!({"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            ]})
        };
        let llama = matches!(
            pre,
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
        );
        let pre_tokenizer = match pre {
            _ if llama => split(LLAMA3),
            "dbrx" | "smaug-bpe" => split(LLAMA3),
            "qwen2" | "stablelm2" | "deepseek-r1-qwen" | "megrez" => split(QWEN2),
            "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "jina-es" | "jina-de" | "jina-v1-en" | "jina-v2-es"
            | "jina-v2-de" | "jina-v2-code" | "roberta-bpe" | "exaone4" | "modern-bert" => gpt2,
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
                json!({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, gpt2]})
            }
            other => {
                return Err(Refusal::Unknown(format!("the division into words `{}` is not known here", cut(other))));
            }
        };
        let mut merges = Vec::with_capacity(self.merges.len());
        for (at, line) in self.merges.iter().enumerate() {
            match line.split_once(' ') {
                Some((left, right)) => merges.push((left.to_string(), right.to_string())),
                None => return Refusal::malformed(format!("merge {at} is not two tokens")),
            }
        }
        let root = json!({
            "pre_tokenizer": pre_tokenizer,
            "post_processor": self.surrounding(llama, false),
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "ignore_merges": llama},
        });
        self.finished(root, merges)
    }

    /// SentencePiece's byte-pair encoding, in which the score of a token says when it is merged.
    fn scored_pairs(self) -> Built {
        if self.scores.is_empty() {
            return Refusal::malformed("there are no scores");
        }
        let merges = self.merges_of_scores();
        let prefix = self.add_space_prefix.unwrap_or(true);
        let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": MARK})];
        let replace = json!({"type": "Replace", "pattern": {"String": MARK}, "content": " "});
        let mut decoders = vec![replace, json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
        if prefix {
            normalizers.insert(0, json!({"type": "Prepend", "prepend": MARK}));
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        let unknown = self.unknown.or(Some(0)).map(|id| self.tokens[id].clone());
        let root = json!({
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "post_processor": self.surrounding(true, false),
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": {"type": "BPE", "unk_token": unknown, "fuse_unk": true, "byte_fallback": true},
        });
        self.finished(root, merges)
    }

    /// For each token the pairs of others that it can be merged of, those of the highest score first.
    fn merges_of_scores(&self) -> Vec<(String, String)> {
        let ids: HashMap<&str, usize> =
            self.tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
        let prefixes = Prefixes::new((0..).zip(&self.tokens).map(|(id, token)| (token.as_str(), id)));
        let mut order: Vec<usize> = (0..self.tokens.len()).collect();
        crate::order::sort_by(&mut order, |a, b| self.scores[*b].total_cmp(&self.scores[*a]));
        let mut merges = Vec::new();
        for token in order.into_iter().map(|id| self.tokens[id].as_str()).filter(|token| token.len() <= LONGEST) {
            let mut splits = Vec::new();
            prefixes.each(token.as_bytes(), |length, left| {
                if let Some(right) = token.get(length..).and_then(|rest| ids.get(rest)) {
                    splits.push((left as usize, *right));
                }
            });
            crate::order::sort_by(&mut splits, Ord::cmp);
            merges.extend(
                splits.into_iter().map(|(left, right)| (self.tokens[left].clone(), self.tokens[right].clone())),
            );
        }
        merges
    }

    /// SentencePiece's unigram model as in T5.
    fn unigram(self) -> Built {
        if self.scores.is_empty() {
            return Refusal::malformed("there are no scores");
        }
        let scheme = if self.add_space_prefix.unwrap_or(true) { "always" } else { "never" };
        let space = json!({"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": true});
        let pre_tokenizer = if self.remove_extra_whitespaces.unwrap_or(true) {
            json!({"type": "Sequence", "pretokenizers": [{"type": "CharDelimiterSplit", "delimiter": " "}, space]})
        } else {
            space.clone()
        };
        let table = (!self.charsmap.is_empty())
            .then(|| json!({"type": "Precompiled", "precompiled_charsmap": charsmap::encode(&self.charsmap)}));
        let root = json!({
            "normalizer": table,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": self.surrounding(false, true),
            "decoder": space,
            "model": {"type": "Unigram", "unk_id": self.unknown},
        });
        self.finished(root, Vec::new())
    }

    /// BERT's pieces of words. Those with which words begin are marked, and not those with which they go on.
    fn word_pieces(mut self) -> Built {
        if self.token_types.is_empty() {
            self.token_types.resize(self.tokens.len(), NORMAL);
        }
        let (class, separator) = (self.class.or(self.bos), self.separator.or(self.eos));
        let mut named = |id: Option<usize>, name: &str| {
            let Some(id) = id.or_else(|| self.tokens.iter().position(|token| token == name)) else {
                return Refusal::malformed(format!("there is no token `{name}`"));
            };
            self.token_types[id] = CONTROL;
            Ok(json!([self.tokens[id], id]))
        };
        let (begin, end) = (named(class, "[CLS]")?, named(separator, "[SEP]")?);
        let unknown = named(self.unknown, "[UNK]")?[0].take();
        let mut lowercase = true;
        for (token, kind) in self.tokens.iter_mut().zip(&self.token_types) {
            let is_special = *kind == CONTROL || *kind == UNKNOWN || token.starts_with('[') && token.ends_with(']');
            let begins = token.strip_prefix(MARK).filter(|word| !word.is_empty()).map(String::from);
            if is_special && begins.is_none() {
                continue;
            }
            *token = begins.unwrap_or_else(|| format!("{GOES_ON}{token}"));
            lowercase &= token.chars().all(|c| c.to_lowercase().eq([c]));
        }
        let root = json!({
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": lowercase},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "BertProcessing", "cls": begin, "sep": end},
            "decoder": {"type": "WordPiece", "prefix": GOES_ON, "cleanup": true},
            "model": {"type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": GOES_ON,
                "max_input_chars_per_word": 100},
        });
        self.finished(root, Vec::new())
    }

    /// The template of the tokens at the beginning and at the end.
    fn surrounding(&self, begins: bool, ends: bool) -> Value {
        let begin = self.bos.filter(|_| self.add_bos.unwrap_or(begins));
        let end = self.eos.filter(|_| self.add_eos.unwrap_or(ends));
        let special = |id: Option<usize>, name: &str, kind: u8| {
            id.map(|_| json!({"SpecialToken": {"id": name, "type_id": kind}}))
        };
        let around = |text: &str, kind: u8| -> Vec<Value> {
            let text = json!({"Sequence": {"id": text, "type_id": kind}});
            special(begin, "begin", kind).into_iter().chain([text]).chain(special(end, "end", kind)).collect()
        };
        let tokens: serde_json::Map<String, Value> = [("begin", begin), ("end", end)]
            .into_iter()
            .filter_map(|(name, id)| {
                Some((name.to_string(), json!({"id": name, "ids": [id?], "tokens": [self.tokens[id?]]})))
            })
            .collect();
        let pair = [around("A", 0), around("B", 1)].concat();
        json!({
            "type": "TemplateProcessing",
            "single": around("A", 0),
            "pair": pair,
            "special_tokens": tokens,
        })
    }

    /// The file with its added tokens, and the vocabulary.
    fn finished(self, mut root: Value, merges: Vec<(String, String)>) -> Built {
        let kind = |id: usize| self.token_types.get(id).copied().unwrap_or(NORMAL);
        let added = (0..self.tokens.len()).filter(|id| matches!(kind(*id), UNKNOWN | CONTROL | USER_DEFINED));
        root["added_tokens"] = added
            .map(|id| {
                let (token, special) = (&self.tokens[id], kind(id) != USER_DEFINED);
                json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": special})
            })
            .collect();
        root["version"] = json!("1.0");
        let mut seen = HashMap::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate() {
            if let Some(first) = seen.insert(token.as_str(), id) {
                return Refusal::malformed(format!("the ids {first} and {id} have the same token `{}`", cut(token)));
            }
        }
        let scores = if root["model"]["type"] == "Unigram" { self.scores } else { Vec::new() };
        Ok((root, Vocabulary { tokens: self.tokens.into_iter().zip(0..).collect(), scores, merges }))
    }
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
