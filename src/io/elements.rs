//! Elements as files keep them: little-endian, one after the other.

use std::io::{self, Read};

use safetensors::Dtype;

use crate::error::Error;
use crate::tensor::create::stale;
use crate::tensor::{DType, Tensor};

/// The type that elements are read as.
pub(super) fn dtype(kind: Dtype) -> Option<DType> {
    Some(match kind {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::BF16 => DType::BF16,
        Dtype::F16 => DType::F16,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        Dtype::I32 => DType::I32,
        Dtype::I8 => DType::I8,
        Dtype::I64 | Dtype::I16 | Dtype::U16 | Dtype::U32 | Dtype::U64 => DType::I64,
        _ => return None,
    })
}

/// Why elements could not be read.
pub(super) enum Failed {
    Io(io::Error),
    /// A whole number that no `i64` holds.
    Large(u64),
    Other(Error),
}

impl From<Error> for Failed {
    fn from(e: Error) -> Self {
        Self::Other(e)
    }
}

impl From<io::Error> for Failed {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// A tensor of these elements, straight from where they are: there is no second copy. The caller knows that there are as many.
#[track_caller]
pub(super) fn read(op: &'static str, kind: Dtype, shape: &[usize], mut input: &mut dyn Read) -> Result<Tensor, Failed> {
    let mut out = stale(op, shape, dtype(kind).unwrap_or(DType::U8))?;
    let width = match kind {
        Dtype::I16 | Dtype::U16 => 2,
        Dtype::U32 => 4,
        Dtype::U64 => 8,
        _ => {
            out.read_le_bytes(&mut input)?;
            return Ok(out);
        }
    };
    let mut input = io::BufReader::new(input);
    let mut word = [0; 8];
    for x in out.as_mut_slice::<i64>()? {
        input.read_exact(&mut word[..width])?;
        let bits = u64::from_le_bytes(word);
        *x = match kind {
            Dtype::I16 => i64::from(bits as u16 as i16),
            _ => i64::try_from(bits).map_err(|_| Failed::Large(bits))?,
        };
    }
    Ok(out)
}
