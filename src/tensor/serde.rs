//! Tensors in `serde` formats: element type, shape and little-endian bytes. Gradients are not saved.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::create::check_shape;
use super::dtype::{DType, Element, with_element};
use super::Tensor;
use crate::error::{Error, Result};

/// Elements as bytes and back, little-endian on every machine.
trait Bytes: Element {
    fn write(self, out: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! bytes {
    ($($t:ty)*) => {$(
        impl Bytes for $t {
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$t>()];
                array.copy_from_slice(bytes);
                Self::from_le_bytes(array)
            }
        }
    )*};
}

bytes!(f32 f64 half::bf16 half::f16 i64 u8);

impl Bytes for bool {
    fn write(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

impl Tensor {
    /// The elements in row-major order as little-endian bytes.
    pub(crate) fn to_le_bytes(&self) -> Vec<u8> {
        let x = self.packed();
        let mut out = Vec::with_capacity(self.numel() * self.dtype().size());
        with_element!(self.dtype(), T => x.data::<T>().iter().for_each(|x| x.write(&mut out)));
        out
    }

    /// The reverse of [`to_le_bytes`](Self::to_le_bytes).
    #[track_caller]
    pub(crate) fn from_le_bytes(op: &'static str, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Self> {
        let dims = check_shape(op, shape, dtype)?;
        let expected = dims.iter().product::<usize>() * dtype.size();
        if expected != bytes.len() {
            let message = format!("{} bytes for shape {shape:?} of {dtype}, which takes {expected}", bytes.len());
            return Err(Error::format(op, message));
        }
        Ok(with_element!(dtype, T => Self::build::<T>(shape, |out| {
            out.iter_mut().zip(bytes.chunks_exact(dtype.size())).for_each(|(x, bytes)| *x = T::read(bytes));
        })))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Tensor")]
struct Portable {
    dtype: DType,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Serialize for Tensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Portable { dtype: self.dtype(), shape: self.shape().to_vec(), data: self.to_le_bytes() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Portable { dtype, shape, data } = Portable::deserialize(deserializer)?;
        Self::from_le_bytes("deserialize", dtype, &shape, &data).map_err(|e| D::Error::custom(e.message()))
    }
}
