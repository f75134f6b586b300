//! Every operation on tensors: its checks, its computation and its gradient on one screen, a file for each family.
//!
//! `docs/adding_an_op.md` walks through one. What computes is `tensor::exec`; here stands what is differentiated and how.

mod activation;
mod arithmetic;
pub(crate) mod attention;
pub(crate) mod batch_norm;
mod bilinear;
mod cast;
mod combined;
mod compare;
mod composed_activation;
pub(crate) mod convolution;
mod count;
pub(crate) mod cross_entropy;
pub(crate) mod ctc;
mod distance;
mod dropout;
mod einsum;
pub(crate) mod embedding;
mod exp_log;
mod extremes;
#[cfg(feature = "fft")]
pub(crate) mod fft;
mod gamma;
mod gather;
pub(crate) mod grid_sample;
mod image;
pub(crate) mod interpolate;
mod join;
mod layer_norm;
pub(crate) mod likelihood;
#[cfg(feature = "linalg")]
pub(crate) mod linalg;
mod matmul;
mod max_min;
mod moments;
pub(crate) mod norm;
mod order;
mod pad;
pub(crate) mod penalty;
mod places;
pub(crate) mod pool;
mod power;
mod quantized;
mod rearrange;
pub(crate) mod recurrent;
pub(crate) mod renorm;
mod rotary;
mod rounding;
mod scan;
mod select;
mod shape;
mod slice;
mod softmax;
mod sort;
mod sparse;
mod special;
pub(crate) mod squared_error;
mod straight_through;
mod sum;
mod triangle;
mod trigonometric;
pub(crate) mod unfold;
mod unique;

pub(crate) use composed_activation::check_slopes;

use super::{record, recording};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::unary::{self as exec, Saved, UnaryOp};

/// The gradient of a function of one number, made of differentiable operations on tensors: from the numbers that the
/// function holds, the gradient `g` of its result, and its argument or result, as its row says.
pub(crate) type Gradient = fn([f64; 2], &Tensor, &Tensor) -> Result<Tensor>;

/// A function of one number, recorded under a name.
///
/// Its slope comes from its row. `gradient` is the same as operations on tensors; it serves while gradients are themselves
/// recorded, and where the row has no formula.
pub(crate) fn unary(name: &'static str, op: UnaryOp, x: &Tensor, gradient: Gradient) -> Tensor {
    let _timer = crate::profile::op(name);
    record(name, exec::unary(op, x), &[x], |tape| match op.saved() {
        Saved::Nothing => tape.edge(x, move |g| gradient(op.args(), g, g)),
        Saved::Argument => {
            let argument = x.clone();
            tape.edge(x, move |g| slope(op, g, &argument, gradient));
        }
        Saved::Result => tape.edge_with_output(x, move |g, y| slope(op, g, y, gradient)),
    })
}

fn slope(op: UnaryOp, g: &Tensor, saved: &Tensor, gradient: Gradient) -> Result<Tensor> {
    if op.slope().is_some() && !recording::is_enabled() {
        return exec::slope(op, g, saved);
    }
    gradient(op.args(), g, &saved.for_gradient())
}

/// A gradient `g ↦ vjp(g, saved)` in two forms: `fused` is faster but cannot be differentiated; `composite` is made of
/// differentiable operations, and serves while gradients are themselves recorded.
pub(crate) fn two_forms(
    fused: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
    composite: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static {
    move |g, saved| if recording::is_enabled() { composite(g, saved) } else { fused(g, saved) }
}
