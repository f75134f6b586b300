//! Reductions of integers, on the registers that every processor has.

use super::fold::{Fold, Max, Min, Product, Sum};
use super::{Elem, Reducer, View, reduce};

/// A reduction of integers to `i64`, wrapping around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntegerOp {
    /// `Σ x`, 0 for nothing.
    Sum,
    /// `Π x`, 1 for nothing.
    Product,
    /// The largest element; the lowest value of the type for nothing.
    Max,
    /// The smallest element; the highest value of the type for nothing.
    Min,
}

/// Reduces `x`, viewed as `[outer, len, inner]`, into the `outer · inner` elements of `out`.
pub(crate) fn integers(op: IntegerOp, x: &[i64], shape: [usize; 3], out: &mut [i64]) {
    run(op, x, shape, out);
}

/// The same for small integers, and for truth values as 0 and 1.
pub(crate) fn bytes(op: IntegerOp, x: &[u8], shape: [usize; 3], out: &mut [i64]) {
    run(op, x, shape, out);
}

fn run<T: Elem>(op: IntegerOp, x: &[T], shape: [usize; 3], out: &mut [i64])
where
    Sum: Fold<T, Total = i64>,
    Product: Fold<T, Total = i64>,
    Max: Fold<T, Total = i64>,
    Min: Fold<T, Total = i64>,
{
    let view = View::new(x, shape, out.len());
    let reducer = match op {
        IntegerOp::Sum => Reducer::of::<Sum>(),
        IntegerOp::Product => Reducer::of::<Product>(),
        IntegerOp::Max => Reducer::of::<Max>(),
        IntegerOp::Min => Reducer::of::<Min>(),
    };
    reduce(&reducer, view, &|_, totals, out| out.copy_from_slice(totals), out);
}
