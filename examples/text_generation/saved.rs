//! Models in a folder: weights, configuration, and the tokenizer.

use std::path::{Path, PathBuf};

use demotic::models::{CausalLm, Gpt, GptConfig, RecurrentLm, RecurrentLmConfig};
use demotic::prelude::*;
use demotic::text::{self, Tokenizer};
use serde::{Deserialize, Serialize};

/// Which model, and how large.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Config {
    Gpt(GptConfig),
    Recurrent(RecurrentLmConfig),
}

/// What this example needs of a model.
pub trait LanguageModel: Layer + CausalLm + Clone + 'static {
    fn config(&self) -> Config;
}

impl LanguageModel for Gpt {
    fn config(&self) -> Config {
        Config::Gpt(self.config().clone())
    }
}

impl LanguageModel for RecurrentLm {
    fn config(&self) -> Config {
        Config::Recurrent(self.config().clone())
    }
}

struct Files {
    weights: PathBuf,
    config: PathBuf,
    tokenizer: PathBuf,
}

impl Files {
    fn of(folder: &Path) -> Self {
        Self {
            weights: folder.join("model.safetensors"),
            config: folder.join("config.json"),
            tokenizer: folder.join("tokenizer.json"),
        }
    }
}

pub fn save(model: &impl LanguageModel, tokenizer: &dyn Tokenizer, folder: &Path) -> Result<()> {
    let files = Files::of(folder);
    model.save(&files.weights)?;
    text::save(tokenizer, &files.tokenizer)?;
    let json = serde_json::to_string_pretty(&model.config()).map_err(|e| Error::format("save", e.to_string()))?;
    std::fs::write(&files.config, json).map_err(|e| Error::io("save", &files.config, e))
}

/// Reads the tokenizer and the configuration; the weights are read by [`load_weights`] into a model made from that.
pub fn load(folder: &Path) -> Result<(Config, Box<dyn Tokenizer>)> {
    let files = Files::of(folder);
    let json = std::fs::read_to_string(&files.config).map_err(|e| {
        Error::io("load", &files.config, e).with_help("--load takes the --out folder of an earlier run")
    })?;
    let config = serde_json::from_str(&json).map_err(|e| {
        let message = format!("{}: {e}", files.config.display());
        Error::format("load", message)
    })?;
    Ok((config, text::load(&files.tokenizer)?))
}

pub fn load_weights(model: &mut impl LanguageModel, folder: &Path) -> Result<()> {
    model.load(Files::of(folder).weights)
}
