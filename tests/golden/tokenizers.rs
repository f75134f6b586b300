//! Tokenizers against the `tokenizers` package and Keras; see `golden/make_tokenizers.py`.

use std::path::PathBuf;

use demotic::text::{BatchOptions, BpeOptions, BpeTokenizer, Tokenizer, WordPieceTokenizer, WordTokenizer};
use serde::Deserialize;
use serde_json::Value;

const END: &str = "<|endoftext|>";

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("tests/golden/tokenizers").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

#[derive(Deserialize)]
struct Expected {
    bpe: Bpe,
    bert: Bert,
    keras: Keras,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<i64>,
}

#[derive(Deserialize)]
struct Bpe {
    encode: Vec<Case>,
    corpus_ids: Vec<i64>,
    every_character: Vec<String>,
    decode: Vec<Case>,
    words: Vec<Words>,
}

#[derive(Deserialize)]
struct Words {
    text: String,
    lengths: Vec<usize>,
}

#[derive(Deserialize)]
struct Bert {
    uncased: Vec<Case>,
    cased: Vec<Case>,
    accents: Vec<Case>,
    joined: Vec<Case>,
    uncased_every_character: Vec<String>,
    cased_every_character: Vec<String>,
    decode: Vec<Case>,
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    first: String,
    second: String,
    max_length: Option<usize>,
    ids: Vec<i64>,
    type_ids: Vec<i64>,
}

#[derive(Deserialize)]
struct Keras {
    fit: Vec<Vec<String>>,
    queries: Vec<String>,
    cases: Vec<KerasCase>,
}

#[derive(Deserialize)]
struct KerasCase {
    options: serde_json::Map<String, Value>,
    word_index: serde_json::Map<String, Value>,
    word_counts: Vec<(String, u64, u64)>,
    document_count: u64,
    sequences: Vec<Vec<i64>>,
    odd: Vec<Vec<i64>>,
    texts: Vec<String>,
}

fn expected() -> Expected {
    serde_json::from_str(&read("expected.json")).unwrap()
}

fn bpe() -> BpeTokenizer {
    BpeTokenizer::from_files(path("vocab.json"), path("merges.txt"), &[END]).unwrap()
}

fn bert() -> WordPieceTokenizer {
    WordPieceTokenizer::from_vocab(path("bert_vocab.txt")).unwrap()
}

fn encodes(tokenizer: &dyn Tokenizer, cases: &[Case]) {
    assert!(cases.len() > 50);
    for Case { text, ids } in cases {
        let found = tokenizer.encode(text).unwrap();
        let tokens = |ids: &[i64]| ids.iter().map(|id| tokenizer.token(*id).unwrap()).collect::<Vec<_>>();
        assert_eq!(found, *ids, "{text:?}\n{:?}\n{:?}", tokens(&found), tokens(ids));
    }
}

/// Each character of Unicode between letters, in texts of 4,096 of them: checksums of the ids, since the ids are many.
fn encodes_every_character(tokenizer: &dyn Tokenizer, checksums: &[String]) {
    let skipped = |c: &u32| !((0x32400..0xE0000).contains(c) || (0xE0200..0x10FFF0).contains(c));
    let characters: Vec<char> = (0..0x110000).filter(skipped).filter_map(char::from_u32).collect();
    let texts = characters.chunks(4096);
    assert_eq!(texts.len(), checksums.len());
    for (characters, checksum) in texts.zip(checksums) {
        let text: String = characters.iter().flat_map(|c| ['x', *c, 'x']).collect();
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in tokenizer.encode(&text).unwrap().into_iter().flat_map(|id| (id as u32).to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        assert_eq!(format!("{hash:016x}"), *checksum, "{:?} and what follows", characters[0]);
    }
}

/// All at once and one by one.
fn decodes(tokenizer: &dyn Tokenizer, cases: &[Case]) {
    for Case { text, ids } in cases {
        assert_eq!(tokenizer.decode(ids).unwrap(), *text);
        let mut stream = demotic::text::DecodeStream::new(tokenizer);
        let mut streamed: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
        streamed.push_str(&stream.finish());
        assert_eq!(streamed, *text);
    }
}

#[test]
fn byte_pairs_have_the_reference_ids() {
    let (tokenizer, expected) = (bpe(), expected().bpe);
    encodes(&tokenizer, &expected.encode);
    encodes_every_character(&tokenizer, &expected.every_character);
    assert_eq!(tokenizer.encode(&read("corpus.txt")).unwrap(), expected.corpus_ids);
    for Case { text, ids } in &expected.encode {
        assert_eq!(tokenizer.decode(ids).unwrap(), *text);
    }
}

#[test]
fn broken_utf8_decodes_as_in_the_reference() {
    let mut cases = expected().bpe.decode;
    decodes(&bpe(), &cases);
    cases.extend(expected().bpe.encode);
    decodes(&bpe(), &cases);
}

/// A tokenizer without merges shows the words only through a tokenizer that merges each whole: here by training.
#[test]
fn words_are_those_of_the_reference() {
    for Words { text, lengths } in expected().bpe.words {
        // With enough merges, every word is one token, and so are the bytes of special tokens.
        let options = BpeOptions::new().vocab_size(100_000).min_frequency(1);
        let tokenizer = BpeTokenizer::train([&text], &options).unwrap();
        let ids = tokenizer.encode(&text).unwrap();
        let found: Vec<usize> = ids.iter().map(|id| tokenizer.token(*id).unwrap().chars().count()).collect();
        assert_eq!(found, lengths, "{text:?}");
    }
}

#[test]
fn training_learns_the_merges_of_the_reference() {
    let reference = bpe();
    let options = BpeOptions::new().vocab_size(3000).special_tokens(&[END]);
    let trained = BpeTokenizer::train([read("corpus.txt")], &options).unwrap();
    assert_eq!(trained.merges().len(), reference.merges().len());
    for (rank, (ours, theirs)) in trained.merges().iter().zip(reference.merges()).enumerate() {
        assert_eq!(ours, theirs, "merge {rank}");
    }
    assert_eq!(trained, reference);

    // The files are the same as well, but for the order of entries.
    let folder = tempfile::tempdir().unwrap();
    trained.save_files(folder.path()).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("merges.txt")).unwrap(), read("merges.txt"));
    let vocab: Value = serde_json::from_str(&read("vocab.json")).unwrap();
    let written = std::fs::read_to_string(folder.path().join("vocab.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), vocab);
}

#[test]
fn training_does_not_depend_on_the_order_of_texts() {
    let corpus = read("corpus.txt");
    let mut lines: Vec<&str> = corpus.split_inclusive('\n').collect();
    let options = BpeOptions::new().vocab_size(600);
    let first = BpeTokenizer::train(&lines, &options).unwrap();
    lines.reverse();
    assert_eq!(BpeTokenizer::train(&lines, &options).unwrap(), first);
}

#[test]
fn word_pieces_have_the_reference_ids() {
    let expected = expected().bert;
    encodes(&bert(), &expected.uncased);
    encodes(&bert().cased(), &expected.cased);
    encodes_every_character(&bert(), &expected.uncased_every_character);
    encodes_every_character(&bert().cased(), &expected.cased_every_character);
    encodes(&bert().strip_accents(false), &expected.accents);
    encodes(&bert().without_separate_ideographs(), &expected.joined);
    decodes(&bert(), &expected.decode);
}

#[test]
fn pairs_are_cut_as_in_the_reference() {
    let tokenizer = bert();
    for pair in expected().bert.pairs {
        let found = tokenizer.encode_pair(&pair.first, &pair.second, pair.max_length).unwrap();
        assert_eq!(found.ids, pair.ids, "{:?}", pair.max_length);
        assert_eq!(found.type_ids, pair.type_ids);
    }
    let e = tokenizer.encode_pair("a", "b", Some(2)).unwrap_err();
    assert_eq!(e.message(), "encode_pair: 2 tokens leave no room for the 3 special tokens around the text");
    let (batch, types) = tokenizer.encode_pair_batch(&[("a b", "c"), ("a", "")], &BatchOptions::new()).unwrap();
    assert_eq!((batch.ids.shape(), types.shape()), (&[2, 6][..], &[2, 6][..]));
    assert_eq!(types.to_vec::<i64>().unwrap(), [0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0]);
    assert_eq!(batch.mask.to_vec::<bool>().unwrap()[6..], [true, true, true, true, false, false]);
}

#[test]
fn word_tokenizer_is_kerass() {
    let Keras { fit, queries, cases } = expected().keras;
    for case in cases {
        let mut tokenizer = WordTokenizer::new().segment_cjk(false);
        for (name, value) in &case.options {
            let text = || value.as_str().unwrap();
            tokenizer = match name.as_str() {
                "num_words" => tokenizer.num_words(value.as_u64().unwrap() as usize),
                "oov_token" => tokenizer.oov_token(text()),
                "lower" => tokenizer.lower(value.as_bool().unwrap()),
                "char_level" => tokenizer.char_level(value.as_bool().unwrap()),
                "filters" => tokenizer.filters(text()),
                "split" => tokenizer.split(text()),
                _ => panic!("{name}"),
            };
        }
        for texts in &fit {
            tokenizer.fit_on_texts(texts).unwrap();
        }
        let options = &case.options;
        assert_eq!(tokenizer.document_count(), case.document_count);
        let counts = tokenizer.word_counts().iter().map(|w| (w.word.clone(), w.count, w.documents));
        assert_eq!(counts.collect::<Vec<_>>(), case.word_counts, "{options:?}");
        for (word, id) in &case.word_index {
            assert_eq!(tokenizer.word_index(word), id.as_i64(), "{word:?} {options:?}");
        }
        let sequences = tokenizer.texts_to_sequences(&queries).unwrap();
        assert_eq!(sequences, case.sequences, "{options:?}");
        let texts = tokenizer.sequences_to_texts(&[sequences, case.odd].concat()).unwrap();
        assert_eq!(texts, case.texts, "{options:?}");

        let folder = tempfile::tempdir().unwrap();
        tokenizer.save(folder.path().join("words.json")).unwrap();
        assert_eq!(WordTokenizer::load(folder.path().join("words.json")).unwrap(), tokenizer);
    }
}

#[cfg(feature = "tokenizers")]
#[test]
fn tokenizer_json_has_the_ids_of_its_own_package() {
    let ours =
        BpeTokenizer::train([read("corpus.txt")], &BpeOptions::new().vocab_size(800).special_tokens(&[END])).unwrap();
    let theirs = demotic::text::load(path("tokenizer.json")).unwrap();
    assert_eq!((theirs.vocab_size(), theirs.special_tokens()), (800, vec![(END.to_string(), 0)]));
    let expected = expected().bpe;
    for Case { text, .. } in &expected.encode {
        assert_eq!(theirs.encode(text).unwrap(), ours.encode(text).unwrap(), "{text:?}");
    }
    let cases: Vec<Case> = expected
        .encode
        .into_iter()
        .map(|case| Case { ids: ours.encode(&case.text).unwrap(), text: case.text })
        .filter(|case| !case.text.contains('\u{FFFD}'))
        .collect();
    decodes(&*theirs, &cases);

    let folder = tempfile::tempdir().unwrap();
    demotic::text::save(&*theirs, folder.path().join("tokenizer.json")).unwrap();
    let again = demotic::text::load(folder.path().join("tokenizer.json")).unwrap();
    assert_eq!(again.encode("fish and chips").unwrap(), theirs.encode("fish and chips").unwrap());
    let e = theirs.decode(&[5, 800]).unwrap_err();
    assert_eq!(e.message(), "decode: the id 800, the vocabulary has 800 entries");
}
