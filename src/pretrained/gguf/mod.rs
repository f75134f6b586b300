//! Models in GGUF files, as `llama.cpp` and what is built on it publish them.

mod bert;
mod llama;

use std::path::Path;

use crate::error::{Error, Result, short};
use crate::files::{self, Format};
use crate::io::TensorSource;
use crate::io::gguf::{Reader, Value};

use super::llama::MAX_LAYERS;
pub(super) use bert::{bert, pooling};
pub(super) use llama::llama;

/// Whether a path is that of a file, and not of a folder.
pub(super) fn is_file(path: &Path) -> bool {
    let is_named_so = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    path.is_file() || (is_named_so && !path.is_dir())
}

/// A file in place of a folder: it has to be a GGUF file, in which everything is.
#[track_caller]
pub(super) fn open(op: &'static str, path: &Path) -> Result<Reader> {
    match files::format(op, path) {
        Ok(Some(Format::Safetensors | Format::PyTorch | Format::Json)) => {
            let message = format!("{}: one file of a published model", path.display());
            Err(Error::format(op, message)
                .with_help("give the folder that holds it, with config.json and the tokenizer"))
        }
        _ => Reader::open(path),
    }
}

/// The settings of a file, with errors that name what is wrong with them.
struct Settings<'a> {
    op: &'static str,
    reader: &'a Reader,
    architecture: String,
}

impl<'a> Settings<'a> {
    #[track_caller]
    fn new(op: &'static str, reader: &'a Reader) -> Result<Self> {
        match reader.get("general.architecture").and_then(Value::as_text) {
            Some(architecture) => Ok(Self { op, reader, architecture: architecture.into() }),
            None => Err(reader.error(op, "does not say its `general.architecture`")),
        }
    }

    /// The error of a file that holds a model of another architecture.
    #[track_caller]
    fn another(&self, help: &str) -> Error {
        self.error(format_args!("holds a model of the architecture `{}`", short(&self.architecture))).with_help(help)
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.reader.get(&format!("{}.{key}", self.architecture))
    }

    /// What `as_type` makes of a setting, if there is one.
    #[track_caller]
    fn optional<T>(&self, key: &str, what: &str, as_type: fn(&Value) -> Option<T>) -> Result<Option<T>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match as_type(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.error(format_args!("`{}.{key}` is {value:?}, expected {what}", self.architecture))),
            },
        }
    }

    #[track_caller]
    fn size(&self, key: &str) -> Result<usize> {
        match self.optional(key, "a size", Value::as_usize)? {
            Some(size) => Ok(size),
            None => Err(self.error(format_args!("`{}.{key}` is missing", self.architecture))),
        }
    }

    #[track_caller]
    fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        self.optional(key, "a size", Value::as_usize)
    }

    #[track_caller]
    fn number(&self, key: &str) -> Result<Option<f64>> {
        self.optional(key, "a number", Value::as_f64)
    }

    /// The number as it was written: what is written as 1e-5 is stored in 32 bits.
    #[track_caller]
    fn written(&self, key: &str) -> Result<Option<f64>> {
        Ok(self.number(key)?.map(|number| (number as f32).to_string().parse().unwrap_or(number)))
    }

    #[track_caller]
    fn layers(&self) -> Result<usize> {
        let (layers, name) = (self.size("block_count")?, &self.architecture);
        if layers > MAX_LAYERS {
            return Err(self.error(format_args!("`{name}.block_count` is {layers}, expected at most {MAX_LAYERS}")));
        }
        Ok(layers)
    }

    /// The shape of a tensor, if the file has it.
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.reader.infos().into_iter().find(|info| info.name == name).map(|info| info.shape)
    }

    #[track_caller]
    fn error(&self, message: impl std::fmt::Display) -> Error {
        self.reader.error(self.op, message)
    }
}

/// Whether a file holds an encoder, and not a language model.
#[track_caller]
pub(super) fn is_bert(op: &'static str, path: &Path) -> Result<bool> {
    let reader = open(op, path)?;
    Ok(Settings::new(op, &reader)?.architecture == bert::ARCHITECTURE)
}
