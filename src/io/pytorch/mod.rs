//! Files of `torch.save`: the tensors of state dicts and checkpoints, usually called `.pt`, `.pth` or `.bin`.
//!
//! Such a file holds a pickle, and Python runs what a pickle says when it reads one. Nothing is run here: a reader of this crate
//! [knows](Reader) tensors and plain containers, and whatever else a file asks for is an error with its name.

mod container;
mod names;
mod pickle;

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use container::Container;
use pickle::{Element, Refused, View};

use super::elements::{self, Failed};
use super::source::missing;
use super::{TensorInfo, TensorSource};
use crate::error::{Error, Result, short};
use crate::files::{self, Format, SharedFile};
use crate::order::ByName;
use crate::tensor::{DType, Tensor};

/// An open file of `torch.save`, whose tensors are read one by one, by several threads as well: those of today (a ZIP archive) and
/// of PyTorch before 1.6. Views, also those that share a storage, are read as the elements they show.
///
/// The tensors are called as in the state dict. Where containers are nested, their names are joined by dots: `optimizer.state.0.exp_avg`.
/// A checkpoint whose parameters stand under `state_dict`, `model_state_dict`, `model`, `module`, `net` or `params` is read as that
/// alone; [`open_part`](Self::open_part) reads any other part, or all.
///
/// ```no_run
/// use demotic::io::pytorch;
/// use demotic::models::{ResNet, ResNetConfig};
/// use demotic::prelude::*;
///
/// let file = pytorch::Reader::open("resnet18-f37072fd.pth")?;
/// let model = ResNet::from_source(ResNetConfig::resnet18(), &file)?;
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// What is executed: nothing. What is known: tensors of `torch._utils._rebuild_tensor_v2` and its kin, parameters, storages of all
/// types, `OrderedDict`, dictionaries, lists, tuples, texts, numbers, truth values and `None`.
pub struct Reader {
    path: PathBuf,
    file: SharedFile,
    is_big_endian: bool,
    tensors: ByName<Stored>,
}

/// A tensor in a file.
struct Stored {
    kind: Element,
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// Where its first element is, and how many bytes there are up to its last one.
    at: u64,
    span: u64,
}

/// A tensor that repeats its elements may be larger than its storage by so many of them.
const MOST_REPEATED: u64 = 1 << 24;

impl Reader {
    /// Opens a file and reads what it says of its tensors. Each must lie within the file.
    ///
    /// # Errors
    /// If the file cannot be read, is of another kind, is truncated or contradicts itself, holds anything but tensors and plain
    /// containers, or no tensors at all.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_for("open", path.as_ref(), None)
    }

    /// Opens a part of a file by the names of the containers around it, with dots between them: `optimizer`, `ema.model`; the empty
    /// text for all.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and if there is no such part.
    #[track_caller]
    pub fn open_part(path: impl AsRef<Path>, part: &str) -> Result<Self> {
        Self::open_for("open_part", path.as_ref(), Some(part))
    }

    #[track_caller]
    pub(crate) fn open_for(op: &'static str, path: &Path, part: Option<&str>) -> Result<Self> {
        let file = files::open(op, path)?;
        let length = match file.metadata() {
            Ok(metadata) => metadata.len(),
            Err(e) => return Err(Error::io(op, path, e)),
        };
        let wanted = "a PyTorch file";
        match Self::parse(path, SharedFile::new(file), length, part) {
            Ok(reader) => Ok(reader),
            Err((message, "")) => Err(files::refused(op, path, &[Format::PyTorch], wanted, &message)),
            Err((message, help)) => Err(Error::format(op, format!("{}: {message}", path.display())).with_help(help)),
        }
    }

    fn parse(path: &Path, file: SharedFile, length: u64, part: Option<&str>) -> Result<Self, Refused> {
        let container = Container::open(file, length)?;
        let pickle = &container.pickle;
        let found = names::tensors(pickle, part)?;
        let mut tensors = Vec::with_capacity(found.len());
        let mut places = HashMap::new();
        for (name, view) in found {
            let place = match places.get(&*view.storage.key) {
                Some(place) => *place,
                None => {
                    let place = container.storage(&view.storage)?;
                    places.insert(view.storage.key.to_string(), place);
                    place
                }
            };
            match Stored::new(view, place) {
                Ok(stored) => tensors.push((name, stored)),
                Err(message) => return Err((format!("tensor `{}` {message}", short(&name)), "")),
            }
        }
        let (is_big_endian, file) = (container.is_big_endian, container.file);
        Ok(Self { path: path.to_path_buf(), file, is_big_endian, tensors: ByName::of(tensors) })
    }

    fn bytes(&self, stored: &Stored) -> std::io::Result<Vec<u8>> {
        // Opening has seen that the file has as many.
        let mut bytes = vec![0; stored.span as usize];
        self.file.read_exact_at(&mut bytes, stored.at)?;
        let size = stored.kind.size as usize;
        if self.is_big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if stored.is_dense() {
            return Ok(bytes);
        }
        // The elements in the order of their places, wherever they are.
        let count = stored.shape.iter().product::<usize>();
        let mut out = Vec::with_capacity(count * size);
        let mut place = vec![0; stored.shape.len()];
        for _ in 0..count {
            let at = place.iter().zip(&stored.strides).map(|(i, stride)| i * stride).sum::<usize>() * size;
            out.extend_from_slice(&bytes[at..at + size]);
            for (i, n) in place.iter_mut().zip(&stored.shape).rev() {
                *i += 1;
                if *i < *n {
                    break;
                }
                *i = 0;
            }
        }
        Ok(out)
    }
}

impl Stored {
    /// Checks that a tensor lies within its storage, which begins at a place and has so many bytes.
    fn new(view: &View, (at, bytes): (u64, u64)) -> Result<Self, String> {
        let View { storage, kind, offset, shape, strides } = view;
        let (shape, strides) = (shape.clone(), strides.clone());
        let outside = || {
            format!("of shape {shape:?} with strides {strides:?} from element {offset} on lies outside of its storage")
        };
        let of_storage = storage.kind.size;
        if storage.count.checked_mul(of_storage) != Some(bytes)
            && storage.from == 0
            && storage.count * of_storage > bytes
        {
            return Err(format!("has a storage of {} elements, for which there are {bytes} bytes", storage.count));
        }
        let count = shape.iter().try_fold(1u64, |count, n| count.checked_mul(*n as u64)).ok_or_else(outside)?;
        if count == 0 {
            return Ok(Self { kind: *kind, shape, strides, at, span: 0 });
        }
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(0u64, |last, (n, stride)| last.checked_add((*n as u64 - 1).checked_mul(*stride as u64)?));
        let ends = last.and_then(|last| last.checked_add(1)?.checked_add(*offset)?.checked_mul(kind.size));
        let room = storage.count.checked_mul(of_storage).ok_or_else(outside)?;
        let (Some(last), Some(end)) = (last, ends) else { return Err(outside()) };
        let start =
            storage.from.checked_mul(of_storage).filter(|start| start.checked_add(end).is_some_and(|end| end <= bytes));
        let Some(start) = start.filter(|_| end <= room) else { return Err(outside()) };
        if count > room / kind.size + MOST_REPEATED {
            return Err(format!("of shape {shape:?} repeats the elements of a storage of {} too often", storage.count));
        }
        Ok(Self { kind: *kind, shape, strides, at: at + start + offset * kind.size, span: (last + 1) * kind.size })
    }

    /// Whether the elements lie as they are read.
    fn is_dense(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(n, stride)| {
            let fits = *n == 1 || *stride == expected;
            expected *= n;
            fits
        })
    }

    fn dtype(&self) -> Option<DType> {
        elements::dtype(self.kind.dtype?)
    }
}

impl TensorSource for Reader {
    fn infos(&self) -> Vec<TensorInfo> {
        let info = |(name, stored): &(String, Stored)| TensorInfo::new(name, stored.shape.as_slice(), stored.dtype());
        self.tensors.iter().map(info).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let op = "read";
        let Some(stored) = self.tensors.get(name) else { return Err(missing(self, name)) };
        let place = || format!("{}: tensor `{}`", self.path.display(), short(name));
        let (Some(kind), Some(_)) = (stored.kind.dtype, stored.dtype()) else {
            let kind = stored.kind.name;
            let kind = if kind.is_empty() { "no" } else { kind };
            return Err(Error::dtype(
                op,
                format!("{} has elements of type {kind}, which tensors cannot hold", place()),
            ));
        };
        let tensor = if stored.is_dense() && !self.is_big_endian {
            elements::read(op, kind, &stored.shape, &mut self.file.span(stored.at, stored.span))
        } else {
            self.bytes(stored)
                .map_err(Failed::Io)
                .and_then(|bytes| elements::read(op, kind, &stored.shape, &mut bytes.as_slice()))
        };
        match tensor {
            Ok(tensor) => Ok(tensor),
            Err(Failed::Io(e)) => Err(Error::io(op, &self.path, e)),
            Err(Failed::Large(value)) => {
                Err(Error::numeric(op, format!("{} contains {value}, which is beyond the range of i64", place())))
            }
            Err(Failed::Other(e)) => Err(Error::format(op, format!("{}: {}", place(), e.message())).with_source(e)),
        }
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({}, {} tensors)", self.path.display(), self.tensors.iter().len())
    }
}

/// One word of a file.
fn word(file: &SharedFile, at: u64) -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    file.span(at, 8).read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
