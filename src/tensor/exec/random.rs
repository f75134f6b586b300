//! Random choices for each element.

use crate::rng::Rng;
use crate::tensor::{DType, Float, Tensor};

/// Zeros with probability `p`, otherwise `1 / (1 − p)`: of type `F64`, or else of `F32`.
pub(crate) fn dropout_mask(shape: &[usize], dtype: DType, p: f64, rng: &mut Rng) -> Tensor {
    let dtype = if dtype == DType::F64 { dtype } else { DType::F32 };
    let mut out = Tensor::stale(dtype, shape);
    match dtype {
        DType::F64 => choose::<f64>(p, rng, out.data_mut()),
        _ => choose::<f32>(p, rng, out.data_mut()),
    }
    out
}

fn choose<T: Float>(p: f64, rng: &mut Rng, out: &mut [T]) {
    let kept = if p < 1.0 { T::from_f64(1.0 / (1.0 - p)) } else { T::zero() };
    // Two decisions for each draw of 64 bits: an element is dropped if its half is below p · 2³².
    let threshold = (p * 4_294_967_296.0) as u64;
    for pair in out.chunks_mut(2) {
        let bits = rng.next_u64();
        for (x, half) in pair.iter_mut().zip([bits >> 32, bits & 0xffff_ffff]) {
            *x = if half < threshold { T::zero() } else { kept };
        }
    }
}
