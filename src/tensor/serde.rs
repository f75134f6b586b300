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
mod tests {
    use super::*;
    use crate::tensor;

    const DTYPES: [DType; 9] =
        [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool];

    fn binary(x: &impl Serialize) -> Vec<u8> {
        bincode::serde::encode_to_vec(x, bincode::config::standard()).unwrap()
    }

    fn from_binary(bytes: &[u8]) -> Result<Tensor, bincode::error::DecodeError> {
        bincode::serde::decode_from_slice(bytes, bincode::config::standard()).map(|(x, _)| x)
    }

    #[track_caller]
    fn assert_same(a: &Tensor, b: &Tensor) {
        assert_eq!((a.dtype(), a.shape(), a.to_le_bytes()), (b.dtype(), b.shape(), b.to_le_bytes()));
    }

    #[test]
    fn every_type_and_shape_comes_back() {
        let x = tensor![[0.0, -1.5, f32::INFINITY], [1.0, f32::NAN, 65504.0]];
        for dtype in DTYPES {
            for shape in [&[2, 3][..], &[6], &[3, 1, 2], &[1, 1, 1, 1, 1, 1, 2, 3]] {
                let x = x.to_dtype(dtype).reshape(shape).unwrap();
                assert_same(&x, &serde_json::from_str(&serde_json::to_string(&x).unwrap()).unwrap());
                assert_same(&x, &from_binary(&binary(&x)).unwrap());
            }
            for empty in [Tensor::full_dtype([0], 0.0, dtype).unwrap(), Tensor::full_dtype([2, 0], 0.0, dtype).unwrap()]
            {
                assert_same(&empty, &from_binary(&binary(&empty)).unwrap());
            }
        }
        let scalar = Tensor::from_nested(i64::MIN + 1).unwrap();
        assert_same(&scalar, &from_binary(&binary(&scalar)).unwrap());
    }

    #[test]
    fn the_format_stays_as_it_is() {
        let json = r#"{"dtype":"F32","shape":[2],"data":[0,0,128,63,0,0,0,192]}"#;
        assert_eq!(serde_json::to_string(&tensor![1.0, -2.0]).unwrap(), json);
    }

    #[test]
    fn views_are_saved_as_they_look_and_without_gradients() {
        let x = tensor![[1.0, 2.0], [3.0, 4.0]].tracked().unwrap();
        let back = from_binary(&binary(&x.t())).unwrap();
        assert_eq!(back.to_vec::<f32>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
        assert!(!back.is_tracked());
    }

    /// The message with which both formats refuse it.
    #[track_caller]
    fn refusal(shape: &[usize], data: &[u8]) -> String {
        let hostile = Portable { dtype: DType::F32, shape: shape.to_vec(), data: data.to_vec() };
        let message =
            serde_json::from_str::<Tensor>(&serde_json::to_string(&hostile).unwrap()).unwrap_err().to_string();
        assert!(from_binary(&binary(&hostile)).unwrap_err().to_string().contains(&message));
        message
    }

    #[test]
    fn lengths_that_lie_are_refused_word_for_word() {
        assert_eq!(refusal(&[3], &[0; 8]), "deserialize: 8 bytes for shape [3] of f32, which takes 12");
        assert_eq!(refusal(&[2], &[0; 9]), "deserialize: 9 bytes for shape [2] of f32, which takes 8");
        assert_eq!(refusal(&[0], &[0; 4]), "deserialize: 4 bytes for shape [0] of f32, which takes 0");
        assert_eq!(refusal(&[], &[]), "deserialize: 0 bytes for shape [] of f32, which takes 4");
    }

    #[test]
    fn giant_shapes_take_no_memory() {
        crate::memory::reset_peak();
        let before = crate::memory::stats().peak_bytes;
        assert!(refusal(&[1 << 40], &[0; 4]).contains("which takes 4398046511104"));
        for shape in [&[usize::MAX][..], &[usize::MAX, usize::MAX], &[1 << 31, 1 << 31, 4], &[usize::MAX, 2, 0]] {
            assert!(refusal(shape, &[0; 4]).contains("does not fit into memory"), "{shape:?}");
        }
        assert!(refusal(&[1; 9], &[0; 4]).contains("9 dimensions, at most 8 are supported"));
        assert!(crate::memory::stats().peak_bytes.saturating_sub(before) < 1 << 30);
        // A claim of 2^62 bytes with nothing behind it.
        let mut bytes = binary(&(DType::F32, vec![1usize << 60], 1u64 << 62));
        assert!(from_binary(&bytes).is_err());
        bytes.truncate(3);
        assert!(from_binary(&bytes).is_err());
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = binary(&tensor![[1.0, 2.0], [3.0, 4.0]]);
        for len in 0..bytes.len() {
            assert!(from_binary(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn other_contents_are_refused() {
        for json in [
            "null",
            "[]",
            "{}",
            r#"{"dtype":"F31","shape":[1],"data":[0,0,0,0]}"#,
            r#"{"dtype":"F32","shape":[-1],"data":[0,0,0,0]}"#,
            r#"{"dtype":"F32","shape":[1],"data":[0,0,0,256]}"#,
            r#"{"dtype":"F32","shape":1,"data":[0,0,0,0]}"#,
        ] {
            assert!(serde_json::from_str::<Tensor>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        let x = serde_json::from_str::<Tensor>(r#"{"dtype":"Bool","shape":[3],"data":[0,1,255]}"#).unwrap();
        assert_eq!(x.to_vec::<bool>().unwrap(), [false, true, true]);
    }
}
