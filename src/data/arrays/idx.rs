//! Writing IDX files, the format of MNIST.

use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::tensor::{DType, Tensor};

/// Writes an IDX file, which [`read_idx`](crate::data::read_idx) reads, and so do many programs that know MNIST. `U8`, `I8`, `I32`, `F32`
/// and `F64` stay what they are; `I64` is written as 32-bit integers.
///
/// ```
/// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
/// # let path = folder.path().join("labels");
/// use demotic::{data, tensor, DType};
///
/// data::write_idx(&path, &tensor![[1.5, 2.5]].to_dtype(DType::F32))?;
/// assert_eq!(data::read_idx(&path)?.to_vec::<f32>()?, [1.5, 2.5]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the type is none of these, a number does not fit into 32 bits, there are more than 255 dimensions or a size above 2³² − 1, or the
/// file system refuses.
#[track_caller]
pub fn write_idx(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let op = "write_idx";
    let kind = match tensor.dtype() {
        DType::U8 => 0x08,
        DType::I8 => 0x09,
        DType::I32 | DType::I64 => 0x0c,
        DType::F32 => 0x0d,
        DType::F64 => 0x0e,
        dtype @ (DType::Bool | DType::F16 | DType::BF16) => {
            let e = Error::dtype(op, format!("an IDX file holds no {dtype}"));
            return Err(e.with_help("convert it: tensor.to_dtype(DType::U8), or DType::F32"));
        }
    };
    let mut header = vec![0, 0, kind, tensor.rank() as u8];
    for size in tensor.shape() {
        let Ok(size) = u32::try_from(*size) else {
            return Err(Error::shape(
                op,
                format!("a size of {size} in {:?}, at most {} fit", tensor.shape(), u32::MAX),
            ));
        };
        header.extend(size.to_be_bytes());
    }
    let tensor = if tensor.dtype() == DType::I64 { narrowed(op, tensor)? } else { tensor.packed() };
    files::replace(op, path.as_ref(), |out| {
        out.write_all(&header)?;
        let size = tensor.dtype().size();
        tensor.write_le_bytes(&mut Swapped { out, size })
    })
}

#[track_caller]
fn narrowed(op: &'static str, tensor: &Tensor) -> Result<Tensor> {
    let mut numbers = Vec::with_capacity(tensor.numel());
    for (i, x) in tensor.to_vec::<i64>()?.into_iter().enumerate() {
        let Ok(x) = i32::try_from(x) else {
            return Err(Error::numeric(op, format!("element {i} is {x}, which 32 bits do not hold")));
        };
        numbers.push(x);
    }
    Tensor::from_vec(numbers, tensor.shape())
}

/// Turns round the bytes of each element on their way.
struct Swapped<'o> {
    out: &'o mut dyn Write,
    size: usize,
}

impl Write for Swapped<'_> {
    /// Comes in whole elements.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut bytes = bytes.to_vec();
        bytes.chunks_exact_mut(self.size).for_each(<[u8]>::reverse);
        self.out.write_all(&bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
