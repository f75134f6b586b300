//! What the folders of all published models have in common.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result, short};
use crate::files;
use crate::io::TensorSource;
use crate::io::safetensors::{Reader, Sharded};
use crate::text::{BpeTokenizer, Tokenizer};

/// The largest `config.json`, in bytes.
const MAX_CONFIG: u64 = 10_000_000;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// An error about what is in a file.
#[track_caller]
fn malformed(op: &'static str, path: &Path, message: String) -> Error {
    Error::format(op, format!("{}: {message}", path.display()))
}

/// The configuration in a folder, which must be one of a model of this type.
#[track_caller]
pub(super) fn config<C: DeserializeOwned>(op: &'static str, folder: &Path, model_type: &str) -> Result<C> {
    let path = folder.join("config.json");
    let mut json = Vec::new();
    let file: File = files::open(op, &path)?;
    if let Err(e) = file.take(MAX_CONFIG + 1).read_to_end(&mut json) {
        return Err(Error::io(op, &path, e));
    }
    if json.len() as u64 > MAX_CONFIG {
        return Err(malformed(op, &path, format!("a configuration of more than {MAX_CONFIG} bytes")));
    }
    let value: Value = match serde_json::from_slice(&json) {
        Ok(value) => value,
        Err(e) => return Err(malformed(op, &path, format!("not in JSON: {e}")).with_source(e)),
    };
    match value.get("model_type").and_then(Value::as_str) {
        Some(found) if found == model_type => {}
        Some(found) => {
            let e = malformed(
                op,
                &path,
                format!("the folder holds a model of type `{}`, not `{model_type}`", short(found)),
            );
            return Err(e.with_help("demotic::pretrained lists the types there are, and the models that read them"));
        }
        None => return Err(malformed(op, &path, format!("does not say its model_type; `{model_type}` is expected"))),
    }
    match serde_json::from_value(value) {
        Ok(config) => Ok(config),
        Err(e) => Err(malformed(op, &path, format!("not the configuration of a `{model_type}`: {e}")).with_source(e)),
    }
}

/// An error about an option in the configuration.
#[track_caller]
pub(super) fn unsupported(op: &'static str, folder: &Path, message: impl std::fmt::Display) -> Error {
    Error::argument(op, format!("{}: {message}", folder.join("config.json").display()))
}

/// The weights in a folder, in one file or several.
#[track_caller]
pub(super) fn weights(op: &'static str, folder: &Path) -> Result<Box<dyn TensorSource>> {
    let (whole, index) = (folder.join(WEIGHTS), folder.join(INDEX));
    if whole.exists() {
        return Ok(Box::new(Reader::open_for(op, &whole)?));
    }
    if index.exists() {
        return Ok(Box::new(Sharded::open(&index)?));
    }
    let message = format!("{}: neither {WEIGHTS} nor {INDEX}", folder.display());
    let other = ["pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"];
    Err(match other.into_iter().find(|name| folder.join(name).exists()) {
        Some(name) => Error::format(op, message)
            .with_help(format!("there is {name}: `transformers` writes it anew as safetensors with save_pretrained")),
        None => Error::format(op, message).with_help("give the folder that holds the files of the published model"),
    })
}

/// The tokenizer in a folder.
#[track_caller]
pub(super) fn tokenizer(op: &'static str, folder: &Path) -> Result<Box<dyn Tokenizer>> {
    let json = folder.join("tokenizer.json");
    #[cfg(feature = "tokenizers")]
    if json.exists() {
        return Ok(Box::new(crate::text::HuggingFaceTokenizer::load(&json)?));
    }
    let (vocab, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
    if vocab.exists() && merges.exists() {
        let special = special_tokens(op, folder)?;
        return Ok(Box::new(BpeTokenizer::from_files(&vocab, &merges, &special)?));
    }
    if json.exists() {
        let e = Error::format(op, format!("{}: read with the feature `tokenizers`", json.display()));
        return Err(e.with_help("build with it: cargo add demotic --features tokenizers"));
    }
    let message = format!("{}: neither tokenizer.json nor vocab.json with merges.txt", folder.display());
    Err(Error::format(op, message).with_help("the files of the tokenizer are published beside those of the model"))
}

/// The tokens that are not divided, as `special_tokens_map.json` lists them; GPT-2's own where there is no such file.
#[track_caller]
fn special_tokens(op: &'static str, folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("special_tokens_map.json");
    if !path.exists() {
        return Ok(vec!["<|endoftext|>".into()]);
    }
    let mut json = Vec::new();
    if let Err(e) = files::open(op, &path)?.take(MAX_CONFIG).read_to_end(&mut json) {
        return Err(Error::io(op, &path, e));
    }
    let map: Value = match serde_json::from_slice(&json) {
        Ok(map) => map,
        Err(e) => return Err(malformed(op, &path, format!("not in JSON: {e}")).with_source(e)),
    };
    let mut tokens: Vec<String> = Vec::new();
    let mut add = |token: &Value| {
        // A token is a text, or an object with its text as `content`.
        let text = token.as_str().or_else(|| token.get("content").and_then(Value::as_str));
        if let Some(text) = text.filter(|text| !tokens.iter().any(|known| known == text)) {
            tokens.push(text.to_string());
        }
    };
    for value in map.as_object().into_iter().flat_map(|map| map.values()) {
        match value {
            Value::Array(several) => several.iter().for_each(&mut add),
            one => add(one),
        }
    }
    Ok(tokens)
}
