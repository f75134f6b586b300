//! Folders of `sentence-transformers`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Pretrained, folder, gguf};
use crate::error::{Result, short};
use crate::models::{Bert, Pooling};
use crate::pipeline::SentenceEncoder;

/// One of `modules.json`.
#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    r#type: String,
}

impl SentenceEncoder {
    /// A published encoder of sentences, as `sentence-transformers` has it: a folder with a model and its tokenizer, and beside them
    /// how the vectors of tokens become one (`modules.json` and `1_Pooling/config.json`). In a folder without these, that is their
    /// mean, not normalised. A GGUF file with its vocabulary does as well; its vectors are brought to length 1, as `llama.cpp` does.
    ///
    /// ```no_run
    /// use demotic::pipeline::SentenceEncoder;
    ///
    /// // The files of huggingface.co/sentence-transformers/all-MiniLM-L6-v2, downloaded into a folder.
    /// let encoder = SentenceEncoder::from_pretrained("all-MiniLM-L6-v2")?;
    /// let vectors = encoder.encode(&["It rains.", "The weather is bad.", "Stocks fell."])?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Pretrained::from_pretrained`] and [`tokenizer`](super::tokenizer), and if the vectors are made otherwise than is known
    /// here.
    #[track_caller]
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        if gguf::is_file(folder) {
            let tokenizer = super::tokenizer_for(op, folder)?;
            let pooling = gguf::pooling(op, folder)?.unwrap_or(Pooling::Mean);
            return Ok(Self::new(Bert::from_pretrained(folder)?, tokenizer).pooling(pooling));
        }
        let (mut pooling, mut normalized) = (Pooling::Mean, false);
        let modules = folder.join("modules.json");
        if modules.exists() {
            let list: Vec<Module> = folder::json(op, &modules, "a list of modules")?;
            for module in list {
                match module.r#type.rsplit('.').next().unwrap_or_default() {
                    "Transformer" => {}
                    "Pooling" => pooling = pooling_of(op, folder, &module.path)?,
                    "Normalize" => normalized = true,
                    _ => {
                        let message = format!("the module `{}` is not known", short(&module.r#type));
                        return Err(folder::malformed(op, &modules, message));
                    }
                }
            }
        }
        let tokenizer = folder::tokenizer(op, folder)?;
        let mut encoder = Self::new(Bert::from_pretrained(folder)?, tokenizer).pooling(pooling);
        if !normalized {
            encoder = encoder.without_normalization();
        }
        let options = folder.join("sentence_bert_config.json");
        if options.exists() {
            let map: Map<String, Value> = folder::json(op, &options, "options")?;
            if let Some(length) = map.get("max_seq_length").and_then(Value::as_u64) {
                encoder = encoder.max_length(usize::try_from(length).unwrap_or(usize::MAX));
            }
        }
        Ok(encoder)
    }
}

#[track_caller]
fn pooling_of(op: &'static str, folder: &Path, place: &str) -> Result<Pooling> {
    // Whoever wrote the list must not choose files elsewhere.
    let inside = Path::new(place).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !inside {
        let message = format!("`{}` is no folder in it", short(place));
        return Err(folder::malformed(op, &folder.join("modules.json"), message));
    }
    let path = folder.join(place).join("config.json");
    let options: Map<String, Value> = folder::json(op, &path, "options of a pooling")?;
    // Written as a word, or as one truth value for each.
    if let Some(mode) = options.get("pooling_mode").and_then(Value::as_str) {
        return named(mode).map_or_else(|| unknown(op, &path, mode), Ok);
    }
    let chosen =
        options.iter().filter(|(name, value)| name.starts_with("pooling_mode_") && **value == Value::Bool(true));
    let chosen: Vec<&str> = chosen.map(|(name, _)| name.as_str()).collect();
    match chosen[..] {
        [name] => {
            let mode = name.trim_start_matches("pooling_mode_").trim_end_matches("_tokens").trim_end_matches("_token");
            named(mode).map_or_else(|| unknown(op, &path, name), Ok)
        }
        [] => Err(folder::malformed(op, &path, "no pooling is chosen".into())),
        _ => Err(folder::malformed(op, &path, format!("several poolings at once: {}", chosen.join(", ")))),
    }
}

fn named(mode: &str) -> Option<Pooling> {
    match mode {
        "mean" => Some(Pooling::Mean),
        "max" => Some(Pooling::Max),
        "cls" => Some(Pooling::First),
        _ => None,
    }
}

#[track_caller]
fn unknown(op: &'static str, path: &Path, mode: &str) -> Result<Pooling> {
    let e = folder::malformed(op, path, format!("the pooling `{}` is not known", short(mode)));
    Err(e.with_help("those that are known are mean, max and cls"))
}
