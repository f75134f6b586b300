//! Rows as functions of slices.

use super::super::block::Block;
use super::super::map::{self, Job};
use super::super::ops::*;
use super::super::{Data, Elem, Operand, Strided};

/// A type that rows have loops for.
pub(in super::super) trait Computed: Elem {
    fn block<const K: usize>(row: &Row<K>) -> Block<Self, Self, K>;
    fn comparison(row: &Comparison) -> &Block<Self, bool, 2>;
}

macro_rules! computed {
    ($($t:ident: |$row:ident| $block:expr;)*) => {$(
        impl Computed for $t {
            fn block<const K: usize>($row: &Row<K>) -> Block<Self, Self, K> {
                $block
            }
            fn comparison(row: &Comparison) -> &Block<Self, bool, 2> {
                &row.$t
            }
        }
    )*};
}

computed! {
    f32: |row| row.f32;
    f64: |row| row.f64;
    i64: |row| row.i64.unwrap();
}

fn operand<T>(x: Strided<'_, T>) -> Operand<'_, T> {
    Operand { data: Data::Own(x.data), strides: x.strides }
}

fn run<T: Computed, const K: usize>(
    row: &Row<K>,
    args: [f64; 2],
    shape: &[usize],
    x: [Strided<'_, T>; K],
    out: &mut [T],
) {
    Job { block: &T::block(row), args, cost: row.cost }.run(shape, &x.map(operand), out);
}

pub(in super::super) fn unary<T: Computed>(op: UnaryOp, x: &[T], out: &mut [T]) {
    run(op.value(), op.args(), &[x.len()], [Strided { data: x, strides: &[1] }], out);
}

pub(in super::super) fn unary_in_place<T: Computed>(op: UnaryOp, x: &mut [T]) {
    map::in_place(Job { block: &T::block(op.value()), args: op.args(), cost: op.value().cost }, x);
}

/// The slope of a function, of gradients and what was saved.
pub(in super::super) fn slope<T: Computed>(op: UnaryOp, g: &[T], saved: &[T], out: &mut [T]) {
    let x = [g, saved].map(|data| Strided { data, strides: &[1] });
    run(op.slope().unwrap(), op.args(), &[g.len()], x, out);
}

pub(in super::super) fn binary<T: Computed>(
    op: BinaryOp,
    shape: &[usize],
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: &mut [T],
) {
    run(op.value(), op.args(), shape, [a, b], out);
}

pub(in super::super) fn accumulate<T: Computed>(factor: f64, x: &[T], out: &mut [T]) {
    map::into(Job { block: &T::block(&ACCUMULATE), args: [factor, 0.0], cost: 1 }, x, out);
}

/// The slope of a function of two numbers.
pub(in super::super) fn slope_of_two<T: Computed>(
    op: BinaryOp,
    shape: &[usize],
    x: [Strided<'_, T>; 3],
    out: &mut [T],
) {
    run(op.slope().unwrap(), op.args(), shape, x, out);
}

pub(in super::super) fn compare<T: Computed>(
    op: CompareOp,
    shape: &[usize],
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: &mut [bool],
) {
    let job = Job { block: T::comparison(op.row()), args: [0.0; 2], cost: 1 };
    job.run(shape, &[operand(a), operand(b)], out);
}

pub(in super::super) fn of_words<W: Elem + PartialEq>(shape: &[usize], x: [Strided<'_, W>; 3], out: &mut [W]) {
    Job { block: choose::<W>(), args: [0.0; 2], cost: 1 }.run(shape, &x.map(operand), out);
}
