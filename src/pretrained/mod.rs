//! Published models: the folder that a model is published as → a model of ours, and back.
//!
//! ```no_run
//! use demotic::models::{GenerateOptions, Gpt};
//! use demotic::prelude::*;
//!
//! // The files of huggingface.co/openai-community/gpt2, downloaded into a folder.
//! let gpt2 = TextPipeline::<Gpt>::from_pretrained("gpt2")?;
//! println!("{}", gpt2.generate("Hello, I'm", &GenerateOptions::new(), &mut Rng::seed(0))?.text);
//!
//! // Or the model alone, to train it further, and to publish it again.
//! let mut gpt = Gpt::from_pretrained("gpt2")?;
//! gpt.freeze("transformer.h.*")?;
//! gpt.save_pretrained("mine")?;
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! Nothing is downloaded: a folder holds what its publisher put there, `config.json`, the weights as
//! `model.safetensors` or `pytorch_model.bin` (or in several files with an index), and the files of the tokenizer.
//!
//! | `model_type` | model |
//! |---|---|
//! | `gpt2` | [`Gpt`] |
//! | `llama` (Llama 1 to 3, SmolLM, SmolLM2 …), `mistral`, `qwen2` (Qwen2, Qwen2.5), `qwen3`, `phi3` (Phi-3, Phi-4), `smollm3`, `gemma`, `gemma2`, `gemma3_text` | [`Llama`] |
//! | any of these, of a class `…ForSequenceClassification` | [`LanguageModelForSequenceClassification`] |
//! | `bert` (BERT, MiniLM …), `roberta`, `xlm-roberta`, `camembert`, `distilbert` | [`Bert`], [`BertForMaskedLm`], [`BertForSequenceClassification`], [`BertForTokenClassification`], [`BertForQuestionAnswering`] |
//! | `t5` (T5, its version 1.1, Flan-T5), `mt5` | [`T5`], [`T5Encoder`] |
//! | `whisper` | [`Whisper`]; with its tokenizer, a [`Transcriber`](crate::pipeline::Transcriber) |
//! | `vit`, `deit` | [`Vit`], [`VitForImageClassification`], [`DeitForImageClassification`], [`DeitForImageClassificationWithTeacher`] |
//! | `clip` | [`Clip`] |
//!
//! Networks of torchvision and timm (ResNet, MobileNet, EfficientNet), in one file or in a folder of timm, are read by
//! [`ImageClassifier::from_pretrained`]; [`ImageClassification`](crate::pipeline::ImageClassification) and
//! [`ZeroShotImageClassification`](crate::pipeline::ZeroShotImageClassification) take pictures of any size.
//!
//! [`LanguageModel`] is whichever language model a folder holds, and [`load`] takes a folder of any of these types. An option in `config.json`
//! that is not known here may change what a model computes, and is an error that names it.
//! Folders of `sentence-transformers` are read by [`SentenceEncoder::from_pretrained`](crate::pipeline::SentenceEncoder::from_pretrained).

mod activations;
mod bert;
#[cfg(feature = "chat")]
mod chat;
mod classifier;
mod clip;
mod fields;
mod folder;
mod gguf;
mod gpt2;
mod images;
mod llama;
mod networks;
mod preprocessor;
mod published;
mod sentences;
mod split;
mod t5;
mod vit;
mod vocabulary;
mod whisper;

#[cfg(feature = "chat")]
pub use chat::chat_template;
pub use published::{PublishedModel, load};

use std::path::Path;

use crate::error::Result;
use crate::layers::Module;
#[allow(unused_imports, reason = "named in the documentation")]
use crate::models::{
    Bert, BertForMaskedLm, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, Clip,
    DeitForImageClassification, DeitForImageClassificationWithTeacher, Gpt, ImageClassifier, LanguageModel,
    LanguageModelForSequenceClassification, Llama, T5, T5Encoder, Vit, VitForImageClassification, Whisper,
};
use crate::pipeline::TextPipeline;
use crate::text::{PublishedTokenizer, Tokenizer};

/// A model that is published in the form of Hugging Face's `transformers`.
pub trait Pretrained: Module + Sized {
    /// Reads a model from the folder that it is published as: its configuration and its weights, one tensor after the other.
    /// Parameters are of type `F32` (`F64` if they are so in the file), whatever the file has.
    ///
    /// # Errors
    /// If a file is missing or malformed, the folder is of another kind of model, the model needs something that this crate does
    /// not have, or configuration and weights do not fit each other.
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self>;

    /// Writes `config.json` and `model.safetensors` into a folder, which is made if there is none: what
    /// `transformers` reads with its own `from_pretrained`.
    ///
    /// # Errors
    /// If the model has an option that the published form has no words for, or the file system refuses.
    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()>;
}

/// The model that reads a `model_type`.
fn reader_of(model_type: &str) -> Option<&'static str> {
    match model_type {
        "gpt2" => Some("models::Gpt"),
        other if t5::MODEL_TYPES.contains(&other) => Some("models::T5"),
        whisper::MODEL_TYPE => Some("models::Whisper"),
        "vit" | "deit" => Some("models::ImageClassifier"),
        "clip" => Some("models::Clip"),
        other if bert::family(other).is_some() => Some("models::Bert"),
        other => llama::family(other).map(|_| "models::Llama"),
    }
}

/// The tokenizer of a published model: in a folder that of `tokenizer.json`, or the byte pairs of `vocab.json` and `merges.txt`, or
/// BERT's words in `vocab.txt`; or that of a GGUF file.
///
/// # Errors
/// If there is none, or its files are malformed.
#[track_caller]
pub fn tokenizer(folder: impl AsRef<Path>) -> Result<Box<dyn Tokenizer>> {
    tokenizer_for("tokenizer", folder.as_ref())
}

#[track_caller]
fn tokenizer_for(op: &'static str, path: &Path) -> Result<Box<dyn Tokenizer>> {
    if gguf::is_file(path) {
        return Ok(Box::new(PublishedTokenizer::from_gguf(&gguf::open(op, path)?)?));
    }
    folder::tokenizer(op, path)
}

impl<M: Pretrained> TextPipeline<M> {
    /// A published model with its tokenizer; see [`pretrained`](crate::pretrained).
    ///
    /// # Errors
    /// As for [`Pretrained::from_pretrained`] and [`tokenizer`].
    #[track_caller]
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        // Whatever is wrong with the tokenizer is known sooner than the weights are read.
        let tokenizer = tokenizer_for("from_pretrained", folder)?;
        Ok(Self::new(M::from_pretrained(folder)?, tokenizer))
    }
}
