//! Reductions along the middle of `[outer, len, inner]`.
//!
//! Sums are accurate because they are nested: each lane of a block adds few elements in the elements' own type, and
//! blocks are added in `f64`. Which elements share a lane and a block depends on the shape alone. What leaves the range of
//! the type on the way is computed [again].

mod again;
mod arg;
mod moments;
mod ops;

use crate::parallel;

use super::ops::Number;
use super::simd::{Isa, Kernel, dispatch};
use super::{Elem, GRAIN, Real, count};

pub(crate) use again::Column;
pub(crate) use arg::arg_reduce;
pub(crate) use moments::variance;
pub(crate) use ops::*;

/// Accumulators that run side by side over contiguous elements: four of the widest registers of `f32`.
const LANES: usize = 64;

/// Contiguous elements that are reduced to one total.
const BLOCK: usize = 4096;

/// Rows that are reduced to one total for each column.
const ROWS: usize = 256;

/// Columns that are reduced side by side.
const COLUMNS: usize = 256;

/// A reduction of elements of type `T`.
pub(crate) trait Reduce<T: Elem>: Copy + Send + Sync {
    /// How much longer than an addition one step takes, roughly.
    const COST: usize = 1;

    /// What it results in.
    type Output: Elem;
    /// What a lane holds.
    type Acc: Copy + Send + Sync;
    /// What a block amounts to.
    type Total: Copy + Send + Sync;

    /// A lane before its first element.
    fn start(self) -> Self::Acc;
    fn feed<I: Isa>(self, acc: Self::Acc, x: T) -> Self::Acc;
    /// Two lanes together.
    fn join<I: Isa>(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn total(self, acc: Self::Acc) -> Self::Total;
    /// Two blocks together.
    fn merge(self, a: Self::Total, b: Self::Total) -> Self::Total;
    /// The result for `len` elements.
    fn finish(self, total: Self::Total, len: usize) -> Self::Output;

    /// The result of these elements, given what the fast loops made of them; see [`again`].
    #[inline(always)]
    fn checked(self, result: Self::Output, _: &Column<'_, T>) -> Self::Output {
        result
    }

    /// Reduces up to [`BLOCK`] contiguous elements.
    #[inline(always)]
    fn fold<I: Isa>(self, x: &[T]) -> Self::Total {
        self.total(fold_lanes(x, self.start(), |acc, x| self.feed::<I>(acc, x), |a, b| self.join::<I>(a, b)))
    }

    /// Reduces up to [`ROWS`] rows, `stride` elements apart, into a total for each of up to [`COLUMNS`] columns.
    #[inline(always)]
    fn fold_columns<I: Isa>(self, x: &[T], stride: usize, rows: usize, totals: &mut [Self::Total]) {
        let mut acc = [self.start(); COLUMNS];
        let acc = &mut acc[..totals.len().min(COLUMNS)];
        feed_columns(x, stride, rows, acc, |acc, x| self.feed::<I>(acc, x));
        for (total, &acc) in totals.iter_mut().zip(acc.iter()) {
            *total = self.merge(*total, self.total(acc));
        }
    }
}

/// Reduces contiguous elements in [`LANES`] lanes, then the lanes pairwise.
#[inline(always)]
fn fold_lanes<T: Copy, A: Copy>(x: &[T], start: A, feed: impl Fn(A, T) -> A, join: impl Fn(A, A) -> A) -> A {
    if x.len() < LANES / 4 {
        let mut acc = start;
        for &x in x {
            acc = feed(acc, x);
        }
        return acc;
    }
    let mut lanes = [start; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = feed(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = feed(*lane, x);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Feeds `rows` rows, `stride` elements apart, to one accumulator per column.
#[inline(always)]
fn feed_columns<T: Copy, A: Copy>(x: &[T], stride: usize, rows: usize, acc: &mut [A], feed: impl Fn(A, T) -> A) {
    let width = acc.len();
    let row = |r: usize| &x[r * stride..][..width];
    let mut r = 0;
    // Four rows at a time, so that the accumulators are loaded and stored a quarter as often.
    while r + 4 <= rows {
        let (a, b, c, d) = (row(r), row(r + 1), row(r + 2), row(r + 3));
        for ((((acc, &a), &b), &c), &d) in acc.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *acc = feed(feed(feed(feed(*acc, a), b), c), d);
        }
        r += 4;
    }
    while r < rows {
        for (acc, &x) in acc.iter_mut().zip(row(r)) {
            *acc = feed(*acc, x);
        }
        r += 1;
    }
}

/// Reduces `x`, viewed as `[outer, len, inner]`, into the `outer · inner` elements of `out`.
pub(crate) fn reduce<T: Elem, R: Reduce<T>>(
    op: R,
    x: &[T],
    outer: usize,
    len: usize,
    inner: usize,
    out: &mut [R::Output],
) {
    assert_eq!(x.len(), count(&[outer, len, inner]), "reduce: elements");
    assert_eq!(out.len(), count(&[outer, inner]), "reduce: results");
    let grain = GRAIN / R::COST;
    let matrix = len.saturating_mul(inner);
    if out.is_empty() {
        return;
    }
    if matrix <= 2 * grain {
        let matrices = (grain / matrix.max(1)).max(1);
        return parallel::for_blocks(out, matrices * inner, |start, out| {
            let x = &x[start * len..][..out.len() * len];
            if inner == 1 {
                reduce_rows(op, x, len, out);
            } else {
                for (i, out) in out.chunks_mut(inner).enumerate() {
                    reduce_columns(op, &x[i * matrix..][..matrix], inner, out);
                }
            }
        });
    }
    for (x, out) in x.chunks(matrix).zip(out.chunks_mut(inner)) {
        reduce_large(op, x, len, inner, grain, out);
    }
}

/// Reduces one large matrix of `[len, inner]`: by segments of rows, or by groups of columns if the rows are few.
fn reduce_large<T: Elem, R: Reduce<T>>(op: R, x: &[T], len: usize, inner: usize, grain: usize, out: &mut [R::Output]) {
    let rows = (grain / inner).next_multiple_of(if inner == 1 { BLOCK } else { ROWS }).max(ROWS);
    let segments = len.div_ceil(rows);
    if segments == 1 {
        let columns = (grain / len).max(LANES);
        return parallel::for_blocks(out, columns, |start, out| reduce_columns(op, &x[start..], inner, out));
    }
    let segment = |i: usize| &x[i * rows * inner..x.len().min((i + 1) * rows * inner)];
    // Of each segment a row of totals.
    let mut totals = vec![op.total(op.start()); segments * inner];
    parallel::for_blocks(&mut totals, inner, |start, totals| {
        let segment = segment(start / inner);
        if inner == 1 {
            return dispatch(RowsLoop { op, x: segment, len: segment.len(), totals });
        }
        for (j, totals) in totals.chunks_mut(COLUMNS).enumerate() {
            fold_matrix(op, &segment[j * COLUMNS..], inner, totals);
        }
    });
    let (sum, rest) = totals.split_at_mut(inner);
    for totals in rest.chunks(inner) {
        for (sum, &total) in sum.iter_mut().zip(totals) {
            *sum = op.merge(*sum, total);
        }
    }
    for (j, (out, &total)) in out.iter_mut().zip(sum.iter()).enumerate() {
        *out = op.checked(op.finish(total, len), &Column::new(&x[j..], inner, len));
    }
}

/// Reduces rows of `len` elements.
fn reduce_rows<T: Elem, R: Reduce<T>>(op: R, x: &[T], len: usize, out: &mut [R::Output]) {
    for (i, out) in out.chunks_mut(LANES).enumerate() {
        let mut totals = [op.total(op.start()); LANES];
        let totals = &mut totals[..out.len()];
        let x = &x[i * LANES * len..];
        dispatch(RowsLoop { op, x, len, totals });
        for (k, (out, &total)) in out.iter_mut().zip(totals.iter()).enumerate() {
            *out = op.checked(op.finish(total, len), &Column::new(&x[k * len..], 1, len));
        }
    }
}

/// Reduces the first `out.len()` columns of a matrix whose rows are `inner` apart.
fn reduce_columns<T: Elem, R: Reduce<T>>(op: R, x: &[T], inner: usize, out: &mut [R::Output]) {
    let len = x.len().div_ceil(inner);
    for (j, out) in out.chunks_mut(COLUMNS).enumerate() {
        let mut totals = [op.total(op.start()); COLUMNS];
        let totals = &mut totals[..out.len()];
        if !x.is_empty() {
            fold_matrix(op, &x[j * COLUMNS..], inner, totals);
        }
        for (k, (out, &total)) in out.iter_mut().zip(totals.iter()).enumerate() {
            let column = x.get(j * COLUMNS + k..).unwrap_or_default();
            *out = op.checked(op.finish(total, len), &Column::new(column, inner, len));
        }
    }
}

/// Adds the columns of a matrix to their totals. `x` begins at the first of the columns and ends anywhere in the last
/// row.
fn fold_matrix<T: Elem, R: Reduce<T>>(op: R, x: &[T], inner: usize, totals: &mut [R::Total]) {
    let rows = x.len().div_ceil(inner);
    let together = LANES / inner;
    if together < 2 || rows < together {
        return dispatch(ColumnsLoop { op, x, stride: inner, rows, totals });
    }
    // Rows shorter than the lanes: several make one.
    let empty = op.total(op.start());
    let mut wide = [empty; LANES];
    let wide = &mut wide[..together * inner];
    let grouped = rows / together;
    let (head, rest) = x.split_at(grouped * together * inner);
    dispatch(ColumnsLoop { op, x: head, stride: wide.len(), rows: grouped, totals: wide });
    for part in wide.chunks(inner) {
        for (total, &part) in totals.iter_mut().zip(part) {
            *total = op.merge(*total, part);
        }
    }
    dispatch(ColumnsLoop { op, x: rest, stride: inner, rows: rows - grouped * together, totals });
}

/// Reduces contiguous rows of `len` elements, each to its total.
struct RowsLoop<'a, T: Elem, R: Reduce<T>> {
    op: R,
    x: &'a [T],
    len: usize,
    totals: &'a mut [R::Total],
}

impl<T: Elem, R: Reduce<T>> Kernel for RowsLoop<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, total) in self.totals.iter_mut().enumerate() {
            *total = fold_row::<I, T, R>(self.op, &self.x[i * self.len..][..self.len]);
        }
    }
}

#[inline(always)]
fn fold_row<I: Isa, T: Elem, R: Reduce<T>>(op: R, x: &[T]) -> R::Total {
    let mut blocks = x.chunks(BLOCK);
    let mut total = op.fold::<I>(blocks.next().unwrap_or_default());
    for block in blocks {
        total = op.merge(total, op.fold::<I>(block));
    }
    total
}

/// Adds columns to their totals, [`ROWS`] rows at a time.
struct ColumnsLoop<'a, T: Elem, R: Reduce<T>> {
    op: R,
    x: &'a [T],
    stride: usize,
    rows: usize,
    totals: &'a mut [R::Total],
}

impl<T: Elem, R: Reduce<T>> Kernel for ColumnsLoop<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut first = 0;
        while first < self.rows {
            let rows = ROWS.min(self.rows - first);
            self.op.fold_columns::<I>(&self.x[first * self.stride..], self.stride, rows, self.totals);
            first += rows;
        }
    }
}

/// The `p`-norm `(Σ |x|ᵖ)^(1/p)` along `len`, for any `p`: 0 counts what is not zero, ±∞ gives the extremes of |x|.
pub(crate) fn norm<T: Real + Number>(p: f64, x: &[T], outer: usize, len: usize, inner: usize, out: &mut [T]) {
    if p == 0.0 {
        let mut counts = vec![0; out.len()];
        reduce(CountNonzero, x, outer, len, inner, &mut counts);
        for (out, count) in out.iter_mut().zip(counts) {
            *out = T::from_f64(count as f64);
        }
    } else if p == 1.0 {
        reduce(SumAbs, x, outer, len, inner, out);
    } else if p == 2.0 {
        reduce(Norm2, x, outer, len, inner, out);
    } else if p == f64::INFINITY {
        reduce(MaxAbs, x, outer, len, inner, out);
    } else if p == f64::NEG_INFINITY {
        reduce(MinAbs, x, outer, len, inner, out);
    } else {
        reduce(NormP(p), x, outer, len, inner, out);
    }
}
