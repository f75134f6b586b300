//! The chat template of a published model.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::files;
use crate::text::ChatTemplate;

/// The largest template or configuration of a tokenizer, in bytes.
const MAX_CONFIG: u64 = 50_000_000;

/// The template of a folder (`chat_template.jinja`, or `chat_template` in `tokenizer_config.json`) or of a GGUF file, which knows
/// the special tokens of the model.
///
/// Available with the feature `chat`.
///
/// # Errors
/// If there is none, or it cannot be read.
///
/// ```no_run
/// use demotic::pretrained;
/// use demotic::text::{Message, Tokenizer};
///
/// let (tokenizer, template) = (pretrained::tokenizer("model.gguf")?, pretrained::chat_template("model.gguf")?);
/// let text = template.render(&[Message::user("What is a monad?")], true)?;
/// let prompt = tokenizer.encode_without_special(&text)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn chat_template(path: impl AsRef<Path>) -> Result<ChatTemplate> {
    let (op, path) = ("chat_template", path.as_ref());
    if super::gguf::is_file(path) {
        let file = super::gguf::open(op, path)?;
        let Some(source) = file.get("tokenizer.chat_template").and_then(|value| value.as_text()) else {
            return Err(file.error(op, "it has no chat template"));
        };
        let mut template = ChatTemplate::new(source)?;
        for (name, key) in [("bos_token", "tokenizer.ggml.bos_token_id"), ("eos_token", "tokenizer.ggml.eos_token_id")]
        {
            let id = file.get(key).and_then(|id| id.as_usize());
            let tokens = file.get("tokenizer.ggml.tokens").and_then(|tokens| tokens.as_list());
            if let Some(token) = tokens.zip(id).and_then(|(tokens, id)| tokens.get(id)?.as_text()) {
                template = template.with_token(name, token);
            }
        }
        return Ok(template);
    }
    let (file, config) = (path.join("chat_template.jinja"), path.join("tokenizer_config.json"));
    let config = if config.exists() || !file.exists() {
        let bytes = files::read_limited(op, &config, "the configuration of a tokenizer", MAX_CONFIG)?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => value,
            Err(e) => return Err(Error::format(op, format!("{}: {e}", config.display())).with_source(e)),
        }
    } else {
        Value::Null
    };
    let source = if file.exists() {
        String::from_utf8_lossy(&files::read_limited(op, &file, "a chat template", MAX_CONFIG)?).into_owned()
    } else {
        // A text, or several with names.
        let given = &config["chat_template"];
        let named = given.as_array().and_then(|list| list.iter().find(|entry| entry["name"] == "default"));
        match given.as_str().or_else(|| named?["template"].as_str()) {
            Some(source) => source.to_string(),
            None => {
                let message = format!("{}: there is no `chat_template`", path.join("tokenizer_config.json").display());
                return Err(Error::format(op, message).with_help("models that were not trained to talk have none"));
            }
        }
    };
    let mut template = ChatTemplate::new(&source)?;
    for name in ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"] {
        if let Some(token) = config[name].as_str().or_else(|| config[name]["content"].as_str()) {
            template = template.with_token(name, token);
        }
    }
    Ok(template)
}
