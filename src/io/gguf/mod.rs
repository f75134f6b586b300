//! GGUF files: tensors, many of them in blocks of a few bits a number, with the settings of a model and its tokenizer, as
//! `llama.cpp` and what is built on it publish models. Versions 2 and 3 of the [format] are read.
//!
//! [format]: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

mod header;
mod value;

use std::fmt;
use std::path::{Path, PathBuf};

use header::{Header, Refusal, Stored, parse};
pub use value::Value;
use value::Values;

use super::source::missing;
use super::{TensorInfo, TensorSource};
use crate::error::{Error, Result, short};
use crate::files::{self, SharedFile};
use crate::tensor::create::stale;
use crate::tensor::quantized::blocks_shape;
use crate::tensor::{DType, QTensor, Tensor};

/// An open GGUF file, whose tensors are read one by one: those in blocks as [such](QTensor), or as the numbers they stand for.
///
/// ```no_run
/// use demotic::io::{TensorSource, gguf};
///
/// let file = gguf::Reader::open("model.gguf")?;
/// println!("{:?}", file.get("general.architecture"));
/// for info in file.infos() {
///     println!("{} {:?} {:?}", info.name, info.shape, info.scheme);
/// }
/// let embeddings = file.read_quantized("token_embd.weight")?;
/// println!("{} bytes", embeddings.size_in_bytes());
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Reader {
    path: PathBuf,
    file: SharedFile,
    header: Header,
}

/// What a file says about one of its tensors.
#[derive(Debug, Clone)]
struct Info {
    name: String,
    shape: Vec<usize>,
    stored: Stored,
    /// Bytes, counted from the first tensor.
    start: u64,
}

impl Reader {
    /// Opens a file and checks its header: every tensor must have bytes of its own within the file.
    ///
    /// # Errors
    /// If the file cannot be read, is not in this format, is truncated, or contradicts itself.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = files::open("open", path)?;
        let size = match file.metadata() {
            Ok(metadata) => metadata.len(),
            Err(e) => return Err(Error::io("open", path, e)),
        };
        match parse(&file, size) {
            Ok(header) => Ok(Self { path: path.to_path_buf(), file: SharedFile::new(file), header }),
            Err(Refusal::Io(e)) => Err(Error::io("open", path, e)),
            Err(Refusal::Format(message)) => {
                Err(files::refused("open", path, &[files::Format::Gguf], "a GGUF file", &message))
            }
        }
    }

    /// A setting, such as `llama.block_count`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values().get(key)
    }

    /// All settings, in the order of their names.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values().iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(crate) fn values(&self) -> &Values {
        &self.header.values
    }

    /// An error about the file.
    #[track_caller]
    pub(crate) fn error(&self, op: &'static str, message: impl fmt::Display) -> Error {
        Error::format(op, format!("{}: {message}", self.path.display()))
    }

    #[track_caller]
    fn info(&self, name: &str) -> Result<&Info> {
        let Header { infos, by_name, .. } = &self.header;
        match by_name.binary_search_by(|at| infos[*at].name.as_str().cmp(name)) {
            Ok(at) => Ok(&infos[by_name[at]]),
            Err(_) => Err(missing(self, name)),
        }
    }

    /// The elements of a tensor, straight from the file, which has as many.
    #[track_caller]
    fn elements(&self, info: &Info, dtype: DType, shape: &[usize]) -> Result<Tensor> {
        let mut out = stale("read", shape, dtype)?;
        let count = (out.numel() * dtype.size()) as u64;
        match out.read_le_bytes(&mut self.file.span(self.header.data + info.start, count)) {
            Ok(()) => Ok(out),
            Err(e) => Err(Error::io("read", &self.path, e)),
        }
    }
}

impl TensorSource for Reader {
    fn infos(&self) -> Vec<TensorInfo> {
        let info = |Info { name, shape, stored, .. }: &Info| match *stored {
            Stored::Numbers(dtype) => TensorInfo::new(name, shape.as_slice(), Some(dtype)),
            Stored::Integers16 => TensorInfo::new(name, shape.as_slice(), Some(DType::I32)),
            Stored::Blocks(scheme) => TensorInfo::quantized(name, shape.as_slice(), scheme),
            Stored::Unknown(_) => TensorInfo::new(name, shape.as_slice(), None),
        };
        self.header.infos.iter().map(info).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let info = self.info(name)?;
        let place = || format!("tensor `{}`", short(name));
        let count = info.shape.iter().product::<usize>();
        let tensor = match info.stored {
            Stored::Blocks(_) => return self.read_quantized(name)?.dequantize(),
            Stored::Numbers(dtype) => self.elements(info, dtype, &info.shape),
            Stored::Integers16 => {
                let bytes = self.elements(info, DType::U8, &[count * 2])?.to_vec::<u8>()?;
                let numbers = bytes.as_chunks().0.iter().map(|word| i32::from(i16::from_le_bytes(*word)));
                Tensor::from_vec(numbers.collect(), info.shape.as_slice())
            }
            Stored::Unknown(kind) => {
                let e = self.error("read", format_args!("{} is kept as {kind}, which is not read", place()));
                return Err(
                    e.with_help("take the model in another of the forms in which it is published: Q8_0, Q4_K …")
                );
            }
        };
        tensor.map_err(|e| self.error("read", format_args!("{}: {}", place(), e.message())).with_source(e))
    }

    fn read_quantized(&self, name: &str) -> Result<QTensor> {
        let info = self.info(name)?;
        let Stored::Blocks(scheme) = info.stored else {
            let stored = info.stored.name();
            return Err(self.error("read_quantized", format_args!("tensor `{}` is kept as {stored}", short(name))));
        };
        let shape = blocks_shape("read_quantized", scheme, &info.shape)?;
        QTensor::from_blocks(scheme, info.shape.as_slice(), &self.elements(info, DType::U8, &shape)?)
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({}, {} tensors)", self.path.display(), self.header.infos.len())
    }
}
