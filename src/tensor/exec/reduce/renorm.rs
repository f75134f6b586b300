//! Scaling back rows that are too long.

use super::{narrowed, widened};
use crate::tensor::kernels::renorm::shorten;
use crate::tensor::{DType, Tensor};

/// Multiplies, in place, the rows along `dim` whose norms are above `max_norm` by `max_norm / (norm + eps)`. Returns
/// whether there were any: elements that others share are not copied if nothing changes.
pub(crate) fn shorten_rows(x: &mut Tensor, dim: usize, norms: &Tensor, max_norm: f64, eps: f64) -> bool {
    let (inner, norms) = (x.shape()[dim + 1..].iter().product(), widened(norms).packed());
    match x.dtype() {
        DType::F64 => {
            let norms = norms.cast(DType::F64);
            let too_long = norms.data::<f64>().iter().any(|norm| *norm > max_norm);
            if too_long {
                shorten(x.data_mut(), inner, norms.data::<f64>(), max_norm, eps);
            }
            too_long
        }
        DType::F32 => {
            let (norms, limit) = (norms.cast(DType::F32), max_norm as f32);
            let too_long = norms.data::<f32>().iter().any(|norm| *norm > limit);
            if too_long {
                shorten(x.data_mut(), inner, norms.data::<f32>(), limit, eps as f32);
            }
            too_long
        }
        dtype => {
            let mut wide = widened(x);
            let too_long = shorten_rows(&mut wide, dim, &norms, max_norm, eps);
            if too_long {
                *x = narrowed(wide, dtype);
            }
            too_long
        }
    }
}
