//! Images made larger and smaller.

use super::computed;
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::resample as kernels;

pub(crate) use crate::tensor::kernels::resample::Taps;

/// Weighted sums of places along dimension `dim`. Types of 16 bits are computed in `F32` and rounded.
#[track_caller]
pub(crate) fn resample(taps: &Taps, dim: usize, x: &Tensor) -> Result<Tensor> {
    let dtype = computed(x.dtype());
    let (wide, mut shape) = (x.cast(dtype).packed(), x.layout().shape());
    let (size, inner) = (shape[dim], shape[dim + 1..].iter().product());
    shape[dim] = taps.len();
    let mut out = stale("interpolate", &shape, dtype)?;
    with_float!(dtype, T => kernels::resample::<T>(taps, size, inner, wide.data(), out.data_mut()),
        else return Err(bug!("interpolate", "computed in {dtype}")));
    Ok(out.cast(x.dtype()))
}
