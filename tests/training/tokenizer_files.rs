//! Published `tokenizer.json` files: text that comes token by token, and files that nobody vouches for.
#![cfg(feature = "tokenizers")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use demotic::text::{self, DecodeStream, HuggingFaceTokenizer, Tokenizer};
use demotic::{ErrorKind, Result, Rng};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Published {
    json: Value,
    decode: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ids: Vec<i64>,
    text: String,
    without_special: String,
}

/// Written by `golden/make_tokenizers.py`.
static PUBLISHED: LazyLock<BTreeMap<String, Published>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../golden/tokenizers/published.json")).unwrap());

fn load(json: &Value) -> Result<HuggingFaceTokenizer> {
    HuggingFaceTokenizer::from_json(&json.to_string())
}

fn streamed(mut stream: DecodeStream, ids: &[i64]) -> String {
    let mut text: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    text.push_str(&stream.finish());
    text
}

/// The same tokenizer, of which nothing is known but its answers.
#[derive(Debug)]
struct Opaque<'a>(&'a HuggingFaceTokenizer);

impl Tokenizer for Opaque<'_> {
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        self.0.encode(text)
    }
    fn decode(&self, ids: &[i64]) -> Result<String> {
        self.0.decode(ids)
    }
    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }
    fn token(&self, id: i64) -> Option<String> {
        self.0.token(id)
    }
    fn id(&self, token: &str) -> Option<i64> {
        self.0.id(token)
    }
    fn special_tokens(&self) -> Vec<(String, i64)> {
        self.0.special_tokens()
    }
}

#[test]
fn every_decoder_gives_the_text_of_its_own_package_at_once_and_in_pieces() {
    assert_eq!(PUBLISHED.len(), 10);
    for (name, published) in &*PUBLISHED {
        let tokenizer = load(&published.json).unwrap();
        assert!(published.decode.len() > 100);
        for Case { ids, text, without_special } in &published.decode {
            assert_eq!(tokenizer.decode(ids).unwrap(), *text, "{name} {ids:?}");
            assert_eq!(tokenizer.decode_without_special(ids).unwrap(), *without_special, "{name} {ids:?}");
            let plain = streamed(tokenizer.decode_stream().without_special(), ids);
            assert_eq!(plain, *without_special, "{name} {ids:?}");
            for end in 1..=ids.len() {
                let whole = tokenizer.decode(&ids[..end]).unwrap();
                assert_eq!(streamed(tokenizer.decode_stream(), &ids[..end]), whole, "{name} {:?}", &ids[..end]);
            }
        }
        assert_eq!(tokenizer.decode(&[]).unwrap(), "");
    }
}

#[test]
fn every_piece_is_a_part_of_every_continuation() {
    for (name, published) in &*PUBLISHED {
        let tokenizer = load(&published.json).unwrap();
        for Case { ids, text, .. } in &published.decode {
            let mut stream = tokenizer.decode_stream();
            let mut shown = String::new();
            for id in ids {
                shown.push_str(&stream.push(*id).unwrap());
                assert!(text.starts_with(&shown), "{name} {shown:?} {text:?}");
            }
        }
    }
}

#[test]
fn a_tokenizer_that_says_nothing_about_its_decoder_streams_byte_fallback() {
    for name in ["llama", "gemma", "t5"] {
        let published = &PUBLISHED[name];
        let tokenizer = load(&published.json).unwrap();
        for text in ["a👍👍 ab ab.", "👍", " a  b人文 ab", "文文文 a 👍a👍 b人b"] {
            let ids = tokenizer.encode(&text.repeat(9)).unwrap();
            let whole = tokenizer.decode(&ids).unwrap();
            assert_eq!(streamed(DecodeStream::new(&Opaque(&tokenizer)), &ids), whole, "{name}");
        }
    }
}

#[test]
fn streams_of_one_text_end_and_begin_another() {
    for (name, published) in &*PUBLISHED {
        let tokenizer = load(&published.json).unwrap();
        let mut stream = tokenizer.decode_stream();
        for Case { ids, text, .. } in &published.decode {
            let mut shown: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
            let size = tokenizer.vocab_size();
            let e = stream.push(size as i64).unwrap_err();
            assert_eq!(e.message(), format!("push: the id {size}, the vocabulary has {size} entries"));
            shown.push_str(&stream.finish());
            assert_eq!(shown, *text, "{name}");
        }
    }
}

/// What loading says of a published file that was changed.
fn refused(name: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut json = PUBLISHED[name].json.clone();
    change(&mut json);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    let e = text::load(&path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Format);
    e.message().strip_prefix(&format!("load: {}: ", path.display())).unwrap().to_string()
}

#[test]
fn parts_that_do_not_fit_each_other_are_named() {
    let merges = |merges: Value| refused("llama", |json| json["model"]["merges"] = merges);
    assert_eq!(merges(json!([["a", "b"], ["a", "."]])), "model: merge 1, of `a` and `.`: the vocabulary has no `a.`");
    assert_eq!(merges(json!(["a b", "a xy"])), "model: merge 1, of `a` and `xy`: the vocabulary has no `xy`");
    assert_eq!(merges(json!([["a"]])), "model: merge 0 is not two tokens");
    let long = refused("llama", |json| {
        json["model"]["continuing_subword_prefix"] = json!("####");
        json["model"]["merges"] = json!([["a", "b"]]);
    });
    assert_eq!(long, "model: merge 0, of `a` and `b`: the second does not begin with the prefix `####`");
    let id = |id: Value| refused("llama", |json| json["model"]["vocab"]["ab"] = id);
    assert_eq!(id(json!(4_294_967_295u32)), "model: the token `ab` has the id 4294967295, expected 0 to 16777215");
    assert_eq!(id(json!(-1)), "model: the token `ab` has the id -1, expected 0 to 16777215");
    assert_eq!(id(json!(3)), "model: the tokens `<0x00>` and `ab` have the same id 3");
    assert_eq!(
        refused("llama", |json| json["added_tokens"][0]["id"] = json!(1u64 << 40)),
        "added_tokens: the token `<unk>` has the id 1099511627776, expected 0 to 16777215".replace("<unk>", "<s>")
    );
    assert_eq!(
        refused("t5", |json| json["model"]["vocab"][5][1] = json!(1e300)),
        "model: the token `<0x02>` has the score 1e300, expected 1e100 at most"
    );
    let template = |change: fn(&mut Value)| refused("llama", |json| change(&mut json["post_processor"]));
    assert_eq!(
        template(|t| t["single"][0]["SpecialToken"]["id"] = json!("<x>")),
        "post_processor: the template `single` has the token `<x>`, whose id is not given"
    );
    assert_eq!(
        template(|t| t["special_tokens"]["<s>"]["ids"] = json!([5000])),
        "post_processor: `<s>` has the id 5000, which no token of the vocabulary has"
    );
    assert_eq!(
        template(|t| t["special_tokens"]["<s>"]["ids"] = json!([1, 2])),
        "post_processor: the template's token `<s>` has not one text for each id"
    );
    assert_eq!(
        template(|t| t["single"][1]["Sequence"]["id"] = json!("B")),
        "post_processor: the template `single` has a second text"
    );
    let normalizer = |part: Value| refused("llama", |json| json["normalizer"] = part);
    let table = |bytes: &str| normalizer(json!({"type": "Precompiled", "precompiled_charsmap": bytes}));
    assert_eq!(table("####"), "normalizer: Precompiled: the table is not in base64");
    assert_eq!(table("AA=="), "normalizer: Precompiled: the table is empty");
    assert_eq!(table("AAAAAA=="), "normalizer: Precompiled: the table has no trie");
    // Sizes of 2^32 - 1 bytes and of one unit, which leads out of the trie.
    assert_eq!(
        table("/////w=="),
        "normalizer: Precompiled: the table has 0 bytes, of which 4294967295 are to be a trie"
    );
    assert_eq!(table("BAAAAAAAAAA="), "normalizer: Precompiled: unit 0 of the table's trie leads out of it");
    assert_eq!(
        normalizer(json!({"type": "Precompiled", "precompiled_charsmap": null})),
        "normalizer: Precompiled: the table is missing"
    );
    let doubling = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    assert_eq!(
        normalizer(json!({"type": "Sequence", "normalizers": vec![doubling.clone(); 60]})),
        "normalizer: it can make a text 2^60 times as long, expected 2^24 at most"
    );
    assert_eq!(
        refused("llama", |json| json["decoder"] = json!({"type": "Sequence", "decoders": vec![doubling; 60]})),
        "decoder: it can make a text 2^60 times as long, expected 2^24 at most"
    );
    assert_eq!(
        refused("llama", |json| json["pre_tokenizer"] = json!({"type": "FixedLength", "length": 0})),
        "pre_tokenizer: FixedLength: the length is 0"
    );
    assert_eq!(refused("llama", |json| json["model"] = json!(7)), "model: missing");
    let split = json!({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": false});
    assert!(!refused("llama", |json| json["pre_tokenizer"] = split).contains("panicked"));
}

#[test]
fn a_table_of_replacements_that_fits_is_used() {
    // A trie of 256 units that knows `a`, whose replacement is `b`.
    let mut units = vec![0u32; 256];
    units[0] = 0; // Its children begin at 0.
    units[usize::from(b'a')] = (2 << 10) | (1 << 8) | u32::from(b'a');
    units[usize::from(b'a') ^ 2] = 1 << 31;
    let mut bytes = 1024u32.to_le_bytes().to_vec();
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(b"b\0");
    let base64 = |bytes: &[u8]| {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = three.iter().chain(&[0, 0]).take(3).fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            for digit in 0..=three.len() {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
            }
            text.push_str(&"=="[..3 - three.len()]);
        }
        text
    };
    let with = |bytes: &[u8]| {
        let mut json = PUBLISHED["gemma"].json.clone();
        json["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": base64(bytes)});
        load(&json)
    };
    let tokenizer = with(&bytes).unwrap();
    assert_eq!(tokenizer.encode("a").unwrap(), tokenizer.encode("b").unwrap());
    let position = 4 + 4 * (usize::from(b'a') ^ 2);
    bytes[position] = 9;
    let e = with(&bytes).unwrap_err();
    assert_eq!(
        e.message(),
        "from_json: normalizer: Precompiled: unit 97 of the table's trie is the replacement 9, which there is not"
    );
}

/// Changes a value somewhere in a file into another of the file, or into one that seldom stands there.
fn mutate(json: &mut Value, rng: &mut Rng) {
    let strange = [
        json!(null),
        json!(0),
        json!(-1),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("a"),
        json!("▁"),
        json!("é\u{301}"),
        json!("<0x"),
        json!([]),
        json!({}),
        json!(true),
        json!(["a", "b"]),
        json!("[aeiou]*(?=x)"),
    ];
    let mut at = json;
    loop {
        let children = match at {
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        };
        if children == 0 || rng.below(6) == 0 {
            *at = strange[rng.below(strange.len())].clone();
            return;
        }
        let child = rng.below(children);
        if rng.below(12) == 0 {
            match at {
                Value::Array(list) => match rng.below(3) {
                    0 => _ = list.remove(child),
                    1 => list.push(list[child].clone()),
                    _ => list.swap(0, child),
                },
                Value::Object(map) => {
                    let key = map.keys().nth(child).unwrap().clone();
                    let value = map.remove(&key).unwrap();
                    if rng.below(2) == 0 {
                        map.insert(format!("{key}a"), value);
                    }
                }
                _ => {}
            }
            return;
        }
        at = match at {
            Value::Array(list) => &mut list[child],
            Value::Object(map) => map.values_mut().nth(child).unwrap(),
            _ => return,
        };
    }
}

#[test]
fn no_changed_file_makes_anything_panic() {
    let mut rng = Rng::seed(5);
    let files: Vec<Value> = PUBLISHED.values().map(|published| published.json.clone()).collect();
    let (mut loaded, started) = (0, std::time::Instant::now());
    for round in 0..3000 {
        if started.elapsed().as_secs() > 60 {
            break;
        }
        let mut json = files[round % files.len()].clone();
        for _ in 0..=rng.below(3) {
            mutate(&mut json, &mut rng);
        }
        let mut text = json.to_string();
        if rng.below(20) == 0 {
            let mut end = rng.below(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        let Ok(tokenizer) = HuggingFaceTokenizer::from_json(&text) else { continue };
        loaded += 1;
        let size = tokenizer.vocab_size() as i64;
        for text in ["", "a👍 ab ab. n't  人", "<s>a lower"] {
            let Ok(ids) = tokenizer.encode(text) else { continue };
            assert!(ids.iter().all(|id| (0..size).contains(id)), "{json}");
            if let Ok(whole) = tokenizer.decode(&ids) {
                assert_eq!(streamed(tokenizer.decode_stream(), &ids), whole, "{json}");
            }
        }
        let ids: Vec<i64> = (0..20).map(|_| rng.below(size.max(1) as usize) as i64).collect();
        if let Ok(whole) = tokenizer.decode(&ids) {
            assert_eq!(streamed(tokenizer.decode_stream(), &ids), whole, "{json}");
        }
        let _ = tokenizer.to_json();
    }
    assert!(loaded > 100, "{loaded}");
}

#[test]
fn deep_nesting_and_halves_of_files_are_errors() {
    for text in ["[".repeat(1 << 20), "{\"model\":".repeat(1 << 18), "{\"decoder\":{\"decoders\":[".repeat(1 << 16)] {
        assert_eq!(HuggingFaceTokenizer::from_json(&text).unwrap_err().kind(), ErrorKind::Format);
    }
    let text = PUBLISHED["llama"].json.to_string();
    for end in (0..text.len()).step_by(97).filter(|end| text.is_char_boundary(*end)) {
        assert_eq!(HuggingFaceTokenizer::from_json(&text[..end]).unwrap_err().kind(), ErrorKind::Format);
    }
}
