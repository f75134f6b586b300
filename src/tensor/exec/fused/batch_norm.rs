//! Batch norm. Tensors are `[outer, channels, inner]`, contiguous or not, all of one type: `F32` or `F64`.

use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::batch_norm as kernels;

pub(crate) use crate::tensor::kernels::batch_norm::Channels;

/// Two tensors with a number for each channel.
fn pair(shape: Channels, like: &Tensor) -> (Tensor, Tensor) {
    let stale = || Tensor::stale(like.dtype(), &[shape.channels]);
    (stale(), stale())
}

/// The mean of each channel, and its variance (divided by the number of elements).
pub(crate) fn channel_moments(shape: Channels, x: &Tensor) -> Result<[Tensor; 2]> {
    let (x, mut sums) = (x.packed(), Tensor::stale(x.dtype(), &[shape.sums_len()]));
    let (mut mean, mut variance) = pair(shape, &x);
    with_float!(x.dtype(), T => {
        kernels::moments::<T>(shape, x.data(), sums.data_mut(), mean.data_mut(), variance.data_mut());
    }, else return Err(bug!("batch_norm", "computed in {}", x.dtype())));
    Ok([mean, variance])
}

/// For each channel `Σ g` and `Σ g (x - mean)`.
pub(crate) fn channel_products(shape: Channels, g: &Tensor, x: &Tensor, mean: &Tensor) -> Result<[Tensor; 2]> {
    let (g, x, mut sums) = (g.packed(), x.packed(), Tensor::stale(x.dtype(), &[shape.sums_len()]));
    let (mut one, mut along) = pair(shape, &x);
    with_float!(x.dtype(), T => {
        let results = [one.data_mut(), along.data_mut()];
        kernels::products::<T>(shape, g.data(), x.data(), mean.data(), sums.data_mut(), results);
    }, else return Err(bug!("batch_norm", "computed in {}", x.dtype())));
    Ok([one, along])
}

/// `(x - mean) · scale + shift` with numbers for each channel, and with `(g, slope)` `g · slope` more.
pub(crate) fn channel_affine(
    shape: Channels,
    x: &Tensor,
    [mean, scale, shift]: [&Tensor; 3],
    with: Option<(&Tensor, &Tensor)>,
) -> Result<Tensor> {
    let (x, mut out) = (x.packed(), Tensor::stale(x.dtype(), x.shape()));
    let with = with.map(|(g, slope)| (g.packed(), slope));
    with_float!(x.dtype(), T => {
        let with = with.as_ref().map(|(g, slope)| (g.data(), slope.data()));
        let affine = kernels::Affine { mean: mean.data(), scale: scale.data(), shift: shift.data(), with };
        kernels::affine::<T>(shape, affine, x.data(), out.data_mut());
    }, else return Err(bug!("batch_norm", "computed in {}", x.dtype())));
    Ok(out)
}
