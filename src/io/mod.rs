//! Tensors and models in files.
//!
//! ```
//! use demotic::models::Mlp;
//! use demotic::prelude::*;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("model.safetensors");
//! let model = Mlp::new(&[3, 16, 2], &mut Rng::seed(0))?.activation(Gelu);
//! model.save(&path)?;
//!
//! let again = Mlp::open(&path)?;
//! let x = tensor![[1.0, 2.0, 3.0]];
//! assert_eq!(again.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - A model that has an [`Architecture`](crate::layers::Architecture), as those of [`models`](crate::models) and most layers do,
//!   is [opened](SaveLoad::open) from its file alone; so is a [`Sequential`](crate::layers::Sequential) of such layers.
//! - A [`Pipeline`](crate::pipeline::Pipeline) or [`TextPipeline`](crate::pipeline::TextPipeline) is a model with its
//!   preprocessing or tokenizer, in one file as well.
//! - Any other module is made in code and [loads](SaveLoad::load) its parameters.
//! - Parameters that another program wrote, under other names or in several files, come from a [`TensorSource`]: a file of
//!   [safetensors], of [PyTorch](pytorch), of NumPy ([`Npz`](crate::data::Npz)), a [GGUF](gguf) file; [`open_source`] takes any of them.
//!
//! Models are kept in the [safetensors] format, the one in which PyTorch users publish theirs. It is data only: reading a
//! file never runs code from it. A training run that is to be resumed is kept in a [`Checkpoint`], which holds the
//! optimizer's state and more besides.

mod architecture;
mod checkpoint;
mod elements;
pub mod gguf;
mod metadata;
mod module;
mod npz;
pub mod pytorch;
pub mod safetensors;
mod source;
mod sources;

pub(crate) use crate::files::Appended;
pub use crate::files::write_atomically;
pub(crate) use architecture::{IMAGES, ModelFile, PREPROCESSOR, fill_part, from_source, save};
pub use checkpoint::{Checkpoint, CheckpointFolder};
pub(crate) use checkpoint::{Checksum, Part, Summed, part_path};
pub use metadata::{Attachment, Metadata};
pub use module::{LoadReport, Misshapen, SaveLoad};
pub(crate) use module::{load_named, slots};
pub use source::{Converted, Renamed, TensorInfo, TensorSource, Transposed};
pub use sources::open_source;
pub(crate) use sources::source;
