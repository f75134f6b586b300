//! Conversion between types of elements.

use half::{bf16, f16};

use crate::parallel;
use crate::tensor::dtype::with_element;
use crate::tensor::kernels::cast::{CastTo, Wrap, cast_strided};
use crate::tensor::kernels::{GRAIN, Read};
use crate::tensor::{DType, Element, Tensor};

/// Elements that are converted together on the way to a third type.
const CHUNK: usize = 512;

macro_rules! read {
    ($($t:ty),*) => {$(
        /// The elements in memory order, from the first that the view can reach, converted to one of the types to compute in.
        impl Read<$t> for Tensor {
            fn len(&self) -> usize {
                if self.is_empty() { 0 } else { self.layout().extent() }
            }

            fn read(&self, start: usize, stride: usize, out: &mut [$t]) {
                with_element!(self.dtype(), S => cast_strided(&self.data::<S>()[start..], stride, out));
            }
        }
    )*};
}
read!(f32, f64, i64);

/// The elements converted to another type, without recording.
///
/// Every type is read as `F32`, `F64` or `I64`, and what is left is a conversion of one of those. What lies between
/// loses nothing, so the result is rounded once.
pub(crate) fn cast(x: &Tensor, dtype: DType) -> Tensor {
    if dtype == x.dtype() {
        return x.with_layout(x.layout().clone());
    }
    let x = x.packed();
    let sixteen_bits = |dtype| matches!(dtype, DType::BF16 | DType::F16);
    match dtype {
        DType::F32 => direct::<f32>(&x),
        DType::F64 => direct::<f64>(&x),
        DType::I64 => direct::<i64>(&x),
        DType::BF16 if x.dtype() == DType::F32 || sixteen_bits(x.dtype()) => through::<f32, bf16>(&x),
        DType::F16 if x.dtype() == DType::F32 || sixteen_bits(x.dtype()) => through::<f32, f16>(&x),
        DType::BF16 => through::<f64, bf16>(&x),
        DType::F16 => through::<f64, f16>(&x),
        DType::I32 if x.dtype().is_float() => through::<f64, i32>(&x),
        DType::I32 => through::<i64, i32>(&x),
        DType::I8 if x.dtype().is_float() => through::<f64, i8>(&x),
        DType::I8 => through::<i64, i8>(&x),
        DType::U8 if x.dtype().is_float() => through::<f64, u8>(&x),
        DType::U8 => through::<i64, u8>(&x),
        DType::Bool if x.dtype().is_float() => through::<f64, bool>(&x),
        DType::Bool => through::<i64, bool>(&x),
    }
}

/// Sums as the type of what was added: `I64` numbers wrap around in a narrower type of integers.
pub(crate) fn wrapped(x: &Tensor, dtype: DType) -> Tensor {
    fn wrap<T: Element + Wrap>(x: &Tensor) -> Tensor {
        Tensor::build::<T>(x.shape(), |out| T::wrap(x.data(), out))
    }
    let x = x.packed();
    match (x.dtype(), dtype) {
        (DType::I64, DType::I32) => wrap::<i32>(&x),
        (DType::I64, DType::I8) => wrap::<i8>(&x),
        (DType::I64, DType::U8) => wrap::<u8>(&x),
        _ => cast(&x, dtype),
    }
}

fn direct<T: Element>(x: &Tensor) -> Tensor
where
    Tensor: Read<T>,
{
    Tensor::build::<T>(x.shape(), |out| parallel::for_blocks(out, GRAIN, |start, out| x.read(start, 1, out)))
}

fn through<H: Element + CastTo<T>, T: Element>(x: &Tensor) -> Tensor
where
    Tensor: Read<H>,
{
    Tensor::build::<T>(x.shape(), |out| {
        parallel::for_blocks(out, GRAIN, |start, out| {
            if H::DTYPE == x.dtype() {
                return H::cast_all(&x.data()[start..][..out.len()], out);
            }
            let mut buffer = [H::default(); CHUNK];
            for (i, out) in out.chunks_mut(CHUNK).enumerate() {
                let buffer = &mut buffer[..out.len()];
                x.read(start + i * CHUNK, 1, buffer);
                H::cast_all(buffer, out);
            }
        });
    })
}
