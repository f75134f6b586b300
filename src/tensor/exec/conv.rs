//! Convolutions and their gradients.
//!
//! 16-bit operands are computed with in `F32` and the result is rounded back.

use super::gemm::{narrow, wide};
use crate::error::{Result, bug};
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::conv::{Pixels, patches};
use crate::tensor::layout::Dims;
use crate::tensor::{Element, Tensor};

pub(crate) use crate::tensor::kernels::conv::Geometry;

/// The convolution of `x`, `[batch, channels, ..]`, with `w`, `[outputs, channels / groups, ..]`, and a bias for each output: tensors
/// with one to three spatial dimensions, and of one type.
#[track_caller]
pub(crate) fn forward(g: &Geometry, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let dtype = x.dtype();
    let (x, w) = (&*wide(x), &wide(w).packed());
    let bias = bias.map(|bias| wide(bias).packed());
    let mut out = rows(g, g.outputs, g.output, x)?;
    with_float!(x.dtype(), T => {
        patches::forward::<T>(g, pixels(x), w.data(), bias.as_ref().map(Tensor::data), out.data_mut());
    }, else return Err(bug!("conv", "an input of type {}", x.dtype())));
    Ok(narrow(examples_first(&out, x.rank()), dtype))
}

/// The gradient of the input of a convolution, from that of its output, `y`: with a bias for each channel, the transposed
/// convolution.
#[track_caller]
pub(crate) fn input(g: &Geometry, y: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let dtype = y.dtype();
    let (y, w) = (&*wide(y), &wide(w).packed());
    let bias = bias.map(|bias| wide(bias).packed());
    let mut out = rows(g, g.channels, g.input, y)?;
    with_float!(y.dtype(), T => {
        patches::input::<T>(g, pixels(y), w.data(), bias.as_ref().map(Tensor::data), out.data_mut());
    }, else return Err(bug!("conv", "a gradient of type {}", y.dtype())));
    Ok(narrow(examples_first(&out, y.rank()), dtype))
}

/// The gradient of the weights of a convolution, from its input and the gradient of its output, `y`.
#[track_caller]
pub(crate) fn weight(g: &Geometry, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let (x, y) = (&*wide(x), &*wide(y));
    let spatial = &g.kernel[5 - x.rank()..];
    let shape = Dims::collect([g.outputs, g.channels / g.groups.max(1)].into_iter().chain(spatial.iter().copied()));
    let mut out = stale("conv", &shape, x.dtype())?;
    with_float!(x.dtype(), T => {
        patches::weight::<T>(g, pixels(x), pixels(y), out.data_mut());
    }, else return Err(bug!("conv", "an input of type {}", x.dtype())));
    Ok(narrow(out, dtype))
}

/// `[batch, channels, ..]`, with one to three spatial dimensions, as three of them.
fn pixels<T: Element>(x: &Tensor) -> Pixels<'_, T> {
    let mut strides = [0; 5];
    strides[..2].copy_from_slice(&x.strides()[..2]);
    strides[7 - x.rank()..].copy_from_slice(&x.strides()[2..]);
    Pixels { data: x.data(), strides }
}

/// A row for each channel, to be overwritten, with as many spatial dimensions and of the type as `like`.
#[track_caller]
fn rows(g: &Geometry, channels: usize, spatial: [usize; 3], like: &Tensor) -> Result<Tensor> {
    let spatial = &spatial[5 - like.rank()..];
    stale("conv", &Dims::collect([channels, g.batch].into_iter().chain(spatial.iter().copied())), like.dtype())
}

/// `[channels, batch, ..]` as `[batch, channels, ..]`, in this order in memory as well.
fn examples_first(x: &Tensor, rank: usize) -> Tensor {
    let axes: Dims = Dims::collect([1, 0].into_iter().chain(2..rank));
    x.permuted(&axes).packed()
}
