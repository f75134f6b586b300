//! Softmax along a dimension.

use super::computed;
use crate::tensor::kernels::Real;
use crate::tensor::kernels::softmax::{self as kernel, Rule};
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Element, Tensor};

/// Which function of the numbers along a dimension.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Softmax {
    /// `eˣ / Σ eˣ`.
    Plain,
    /// Its logarithm.
    Log,
}

/// Softmax along dimension `axis`. Types other than `F64` are computed in `F32`; floating-point ones are rounded back.
pub(crate) fn softmax(which: Softmax, x: &Tensor, axis: usize) -> Tensor {
    let rule = match which {
        Softmax::Plain => Rule::Softmax,
        Softmax::Log => Rule::LogSoftmax,
    };
    let out = along(rule, [x], axis);
    if x.dtype().is_float() { out.cast(x.dtype()) } else { out }
}

/// The gradient, from that of the result and the result.
pub(crate) fn softmax_backward(which: Softmax, grad: &Tensor, y: &Tensor, axis: usize) -> Tensor {
    let rule = match which {
        Softmax::Plain => Rule::SoftmaxGrad,
        Softmax::Log => Rule::LogSoftmaxGrad,
    };
    along(rule, [grad, y], axis)
}

/// Runs a rule on operands of one shape, which it gets contiguous and with dimension `axis` last.
fn along<const N: usize>(rule: Rule, operands: [&Tensor; N], axis: usize) -> Tensor {
    let shape = operands.first().map_or(Dims::EMPTY, |x| x.layout().shape());
    let computed = operands.first().map_or(DType::F32, |x| computed(x.dtype()));
    // Two dimensions exchanged: the same once more brings them back.
    let mut axes = Dims::collect(0..shape.len());
    axes.swap(axis, shape.len() - 1);
    let operands = operands.map(|x| x.permuted(&axes).cast(computed).packed());
    let (Some(first), Some(last)) = (operands.first(), operands.last()) else { return Tensor::stale(computed, &[0]) };
    let mut out = Tensor::stale(computed, first.shape());
    if computed == DType::F64 {
        run::<f64>(rule, first, last, shape[axis], &mut out);
    } else {
        run::<f32>(rule, first, last, shape[axis], &mut out);
    }
    out.permuted(&axes).packed()
}

fn run<T: Element + Real>(rule: Rule, a: &Tensor, b: &Tensor, cols: usize, out: &mut Tensor) {
    kernel::rows::<T>(rule, a.data(), b.data(), cols, out.data_mut());
}
