//! Rotary positions.

use super::{computed, with_unit_stride};
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::Strided;
use crate::tensor::kernels::rotary::{Angles, rotate};

/// Which pairs of features are turned, and by what.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    /// `[positions, pairs]`.
    pub(crate) cos: Tensor,
    /// `[positions, pairs]`.
    pub(crate) sin: Tensor,
    /// Pairs are neighbours, instead of an element of each half.
    pub(crate) interleaved: bool,
    /// Backwards.
    pub(crate) inverse: bool,
}

/// Turns the features of `[.., positions, features]`. Types of 16 bits are computed in `F32` and rounded back.
pub(crate) fn rotary(rotation: &Rotation, x: &Tensor) -> Result<Tensor> {
    let dtype = computed(x.dtype());
    let (cos, sin) = (rotation.cos.cast(dtype).packed(), rotation.sin.cast(dtype).packed());
    let &[positions, pairs] = cos.shape() else {
        return Err(bug!("rotary", "cosines of shape {:?}", cos.shape()));
    };
    let wide = with_unit_stride(&x.cast(dtype));
    let mut out = Tensor::stale(dtype, x.shape());
    with_float!(dtype, T => {
        let Rotation { interleaved, inverse, .. } = *rotation;
        let angles = Angles::<T> { cos: cos.data(), sin: sin.data(), pairs, positions, interleaved, inverse };
        rotate(Strided { data: wide.data::<T>(), strides: wide.strides() }, x.shape(), angles, out.data_mut());
    }, else return Err(bug!("rotary", "computed in {dtype}")));
    Ok(out.cast(x.dtype()))
}
