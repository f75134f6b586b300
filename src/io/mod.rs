//! Tensors and models in files.
//!
//! ```
//! use demotic::io::SaveLoad;
//! use demotic::layers::Linear;
//! use demotic::Rng;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("model.safetensors");
//! let mut rng = Rng::seed(0);
//! let model = Linear::new(3, 2, &mut rng)?;
//! model.save(&path)?;
//!
//! let mut again = Linear::new(3, 2, &mut rng)?;
//! again.load(&path)?;
//! assert_eq!(again.weight.to_vec::<f32>()?, model.weight.to_vec::<f32>()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Models are kept in the [safetensors] format, the one in which PyTorch users publish theirs. It is data only: reading a
//! file never runs code from it. A training run that is to be resumed is kept in a [`Checkpoint`], which holds the
//! optimizer's state and more besides.

mod checkpoint;
mod metadata;
mod module;
pub mod safetensors;

pub use crate::files::write_atomically;
pub use checkpoint::{Checkpoint, CheckpointFolder};
pub use metadata::Metadata;
pub use module::{LoadReport, Misshapen, SaveLoad};
pub(crate) use module::{load_named, slots};
