//! Layer norm and RMS norm.

use super::computed;
use crate::error::{Result, bug};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::Real;
use crate::tensor::kernels::layer_norm::{
    Affine, AffineGrad, Normalized, normalize as kernel, normalize_backward as kernel_backward, scratch_len,
};
use crate::tensor::{Element, Tensor};

pub(crate) use crate::tensor::kernels::layer_norm::Norm;

/// What normalised rows are multiplied by and moved by, as far as there is anything: `norm.cols` elements each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale<'a> {
    pub(crate) weight: Option<&'a Tensor>,
    pub(crate) bias: Option<&'a Tensor>,
}

/// Normalises rows of `norm.cols` elements, and returns the means of all rows (none of an RMS norm) and the reciprocals of their
/// deviations as well, which the gradient needs. Types of 16 bits are computed in `F32`, in which the statistics are kept, and
/// rounded back.
pub(crate) fn normalize(norm: Norm, x: &Tensor, scale: Scale<'_>) -> Result<(Tensor, [Tensor; 2])> {
    let dtype = computed(x.dtype());
    let wide = x.cast(dtype).packed();
    let Some(rows) = wide.numel().checked_div(norm.cols) else {
        return Err(bug!("layer_norm", "rows of no elements"));
    };
    let mut mean = Tensor::stale(dtype, &[if norm.centred { rows } else { 0 }]);
    let mut rstd = Tensor::stale(dtype, &[rows]);
    let [weight, bias] = [scale.weight, scale.bias].map(|x| x.map(|x| x.cast(dtype).packed()));
    let mut out = Tensor::stale(dtype, x.shape());
    with_float!(dtype, T => {
        let affine = Affine { weight: slice::<T>(weight.as_ref()), bias: slice(bias.as_ref()) };
        kernel(norm, wide.data(), affine, out.data_mut(), mean.data_mut(), rstd.data_mut());
    }, else return Err(bug!("layer_norm", "computed in {dtype}")));
    Ok((out.cast(x.dtype()), [mean, rstd]))
}

fn slice<T: Element + Real>(x: Option<&Tensor>) -> Option<&[T]> {
    x.map(|x| x.data())
}

/// The gradients of [`normalize`]: of what was normalised, and of the weight and the bias, if `sums` are wanted. These have
/// `norm.cols` elements; what is not there is empty.
pub(crate) fn normalize_backward(
    norm: Norm,
    grad: &Tensor,
    x: &Tensor,
    weight: Option<&Tensor>,
    [mean, rstd]: &[Tensor; 2],
    sums: bool,
) -> Result<[Tensor; 3]> {
    let dtype = rstd.dtype();
    let (g, x) = (grad.cast(dtype).packed(), x.cast(dtype).packed());
    let weight = weight.map(|weight| weight.cast(dtype).packed());
    let stale = |len: usize| Tensor::stale(dtype, &[len]);
    let cols = if sums { norm.cols } else { 0 };
    let (mut dw, mut db) = (stale(cols), stale(if norm.centred { cols } else { 0 }));
    let mut scratch = stale(if sums { scratch_len(norm, rstd.numel()) } else { 0 });
    let mut dx = Tensor::stale(dtype, x.shape());
    with_float!(dtype, T => {
        let saved =
            Normalized { x: x.data(), mean: mean.data(), rstd: rstd.data(), weight: slice::<T>(weight.as_ref()) };
        let sums = sums.then(|| AffineGrad {
            weight: dw.data_mut(),
            bias: db.data_mut(),
            scratch: scratch.data_mut(),
        });
        kernel_backward(norm, g.data(), saved, dx.data_mut(), sums);
    }, else return Err(bug!("layer_norm", "computed in {dtype}")));
    Ok([dx, dw, db])
}
