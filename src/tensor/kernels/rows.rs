//! What is done to contiguous rows of numbers: their largest one, sums of exponentials, sums of products.

use super::lanes::{lanes, pairwise, total};
use super::simd::Isa;
use super::{GRAIN, Real};

/// Elements that are worked on side by side: neighbours in a row, or, where rows are short, one element each of as many
/// rows.
pub(super) const LANES: usize = 16;

/// The longest rows that are worked on together, having been turned into columns first. At least [`LANES`].
pub(super) const SHORT: usize = 32;

/// That many.
pub(super) type Chunk<T> = [T; LANES];

/// As many rows as there are lanes, column by column.
pub(super) type Columns<T> = [Chunk<T>; SHORT];

/// How much longer than an addition an element takes, roughly.
const COST: usize = 4;

/// Rows of `cols` elements that are one task.
pub(super) fn rows_per_task(cols: usize) -> usize {
    (GRAIN / COST / cols.max(1)).max(1)
}

/// Turns up to [`LANES`] rows into columns. Lanes without a row keep what they have.
///
/// Moves elements only, so it is not compiled for each instruction set, like [`store_columns`]: inlined into the loops, the
/// two took a fifth of the time that the whole crate takes to compile.
#[inline(never)]
pub(super) fn load_columns<T: Real>(x: &[T], cols: usize, columns: &mut Columns<T>) {
    if x.len() == LANES * cols {
        for (j, column) in columns.iter_mut().enumerate().take(cols) {
            for (lane, value) in column.iter_mut().enumerate() {
                *value = x[lane * cols + j];
            }
        }
    } else {
        for (lane, row) in x.chunks_exact(cols).enumerate().take(LANES) {
            for (column, &x) in columns.iter_mut().zip(row) {
                column[lane] = x;
            }
        }
    }
}

/// Turns columns back into rows.
#[inline(never)]
pub(super) fn store_columns<T: Real>(columns: &Columns<T>, cols: usize, out: &mut [T]) {
    for (lane, row) in out.chunks_exact_mut(cols).enumerate().take(LANES) {
        for (out, column) in row.iter_mut().zip(columns) {
            *out = column[lane];
        }
    }
}

/// The largest number of each row, -∞ if there is none.
#[inline(always)]
pub(super) fn max_of_columns<T: Real>(x: &[Chunk<T>]) -> Chunk<T> {
    x.iter().fold([T::neg_infinity(); LANES], |max, x| lanes(|i| if x[i] > max[i] { x[i] } else { max[i] }))
}

/// Replaces `x` by `e^(x - shift)`, and returns the sum of each row.
#[inline(always)]
pub(super) fn exp_columns<I: Isa, T: Real>(x: &mut [Chunk<T>], shift: &Chunk<T>) -> Chunk<T> {
    let mut sum = [T::zero(); LANES];
    for x in x {
        *x = lanes(|i| (x[i] - shift[i]).exp_on::<I>());
        sum = lanes(|i| sum[i] + x[i]);
    }
    sum
}

/// The same sums, without keeping their terms.
#[inline(always)]
pub(super) fn sum_exp_columns<I: Isa, T: Real>(x: &[Chunk<T>], shift: &Chunk<T>) -> Chunk<T> {
    x.iter().fold([T::zero(); LANES], |sum, x| lanes(|i| sum[i] + (x[i] - shift[i]).exp_on::<I>()))
}

/// The last [`LANES`] elements of a row that is not a multiple of them, and how many of those its chunks had.
#[inline(always)]
pub(super) fn overlapping<T>(x: &[T]) -> Option<(&Chunk<T>, usize)> {
    let rest = x.len() % LANES;
    x.last_chunk().filter(|_| rest > 0).map(|last| (last, LANES - rest))
}

/// `out = e^(x - shift)`, and the sum of it.
#[inline(always)]
pub(super) fn exp_row<I: Isa, T: Real>(x: &[T], shift: T, out: &mut [T]) -> T {
    let mut sum = [T::zero(); LANES];
    for (x, out) in x.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        exp_chunk::<I, T>(x, shift, out, &mut sum, 0);
    }
    if let (Some((x, skip)), Some(out)) = (overlapping(x), out.last_chunk_mut()) {
        exp_chunk::<I, T>(x, shift, out, &mut sum, skip);
    }
    total(sum)
}

/// `Σ e^(x - shift)`.
#[inline(always)]
pub(super) fn sum_exp<I: Isa, T: Real>(x: &[T], shift: T) -> T {
    let mut sum = [T::zero(); LANES];
    let mut terms = [T::zero(); LANES];
    for x in x.as_chunks().0 {
        exp_chunk::<I, T>(x, shift, &mut terms, &mut sum, 0);
    }
    if let Some((x, skip)) = overlapping(x) {
        exp_chunk::<I, T>(x, shift, &mut terms, &mut sum, skip);
    }
    total(sum)
}

/// One chunk of both; the first `skip` elements do not count for the sum.
#[inline(always)]
pub(super) fn exp_chunk<I: Isa, T: Real>(x: &Chunk<T>, shift: T, out: &mut Chunk<T>, sum: &mut Chunk<T>, skip: usize) {
    for i in 0..LANES {
        out[i] = (x[i] - shift).exp_on::<I>();
        sum[i] += if i >= skip { out[i] } else { T::zero() };
    }
}

/// The largest element that is a number, -∞ if there is none.
#[inline(always)]
pub(super) fn max_of<T: Real>(x: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let mut max = [T::neg_infinity(); LANES];
    for x in x.as_chunks::<LANES>().0 {
        max = lanes(|i| larger(max[i], x[i]));
    }
    if let Some((x, _)) = overlapping(x) {
        max = lanes(|i| larger(max[i], x[i]));
    }
    pairwise(max, larger)
}

/// Reduces pairs in [`LANES`] lanes, and adds the lanes up.
#[inline(always)]
pub(super) fn fold<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T, T) -> T) -> T {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut sum = [T::zero(); LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sum = lanes(|i| f(sum[i], a[i], b[i]));
    }
    for ((sum, &a), &b) in sum.iter_mut().zip(a_rest).zip(b_rest) {
        *sum = f(*sum, a, b);
    }
    total(sum)
}

#[inline(always)]
pub(super) fn scale<T: Real>(x: &mut [T], factor: T) {
    for x in x {
        *x *= factor;
    }
}
