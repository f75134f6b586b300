//! Tokenizers on arbitrary texts, on files that nobody vouches for, and with the usual mistakes.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use demotic::text::{
    self, BatchOptions, BpeOptions, BpeTokenizer, CharTokenizer, DecodeStream, Tokenizer, WordPieceTokenizer,
    WordTokenizer,
};
use demotic::{ErrorKind, Result};
use proptest::prelude::*;

const CORPUS: &str = include_str!("../golden/tokenizers/corpus.txt");

static BPE: LazyLock<BpeTokenizer> = LazyLock::new(|| {
    let options = BpeOptions::new().vocab_size(600).special_tokens(&["<|endoftext|>", "<pad>"]);
    BpeTokenizer::train([CORPUS], &options).unwrap()
});

fn word_piece() -> WordPieceTokenizer {
    WordPieceTokenizer::from_vocab(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("tests/golden/tokenizers/bert_vocab.txt"),
    )
    .unwrap()
}

fn words() -> WordTokenizer {
    let mut tokenizer = WordTokenizer::new().oov_token("<oov>");
    tokenizer.fit_on_texts(["the cat sat", "这是文本。and text"]).unwrap();
    tokenizer
}

fn every_kind() -> Vec<Box<dyn Tokenizer>> {
    let characters = CharTokenizer::fit(["the cat sat 这是"]).unwrap().with_unknown("<unk>").unwrap();
    vec![Box::new(characters), Box::new(words()), Box::new(BPE.clone()), Box::new(word_piece())]
}

fn streamed(tokenizer: &dyn Tokenizer, ids: &[i64]) -> String {
    let mut stream = DecodeStream::new(tokenizer);
    let mut text: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    text.push_str(&stream.finish());
    text
}

/// Any text, with what tokenizers treat in a special way more often than chance would have it.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => any::<char>().prop_map(String::from),
        3 => "[ -~]{0,6}",
        1 => prop::sample::select(vec!["<|endoftext|>", "<pad>", "'ll", "  ", "\n", "[CLS]", "人", "é", "\u{301}", "<|"])
            .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn byte_pairs_lose_nothing(text in any_text()) {
        let ids = BPE.encode(&text).unwrap();
        prop_assert_eq!(BPE.decode(&ids).unwrap(), &*text);
        prop_assert_eq!(streamed(&*BPE, &ids), text);
    }

    #[test]
    fn characters_lose_nothing(text in any_text()) {
        prop_assume!(!text.is_empty());
        let tokenizer = CharTokenizer::fit([&text]).unwrap().with_special_tokens(&["<pad>"]).unwrap();
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), &*text);
        prop_assert_eq!(streamed(&tokenizer, &ids), text);
    }

    #[test]
    fn any_ids_stream_as_they_decode(ids in prop::collection::vec(0..600i64, 0..60)) {
        for tokenizer in every_kind() {
            let ids: Vec<i64> = ids.iter().map(|id| id % tokenizer.vocab_size() as i64).collect();
            prop_assert_eq!(streamed(&*tokenizer, &ids), tokenizer.decode(&ids).unwrap(), "{:?}", tokenizer);
        }
    }

    #[test]
    fn no_text_makes_a_tokenizer_fail(text in any_text()) {
        for tokenizer in every_kind() {
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert!(ids.iter().all(|id| (0..tokenizer.vocab_size() as i64).contains(id)));
            tokenizer.decode(&ids).unwrap();
        }
    }

    #[test]
    fn no_file_makes_loading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any_text()) {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for contents in [&bytes[..], text.as_bytes()] {
            fs::write(&a, contents).unwrap();
            prop_assert!(text::load(&a).is_err());
            prop_assert!(BpeTokenizer::load(&a).is_err());
            let _ = WordPieceTokenizer::from_vocab(&a);
            prop_assert!(BpeTokenizer::from_files(&a, &a, &["<s>"]).is_err());
            fs::write(&b, "{\"a\":0,\"b\":1}").unwrap();
            let _ = BpeTokenizer::from_files(&b, &a, &["<s>"]);
        }
    }

    #[test]
    fn no_changed_file_makes_loading_panic(at in 0..4000usize, byte in any::<u8>()) {
        static FILES: LazyLock<Vec<Vec<u8>>> =
            LazyLock::new(|| every_kind().iter().map(|t| t.to_json().unwrap().into_bytes()).collect());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        for file in &*FILES {
            let mut file = file.clone();
            let at = at % file.len();
            file[at] = byte;
            fs::write(&path, &file).unwrap();
            if let Ok(tokenizer) = text::load(&path) {
                let _ = tokenizer.encode("the cat <pad> 这").and_then(|ids| tokenizer.decode(&ids));
            }
        }
    }
}

#[test]
fn every_kind_comes_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for tokenizer in every_kind() {
        text::save(&*tokenizer, &path).unwrap();
        let again = text::load(&path).unwrap();
        assert_eq!(again.to_json().unwrap(), tokenizer.to_json().unwrap());
        assert_eq!(again.encode("the cat is 这是").unwrap(), tokenizer.encode("the cat is 这是").unwrap());
        assert_eq!(again.special_tokens(), tokenizer.special_tokens());
    }
    let e = CharTokenizer::load(&path).unwrap_err();
    let message = format!("load: {}: a tokenizer of kind `wordpiece`, expected `char`", path.display());
    assert_eq!((e.message(), e.help()), (message, Some("text::load reads every kind")));
    let vocab = folder.path().join("vocab.txt");
    word_piece().save_vocab(&vocab).unwrap();
    assert_eq!(WordPieceTokenizer::from_vocab(&vocab).unwrap(), word_piece());
}

#[test]
fn malformed_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.json");
    let message = |contents: &[u8]| {
        fs::write(&path, contents).unwrap();
        let e = text::load(&path).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Format);
        e.message().strip_prefix(&format!("load: {}: ", path.display())).unwrap().to_string()
    };
    let file = |version: u32, kind: &str, rest: &str| {
        format!("{{\"format\":\"demotic tokenizer\",\"version\":{version},\"kind\":\"{kind}\",\"tokenizer\":{rest}}}")
    };
    assert_eq!(message(b"ab\xFFcd"), "not UTF-8: byte 2 does not belong there");
    assert_eq!(message(b""), "not a tokenizer's file: EOF while parsing a value at line 1 column 0");
    assert!(message(b"{\"vocab\":{}}").starts_with("not a tokenizer's file: missing field `format`"));
    assert_eq!(
        message(b"{\"format\":\"x\",\"version\":1,\"kind\":\"char\"}"),
        "the format is `x`, expected `demotic tokenizer`"
    );
    assert_eq!(message(file(7, "char", "0").as_bytes()), "version 7 of the format, this program reads version 1");
    assert_eq!(message(file(1, "x", "0").as_bytes()), "there is no kind of tokenizer called `x`");
    let tokens = |tokens: &str, rest: &str| format!("{{\"tokens\":{tokens},\"special_tokens\":[],{rest}}}");
    assert_eq!(
        message(file(1, "char", &tokens("[\"a\",\"bc\"]", "\"unknown\":null")).as_bytes()),
        "the token `bc` is not one character"
    );
    assert_eq!(
        message(file(1, "char", &tokens("[\"a\"]", "\"unknown\":\"a\"")).as_bytes()),
        "the unknown token `a` is not a special token"
    );
    assert_eq!(
        message(file(1, "bpe", &tokens("[\"a\",\"b\",\"a\"]", "\"merges\":[]")).as_bytes()),
        "the ids 0 and 2 have the same token `a`"
    );
    assert_eq!(
        message(file(1, "bpe", &tokens("[\"a\",\"b\"]", "\"merges\":[[0,1]]")).as_bytes()),
        "merge 0 makes `ab`, which is not in the vocabulary"
    );
    assert_eq!(
        message(file(1, "bpe", &tokens("[\"a\",\"b\"]", "\"merges\":[[0,2]]")).as_bytes()),
        "merge 0 is of the ids 0 and 2, the vocabulary has 2"
    );
    assert_eq!(
        message(file(1, "bpe", &tokens("[\"a b\"]", "\"merges\":[]")).as_bytes()),
        "the token `a b` (id 0) has characters that stand for no byte"
    );
    #[cfg(not(feature = "tokenizers"))]
    assert_eq!(message(b"{\"version\":\"1.0\",\"model\":{}}"), "model: it does not say of what type it is");
    assert_eq!(text::load(folder.path()).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn files_of_merges_that_do_not_fit_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (vocab, merges) = (folder.path().join("vocab.json"), folder.path().join("merges.txt"));
    let load = |v: &str, m: &str| -> Result<BpeTokenizer> {
        fs::write(&vocab, v).unwrap();
        fs::write(&merges, m).unwrap();
        BpeTokenizer::from_files(&vocab, &merges, &["<s>"])
    };
    let v = "{\"a\":0,\"b\":1,\"c\":2,\"ab\":3}";
    let tokenizer = load(v, "#version: 0.2\r\na b\r\n").unwrap();
    assert_eq!(tokenizer.encode("abc<s>ba").unwrap(), [3, 2, 4, 1, 0]);
    let e = tokenizer.encode("ab cé").unwrap_err();
    assert_eq!(e.message(), "encode: the vocabulary has no ` ` (U+0020), character 3 of the text");
    let wrong = |v: &str, m: &str, path: &Path, rest: &str| {
        assert_eq!(load(v, m).unwrap_err().message(), format!("from_files: {}: {rest}", path.display()));
    };
    wrong(v, "a b\nab d\n", &merges, "line 2: the vocabulary has no `d`, to merge `ab d`");
    wrong(v, "a c\n", &merges, "line 1: the vocabulary has no `ac`, to merge `a c`");
    wrong(v, "a b\n\na b\n", &merges, "line 3: `a b` stands on line 1 already");
    wrong(v, "ab\n", &merges, "line 1: `ab` is not two tokens with a space between them");
    wrong(v, "a b c\n", &merges, "line 1: `a b c` is not two tokens with a space between them");
    wrong("{\"a\":0,\"b\":2}", "", &vocab, "no token has the id 1, the ids go up to 2");
    wrong("{\"a\":0,\"b\":0}", "", &vocab, "the tokens `a` and `b` have the same id 0");
    assert_eq!(load("[]", "").unwrap_err().kind(), ErrorKind::Format);
    let e = load(v, "a c\n").unwrap_err();
    assert_eq!(e.help(), Some("vocab.json and merges.txt must come from the same tokenizer"));
}

#[test]
fn usual_mistakes_have_their_messages() {
    let characters = CharTokenizer::fit(["abc"]).unwrap();
    let message = |result: Result<Vec<i64>>| result.unwrap_err().message();
    assert_eq!(
        message(characters.encode("ab\nx")),
        "encode: the vocabulary has no `\\n` (U+000A), character 3 of the text"
    );
    let e = characters.decode(&[0, -1]).unwrap_err();
    assert_eq!(e.message(), "decode: the id -1, the vocabulary has 3 entries");
    let e = BPE.decode(&[600]).unwrap_err();
    assert_eq!(
        (e.kind(), e.message()),
        (ErrorKind::Index, "decode: the id 600, the vocabulary has 600 entries".into())
    );
    assert_eq!(CharTokenizer::fit([""]).unwrap_err().message(), "fit: the texts have no characters");
    let e = WordTokenizer::new().encode("a").unwrap_err();
    assert_eq!(e.message(), "encode: the tokenizer has no words yet");
    assert_eq!(e.help(), Some("call fit_on_texts first"));
    let e = WordTokenizer::new().split("").fit_on_texts(["a"]).unwrap_err();
    assert_eq!(e.message(), "fit_on_texts: `split` is the empty text");
    let e = BpeTokenizer::train(["a"], &BpeOptions::new().vocab_size(256).special_tokens(&["<s>"])).unwrap_err();
    assert_eq!(e.message(), "train: a vocabulary of 256, the special tokens and the bytes alone are 257");
    let e = BpeTokenizer::bytes().with_special_tokens(&["é"]).unwrap_err();
    assert_eq!(e.message(), "with_special_tokens: `é` is the token of a byte and cannot be special");
    let e = WordPieceTokenizer::new(["a"]).unwrap_err();
    assert_eq!(e.message(), "new: the vocabulary has no `[UNK]`, for words that it cannot compose");
    let e = WordPieceTokenizer::new(["[UNK]"]).unwrap().encode("a").unwrap_err();
    assert_eq!(e.message(), "encode: the vocabulary has no `[CLS]`, to put around the text");
    let e = characters.encode_batch(["a", "bc"], &BatchOptions::new()).unwrap_err();
    assert_eq!(
        e.message(),
        "encode_batch: the texts have different lengths, and the tokenizer has no token to pad with"
    );
    let e = characters.encode_batch([""; 0], &BatchOptions::new()).unwrap_err();
    assert_eq!(e.message(), "encode_batch: there are no texts");
    let e = characters.encode_batch(["a"], &BatchOptions::new().pad_id(0).length(usize::MAX)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Shape);
}

#[test]
fn batches_are_cut_and_filled_up() {
    let tokenizer = CharTokenizer::fit(["abcde"]).unwrap().with_special_tokens(&["<pad>"]).unwrap();
    let batch = |options: BatchOptions| {
        let batch = tokenizer.encode_batch(["abcde", "ab", ""], &options).unwrap();
        assert_eq!(batch.ids.shape(), batch.mask.shape());
        let ids = batch.ids.to_vec::<i64>().unwrap();
        let mask = batch.mask.to_vec::<bool>().unwrap();
        let shown: Vec<String> = ids.iter().map(|id| tokenizer.token(*id).unwrap().replace("<pad>", ".")).collect();
        assert!(shown.iter().zip(&mask).all(|(token, mask)| (token == ".") != *mask));
        let width = batch.ids.shape()[1];
        shown.chunks(width.max(1)).map(|row| row.concat()).collect::<Vec<_>>()
    };
    assert_eq!(batch(BatchOptions::new()), ["abcde", "ab...", "....."]);
    assert_eq!(batch(BatchOptions::new().pad_left()), ["abcde", "...ab", "....."]);
    assert_eq!(batch(BatchOptions::new().max_length(3)), ["abc", "ab.", "..."]);
    assert_eq!(batch(BatchOptions::new().max_length(3).keep_end().pad_left()), ["cde", ".ab", "..."]);
    assert_eq!(batch(BatchOptions::new().length(7)), ["abcde..", "ab.....", "......."]);
    assert_eq!(batch(BatchOptions::new().length(2).max_length(7)), ["ab", "ab", ".."]);
    assert_eq!(batch(BatchOptions::new().max_length(0)), [""; 0]);

    // BERT's special tokens stay.
    let bert = word_piece();
    let long = bert.encode_batch(["the model and the data"], &BatchOptions::new().max_length(4)).unwrap();
    let ids = long.ids.to_vec::<i64>().unwrap();
    assert_eq!((ids.len(), ids[0], ids[3]), (4, bert.id("[CLS]").unwrap(), bert.id("[SEP]").unwrap()));
    let e = bert.encode_batch(["a"], &BatchOptions::new().max_length(1)).unwrap_err();
    assert_eq!(e.message(), "encode: 1 tokens leave no room for the 2 special tokens around the text");
}

#[test]
fn any_strings_and_any_pointer_make_a_batch() {
    let tokenizer: Box<dyn Tokenizer> = Box::new(CharTokenizer::fit(["abc"]).unwrap());
    let (texts, options) = (vec!["ab".to_string(), "c".to_string()], BatchOptions::new().pad_id(0));
    fn ids<T: Tokenizer>(tokenizer: T, texts: &[String], options: &BatchOptions) -> Vec<i64> {
        let batch = text::encode_batch(&tokenizer, texts, options).unwrap();
        assert_eq!(batch.ids.shape(), [2, 2]);
        assert_eq!(tokenizer.decode_stream().push(1).unwrap(), "b");
        batch.ids.to_vec().unwrap()
    }
    let expected = [0, 1, 2, 0];
    let shared = std::sync::Arc::new(CharTokenizer::fit(["abc"]).unwrap());
    assert_eq!(ids(&*tokenizer, &texts, &options), expected);
    assert_eq!(ids(&tokenizer, &texts, &options), expected);
    assert_eq!(ids(std::sync::Arc::clone(&shared), &texts, &options), expected);
    let dynamic: &dyn Tokenizer = &*tokenizer;
    for batch in [
        dynamic.encode_batch(&texts, &options),
        dynamic.encode_batch(["ab", "c"], &options),
        tokenizer.encode_batch(texts.clone(), &options),
        tokenizer.encode_batch(texts.iter().map(String::as_str), &options),
        shared.encode_batch(["ab", "c"], &options),
    ] {
        assert_eq!(batch.unwrap().ids.to_vec::<i64>().unwrap(), expected);
    }
    assert_eq!(tokenizer.decode_stream().push(0).unwrap(), "a");
    assert_eq!(ids(tokenizer, &texts, &options), expected);
    let pair = ("the cat".to_string(), "sat");
    let (pairs, _) = word_piece().encode_pair_batch(&[pair], &BatchOptions::new()).unwrap();
    assert_eq!(pairs.ids.shape()[0], 1);
}

#[test]
fn files_of_tokens_keep_white_space_and_lose_marks_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    let tokens = |text: &str| {
        fs::write(&path, text).unwrap();
        let tokenizer = WordPieceTokenizer::from_vocab(&path).unwrap();
        (0..tokenizer.vocab_size() as i64).map(|id| tokenizer.token(id).unwrap()).collect::<Vec<_>>()
    };
    let all = ["[UNK]", "\u{2028}", "\u{a0}", "  ", "", " a", "a ", "\u{85}", "b"];
    assert_eq!(tokens(&all.join("\n")), all);
    assert_eq!(tokens(&(all.join("\n") + "\n")), all);
    assert_eq!(tokens(&(all.join("\r\n") + "\r\n")), all);
    assert_eq!(tokens(&format!("\u{feff}{}", all.join("\r\n"))), all);
    assert_eq!(tokens("[UNK]\na\n\n"), ["[UNK]", "a", ""]);
    // The two other files.
    let (vocab, merges) = (folder.path().join("vocab.json"), folder.path().join("merges.txt"));
    fs::write(&vocab, "\u{feff}{\"a\":0,\"b\":1,\"ab\":2,\"#version\":3,\"#versiona\":4}\r\n").unwrap();
    fs::write(&merges, "\u{feff}#version: 0.2\r\na b\r\n\r\n   \n#version a\r\n").unwrap();
    let tokenizer = BpeTokenizer::from_files(&vocab, &merges, &["<s>"]).unwrap();
    assert_eq!(tokenizer.merges(), [(0, 1), (3, 0)]);
    let json = folder.path().join("t.json");
    fs::write(&json, format!("\u{feff}{}", tokenizer.to_json().unwrap())).unwrap();
    assert_eq!(BpeTokenizer::load(&json).unwrap(), tokenizer);
    let e = WordPieceTokenizer::new(["[UNK]", "a\nb"]).unwrap().save_vocab(&path).unwrap_err();
    assert_eq!(e.message(), "save_vocab: the token `a\\nb` cannot be written into a line");
}

proptest! {
    #[test]
    fn every_vocabulary_comes_back_from_its_lines(
        tokens in prop::collection::hash_set("[ab \r\t\u{a0}\u{2028}\u{feff}\u{85}#]{0,3}", 0..12),
        first in any::<bool>(),
    ) {
        let mut tokens: Vec<String> = tokens.into_iter().collect();
        tokens.insert(if first { 0 } else { tokens.len() }, "[UNK]".to_string());
        let tokenizer = WordPieceTokenizer::new(tokens.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocab.txt");
        if tokenizer.save_vocab(&path).is_ok() {
            prop_assert_eq!(WordPieceTokenizer::from_vocab(&path).unwrap(), tokenizer);
        } else {
            // Only where most lines would seem to end in a carriage return as well.
            prop_assert!(tokens.iter().filter(|token| token.ends_with('\r')).count() * 2 > tokens.len());
        }
    }
}

#[test]
fn chinese_is_divided_into_characters() {
    let sentences = ["这是一个关于人工智能的文本。", "人工智能将改变我们的生活。", "人工智能需要受到规范。"];
    let mut keras = WordTokenizer::new().segment_cjk(false);
    keras.fit_on_texts(sentences).unwrap();
    assert_eq!(keras.vocab_size(), 4, "each sentence is one word");
    let mut ours = WordTokenizer::new();
    ours.fit_on_texts(sentences).unwrap();
    for (sentence, ids) in sentences.iter().zip(ours.texts_to_sequences(sentences).unwrap()) {
        assert_eq!(ids.len(), sentence.chars().count());
        assert_eq!(ours.decode(&ids).unwrap(), *sentence);
    }
    ours.fit_on_texts(["AI技术 and Rust语言，한국어 텍스트"]).unwrap();
    let ids = ours.encode("AI技术 and Rust语言，한국어 텍스트").unwrap();
    assert_eq!(ours.decode(&ids).unwrap(), "ai技术and rust语言，한국어 텍스트");
}

#[test]
fn special_tokens_in_texts_and_out_of_them() {
    let tokenizer = BpeTokenizer::bytes().with_special_tokens(&["<|endoftext|>"]).unwrap();
    let ids = tokenizer.encode("a<|endoftext|>b").unwrap();
    assert_eq!(ids, [97, 256, 98]);
    assert_eq!(tokenizer.decode_without_special(&ids).unwrap(), "ab");
    assert_eq!(tokenizer.special_tokens(), [("<|endoftext|>".to_string(), 256)]);
    assert_eq!((tokenizer.pad_id(), BPE.pad_id()), (None, Some(1)));
}
