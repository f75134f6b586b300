//! Running sums and products, and linear recurrences, along a dimension.

use super::{narrowed, widened};
use crate::tensor::kernels::scan::{Direction, Running, recurrent, running};
use crate::tensor::{DType, Tensor};

pub(crate) use crate::tensor::kernels::scan::{Direction as RecurrenceOp, Running as ScanOp};

/// `out[i] = x[0] + … + x[i]`, or the product, along a dimension. Integers and truth values give an `I64` that wraps around, 16-bit
/// types are computed in `F32`. Not recorded.
pub(crate) fn scan(op: Running, x: &Tensor, axis: usize) -> Tensor {
    let (dtype, view) = (x.dtype(), around(x.shape(), axis));
    let x = if dtype.is_float() { widened(x) } else { x.cast(DType::I64) }.packed();
    let mut out = Tensor::stale(x.dtype(), x.shape());
    match x.dtype() {
        DType::F64 => running::<f64>(op, x.data(), view, out.data_mut()),
        DType::I64 => running::<i64>(op, x.data(), view, out.data_mut()),
        _ => running::<f32>(op, x.data(), view, out.data_mut()),
    }
    narrowed(out, dtype)
}

/// The linear recurrence `out[i] = b[i] + a[i] · out[i-1]` along a dimension, or downwards `out[i] = b[i] + a[i+1] · out[i+1]`, of
/// operands of one shape and type, `F32` or `F64`. Not recorded.
pub(crate) fn recurrence(op: Direction, a: &Tensor, b: &Tensor, axis: usize) -> Tensor {
    let view = around(a.shape(), axis);
    let (a, b) = (widened(a).packed(), widened(b).packed());
    let mut out = Tensor::stale(a.dtype(), a.shape());
    match a.dtype() {
        DType::F64 => recurrent::<f64>(op, a.data(), b.data(), view, out.data_mut()),
        _ => recurrent::<f32>(op, a.data(), b.data(), view, out.data_mut()),
    }
    out
}

/// The sizes of the dimensions before, at and after one.
fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}
