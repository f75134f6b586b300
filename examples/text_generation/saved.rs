//! Models in a folder: one file with the weights, what the model is made from, and the tokenizer.

use std::path::{Path, PathBuf};

use demotic::io::safetensors::Reader;
use demotic::io::{Attachment, Metadata};
use demotic::layers::Architecture;
use demotic::models::CausalLm;
use demotic::prelude::*;
use demotic::text::Tokenizer;

/// What this example needs of a model.
pub trait LanguageModel: Layer + CausalLm + Architecture + Clone + 'static {}

impl<M: Layer + CausalLm + Architecture + Clone + 'static> LanguageModel for M {}

/// The file in the folder of a run.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("model.safetensors")
}

/// What ends a text, in the file's metadata.
const END: &str = "text_generation.end";

/// Writes a model, and what ends a text if the model has learnt texts that end.
pub fn save(model: &impl LanguageModel, tokenizer: &dyn Tokenizer, end: Option<&str>, folder: &Path) -> Result<()> {
    let mut metadata = Metadata::new();
    tokenizer.attach(&mut metadata)?;
    if let Some(end) = end {
        metadata.insert(END, end);
    }
    model.save_with(&metadata, file(folder))
}

/// What ends the texts of a model that was saved.
pub fn end(path: &Path) -> Result<Option<String>> {
    Ok(Reader::open(path)?.metadata().get(END).map(String::from))
}
