//! The tokenizer of a GGUF file: what its metadata say, as the tokenizer takes it.

use crate::error::{Result, short};
use crate::io::gguf::{Reader, Value};
use crate::text::{GgufVocabulary, PublishedTokenizer};

impl PublishedTokenizer {
    /// The tokenizer in the metadata of a GGUF file: byte-level byte pairs (`gpt2`, with the division into words of GPT-2,
    /// SmolLM, Llama 3 and Qwen2), SentencePiece's byte pairs with scores (`llama`) or unigrams (`t5`), WordPiece (`bert`, in lower case if no
    /// token has a capital letter, which files do not say).
    ///
    /// # Errors
    /// If the file has no tokenizer, one of a kind that this crate does not have, or what it says does not fit together.
    ///
    /// ```no_run
    /// use demotic::io::gguf;
    /// use demotic::text::{PublishedTokenizer, Tokenizer};
    ///
    /// let tokenizer = PublishedTokenizer::from_gguf(&gguf::Reader::open("model.gguf")?)?;
    /// println!("{:?}", tokenizer.encode("Hello world")?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn from_gguf(file: &Reader) -> Result<Self> {
        let op = "from_gguf";
        let known = match vocabulary(file) {
            Ok(known) => known,
            Err(message) => return Err(file.error(op, message)),
        };
        Self::from_vocabulary(op, known).map_err(|e| {
            let message = e.message();
            let message = message.strip_prefix("from_gguf: ").unwrap_or(&message);
            file.error(op, message)
        })
    }
}

fn vocabulary(file: &Reader) -> Result<GgufVocabulary, String> {
    let name = |key: &str| format!("tokenizer.ggml.{key}");
    let value = |key: &str| file.get(&name(key));
    let wrong = |key: &str, expected: &str| {
        let shown = value(key).map_or(String::from("missing"), |value| format!("{value:?}"));
        format!("`{}` is {}, expected {expected}", name(key), short(&shown))
    };
    let text = |key: &str| match value(key) {
        None => Ok(None),
        Some(value) => value.as_text().map(|text| Some(text.to_string())).ok_or_else(|| wrong(key, "a text")),
    };
    let list = |key: &str| match value(key) {
        None => Ok(&[][..]),
        Some(value) => value.as_list().ok_or_else(|| wrong(key, "a list")),
    };
    let texts = |key: &str| -> Result<Vec<String>, String> {
        let list = list(key)?.iter().map(|value| value.as_text().map(String::from)).collect::<Option<_>>();
        list.ok_or_else(|| format!("`{}` has what is no text", name(key)))
    };
    let numbers = |key: &str| -> Result<Vec<f64>, String> {
        let list = list(key)?.iter().map(Value::as_f64).collect::<Option<_>>();
        list.ok_or_else(|| format!("`{}` has what is no number", name(key)))
    };
    let id = |key: &str| match value(key) {
        None => Ok(None),
        Some(value) => value.as_usize().map(Some).ok_or_else(|| wrong(key, "the number of a token")),
    };
    let flag = |key: &str| match value(key) {
        None => Ok(None),
        Some(value) => value.as_bool().map(Some).ok_or_else(|| wrong(key, "true or false")),
    };
    let Some(model) = text("model")? else { return Err("it has no tokenizer".to_string()) };
    Ok(GgufVocabulary {
        model,
        pre: text("pre")?,
        tokens: texts("tokens")?,
        scores: numbers("scores")?,
        token_types: numbers("token_type")?.into_iter().map(|kind| kind as i64).collect(),
        merges: texts("merges")?,
        bos: id("bos_token_id")?,
        eos: id("eos_token_id")?,
        unknown: id("unknown_token_id")?,
        // The key is spelt so in the format.
        separator: id("seperator_token_id")?,
        class: id("cls_token_id")?,
        add_bos: flag("add_bos_token")?,
        add_eos: flag("add_eos_token")?,
        add_space_prefix: flag("add_space_prefix")?,
        remove_extra_whitespaces: flag("remove_extra_whitespaces")?,
        charsmap: numbers("precompiled_charsmap")?.into_iter().map(|byte| byte as u8).collect(),
    })
}
