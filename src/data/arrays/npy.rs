//! Arrays as NumPy saves them.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use super::header::{Header, Kind, Refused};
use crate::error::{Error, ErrorKind, Here, Result};
use crate::files;
use crate::tensor::Tensor;
use crate::tensor::create::check_shape;

/// Reads an array that `numpy.save` wrote: versions 1 to 3 of the format, any order of bytes and elements. `int16` and `uint16` become
/// `I32`, `uint32` and `uint64` `I64`; two bytes without a type (`V2`) are `BF16`, which NumPy has no name for.
///
/// ```
/// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
/// # let path = folder.path().join("x.npy");
/// use demotic::{data, tensor};
///
/// data::write_npy(&path, &tensor![[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!(data::read_npy(&path)?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the file cannot be read, is no `.npy` file, has elements that are no numbers (Python objects are never read), or has fewer or
/// more of them than its header says.
#[track_caller]
#[doc(alias = "numpy")]
pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor> {
    let (op, path) = ("read_npy", path.as_ref());
    let file = files::open(op, path)?;
    let length = match file.metadata() {
        Ok(metadata) if metadata.is_file() => Some(metadata.len()),
        _ => None,
    };
    let place = format!("{}: ", path.display());
    read(op, &mut BufReader::new(file), length).map_err(|failed| failed.into_error(op, &place)).here()
}

/// Reads such an array from any source.
///
/// # Errors
/// As for [`read_npy`].
#[track_caller]
pub fn read_npy_from(mut reader: impl Read) -> Result<Tensor> {
    let op = "read_npy_from";
    read(op, &mut reader, None).map_err(|failed| failed.into_error(op, "")).here()
}

/// Writes an array that `numpy.load` reads. `BF16`, which NumPy does not know, is written as the type of `ml_dtypes` is, with which
/// `array.view(ml_dtypes.bfloat16)` makes numbers of it.
///
/// # Errors
/// If the file system refuses; an earlier file is then as it was.
#[track_caller]
pub fn write_npy(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    files::replace("write_npy", path.as_ref(), |out| write(tensor, out))
}

/// Writes the same bytes to any sink.
///
/// # Errors
/// If the sink refuses.
#[track_caller]
pub fn write_npy_to(mut writer: impl Write, tensor: &Tensor) -> Result<()> {
    match write(tensor, &mut writer).and_then(|()| writer.flush()) {
        Ok(()) => Ok(()),
        Err(e) => Err(Error::new(ErrorKind::Io, "write_npy_to", e.to_string()).with_source(e)),
    }
}

pub(super) fn write(tensor: &Tensor, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&Header::written(tensor.dtype(), tensor.shape()))?;
    tensor.write_le_bytes(out)
}

/// Why an array could not be read.
pub(super) enum Failed {
    /// The contents are wrong.
    Refused(Refused),
    Other(Error),
}

impl Failed {
    /// The error, with what it is about in front.
    #[track_caller]
    pub(super) fn into_error(self, op: &'static str, place: &str) -> Error {
        match self {
            Self::Refused((message, help)) => {
                let e = Error::format(op, format!("{place}{message}"));
                if help.is_empty() { e } else { e.with_help(help) }
            }
            Self::Other(e) => e,
        }
    }
}

/// Reads an array from a source of `length` bytes, if that is known. If not, memory grows with what comes.
pub(super) fn read(op: &'static str, input: &mut dyn Read, length: Option<u64>) -> Result<Tensor, Failed> {
    let header = Header::read(input).map_err(Failed::Refused)?;
    let shape = header.shape.clone();
    check_shape(op, &shape, header.kind.dtype()).map_err(Failed::Other)?;
    let (Some(bytes), size) = (header.bytes(), header.kind.size()) else {
        return Err(Failed::Refused((format!("{shape:?} elements, more than there can be"), "")));
    };
    let differs = |found: u64, is_more: bool| {
        let or_more = if is_more { " or more" } else { "" };
        let message = format!("{shape:?} elements of {size} bytes, but {found}{or_more} bytes of data");
        Failed::Refused((message, ""))
    };
    let io = |e: io::Error| Failed::Other(Error::new(ErrorKind::Io, op, e.to_string()).with_source(e));
    if let Some(length) = length {
        let found = length.saturating_sub(header.length);
        if found != bytes {
            return Err(differs(found, false));
        }
        if let (Kind::Own(dtype), false, false) = (header.kind, header.big_endian, header.fortran && shape.len() > 1) {
            // Straight into the tensor.
            let mut out = crate::tensor::create::stale(op, &shape, dtype).map_err(Failed::Other)?;
            out.read_le_bytes(&mut &mut *input).map_err(io)?;
            return Ok(out);
        }
    }
    let mut data = Vec::new();
    // One more than there should be, to see whether there is more.
    input.take(bytes.saturating_add(1)).read_to_end(&mut data).map_err(io)?;
    if data.len() as u64 != bytes {
        return Err(differs(data.len() as u64, data.len() as u64 > bytes));
    }
    if header.big_endian {
        data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    let reversed: Vec<usize> = if header.fortran { shape.iter().rev().copied().collect() } else { shape };
    let tensor = convert(op, header.kind, &reversed, &data).map_err(Failed::Other)?;
    if !header.fortran || reversed.len() < 2 {
        return Ok(tensor);
    }
    let back: Vec<isize> = (0..reversed.len() as isize).rev().collect();
    Ok(tensor.permute(&back).map_err(Failed::Other)?.packed())
}

/// Little-endian elements as a tensor.
#[track_caller]
pub(in crate::data) fn convert(op: &'static str, kind: Kind, shape: &[usize], data: &[u8]) -> Result<Tensor> {
    let narrow = |parse: fn([u8; 2]) -> i32| {
        Tensor::from_vec(data.as_chunks().0.iter().map(|word| parse(*word)).collect(), shape)
    };
    match kind {
        Kind::Own(dtype) => Tensor::from_le_bytes(op, dtype, shape, data),
        Kind::I16 => narrow(|x| i16::from_le_bytes(x).into()),
        Kind::U16 => narrow(|x| u16::from_le_bytes(x).into()),
        Kind::U32 => {
            let words = data.as_chunks().0.iter().map(|word| i64::from(u32::from_le_bytes(*word)));
            Tensor::from_vec(words.collect(), shape)
        }
        Kind::U64 => {
            let mut numbers = Vec::with_capacity(data.len() / 8);
            for (i, word) in data.as_chunks().0.iter().enumerate() {
                let x = u64::from_le_bytes(*word);
                let Ok(number) = i64::try_from(x) else {
                    return Err(Error::format(op, format!("element {i} is {x}, more than an i64 holds")));
                };
                numbers.push(number);
            }
            Tensor::from_vec(numbers, shape)
        }
    }
}
