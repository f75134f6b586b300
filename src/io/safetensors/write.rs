//! Writing.

use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::{Serialize, Serializer};

use super::{MAX_HEADER, METADATA};
use crate::error::{Error, Result};
use crate::files;
use crate::io::Metadata;
use crate::order;
use crate::tensor::{DType, Tensor};

/// Writes named tensors: the pairs of a map, or an array of `(name, &tensor)`.
///
/// An earlier file is replaced only when the new one is complete. If the metadata has no `format`, it is set to `pt`,
/// without which some of the format's other readers refuse a file.
///
/// # Errors
/// If two tensors have the same name, one is called `__metadata__`, the names and metadata take more than 100 MB, or the
/// file system refuses.
#[track_caller]
pub fn save_tensors<'t, N: Into<String>>(
    tensors: impl IntoIterator<Item = (N, &'t Tensor)>,
    metadata: &Metadata,
    path: impl AsRef<Path>,
) -> Result<()> {
    // A handle each, not a copy of the elements.
    let tensors = tensors.into_iter().map(|(name, tensor)| (name.into(), tensor.clone())).collect();
    write("save_tensors", tensors, metadata, path.as_ref())
}

#[track_caller]
pub(crate) fn write(
    op: &'static str,
    mut tensors: Vec<(String, Tensor)>,
    metadata: &Metadata,
    path: &Path,
) -> Result<()> {
    refuse_other_formats(op, path)?;
    // Wide types first keeps every tensor aligned; within a type, the given order stays.
    crate::order::sort_by(&mut tensors, |(_, a), (_, b)| dtype(b.dtype()).cmp(&dtype(a.dtype())));
    let header = header(op, &tensors, metadata)?;
    files::replace(op, path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        tensors.iter().try_for_each(|(_, tensor)| tensor.write_le_bytes(out))
    })
}

/// The endings of files in other formats, which programs would read this one as.
const OTHER_FORMATS: [&str; 13] =
    ["pt", "pth", "onnx", "gguf", "h5", "hdf5", "keras", "tflite", "pb", "npz", "npy", "pkl", "pickle"];

#[track_caller]
fn refuse_other_formats(op: &'static str, path: &Path) -> Result<()> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    if !OTHER_FORMATS.contains(&ending.as_str()) {
        return Ok(());
    }
    let message = format!("{}: what is written is a safetensors file, not one of .{ending}", path.display());
    Err(Error::argument(op, message).with_help(format!("call it {}", path.with_extension("safetensors").display())))
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::BF16 => Dtype::BF16,
        DType::F16 => Dtype::F16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I8 => Dtype::I8,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

/// The header's JSON, padded so that the elements behind it are aligned to 8 bytes.
#[track_caller]
fn header(op: &'static str, tensors: &[(String, Tensor)], metadata: &Metadata) -> Result<Vec<u8>> {
    let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    crate::order::sort_by(&mut names, Ord::cmp);
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::argument(op, format!("two tensors are called `{}`", pair[0])));
    }
    if names.contains(&METADATA) {
        return Err(Error::argument(op, format!("no tensor can be called `{METADATA}` in this format")));
    }
    let header = Header { tensors, metadata };
    let mut json = match serde_json::to_vec(&header) {
        Ok(json) => json,
        Err(e) => return Err(Error::format(op, e.to_string()).with_source(e)),
    };
    json.resize(json.len().next_multiple_of(8), b' ');
    if json.len() > MAX_HEADER {
        let message = format!("the names and metadata take {} bytes, the format allows {MAX_HEADER}", json.len());
        return Err(Error::argument(op, message));
    }
    Ok(json)
}

struct Header<'a> {
    tensors: &'a [(String, Tensor)],
    metadata: &'a Metadata,
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(self.tensors.len() + 1))?;
        // In the order of the names, so that equal models give equal files.
        let mut metadata = order::map(self.metadata.iter().map(|(name, text)| (name.to_string(), text.to_string())));
        metadata.entry("format".to_string()).or_insert("pt".to_string());
        map.serialize_entry(METADATA, &metadata)?;
        let mut start = 0;
        for (name, tensor) in self.tensors {
            let end = start + tensor.numel() * tensor.dtype().size();
            let shape = tensor.shape().to_vec();
            map.serialize_entry(name, &TensorInfo { dtype: dtype(tensor.dtype()), shape, data_offsets: (start, end) })?;
            start = end;
        }
        map.end()
    }
}
