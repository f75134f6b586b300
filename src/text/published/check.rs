//! What has to fit in a `tokenizer.json` before anything is made of it.
//!
//! Whatever is not here (a field of the wrong type, an expression that is none) is reported where the parts are made: by
//! this crate, or by the `tokenizers` crate, which indexes with what stands in the file.

use std::collections::HashMap;

use serde_json::Value;

use super::charsmap::Charsmap;
use crate::error::{Error, Result};

/// Ids must be below this: sixty times the largest vocabularies. Embeddings and logits have a row for each id.
pub(super) const MAX_ID: u64 = 1 << 24;

/// How many times as long (as a power of two) a normalizer, a pre-tokenizer or a decoder may make a text.
const MAX_GROWTH: f64 = 24.0;

/// Scores are added up over a text, and must not become infinite by that.
const MAX_SCORE: f64 = 1e100;

/// An id that a part of the file puts into texts, with its token.
pub(in crate::text) type Named = (&'static str, String, u32);

/// Checks the contents of a `tokenizer.json`, and returns them with the ids that its post-processor adds.
#[track_caller]
pub(in crate::text) fn check(op: &str, json: &str) -> Result<(Value, Vec<Named>)> {
    let root: Value = match serde_json::from_str(json) {
        Ok(root) => root,
        Err(e) => return Err(Error::format(op, format!("not a tokenizer's file: {e}")).with_source(e)),
    };
    let mut ids = Vec::new();
    if let Err((part, message)) = parts(&root, &mut ids) {
        return Err(Error::format(op, format!("{part}: {message}")));
    }
    Ok((root, ids))
}

type Checked = Result<(), (&'static str, String)>;

fn parts(root: &Value, ids: &mut Vec<Named>) -> Checked {
    let in_part = |part: &'static str| move |message: String| (part, message);
    if !root["model"].is_object() {
        return Err(("model", "missing".to_string()));
    }
    model(&root["model"]).map_err(in_part("model"))?;
    for token in root["added_tokens"].as_array().into_iter().flatten() {
        let content = token["content"].as_str().unwrap_or_default();
        check_id(content, &token["id"]).map_err(in_part("added_tokens"))?;
    }
    for part in ["normalizer", "pre_tokenizer", "decoder"] {
        let growth = growth(&root[part]).map_err(in_part(part))?;
        if growth > MAX_GROWTH {
            let message = format!("it can make a text 2^{growth:.0} times as long, expected 2^{MAX_GROWTH} at most");
            return Err((part, message));
        }
    }
    let mut steps = 0;
    post_processor(&root["post_processor"], ids, &mut steps).map_err(in_part("post_processor"))
}

/// A vocabulary's id.
fn check_id(token: &str, id: &Value) -> Result<u64, String> {
    match id.as_u64() {
        Some(id) if id < MAX_ID => Ok(id),
        _ => Err(format!("the token `{}` has the id {id}, expected 0 to {}", cut(token), MAX_ID - 1)),
    }
}

fn model(model: &Value) -> Result<(), String> {
    match &model["vocab"] {
        Value::Object(vocab) => {
            let mut tokens: HashMap<u64, &str> = HashMap::with_capacity(vocab.len());
            for (token, id) in vocab {
                let id = check_id(token, id)?;
                if let Some(other) = tokens.insert(id, token) {
                    return Err(format!("the tokens `{}` and `{}` have the same id {id}", cut(other), cut(token)));
                }
            }
            let known = |token: &str| vocab.contains_key(token);
            let prefix = model["continuing_subword_prefix"].as_str().unwrap_or_default();
            for (at, entry) in model["merges"].as_array().into_iter().flatten().enumerate() {
                merge(at, entry, prefix, known)?;
            }
        }
        Value::Array(vocab) => {
            if vocab.len() as u64 > MAX_ID {
                return Err(format!("{} tokens, expected {MAX_ID} at most", vocab.len()));
            }
            for entry in vocab {
                let Some(score) = entry[1].as_f64() else { continue };
                if score.is_nan() || score.abs() > MAX_SCORE {
                    let token = cut(entry[0].as_str().unwrap_or_default());
                    return Err(format!("the token `{token}` has the score {score:e}, expected {MAX_SCORE:e} at most"));
                }
            }
        }
        // Whoever makes the model of it says what is wrong.
        _ => {}
    }
    Ok(())
}

/// A merge, `"a b"` or `["a", "b"]`, of tokens that there are into a token that there is.
fn merge(at: usize, entry: &Value, prefix: &str, known: impl Fn(&str) -> bool) -> Result<(), String> {
    if entry.as_str().is_some_and(|line| line.starts_with("#version")) {
        return Ok(());
    }
    let Some((left, right)) = pair(entry) else { return Err(format!("merge {at} is not two tokens")) };
    let shown = || format!("merge {at}, of `{}` and `{}`", cut(left), cut(right));
    for token in [left, right] {
        if !known(token) {
            return Err(format!("{}: the vocabulary has no `{}`", shown(), cut(token)));
        }
    }
    // The prefix marks the second part as going on, and is not part of what becomes of both.
    let Some(rest) = right.get(prefix.len()..) else {
        return Err(format!("{}: the second does not begin with the prefix `{}`", shown(), cut(prefix)));
    };
    let merged = format!("{left}{rest}");
    if !known(&merged) {
        return Err(format!("{}: the vocabulary has no `{}`", shown(), cut(&merged)));
    }
    Ok(())
}

/// The two tokens of a merge.
pub(super) fn pair(entry: &Value) -> Option<(&str, &str)> {
    match entry {
        Value::String(line) if line.starts_with("#version") => None,
        Value::String(line) => line.split_once(' '),
        _ => entry[0].as_str().zip(entry[1].as_str()),
    }
}

/// How many times as long a normalizer, a pre-tokenizer or a decoder can make a text, as a power of two, at most.
fn growth(part: &Value) -> Result<f64, String> {
    let text = |name: &str| part[name].as_str().unwrap_or_default();
    let times = match text("type") {
        "Sequence" => {
            let mut sum = 0.0;
            for name in ["normalizers", "pretokenizers", "decoders"] {
                for part in part[name].as_array().into_iter().flatten() {
                    sum += growth(part)?;
                }
            }
            return Ok(sum);
        }
        "FixedLength" if part["length"].as_u64() == Some(0) => return Err("FixedLength: the length is 0".to_string()),
        "Precompiled" => match part["precompiled_charsmap"].as_str() {
            Some(table) => Charsmap::read(table).map_err(|e| format!("Precompiled: {e}"))?.longest(),
            None => return Err("Precompiled: the table is missing".to_string()),
        },
        "Replace" => {
            let content = text("content").len();
            match part["pattern"]["String"].as_str() {
                Some(pattern) if !pattern.is_empty() => content.div_ceil(pattern.len()),
                // What may match the empty text matches between any two characters.
                _ => content + 1,
            }
        }
        "Prepend" => text("prepend").len() + 1,
        "Metaspace" => text("replacement").len(),
        "BPEDecoder" if text("suffix").is_empty() => 2,
        "CTC" if text("word_delimiter_token").is_empty() => 2,
        "NFKC" | "NFKD" => 11,
        "ByteLevel" | "BertNormalizer" | "Lowercase" | "NFC" | "NFD" => 3,
        _ => 1,
    };
    Ok((times.max(1) as f64).log2())
}

fn post_processor(part: &Value, ids: &mut Vec<Named>, templates: &mut usize) -> Result<(), String> {
    for part in part["processors"].as_array().into_iter().flatten() {
        post_processor(part, ids, templates)?;
    }
    let mut named = |token: &str, id: &Value| {
        ids.push(("post_processor", cut(token), check_id(token, id)? as u32));
        Ok::<_, String>(())
    };
    for end in ["cls", "sep"] {
        if let Some(token) = part[end][0].as_str() {
            named(token, &part[end][1])?;
        }
    }
    let tokens = &part["special_tokens"];
    for (name, token) in tokens.as_object().into_iter().flatten() {
        let (all, texts) = (token["ids"].as_array(), token["tokens"].as_array());
        if all.map(Vec::len) != texts.map(Vec::len) {
            return Err(format!("the template's token `{}` has not one text for each id", cut(name)));
        }
        for id in all.into_iter().flatten() {
            named(name, id)?;
        }
    }
    if part["single"].is_array() {
        *templates += 1;
        if *templates > 1 {
            return Err("more than one template, one behind the other".to_string());
        }
    }
    for (template, is_single) in [("single", true), ("pair", false)] {
        for piece in part[template].as_array().into_iter().flatten() {
            if let Some(name) = piece["SpecialToken"]["id"].as_str().filter(|name| tokens.get(name).is_none()) {
                return Err(format!("the template `{template}` has the token `{}`, whose id is not given", cut(name)));
            }
            if is_single && piece["Sequence"]["id"] == "B" {
                return Err("the template `single` has a second text".to_string());
            }
        }
    }
    Ok(())
}

/// A token as messages show it.
pub(super) fn cut(token: &str) -> String {
    const SHOWN: usize = 60;
    match token.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &token[..end]),
        None => token.to_string(),
    }
}
