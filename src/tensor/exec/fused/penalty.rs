//! The gradient of what penalties add to a loss.

use super::computed;
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::penalty as kernel;

/// `l1 · sign(x) + l2 · x`, with 0 for the sign of 0. Of types of 16 bits in `F32`, like all of their gradients.
pub(crate) fn powers_slope(x: &Tensor, l1: f64, l2: f64) -> Result<Tensor> {
    let dtype = computed(x.dtype());
    let x = x.cast(dtype).packed();
    let mut out = Tensor::stale(dtype, x.shape());
    with_float!(dtype, T => {
        kernel::slope(l1 as T, l2 as T, x.data::<T>(), out.data_mut());
        Ok(out)
    }, else Err(bug!("penalty", "computed in {dtype}")))
}
