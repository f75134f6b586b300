//! Tensors in `serde` formats: element type, shape and little-endian bytes. Gradients are not saved.

use std::io::{self, Read, Write};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Tensor;
use super::create::check_shape;
use super::dtype::{DType, Element, with_element};
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

bytes!(f32 f64 half::bf16 half::f16 i64 i32 i8 u8);

impl Bytes for bool {
    fn write(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

/// Bytes that are converted at once.
const BLOCK: usize = 1 << 16;

impl Tensor {
    /// Writes the elements in row-major order as little-endian bytes, without a copy of the whole.
    pub(crate) fn write_le_bytes(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let x = self.packed();
        let mut bytes = Vec::with_capacity(BLOCK.min(self.numel() * self.dtype().size()));
        with_element!(self.dtype(), T => x.data::<T>().chunks(BLOCK / size_of::<T>()).try_for_each(|block| {
            bytes.clear();
            block.iter().for_each(|x| x.write(&mut bytes));
            out.write_all(&bytes)
        }))
    }

    /// Replaces the elements by those that [`write_le_bytes`](Self::write_le_bytes) wrote.
    pub(crate) fn read_le_bytes(&mut self, input: &mut impl Read) -> io::Result<()> {
        let mut bytes = vec![0; BLOCK.min(self.numel() * self.dtype().size())];
        with_element!(self.dtype(), T => self.data_mut::<T>().chunks_mut(BLOCK / size_of::<T>()).try_for_each(|block| {
            let bytes = &mut bytes[..size_of_val(block)];
            input.read_exact(bytes)?;
            block.iter_mut().zip(bytes.chunks_exact(size_of::<T>())).for_each(|(x, bytes)| *x = T::read(bytes));
            Ok(())
        }))
    }

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

/// A tensor as options have it: a list of numbers, if it is one of `F32`.
#[derive(Debug)]
pub(crate) struct Numbers(pub(crate) Tensor);

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_vec::<f32>() {
            Ok(numbers) if self.0.rank() == 1 && numbers.iter().all(|x| x.is_finite()) => numbers.serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if !value.is_array() {
            return serde_json::from_value(value).map(Self).map_err(D::Error::custom);
        }
        let numbers: Vec<f32> = serde_json::from_value(value).map_err(D::Error::custom)?;
        let count = numbers.len();
        Tensor::from_vec(numbers, [count]).map(Self).map_err(|e| D::Error::custom(e.message()))
    }
}

#[cfg(test)]
mod tests;
