//! Functions of one element, and their slopes.

use super::{operand, run, strides_to, without_gaps};
use crate::error::{Result, bug};
use crate::tensor::kernels::map::{self, Job};
use crate::tensor::layout::broadcast;
use crate::tensor::{DType, Tensor};

pub(crate) use crate::tensor::kernels::ops::{
    ClassOp, GELU_LIMIT, GELU_TANH_CUBIC, GELU_TANH_SCALE, LARGE, SELU_ALPHA, SELU_SCALE, SILU_LIMIT, Saved, UnaryOp,
};

/// A function of each element. 16-bit types are computed in `F32` and rounded back; integers and truth values become `F32`,
/// as in PyTorch.
pub(crate) fn unary(op: UnaryOp, x: &Tensor) -> Tensor {
    let x = without_gaps(x);
    let (computed, result) = match x.dtype() {
        dtype if dtype.is_float() => (dtype.compute(), dtype),
        _ => (DType::F32, DType::F32),
    };
    run(op.value(), op.args(), x.shape(), [&x], [x.strides()], computed, result)
}

/// The gradient of the argument of a function, from that of its result and from what was [saved](UnaryOp::saved). Both
/// broadcast to a common shape. The result has the type of the gradient.
pub(crate) fn slope(op: UnaryOp, g: &Tensor, saved: &Tensor) -> Result<Tensor> {
    let Some(row) = op.slope() else { return Err(bug!("backward", "the slope of {op:?}")) };
    let fit = || {
        let shape = broadcast(g.shape(), saved.shape())?;
        Some((shape, strides_to(g, &shape)?, strides_to(saved, &shape)?))
    };
    let Some((shape, of_g, of_saved)) = fit() else {
        return Err(bug!("backward", "a gradient of shape {:?} for {:?}", g.shape(), saved.shape()));
    };
    let dtype = g.dtype();
    Ok(run(row, op.args(), &shape, [g, saved], [&of_g, &of_saved], dtype.compute(), dtype))
}

/// `x = op(x)`, in place if nobody else can see the elements.
pub(crate) fn unary_in_place(op: UnaryOp, x: &mut Tensor) {
    let (row, args) = (op.value(), op.args());
    match x.dtype() {
        DType::F32 => map::in_place(Job { block: &row.f32, args, cost: row.cost }, x.data_mut()),
        DType::F64 => map::in_place(Job { block: &row.f64, args, cost: row.cost }, x.data_mut()),
        _ => *x = unary(op, x),
    }
}

/// Whether each element is a number of some kind.
pub(crate) fn classify(op: ClassOp, x: &Tensor) -> Tensor {
    let x = x.packed();
    let (single, double) = op.row();
    let (args, cost) = ([0.0; 2], 1);
    Tensor::build::<bool>(x.shape(), |out| match x.dtype() {
        DType::F64 => Job { block: double, args, cost }.run(x.shape(), &[operand(&x, x.strides())], out),
        _ => Job { block: single, args, cost }.run(x.shape(), &[operand(&x, x.strides())], out),
    })
}
