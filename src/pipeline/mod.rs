//! Models together with what stands before and behind them, in one file.
//!
//! | | takes | gives |
//! |---|---|---|
//! | [`Pipeline`] | a [`Table`](crate::data::Table) or a row of it, as they come | numbers in their own units, or classes or labels with probabilities |
//! | [`ImagePipeline`] | pictures, or files of them | classes with probabilities |
//! | [`ImageClassification`] | pictures | the same by a published model |
//! | [`ZeroShotImageClassification`] | pictures, and classes in words | the same by CLIP, without any training |
//! | [`TextPipeline`] | texts | their continuations, translations, or classes |
//! | [`Transcriber`], with the feature `fft` | sound | what was said |
//!
//! ```
//! use demotic::data::{Column, Preprocessor, Table};
//! use demotic::models::LinearRegression;
//! use demotic::prelude::*;
//!
//! let houses = Table::from_columns([
//!     ("area", Column::from([80.0, 100.0, 120.0, 140.0])),
//!     ("district", Column::from(["north", "south", "south", "north"])),
//!     ("price", Column::from([160.0, 220.0, 260.0, 280.0])),
//! ])?;
//! let prep = Preprocessor::fit(&houses, "price")?;
//! let data = prep.transform(&houses)?;
//! let model = LinearRegression::fit(data.x(), data.y())?;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("prices.safetensors");
//! Pipeline::new(prep, model)?.save(&path)?;
//!
//! // In another program, that only has the file:
//! let prices = Pipeline::open(&path)?;
//! let price = prices.predict_row(&[("area", 110.0.into()), ("district", "north".into())])?;
//! assert!((price - 220.0).abs() < 0.01);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The files are safetensors files: other programs see the parameters under the names that they always have. The rest stands
//! as JSON in the file's metadata: `demotic.model`, `demotic.preprocessor`, `demotic.csv`, `demotic.tokenizer`, `demotic.text` and
//! `demotic.images`.

mod classification;
mod classify;
mod image;
mod image_processor;
mod labels;
mod sentences;
mod table;
mod text;
#[cfg(feature = "fft")]
mod transcriber;

pub use crate::data::Resample;
use std::path::Path;

pub use classification::ClassPrediction;
pub use classify::{ImageClassification, ZeroShotImageClassification};
pub use image::{ImageInput, ImagePipeline};
pub use image_processor::{ImageProcessor, Resize};
pub use labels::LabelPrediction;
pub use sentences::SentenceEncoder;
pub use table::Pipeline;
pub use text::TextPipeline;
#[cfg(feature = "fft")]
pub use transcriber::{Transcriber, Transcript};

use crate::autograd;
use crate::error::{Error, Result};
use crate::io::{self, Attachment, IMAGES, Metadata, PREPROCESSOR};
use crate::layers::{Layer, Mode, Module};
use crate::tensor::Tensor;

/// The names of the other parts in a file's metadata.
const CSV: &str = "demotic.csv";
const TOKENIZER: &str = "demotic.tokenizer";
const TARGET_TOKENIZER: &str = "demotic.target_tokenizer";
const TEXT: &str = "demotic.text";

/// Whether a model gives logits: probabilities of probabilities would be far less certain than the model is, and nobody would notice.
#[track_caller]
fn expect_logits(op: &'static str, model: &dyn Layer, x: &Tensor) -> Result<()> {
    let output = model.forward(&x.tracked()?, &mut Mode::eval())?;
    let Some(end @ ("softmax" | "sigmoid")) = autograd::origin(&output) else { return Ok(()) };
    let e = Error::argument(op, format!("the model ends in a {end}, expected logits"));
    Err(e.with_help(format!("leave the {end} out of the model: the pipeline makes probabilities of its outputs")))
}

/// Writes a model, what the caller adds, and the pipeline's own parts into one file.
#[track_caller]
fn save(
    model: &(impl Module + ?Sized),
    with: &(impl Attachment + ?Sized),
    parts: &[(&str, String)],
    path: &Path,
) -> Result<()> {
    let mut metadata = Metadata::new();
    with.attach(&mut metadata)?;
    parts.iter().for_each(|(name, json)| metadata.insert(*name, json.clone()));
    io::save("save", model, &metadata, path, true)
}
