//! Reading, of files that nobody vouches for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo as Entry;

use super::MAX_HEADER;
use super::header::Header;
use crate::error::{Error, Result, short};
use crate::files::{self, SharedFile};
use crate::io::elements::{self, Failed};
use crate::io::{Metadata, TensorInfo, TensorSource};
use crate::tensor::{DType, Tensor};

/// All tensors of a file, by name.
///
/// # Errors
/// As for [`Reader::open`] and [`Reader::tensor`].
#[track_caller]
pub fn load_tensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>> {
    let reader = Reader::open_for("load_tensors", path.as_ref())?;
    let mut tensors = BTreeMap::new();
    for info in reader.infos() {
        tensors.insert(info.name.clone(), reader.read_info(info)?);
    }
    Ok(tensors)
}

/// An open file whose tensors are read one by one, by several threads as well.
///
/// ```
/// # use demotic::io::{safetensors, Metadata};
/// # use demotic::tensor;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.safetensors");
/// # safetensors::save_tensors([("weight", &tensor![[1, 2], [3, 4]])], &Metadata::new(), &path)?;
/// let file = safetensors::Reader::open(&path)?;
/// assert_eq!(file.infos()[0].name, "weight");
/// assert_eq!(file.infos()[0].shape, [2, 2]);
/// assert_eq!(file.tensor("weight")?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader {
    op: &'static str,
    path: PathBuf,
    file: SharedFile,
    /// Where the elements begin.
    data: u64,
    header: Header,
}

/// What a file says about one of its tensors.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type that it is read as; `None` if there is none.
    pub dtype: Option<DType>,
    /// The type of its elements in the file, by the format's name: `F32`, `I16` …
    pub stored: String,
    kind: Dtype,
    /// Bytes, counted from the first element of the file.
    pub(super) range: (usize, usize),
}

impl Info {
    pub(super) fn new(name: String, info: Entry) -> Self {
        let (dtype, stored) = (elements::dtype(info.dtype), info.dtype.to_string());
        Self { name, shape: info.shape, dtype, stored, kind: info.dtype, range: info.data_offsets }
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Info({} {:?} {})", self.name, self.shape, self.stored)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({}, {} tensors)", self.path.display(), self.header.infos.len())
    }
}

impl Reader {
    /// Opens a file and checks its header: every tensor must have its own bytes, as many as its shape takes, all of them
    /// within the file and together the whole of it.
    ///
    /// # Errors
    /// If the file cannot be read, is not in this format, is truncated, or contradicts itself.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_for("open", path.as_ref())
    }

    #[track_caller]
    pub(crate) fn open_for(op: &'static str, path: &Path) -> Result<Self> {
        let mut file = files::open(op, path)?;
        let parsed = match parse(&mut file) {
            Ok(parsed) => parsed,
            Err(Refusal::Io(e)) => return Err(Error::io(op, path, e)),
            Err(Refusal::Format(message)) => {
                return Err(files::refused(op, path, &[files::Format::Safetensors], "a safetensors file", &message));
            }
        };
        let (data, header) = parsed;
        Ok(Self { op, path: path.to_path_buf(), file: SharedFile::new(file), data, header })
    }

    pub(in crate::io) fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors, in the order of the file.
    #[must_use]
    pub fn infos(&self) -> &[Info] {
        &self.header.infos
    }

    /// What the file says of one of them.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&Info> {
        let Header { infos, by_name, .. } = &self.header;
        let at = by_name.binary_search_by_key(&name, |i| infos[*i].name.as_str()).ok()?;
        Some(&infos[by_name[at]])
    }

    /// What the file says beside its tensors.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// Reads a tensor.
    ///
    /// # Errors
    /// If there is none of that name, its type is not supported, it has too many dimensions, or the file cannot be
    /// read.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.info(name) {
            Some(info) => self.read_info(info),
            None => Err(Error::argument("tensor", format!("{} has no tensor `{}`", self.path.display(), short(name)))),
        }
    }

    /// Reads one of this file's tensors.
    #[track_caller]
    fn read_info(&self, info: &Info) -> Result<Tensor> {
        let place = || format!("{}: tensor `{}`", self.path.display(), short(&info.name));
        if info.dtype.is_none() {
            let message = format!("{} has elements of type {}, which tensors cannot hold", place(), info.stored);
            return Err(Error::dtype(self.op, message));
        }
        // The range lies within the file, so this allocates no more than the file's size.
        let mut bytes = self.file.span(self.data + info.range.0 as u64, (info.range.1 - info.range.0) as u64);
        match elements::read(self.op, info.kind, &info.shape, &mut bytes) {
            Ok(tensor) => Ok(tensor),
            Err(Failed::Io(e)) => Err(Error::io(self.op, &self.path, e)),
            Err(Failed::Large(value)) => {
                let message = format!("{} contains {value}, which is beyond the range of i64", place());
                Err(Error::numeric(self.op, message))
            }
            Err(Failed::Other(e)) => {
                Err(Error::format(self.op, format!("{}: {}", place(), e.message())).with_source(e))
            }
        }
    }
}

impl TensorSource for Reader {
    fn infos(&self) -> Vec<TensorInfo> {
        let info = |info: &Info| TensorInfo::new(&info.name, info.shape.as_slice(), info.dtype);
        self.header.infos.iter().map(info).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        self.tensor(name)
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

enum Refusal {
    Io(std::io::Error),
    Format(String),
}

impl From<std::io::Error> for Refusal {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Format(message)
    }
}

/// Where the elements begin, and the header.
fn parse(file: &mut File) -> Result<(u64, Header), Refusal> {
    let size = file.metadata()?.len();
    if size < 8 {
        let message = match size {
            0 => "the file is empty".to_string(),
            _ => format!("{size} bytes are too few for a safetensors file"),
        };
        return Err(message.into());
    }
    let mut word = [0; 8];
    file.read_exact(&mut word)?;
    let length = u64::from_le_bytes(word);
    let data = match length.checked_add(8) {
        Some(data) if data <= size && length <= MAX_HEADER as u64 => data,
        // The first bytes of anything else give absurd lengths.
        _ if length > MAX_HEADER as u64 => {
            return Err(format!("not a safetensors file: the header would take {length} bytes"))?;
        }
        _ => return Err(format!("truncated: the header takes {length} bytes, the file has {size}"))?,
    };
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    let header =
        std::str::from_utf8(&header).map_err(|_| "not a safetensors file: the header is not UTF-8".to_string())?;
    let header = Header::parse(header)?;
    check_size(header.data_len(), size - data)?;
    Ok((data, header))
}

/// The elements must be the whole rest of the file.
fn check_size(expected: u64, rest: u64) -> Result<(), String> {
    match expected.cmp(&rest) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => {
            Err(format!("truncated: the tensors take {expected} bytes, the file has {rest} for them"))
        }
        std::cmp::Ordering::Less => Err(format!("the tensors take {expected} bytes, the file has {rest} for them")),
    }
}
