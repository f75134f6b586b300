//! What the folders of all published models have in common.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result, short};
use crate::files;
use crate::io::safetensors::Sharded;
use crate::io::{self, Metadata, TensorSource};
use crate::layers::{Module, ModuleExt, Weight};
use crate::text::{self, BpeTokenizer, Tokenizer, WordPieceTokenizer};

/// The largest `config.json`, in bytes.
const MAX_CONFIG: u64 = 10_000_000;

pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
const ADDED: &str = "added_tokens.json";
const INDEX: &str = "model.safetensors.index.json";

/// A small file in JSON.
#[track_caller]
pub(super) fn json<T: DeserializeOwned>(op: &'static str, path: &Path, what: &str) -> Result<T> {
    match serde_json::from_slice(&files::read_limited(op, path, what, MAX_CONFIG)?) {
        Ok(value) => Ok(value),
        Err(e) if e.is_data() => Err(malformed(op, path, format!("not {what}: {e}")).with_source(e)),
        Err(e) => Err(malformed(op, path, format!("not in JSON: {e}")).with_source(e)),
    }
}

/// An error about what is in a file.
#[track_caller]
pub(super) fn malformed(op: &'static str, path: &Path, message: String) -> Error {
    Error::format(op, format!("{}: {message}", path.display()))
}

/// The configuration in a folder, with the `model_type` that it says.
#[track_caller]
pub(super) fn any_config(op: &'static str, folder: &Path) -> Result<(String, Map<String, Value>)> {
    let path = folder.join(CONFIG);
    let config: Map<String, Value> = json(op, &path, "a configuration")?;
    match config.get("model_type").and_then(Value::as_str) {
        Some(model_type) => Ok((model_type.to_string(), config)),
        None => Err(malformed(op, &path, "does not say its model_type".into())
            .with_help("demotic::pretrained lists the types there are")),
    }
}

/// The error of a folder whose `model_type` is another one than that of a model of this name.
#[track_caller]
pub(super) fn another_type(op: &'static str, folder: &Path, found: &str, expected: &str) -> Error {
    let message = format!("the folder holds a model of type `{}`, not {expected}", short(found));
    let e = malformed(op, &folder.join(CONFIG), message);
    match super::reader_of(found) {
        Some(model) => e.with_help(format!("{model} reads it, or demotic::pretrained::load")),
        None => e.with_help("demotic::pretrained lists the types there are, and the models that read them"),
    }
}

/// Whether no weight has an adapter, is quantised, sparse or a product, of which the published form knows nothing.
#[track_caller]
pub(super) fn expect_merged(op: &'static str, model: &impl Module) -> Result<()> {
    let (mut adapted, mut kept) = (None, None);
    model.for_each("*", |path, weight: &Weight| {
        if weight.adapter().is_some() {
            adapted.get_or_insert_with(|| path.to_string());
        } else if weight.param().is_none() {
            let how = match weight {
                Weight::Sparse(_) => "sparse",
                Weight::Factored(_) => "a product of two",
                _ => "quantised",
            };
            kept.get_or_insert_with(|| (path.to_string(), how));
        }
    });
    if let Some((path, how)) = kept {
        let message = format!("`{path}` is {how}, which the published form has no words for");
        let what = if how == "quantised" { "quantised" } else { "such" };
        return Err(Error::state(op, message).with_help(format!("save() keeps {what} weights, in a file for open()")));
    }
    match adapted {
        Some(path) => {
            let message = format!("`{path}` has an adapter, which the published form has no words for");
            Err(Error::state(op, message).with_help("merge it into the weight first: merge_lora(pattern)"))
        }
        None => Ok(()),
    }
}

/// Whether heads are as wide together as what is between blocks, as the published form has it.
#[track_caller]
pub(super) fn expect_square(head_dim: Option<usize>, heads: usize, hidden: usize) -> Result<()> {
    match head_dim {
        Some(size) if size.checked_mul(heads) != Some(hidden) => {
            let message =
                format!("{heads} heads of {size} of {hidden} features, which the published form has no words for");
            Err(Error::state("save_pretrained", message).with_help("save() keeps such a model, in a file for open()"))
        }
        _ => Ok(()),
    }
}

/// Makes the folder that a model is written into, if there is none.
#[track_caller]
pub(super) fn create(op: &'static str, folder: &Path) -> Result<()> {
    match fs::create_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(e) => Err(Error::io(op, folder, e)),
    }
}

/// Without it, `transformers` does not know for which library the layout of the weights is.
pub(super) fn metadata() -> Metadata {
    Metadata::from_iter([("format", "pt")])
}

/// The configuration in a folder, which must be one of a model of this type, and all that the file says.
#[track_caller]
pub(super) fn config<C: DeserializeOwned>(
    op: &'static str,
    folder: &Path,
    model_type: &str,
) -> Result<(C, Map<String, Value>)> {
    let path = folder.join(CONFIG);
    let value: Value = json(op, &path, "a configuration")?;
    match value.get("model_type").and_then(Value::as_str) {
        Some(found) if found == model_type => {}
        Some(found) => return Err(another_type(op, folder, found, &format!("`{model_type}`"))),
        None => return Err(malformed(op, &path, format!("does not say its model_type; `{model_type}` is expected"))),
    }
    let all = value.as_object().cloned().unwrap_or_default();
    match serde_json::from_value(value) {
        Ok(config) => Ok((config, all)),
        Err(e) => Err(malformed(op, &path, format!("not the configuration of a `{model_type}`: {e}")).with_source(e)),
    }
}

/// An error about an option in the configuration.
#[track_caller]
pub(super) fn unsupported(op: &'static str, folder: &Path, message: impl std::fmt::Display) -> Error {
    Error::argument(op, format!("{}: {message}", folder.join(CONFIG).display()))
}

/// The weights in a folder, in one file or several; of those that hold the same, safetensors before PyTorch's.
#[track_caller]
pub(super) fn weights(op: &'static str, folder: &Path) -> Result<Box<dyn TensorSource>> {
    for (whole, index) in [(WEIGHTS, INDEX), ("pytorch_model.bin", "pytorch_model.bin.index.json")] {
        let (whole, index) = (folder.join(whole), folder.join(index));
        if whole.exists() {
            return Ok(io::source(op, &whole)?);
        }
        if index.exists() {
            return Ok(Box::new(Sharded::open_for(op, &index)?));
        }
    }
    let message = format!("{}: neither {WEIGHTS} nor {INDEX}", folder.display());
    let other = ["tf_model.h5", "flax_model.msgpack"].into_iter().find(|name| folder.join(name).exists());
    Err(match other {
        Some(name) => Error::format(op, message)
            .with_help(format!("there is {name}: `transformers` writes it anew as safetensors with save_pretrained")),
        None => Error::format(op, message).with_help("give the folder that holds the files of the published model"),
    })
}

/// What kinds of models have which parameters: a part of a name, and the `model_type`.
const SIGNS: [(&str, &str); 15] = [
    (".attn.c_attn.", "gpt2"),
    (".attention.q_lin.", "distilbert"),
    (".attention.self.query_proj.", "deberta"),
    ("roberta.encoder.layer.", "roberta"),
    (".attention.self.query.", "bert"),
    (".SelfAttention.q.", "t5"),
    ("vision_model.encoder.", "clip"),
    (".attention.attention.query.", "vit"),
    ("blocks.0.attn.qkv.", "a vision transformer of timm"),
    ("model.decoder.layers.", "whisper"),
    (".block_sparse_moe.", "mixtral"),
    (".mlp.experts.", "a mixture of experts"),
    ("blk.0.attn_", "GGUF"),
    (".self_attn.q_proj.", "llama"),
    (".self_attn.qkv_proj.", "llama"),
];

/// Of what kind of model tensors seem to be.
pub(super) fn seems(source: &dyn TensorSource) -> Option<&'static str> {
    let infos = source.infos();
    let has = |part: &str| infos.iter().any(|info| format!(".{}", info.name).contains(part));
    SIGNS.iter().find(|(part, _)| has(part)).map(|(_, kind)| *kind)
}

/// The weights in a folder, which must not be those of another kind of model.
#[track_caller]
pub(super) fn weights_of(op: &'static str, folder: &Path, kinds: &[&str]) -> Result<Box<dyn TensorSource>> {
    let weights = weights(op, folder)?;
    match seems(&*weights) {
        Some(found) if !kinds.contains(&found) => {
            let (there, kind) = (weights.describe(), kinds.join("` or `"));
            let message = format!("{there}: the tensors seem to be those of `{found}`, not of `{kind}`");
            Err(Error::format(op, message).with_help("config.json is that of another model"))
        }
        _ => Ok(weights),
    }
}

/// A configuration as it is written.
#[track_caller]
pub(super) fn to_json(op: &'static str, config: &Value) -> Result<Vec<u8>> {
    match serde_json::to_vec_pretty(config) {
        Ok(json) => Ok(json),
        Err(e) => Err(Error::format(op, e.to_string()).with_source(e)),
    }
}

/// The tokenizer in a folder.
#[track_caller]
pub(super) fn tokenizer(op: &'static str, folder: &Path) -> Result<Box<dyn Tokenizer>> {
    let json = folder.join("tokenizer.json");
    if !folder.is_dir() {
        // Which says where it was looked for.
        files::open(op, &json)?;
    }
    if json.exists() {
        return text::load(&json);
    }
    let (vocab, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
    if vocab.exists() && merges.exists() {
        let added = added_tokens(op, folder)?;
        let mut special = special_tokens(op, folder)?;
        // Those that the vocabulary lacks get the next numbers, in this order.
        special.retain(|token| !added.iter().any(|(added, _)| added == token));
        special.extend(added.iter().map(|(token, _)| token.clone()));
        let tokenizer = BpeTokenizer::from_files(&vocab, &merges, &special)?;
        let found: BTreeMap<String, i64> = crate::order::map(tokenizer.special_tokens());
        if let Some((token, id)) = added.iter().find(|(token, id)| found.get(token) != Some(id)) {
            let message = format!("`{}` is token {id}, which those of vocab.json do not leave room for", short(token));
            return Err(malformed(op, &folder.join(ADDED), message));
        }
        return Ok(Box::new(tokenizer));
    }
    let words = folder.join("vocab.txt");
    if words.exists()
        && let Some(tokenizer) = word_pieces(op, folder, &words)?
    {
        return Ok(Box::new(tokenizer));
    }
    let message =
        format!("{}: neither tokenizer.json nor vocab.json with merges.txt nor BERT's vocab.txt", folder.display());
    Err(Error::format(op, message).with_help("the files of the tokenizer are published beside those of the model"))
}

/// BERT's tokenizer with the options in `tokenizer_config.json`, if the words are those of one.
#[track_caller]
fn word_pieces(op: &'static str, folder: &Path, words: &Path) -> Result<Option<WordPieceTokenizer>> {
    let path = folder.join("tokenizer_config.json");
    let options: Map<String, Value> =
        if path.exists() { json(op, &path, "options of a tokenizer")? } else { Map::new() };
    let class = options.get("tokenizer_class").and_then(Value::as_str).unwrap_or("BertTokenizer");
    if !["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast"].contains(&class) {
        return Ok(None);
    }
    let flag = |name: &str| options.get(name).and_then(Value::as_bool);
    let mut tokenizer = WordPieceTokenizer::from_vocab(words)?;
    if flag("do_lower_case") == Some(false) {
        tokenizer = tokenizer.cased();
    }
    if let Some(strip) = flag("strip_accents") {
        tokenizer = tokenizer.strip_accents(strip);
    }
    if flag("tokenize_chinese_chars") == Some(false) {
        tokenizer = tokenizer.without_separate_ideographs();
    }
    Ok(Some(tokenizer))
}

/// The tokens that were added to the vocabulary, with their numbers, in the order of these.
#[track_caller]
fn added_tokens(op: &'static str, folder: &Path) -> Result<Vec<(String, i64)>> {
    let path = folder.join(ADDED);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let map: BTreeMap<String, i64> = json(op, &path, "a map of added tokens")?;
    let mut tokens = Vec::with_capacity(map.len());
    for token in map {
        tokens.push(token);
    }
    crate::order::sort_by(&mut tokens, |(_, a), (_, b)| a.cmp(b));
    Ok(tokens)
}

/// The tokens that are not divided, as `special_tokens_map.json` lists them; GPT-2's own where there is no such file.
#[track_caller]
fn special_tokens(op: &'static str, folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("special_tokens_map.json");
    if !path.exists() {
        return Ok(vec!["<|endoftext|>".into()]);
    }
    let map: Map<String, Value> = json(op, &path, "a map of special tokens")?;
    let mut tokens: Vec<String> = Vec::new();
    let mut add = |token: &Value| {
        // A token is a text, or an object with its text as `content`.
        let text = token.as_str().or_else(|| token.get("content").and_then(Value::as_str));
        if let Some(text) = text.filter(|text| !tokens.iter().any(|known| known == text)) {
            tokens.push(text.to_string());
        }
    };
    for value in map.values() {
        match value {
            Value::Array(several) => several.iter().for_each(&mut add),
            one => add(one),
        }
    }
    Ok(tokens)
}
