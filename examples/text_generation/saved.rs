//! Models in a folder: one file with the weights, what the model is made from, and the tokenizer.

use std::path::{Path, PathBuf};

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

pub fn save(model: &impl LanguageModel, tokenizer: &dyn Tokenizer, folder: &Path) -> Result<()> {
    model.save_with(tokenizer, file(folder))
}
