//! Files of numbers and labels in which data sets of pictures are published: IDX (MNIST and its kin), and those of CIFAR.

use std::io::Read;
use std::panic::Location;
use std::path::Path;

use crate::error::{Error, Here, Result};
use crate::files;
use crate::tensor::create::check_shape;
use crate::tensor::{DType, MAX_DIMS, Tensor};

/// Reads an IDX file, in which MNIST, Fashion-MNIST, EMNIST and others are published: an array of any shape. Bytes become `U8`, signed
/// ones `I8`, wider integers `I64`, fractions `F32` or `F64`.
///
/// # Errors
/// If the file cannot be read, is compressed, is no IDX file, or holds fewer or more elements than its header says.
///
/// ```
/// # fn main() -> demotic::Result<()> {
/// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
/// # let path = folder.path().join("labels");
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]).unwrap(); // three bytes
/// let labels = demotic::data::read_idx(&path)?;
/// assert_eq!(labels.to_vec::<u8>()?, [7, 2, 1]);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor> {
    idx(path.as_ref()).here()
}

#[track_caller]
fn idx(path: &Path) -> Result<Tensor> {
    let op = "read_idx";
    let bytes = contents(op, path)?;
    let caller = Location::caller();
    let wrong = |message: String| Error::format(op, format!("{}: {message}", path.display())).at(caller);
    let [0, 0, kind, rank, rest @ ..] = bytes.as_slice() else {
        let error = wrong("this is no IDX file".into());
        return Err(if bytes.starts_with(&[0x1f, 0x8b]) {
            error.with_help("it is compressed: unpack it with gunzip")
        } else {
            error
        });
    };
    let size = match kind {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0c | 0x0d => 4,
        0x0e => 8,
        _ => return Err(wrong(format!("elements of the unknown kind {kind:#04x}"))),
    };
    let rank = usize::from(*rank);
    if rank > MAX_DIMS || rest.len() < 4 * rank {
        return Err(wrong(format!("a header of {rank} dimensions in a file of {} bytes", bytes.len())));
    }
    let (header, data) = rest.split_at(4 * rank);
    let shape: Vec<usize> = header.as_chunks().0.iter().map(|n| u32::from_be_bytes(*n) as usize).collect();
    check_shape(op, &shape, DType::F64)?;
    let count: usize = shape.iter().product();
    if data.len() != count * size {
        let message = format!("{shape:?} elements of {size} bytes, but {} bytes of data", data.len());
        return Err(wrong(message));
    }
    match kind {
        0x08 => Tensor::from_slice(data, shape),
        0x09 => Tensor::from_vec(data.iter().map(|x| x.cast_signed()).collect(), shape),
        0x0b => Tensor::from_vec(words(data, |x| i64::from(i16::from_be_bytes(x))), shape),
        0x0c => Tensor::from_vec(words(data, |x| i64::from(i32::from_be_bytes(x))), shape),
        0x0d => Tensor::from_vec(words(data, f32::from_be_bytes), shape),
        _ => Tensor::from_vec(words(data, f64::from_be_bytes), shape),
    }
}

fn words<const N: usize, T>(data: &[u8], parse: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks().0.iter().map(|word| parse(*word)).collect()
}

/// The pictures `[n, 1, height, width]` and labels `[n]` of a folder with the files of MNIST: `train-images-idx3-ubyte` and
/// `train-labels-idx1-ubyte`, or with `train` false those that begin with `t10k`. The pictures are `U8`, the labels `I64`.
///
/// # Errors
/// If a file is missing or wrong (see [`read_idx`]), or there is not a label for each picture.
#[track_caller]
pub fn read_mnist(folder: impl AsRef<Path>, train: bool) -> Result<(Tensor, Tensor)> {
    let folder = folder.as_ref();
    let part = if train { "train" } else { "t10k" };
    let find = |what: &str| {
        // Both spellings are about.
        let names = [format!("{part}-{what}-ubyte"), format!("{part}-{}-ubyte", what.replace("-idx", ".idx"))];
        let paths = names.map(|name| folder.join(name));
        paths.iter().find(|path| path.exists()).unwrap_or(&paths[0]).clone()
    };
    let (x, y) = (read_idx(find("images-idx3"))?, read_idx(find("labels-idx1"))?);
    match (x.shape(), y.shape()) {
        (&[n, height, width], &[labels]) if n == labels => {
            Ok((x.reshape([n, 1, height, width])?, y.to_dtype(DType::I64)))
        }
        (pictures, labels) => {
            let message =
                format!("{}: pictures of shape {pictures:?} and labels of shape {labels:?}", folder.display());
            Err(Error::format("read_mnist", message))
        }
    }
}

/// The pictures `[n, 3, 32, 32]` (`U8`) and labels `[n]` (`I64`) of files of CIFAR-10 in their binary form, one after the other.
///
/// # Errors
/// If a file cannot be read or is no such file.
#[track_caller]
pub fn read_cifar10<P: AsRef<Path>>(paths: &[P]) -> Result<(Tensor, Tensor)> {
    read_cifar("read_cifar10", paths.iter().map(AsRef::as_ref).collect(), 1, 10)
}

/// The same of CIFAR-100, with the fine labels.
///
/// # Errors
/// As for [`read_cifar10`].
#[track_caller]
pub fn read_cifar100<P: AsRef<Path>>(paths: &[P]) -> Result<(Tensor, Tensor)> {
    read_cifar("read_cifar100", paths.iter().map(AsRef::as_ref).collect(), 2, 100)
}

/// Records of labels, of which the last counts, and three planes of colour.
#[track_caller]
fn read_cifar(op: &'static str, paths: Vec<&Path>, labels: usize, classes: u8) -> Result<(Tensor, Tensor)> {
    const PICTURE: usize = 3 * 32 * 32;
    let (mut pictures, mut numbers) = (Vec::new(), Vec::new());
    for path in paths {
        let bytes = contents(op, path)?;
        let record = labels + PICTURE;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let message = format!("{}: {} bytes, expected a multiple of {record}", path.display(), bytes.len());
            return Err(Error::format(op, message).with_help("the files of the binary version, unpacked"));
        }
        for (i, record) in bytes.chunks_exact(record).enumerate() {
            let label = record[labels - 1];
            if label >= classes {
                let message =
                    format!("{}: picture {i} has the label {label}, expected less than {classes}", path.display());
                return Err(Error::format(op, message));
            }
            numbers.push(i64::from(label));
            pictures.extend_from_slice(&record[labels..]);
        }
    }
    let n = numbers.len();
    Ok((Tensor::from_vec(pictures, [n, 3, 32, 32])?, Tensor::from_vec(numbers, [n])?))
}

/// All bytes of a file.
#[track_caller]
fn contents(op: &'static str, path: &Path) -> Result<Vec<u8>> {
    let (mut file, mut bytes) = (files::open(op, path)?, Vec::new());
    match file.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(e) => Err(Error::io(op, path, e)),
    }
}
