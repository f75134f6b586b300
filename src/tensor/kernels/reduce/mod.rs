//! Reductions along the middle of `[outer, len, inner]`.
//!
//! Sums are accurate because they are nested: each lane of a block adds few elements in the elements' own type, and
//! blocks are added in `f64`. Which elements share a lane and a block depends on the shape alone. What leaves the range of
//! the type on the way is computed [again].
//!
//! A [`Fold`] is the loop of a reduction. It is compiled for an element type and two instruction sets, and stands in a
//! [`Reducer`] as two function pointers. Everything around it (rows and columns, blocks, threads, totals) is compiled once for a
//! type of elements, and what is made of the totals is a number in [`RealOp`].

mod again;
mod arg;
mod fold;
mod integer;
mod real;

use crate::parallel;

use super::simd::{Isa, Kernel, Portable, dispatch_to_avx2};
use super::{Elem, GRAIN, count};

use again::Column;
pub(super) use again::Scaled;
#[cfg(test)]
pub(super) use arg::Ordered;
pub(crate) use arg::arg_reduce;
use fold::Fold;
pub(crate) use integer::{IntegerOp, bytes, integers};
pub(crate) use real::{RealOp, reals};

/// Accumulators that run side by side over contiguous elements: four of the widest registers of `f32`.
const LANES: usize = 64;

/// Contiguous elements that are reduced to one total.
const BLOCK: usize = 4096;

/// Rows that are reduced to one total for each column.
const ROWS: usize = 256;

/// Columns that are reduced side by side.
const COLUMNS: usize = 256;

/// Elements as they are reduced: along the middle.
#[derive(Clone, Copy)]
struct View<'a, T> {
    x: &'a [T],
    outer: usize,
    len: usize,
    inner: usize,
}

impl<'a, T: Elem> View<'a, T> {
    fn new(x: &'a [T], [outer, len, inner]: [usize; 3], results: usize) -> Self {
        assert_eq!(x.len(), count(&[outer, len, inner]), "reduce: elements");
        assert_eq!(results, count(&[outer, inner]), "reduce: results");
        Self { x, outer, len, inner }
    }

    /// The elements of one result.
    fn column(&self, i: usize) -> Column<'a, T> {
        let first = i / self.inner * self.len * self.inner + i % self.inner;
        Column::new(self.x.get(first..).unwrap_or_default(), self.inner, self.len)
    }
}

/// The loops of a reduction of elements of type `T`, to totals of type `A`.
struct Reducer<T, A> {
    /// Reduces contiguous rows of so many elements, each to its total.
    rows: fn(&[T], usize, &mut [A]),
    /// Merges columns, of so many rows that are a stride apart, into their totals.
    columns: fn(&[T], usize, usize, &mut [A]),
    /// The total of nothing.
    empty: A,
    /// Two totals together.
    merge: fn(A, A) -> A,
    /// How much longer than an addition one step takes, roughly.
    cost: usize,
}

impl<T: Elem, A: Elem> Reducer<T, A> {
    fn of<F: Fold<T, Total = A>>() -> Self {
        Self {
            rows: rows::<T, F>,
            columns: columns::<T, F>,
            empty: F::total(F::start()),
            merge: F::merge,
            cost: F::COST,
        }
    }
}

/// What is made of totals: results, the first of which has this number.
type Finish<'f, A, O> = &'f (dyn Fn(usize, &[A], &mut [O]) + Sync);

/// One reduction on its way.
#[derive(Clone, Copy)]
struct Run<'a, T, A, O> {
    reducer: &'a Reducer<T, A>,
    finish: Finish<'a, A, O>,
}

/// Reduces a view into the `outer · inner` elements of `out`.
fn reduce<T: Elem, A: Elem, O: Elem>(
    reducer: &Reducer<T, A>,
    view: View<'_, T>,
    finish: Finish<'_, A, O>,
    out: &mut [O],
) {
    let (run, View { x, len, inner, .. }) = (Run { reducer, finish }, view);
    debug_assert_eq!(out.len(), view.outer * inner);
    let grain = GRAIN / reducer.cost;
    let matrix = len.saturating_mul(inner);
    if out.is_empty() {
        return;
    }
    if matrix <= 2 * grain {
        let matrices = (grain / matrix.max(1)).max(1);
        return parallel::for_blocks(out, matrices * inner, |start, out| {
            let x = &x[start * len..][..out.len() * len];
            if inner == 1 {
                run.rows(x, len, start, out);
            } else {
                for (i, out) in out.chunks_mut(inner).enumerate() {
                    run.columns(&x[i * matrix..][..matrix], inner, start + i * inner, out);
                }
            }
        });
    }
    for (i, (x, out)) in x.chunks(matrix).zip(out.chunks_mut(inner)).enumerate() {
        run.large(x, [len, inner], grain, i * inner, out);
    }
}

impl<T: Elem, A: Elem, O: Elem> Run<'_, T, A, O> {
    /// Reduces one large matrix of `[len, inner]`: by segments of rows, or by groups of columns if the rows are few.
    fn large(&self, x: &[T], [len, inner]: [usize; 2], grain: usize, first: usize, out: &mut [O]) {
        let rows = (grain / inner).next_multiple_of(if inner == 1 { BLOCK } else { ROWS }).max(ROWS);
        let segments = len.div_ceil(rows);
        if segments == 1 {
            let columns = (grain / len).max(LANES);
            return parallel::for_blocks(out, columns, |start, out| {
                self.columns(&x[start..], inner, first + start, out);
            });
        }
        let segment = |i: usize| &x[i * rows * inner..x.len().min((i + 1) * rows * inner)];
        // Of each segment a row of totals.
        let mut totals = vec![self.reducer.empty; segments * inner];
        parallel::for_blocks(&mut totals, inner, |start, totals| {
            let segment = segment(start / inner);
            if inner == 1 {
                return (self.reducer.rows)(segment, segment.len(), totals);
            }
            for (j, totals) in totals.chunks_mut(COLUMNS).enumerate() {
                self.merge_columns(&segment[j * COLUMNS..], inner, totals);
            }
        });
        let (sum, rest) = totals.split_at_mut(inner);
        for totals in rest.chunks(inner) {
            self.merge(sum, totals);
        }
        (self.finish)(first, sum, out);
    }

    /// Reduces rows of `len` elements.
    fn rows(&self, x: &[T], len: usize, first: usize, out: &mut [O]) {
        for (i, out) in out.chunks_mut(LANES).enumerate() {
            let mut totals = [self.reducer.empty; LANES];
            let totals = &mut totals[..out.len()];
            (self.reducer.rows)(&x[i * LANES * len..], len, totals);
            (self.finish)(first + i * LANES, totals, out);
        }
    }

    /// Reduces the first `out.len()` columns of a matrix whose rows are `inner` apart.
    fn columns(&self, x: &[T], inner: usize, first: usize, out: &mut [O]) {
        for (j, out) in out.chunks_mut(COLUMNS).enumerate() {
            let mut totals = [self.reducer.empty; COLUMNS];
            let totals = &mut totals[..out.len()];
            if !x.is_empty() {
                self.merge_columns(&x[j * COLUMNS..], inner, totals);
            }
            (self.finish)(first + j * COLUMNS, totals, out);
        }
    }

    /// Merges the columns of a matrix into their totals. `x` begins at the first of the columns and ends anywhere in the last
    /// row.
    fn merge_columns(&self, x: &[T], inner: usize, totals: &mut [A]) {
        let rows = x.len().div_ceil(inner);
        let together = LANES / inner;
        if together < 2 || rows < together {
            return (self.reducer.columns)(x, inner, rows, totals);
        }
        // Rows shorter than the lanes: several make one.
        let mut wide = [self.reducer.empty; LANES];
        let wide = &mut wide[..together * inner];
        let grouped = rows / together;
        let (head, rest) = x.split_at(grouped * together * inner);
        (self.reducer.columns)(head, wide.len(), grouped, wide);
        for part in wide.chunks(inner) {
            self.merge(totals, part);
        }
        (self.reducer.columns)(rest, inner, rows - grouped * together, totals);
    }

    fn merge(&self, totals: &mut [A], others: &[A]) {
        for (total, &other) in totals.iter_mut().zip(others) {
            *total = (self.reducer.merge)(*total, other);
        }
    }
}

fn rows<T: Elem, F: Fold<T>>(x: &[T], len: usize, totals: &mut [F::Total]) {
    let rows = RowsLoop::<T, F> { x, len, totals };
    if F::VECTORS { dispatch_to_avx2(rows) } else { rows.run::<Portable>() }
}

fn columns<T: Elem, F: Fold<T>>(x: &[T], stride: usize, rows: usize, totals: &mut [F::Total]) {
    let columns = ColumnsLoop::<T, F> { x, stride, rows, totals };
    if F::VECTORS { dispatch_to_avx2(columns) } else { columns.run::<Portable>() }
}

/// Reduces contiguous rows of `len` elements, each to its total.
struct RowsLoop<'a, T: Elem, F: Fold<T>> {
    x: &'a [T],
    len: usize,
    totals: &'a mut [F::Total],
}

impl<T: Elem, F: Fold<T>> Kernel for RowsLoop<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, total) in self.totals.iter_mut().enumerate() {
            let row = &self.x[i * self.len..][..self.len];
            // Not a loop with the first block inside: what a block takes would stand there twice.
            let (mut sum, mut begin) = (F::total(F::start()), 0);
            while begin == 0 || begin < row.len() {
                let block = F::fold::<I>(&row[begin..row.len().min(begin + BLOCK)]);
                sum = if begin == 0 { block } else { F::merge(sum, block) };
                begin += BLOCK;
            }
            *total = sum;
        }
    }
}

/// Merges columns into their totals, [`ROWS`] rows at a time.
struct ColumnsLoop<'a, T: Elem, F: Fold<T>> {
    x: &'a [T],
    stride: usize,
    rows: usize,
    totals: &'a mut [F::Total],
}

impl<T: Elem, F: Fold<T>> Kernel for ColumnsLoop<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut first = 0;
        while first < self.rows {
            let rows = ROWS.min(self.rows - first);
            F::fold_columns::<I>(&self.x[first * self.stride..], self.stride, rows, self.totals);
            first += rows;
        }
    }
}
