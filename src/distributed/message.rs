//! What ranks send each other, and its form as bytes.

use crate::error::{Error, Here, Result};
use crate::tensor::{DType, Tensor};

/// A tensor, and what it is about: so that a rank notices when another one does something else.
#[derive(Debug, Clone)]
pub struct Message {
    /// The operation with type and shape of its operand: `all_reduce of f32 [3, 4]`.
    pub about: String,
    /// The elements. Of a sum, these may be a part of the operand.
    pub tensor: Tensor,
}

/// All types, in an order that stays.
const TYPES: [DType; 9] =
    [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::U8, DType::Bool, DType::I32, DType::I8];

impl Message {
    /// The message as bytes: lengths, text, type, shape, elements, all little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append_to(&mut out);
        out
    }

    /// The same behind other bytes.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let Self { about, tensor } = self;
        out.reserve_exact(6 + about.len() + tensor.numel() * tensor.dtype().size() + 8 * tensor.rank());
        let kind = TYPES.iter().position(|dtype| *dtype == tensor.dtype()).unwrap_or_default();
        out.extend_from_slice(&(about.len() as u32).to_le_bytes());
        out.push(kind as u8);
        out.push(tensor.rank() as u8);
        tensor.shape().iter().for_each(|n| out.extend_from_slice(&(*n as u64).to_le_bytes()));
        out.extend_from_slice(about.as_bytes());
        // Writing into a vector does not fail.
        let _ = tensor.write_le_bytes(out);
    }

    /// The message of such bytes.
    ///
    /// # Errors
    /// If they are none: too few, too many, or of an unknown type.
    #[track_caller]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes)
            .unwrap_or_else(|| Err(Error::format("receive", format!("{} bytes that are no message", bytes.len()))))
            .here()
    }

    #[track_caller]
    fn parse(bytes: &[u8]) -> Option<Result<Self>> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let ([kind, rank], mut rest) = rest.split_first_chunk::<2>()?;
        let dtype = *TYPES.get(usize::from(*kind))?;
        let mut shape = Vec::with_capacity(usize::from(*rank));
        for _ in 0..*rank {
            let (n, after) = rest.split_first_chunk::<8>()?;
            shape.push(usize::try_from(u64::from_le_bytes(*n)).ok()?);
            rest = after;
        }
        let (about, elements) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let about = std::str::from_utf8(about).ok()?.to_string();
        Some(Tensor::from_le_bytes("receive", dtype, &shape, elements).map(|tensor| Self { about, tensor }))
    }
}
