//! Reading what stands before the tensors, of files that nobody vouches for.

use std::io::{self, Read};

use super::Info;
use super::value::{Value, Values};
use crate::error::short;
use crate::order;
use crate::tensor::quantized::blocks_shape;
use crate::tensor::{DType, MAX_DIMS, Scheme};

/// How long the header may be: as a value, what it says takes some ten times as much memory. That of a vocabulary of 256,000 entries
/// with their merges takes 12 MB.
const MAX_HEADER: u64 = 64 << 20;
/// How deep lists may stand in each other.
const MAX_DEPTH: usize = 4;
/// How many values all lists may have together.
const MAX_VALUES: u64 = 1 << 24;
/// Tensors begin at multiples of so many bytes, where the file does not say otherwise.
const ALIGNMENT: u64 = 32;

/// Why a file is refused.
pub(super) enum Refusal {
    Io(io::Error),
    Format(String),
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Format(message)
    }
}

/// What is kept in a file, by the number of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Numbers(DType),
    Integers16,
    Blocks(Scheme),
    /// A type that nothing here reads, with its name.
    Unknown(&'static str),
}

impl Stored {
    fn of(number: u32) -> Option<Self> {
        use Scheme::{Iq4Nl, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
        Some(match number {
            0 => Self::Numbers(DType::F32),
            1 => Self::Numbers(DType::F16),
            2 => Self::Blocks(Q4_0),
            3 => Self::Blocks(Q4_1),
            6 => Self::Blocks(Q5_0),
            7 => Self::Blocks(Q5_1),
            8 => Self::Blocks(Q8_0),
            10 => Self::Blocks(Q2K),
            11 => Self::Blocks(Q3K),
            12 => Self::Blocks(Q4K),
            13 => Self::Blocks(Q5K),
            14 => Self::Blocks(Q6K),
            20 => Self::Blocks(Iq4Nl),
            24 => Self::Numbers(DType::I8),
            25 => Self::Integers16,
            26 => Self::Numbers(DType::I32),
            27 => Self::Numbers(DType::I64),
            28 => Self::Numbers(DType::F64),
            30 => Self::Numbers(DType::BF16),
            9 => Self::Unknown("Q8_1"),
            15 => Self::Unknown("Q8_K"),
            16 => Self::Unknown("IQ2_XXS"),
            17 => Self::Unknown("IQ2_XS"),
            18 => Self::Unknown("IQ3_XXS"),
            19 => Self::Unknown("IQ1_S"),
            21 => Self::Unknown("IQ3_S"),
            22 => Self::Unknown("IQ2_S"),
            23 => Self::Unknown("IQ4_XS"),
            29 => Self::Unknown("IQ1_M"),
            34 => Self::Unknown("TQ1_0"),
            35 => Self::Unknown("TQ2_0"),
            39 => Self::Unknown("MXFP4"),
            _ => return None,
        })
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Numbers(dtype) => dtype.to_string().to_uppercase(),
            Self::Integers16 => "I16".into(),
            Self::Blocks(scheme) => scheme.name().into(),
            Self::Unknown(name) => name.into(),
        }
    }

    /// How many bytes a tensor takes; `None` if that is not known.
    fn size(self, shape: &[usize]) -> Result<Option<u64>, String> {
        let count = |shape: &[usize], size: usize| {
            shape
                .iter()
                .try_fold(size as u64, |n, len| n.checked_mul(*len as u64))
                .ok_or_else(|| format!("a shape of {shape:?}"))
        };
        Ok(Some(match self {
            Self::Numbers(dtype) => count(shape, dtype.size())?,
            Self::Integers16 => count(shape, 2)?,
            Self::Blocks(scheme) => {
                let shape = blocks_shape("open", scheme, shape).map_err(|e| e.message())?;
                count(&shape, 1)?
            }
            Self::Unknown(_) => return Ok(None),
        }))
    }
}

pub(super) struct Header {
    /// Where the tensors begin.
    pub(super) data: u64,
    pub(super) values: Values,
    /// In the order of the file.
    pub(super) infos: Vec<Info>,
    /// Their places, in the order of their names.
    pub(super) by_name: Vec<usize>,
}

/// Reads the header of a file of so many bytes.
pub(super) fn parse(file: impl Read, size: u64) -> Result<Header, Refusal> {
    let mut source = Source { file: io::BufReader::new(file.take(size.min(MAX_HEADER))), at: 0, size, values: 0 };
    let magic = source.bytes::<4>()?;
    if &magic != b"GGUF" {
        return Err("not a GGUF file".to_string().into());
    }
    match source.u32()? {
        2 | 3 => (),
        version if (2..=3).contains(&version.swap_bytes()) => {
            return Err("the numbers of the file have their highest byte first, which is not supported"
                .to_string()
                .into());
        }
        version => return Err(format!("version {version} of the format, versions 2 and 3 are read").into()),
    }
    let (tensors, count) = (source.u64()?, source.u64()?);
    let mut values = Vec::new();
    for _ in 0..source.plausible(count, 13, "entries of metadata")? {
        let key = source.text("a key")?;
        let kind = source.u32()?;
        let value = source.value(kind, &key, 0)?;
        values.push((key, value));
    }
    let many = values.len();
    let values: Values = order::map(values);
    if values.len() != many {
        return Err("two entries of metadata have one name".to_string().into());
    }

    let mut infos = Vec::new();
    for _ in 0..source.plausible(tensors, 24, "tensors")? {
        infos.push(source.info()?);
    }
    let alignment = match values.get("general.alignment") {
        None => ALIGNMENT,
        Some(value) => match value.as_usize() {
            Some(n) if n.is_power_of_two() && n <= 1 << 20 => n as u64,
            _ => return Err(format!("tensors aligned to {value:?} bytes").into()),
        },
    };
    let data = source.at.next_multiple_of(alignment);
    check_places(&infos, alignment, size.saturating_sub(data))?;
    let by_name = names(&infos)?;
    Ok(Header { data, values, infos, by_name })
}

/// Every tensor has bytes of its own, within the file.
fn check_places(infos: &[Info], alignment: u64, there: u64) -> Result<(), Refusal> {
    let mut places = Vec::new();
    for info in infos {
        let name = short(&info.name);
        let bytes = match info.stored.size(&info.shape) {
            Ok(bytes) => bytes.unwrap_or(0),
            Err(message) => return Err(format!("tensor `{name}`: {message}").into()),
        };
        let end = info.start.checked_add(bytes);
        match end {
            _ if info.start % alignment != 0 => {
                return Err(
                    format!("tensor `{name}` begins at byte {}, not a multiple of {alignment}", info.start).into()
                );
            }
            Some(end) if end <= there => places.push((info.start, end, &info.name)),
            _ => {
                let start = info.start;
                return Err(format!(
                    "truncated: tensor `{name}` takes {bytes} bytes from {start} on, the file has {there} for all"
                )
                .into());
            }
        }
    }
    order::sort_by(&mut places, |a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    for pair in places.windows(2) {
        if pair[0].1 > pair[1].0 {
            let (a, b) = (short(pair[0].2), short(pair[1].2));
            return Err(format!("tensors `{a}` and `{b}` have bytes in common").into());
        }
    }
    Ok(())
}

/// The places of tensors in the order of their names, of which no two are the same.
fn names(infos: &[Info]) -> Result<Vec<usize>, Refusal> {
    let mut places: Vec<usize> = (0..infos.len()).collect();
    order::sort_by(&mut places, |a, b| infos[*a].name.cmp(&infos[*b].name));
    match places.windows(2).find(|pair| infos[pair[0]].name == infos[pair[1]].name) {
        Some(pair) => Err(format!("two tensors are called `{}`", short(&infos[pair[0]].name)).into()),
        None => Ok(places),
    }
}

struct Source<R> {
    file: R,
    at: u64,
    size: u64,
    /// How many values of lists there were.
    values: u64,
}

impl<R: Read> Source<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Refusal> {
        match self.file.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && self.size > MAX_HEADER => {
                Err(format!("the header takes more than {MAX_HEADER} bytes").into())
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Err(format!("truncated: the file ends within its header, after {} bytes", self.size).into())
            }
            Err(e) => Err(Refusal::Io(e)),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, Refusal> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A number of things that take at least so many bytes each, if there can be as many.
    fn plausible(&self, count: u64, least: u64, what: &str) -> Result<u64, Refusal> {
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.size.saturating_sub(self.at) => Ok(count),
            _ => Err(format!("truncated: {count} {what} do not fit into the {} bytes of the file", self.size).into()),
        }
    }

    fn text(&mut self, what: &str) -> Result<String, Refusal> {
        let len = self.u64()?;
        // The whole header is bounded, so this is.
        let len = self.plausible(len, 1, "bytes of a text")?.min(MAX_HEADER) as usize;
        let mut bytes = vec![0; len];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8").into())
    }

    fn value(&mut self, kind: u32, key: &str, depth: usize) -> Result<Value, Refusal> {
        Ok(match kind {
            0 => Value::Unsigned(u8::from_le_bytes(self.bytes()?).into()),
            1 => Value::Signed(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(self.bytes::<1>()? != [0]),
            8 => Value::Text(self.text(&format!("the text of `{}`", short(key)))?),
            9 => {
                let (kind, count) = (self.u32()?, self.u64()?);
                let count = self.plausible(count, 1, "values of a list")?;
                self.values = self.values.saturating_add(count);
                if depth >= MAX_DEPTH || self.values > MAX_VALUES {
                    return Err(
                        format!("`{}` has lists of too many values, or too deep in each other", short(key)).into()
                    );
                }
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(self.value(kind, key, depth + 1)?);
                }
                Value::List(list)
            }
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.bytes()?)),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(format!("`{}` is of type {kind}, which there is not", short(key)).into()),
        })
    }

    fn info(&mut self) -> Result<Info, Refusal> {
        let name = self.text("the name of a tensor")?;
        let rank = self.u32()? as usize;
        if rank > MAX_DIMS {
            return Err(format!("tensor `{}` has {rank} dimensions, at most {MAX_DIMS} are read", short(&name)).into());
        }
        let mut shape = Vec::new();
        for _ in 0..rank {
            let len = self.u64()?;
            shape
                .push(usize::try_from(len).map_err(|_| format!("tensor `{}` has a dimension of {len}", short(&name)))?);
        }
        // The file has the fastest dimension first.
        shape.reverse();
        let kind = self.u32()?;
        let Some(stored) = Stored::of(kind) else {
            return Err(format!("tensor `{}` is of type {kind}, which is not known", short(&name)).into());
        };
        Ok(Info { name, shape, stored, start: self.u64()? })
    }
}
