//! The safetensors format: a header in JSON that names the tensors, then their bytes.
//!
//! ```
//! use demotic::io::{safetensors, Metadata};
//! use demotic::tensor;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("a.safetensors");
//! let (weight, bias) = (tensor![[1, 2], [3, 4]], tensor![0.5, -0.5]);
//! safetensors::save_tensors([("weight", &weight), ("bias", &bias)], &Metadata::new(), &path)?;
//!
//! let tensors = safetensors::load_tensors(&path)?;
//! assert_eq!(tensors["bias"].to_vec::<f32>()?, [0.5, -0.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Element types map to each other by name. Integers that [`DType`](crate::DType) does not have are read as `I64`,
//! which holds all of them but `U64` values from 2⁶³ on (an error). 8-bit and smaller floating point and complex numbers are
//! errors.
//!
//! The format is described at <https://github.com/huggingface/safetensors>.

mod header;
mod read;
mod sharded;
mod write;

pub use read::{Info, Reader, load_tensors};
pub use sharded::Sharded;
pub use write::save_tensors;
pub(crate) use write::write;

/// The key of the header under which the metadata stands, so no tensor can have it as its name.
const METADATA: &str = "__metadata__";

/// The largest header, in bytes: the limit of the format's other readers.
const MAX_HEADER: usize = 100_000_000;
