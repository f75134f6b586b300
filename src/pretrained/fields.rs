//! The options of a `config.json`, each of which is asked for; what nobody asked for is an error.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::folder::{self, CONFIG};
use crate::error::{Error, Result, short};

/// What says nothing of what a model computes: where it came from, what training it further would draw, where to compute, and how
/// texts are generated or their classes are called.
const SILENT: [&str; 58] = [
    "architectures",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "cls_token_id",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_llama_config",
    "label2id",
    "length_penalty",
    "max_length",
    "min_length",
    "model_type",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "use_cache",
];

/// What must be as it is by default: nothing here computes otherwise.
const USUAL: [(&str, Value); 8] = [
    ("add_cross_attention", Value::Bool(false)),
    ("cross_attention_hidden_size", Value::Null),
    ("is_decoder", Value::Bool(false)),
    ("is_encoder_decoder", Value::Bool(false)),
    ("pruned_heads", Value::Null),
    ("tie_encoder_decoder", Value::Bool(false)),
    ("use_bfloat16", Value::Bool(false)),
    ("use_mrope", Value::Bool(false)),
];

/// Options by their names.
#[derive(Debug)]
pub(super) struct Fields {
    op: &'static str,
    path: PathBuf,
    /// Where in the file they stand: nothing, or `rope_scaling.`.
    within: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Those of a configuration in a folder.
    pub(super) fn new(op: &'static str, folder: &Path, map: Map<String, Value>) -> Self {
        Self { op, path: folder.join(CONFIG), within: String::new(), map }
    }

    /// Those of another file.
    pub(super) fn of(op: &'static str, path: &Path, map: Map<String, Value>) -> Self {
        Self { op, path: path.to_path_buf(), within: String::new(), map }
    }

    /// An error about them.
    #[track_caller]
    pub(super) fn error(&self, message: impl std::fmt::Display) -> Error {
        folder::malformed(self.op, &self.path, message.to_string())
    }

    /// An option; `None` if it is not there, or null.
    #[track_caller]
    pub(super) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>> {
        match self.map.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match serde_json::from_value(value) {
                Ok(value) => Ok(Some(value)),
                Err(e) => Err(self.error(format_args!("`{}{name}`: {e}", self.within)).with_source(e)),
            },
        }
    }

    /// An option that has to be there.
    #[track_caller]
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None => Err(self.error(format_args!("does not say `{}{name}`", self.within))),
        }
    }

    /// An option, or what it is by default.
    #[track_caller]
    pub(super) fn or<T: DeserializeOwned>(&mut self, name: &str, default: T) -> Result<T> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// The options in an option.
    #[track_caller]
    pub(super) fn nested(&mut self, name: &str) -> Result<Option<Self>> {
        let within = format!("{}{name}.", self.within);
        let map = self.optional(name)?;
        Ok(map.map(|map| Self { op: self.op, path: self.path.clone(), within, map }))
    }

    /// Whether an option is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether an option is there, be it null.
    pub(super) fn says(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// An option that is only known with this value, or where it is not said.
    #[track_caller]
    pub(super) fn only(&mut self, name: &str, known: &Value) -> Result<()> {
        match self.map.remove(name) {
            None | Some(Value::Null) => Ok(()),
            // Lists and objects: those that name nothing.
            Some(Value::Array(list)) if list.is_empty() => Ok(()),
            Some(Value::Object(map)) if map.is_empty() => Ok(()),
            Some(value) if value == *known || value.as_f64().is_some() && value.as_f64() == known.as_f64() => Ok(()),
            Some(value) => {
                let value = value.to_string();
                let message = format!("`{}{name}` is {}, of which only {known} is known", self.within, short(&value));
                Err(self.error(message))
            }
        }
    }

    /// Ends the asking.
    #[track_caller]
    pub(super) fn done(self, of: &str) -> Result<()> {
        let whole = self.within.is_empty();
        self.end(of, whole)
    }

    /// Ends the asking for options in an option that are a whole configuration.
    #[track_caller]
    pub(super) fn done_whole(self, of: &str) -> Result<()> {
        self.end(of, true)
    }

    #[track_caller]
    fn end(mut self, of: &str, whole: bool) -> Result<()> {
        if whole {
            for (name, value) in &USUAL {
                self.only(name, value)?;
            }
        }
        let silent = |name: &str| whole && (name.starts_with('_') || SILENT.contains(&name));
        match self.map.iter().find(|(name, value)| !value.is_null() && !silent(name)) {
            Some((name, _)) => {
                let e = self.error(format_args!("there is no option `{}{}` of a `{of}`", self.within, short(name)));
                Err(e.with_help("it may change what the model computes; if it does not, take it out of the file"))
            }
            None => Ok(()),
        }
    }
}
