//! Whichever file of tensors there is.

use std::path::Path;

use super::{TensorSource, gguf, pytorch, safetensors};
use crate::data::Npz;
use crate::error::Result;
use crate::files::{self, Format};

/// Opens a file of tensors, whichever it is by how it begins: safetensors, GGUF, PyTorch (`.pth`) or an archive of NumPy (`.npz`).
///
/// ```
/// use demotic::io::{TensorSource, open_source};
/// use demotic::{data, tensor};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("arrays.npz");
/// data::write_npz(&path, &[("weight", &tensor![[1.0, 2.0]])])?;
/// let source = open_source(&path)?;
/// assert_eq!(source.infos()[0].shape, [1, 2]);
/// assert_eq!(source.read("weight")?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be read, or is none of these.
#[track_caller]
pub fn open_source(path: impl AsRef<Path>) -> Result<Box<dyn TensorSource + Send + Sync>> {
    source("open_source", path.as_ref())
}

/// The same on behalf of another operation.
#[track_caller]
pub(crate) fn source(op: &'static str, path: &Path) -> Result<Box<dyn TensorSource + Send + Sync>> {
    let known = [Format::Safetensors, Format::Gguf, Format::PyTorch, Format::Npz];
    match files::format(op, path)? {
        Some(Format::Safetensors) => Ok(Box::new(safetensors::Reader::open_for(op, path)?)),
        Some(Format::Gguf) => Ok(Box::new(gguf::Reader::open(path)?)),
        Some(Format::PyTorch) => Ok(Box::new(pytorch::Reader::open_for(op, path, None)?)),
        Some(Format::Npz) => Ok(Box::new(Npz::open(path)?)),
        _ => {
            let e = files::refused(op, path, &known, "a file of tensors", "this is no file of tensors that is known");
            Err(if e.help().is_some() {
                e
            } else {
                e.with_help("known are safetensors, GGUF, PyTorch's and NumPy's .npz")
            })
        }
    }
}
