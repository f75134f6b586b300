//! Tokenizers of published models against the `tokenizers` package; see `golden/make_published.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use demotic::text::{self, DecodeStream, PublishedTokenizer, Tokenizer};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    models: BTreeMap<String, Value>,
    added: Vec<String>,
    kinds: BTreeMap<String, Kind>,
}

#[derive(Deserialize)]
struct Kind {
    model: String,
    file: Value,
    /// For each text its ids, or the checksum of them.
    encode: Vec<Vec<Value>>,
    plain: String,
    pairs: Vec<Pair>,
    decode: Vec<String>,
    without_special: String,
    every_character: Vec<String>,
}

#[derive(Deserialize)]
struct Pair {
    ids: Vec<i64>,
    type_ids: Vec<i64>,
}

fn read(name: &str) -> Value {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("tests/golden/tokenizers").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

static GOLDEN: LazyLock<Golden> = LazyLock::new(|| serde_json::from_value(read("kinds.json")).unwrap());

/// The texts of `expected.json`, and those with added tokens.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let cases = read("expected.json")["bpe"]["encode"].take();
    let texts = cases.as_array().unwrap().iter().map(|case| case["text"].as_str().unwrap().to_string());
    texts.chain(GOLDEN.added.iter().cloned()).collect()
});

fn file(kind: &Kind) -> Value {
    let mut file = kind.file.clone();
    for part in ["vocab", "merges"] {
        if let Some(value) = GOLDEN.models[&kind.model].get(part) {
            file["model"][part] = value.clone();
        }
    }
    file
}

fn hash(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash =
        bytes.into_iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

fn checksum(ids: &[i64]) -> String {
    hash(ids.iter().flat_map(|id| (*id as u32).to_le_bytes()))
}

/// Each character of Unicode between letters, in texts of 4,096 of them.
fn every_character() -> impl Iterator<Item = String> {
    let skipped = |c: &u32| !((0x32400..0xE0000).contains(c) || (0xE0200..0x10FFF0).contains(c));
    let characters: Vec<char> = (0..0x110000).filter(skipped).filter_map(char::from_u32).collect();
    let texts: Vec<String> =
        characters.chunks(4096).map(|some| some.iter().flat_map(|c| ['x', *c, 'x']).collect()).collect();
    texts.into_iter()
}

fn streamed(tokenizer: &dyn Tokenizer, ids: &[i64]) -> String {
    let mut stream = DecodeStream::new(tokenizer);
    let mut text: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    text.push_str(&stream.finish());
    text
}

fn agrees(name: &str, kind: &Kind, tokenizer: &dyn Tokenizer) {
    assert_eq!(kind.encode.len(), TEXTS.len());
    let (mut plain, mut without_special) = (Vec::new(), String::new());
    for ((text, expected), decoded) in TEXTS.iter().zip(&kind.encode).zip(&kind.decode) {
        let ids = tokenizer.encode(text).unwrap();
        if let [Value::String(expected)] = &expected[..] {
            assert_eq!(checksum(&ids), *expected, "{name} {text:?} {ids:?}");
        } else {
            let expected: Vec<i64> = expected.iter().map(|id| id.as_i64().unwrap()).collect();
            let tokens = |ids: &[i64]| ids.iter().map(|id| tokenizer.token(*id).unwrap()).collect::<Vec<_>>();
            assert_eq!(ids, expected, "{name} {text:?}\n{:?}\n{:?}", tokens(&ids), tokens(&expected));
        }
        plain.extend(tokenizer.encode_without_special(text).unwrap());
        let whole = tokenizer.decode(&ids).unwrap();
        assert_eq!(hash(whole.bytes()), *decoded, "{name} {text:?} {whole:?}");
        assert_eq!(streamed(tokenizer, &ids), whole, "{name} {text:?}");
        without_special.push_str(&tokenizer.decode_without_special(&ids).unwrap());
    }
    assert_eq!(checksum(&plain), kind.plain, "{name}");
    assert_eq!(hash(without_special.bytes()), kind.without_special, "{name}");
}

#[test]
fn every_kind_has_the_reference_ids() {
    assert!(GOLDEN.kinds.len() >= 6);
    for (name, kind) in &GOLDEN.kinds {
        let tokenizer = PublishedTokenizer::from_json(&file(kind).to_string()).unwrap();
        agrees(name, kind, &tokenizer);
        let (first, second) = (&TEXTS[2], &TEXTS[8]);
        let with = tokenizer.encode_pair(first, second, None).unwrap();
        let without = tokenizer.clone().without_special_tokens().encode_pair(first, second, None).unwrap();
        for (found, expected) in [with, without].iter().zip(&kind.pairs) {
            assert_eq!((&found.ids, &found.type_ids), (&expected.ids, &expected.type_ids), "{name}");
        }
    }
}

#[test]
fn every_character_has_the_reference_ids_in_every_kind() {
    for (name, kind) in &GOLDEN.kinds {
        let tokenizer = PublishedTokenizer::from_json(&file(kind).to_string()).unwrap();
        for (text, expected) in every_character().zip(&kind.every_character) {
            let ids = tokenizer.encode(&text).unwrap();
            assert_eq!(checksum(&ids), *expected, "{name} {:?} and what follows", text.chars().nth(1));
        }
    }
}

#[test]
fn what_is_saved_is_read_as_the_same() {
    for (name, kind) in &GOLDEN.kinds {
        let tokenizer = PublishedTokenizer::from_json(&file(kind).to_string()).unwrap();
        let json = tokenizer.to_json().unwrap();
        let again = text::from_json(&json).unwrap();
        agrees(name, kind, &*again);
        assert_eq!(again.to_json().unwrap(), json);
        let bare = tokenizer.without_special_tokens();
        let again = text::from_json(&bare.to_json().unwrap()).unwrap();
        assert_eq!(again.encode(&TEXTS[2]).unwrap(), bare.encode(&TEXTS[2]).unwrap(), "{name}");
    }
}
