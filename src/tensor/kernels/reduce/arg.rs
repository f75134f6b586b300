//! Where the extreme is.

use crate::parallel;

use super::super::simd::{Isa, Kernel, Portable, dispatch_to_avx2};
use super::super::{Elem, GRAIN, count};
use super::fold::is_nan;
use super::{COLUMNS, IntegerOp, LANES, RealOp, bytes, integers, reals};

/// A type whose extremes have places.
pub(crate) trait Ordered: Elem + PartialOrd {
    /// Whether wider registers than those of every processor are worth another copy of the loops.
    const VECTORS: bool;

    /// The largest (`max`) or smallest elements of rows of `len`.
    fn extremes(max: bool, x: &[Self], len: usize, out: &mut [Self]);
}

macro_rules! ordered_reals {
    ($($t:ty),*) => {$(
        impl Ordered for $t {
            const VECTORS: bool = true;
            fn extremes(max: bool, x: &[Self], len: usize, out: &mut [Self]) {
                reals(if max { RealOp::Max } else { RealOp::Min }, x, [out.len(), len, 1], out);
            }
        }
    )*};
}
ordered_reals!(f32, f64);

impl Ordered for i64 {
    const VECTORS: bool = false;
    fn extremes(max: bool, x: &[Self], len: usize, out: &mut [Self]) {
        integers(if max { IntegerOp::Max } else { IntegerOp::Min }, x, [out.len(), len, 1], out);
    }
}

impl Ordered for u8 {
    const VECTORS: bool = false;
    fn extremes(max: bool, x: &[Self], len: usize, out: &mut [Self]) {
        let mut wide = [0; LANES];
        let wide = &mut wide[..out.len()];
        bytes(if max { IntegerOp::Max } else { IntegerOp::Min }, x, [out.len(), len, 1], wide);
        // An extreme of bytes is a byte.
        out.iter_mut().zip(wide).for_each(|(out, wide)| *out = *wide as u8);
    }
}

/// The index along `len` of the largest (`max`) or smallest element of `x`, viewed as `[outer, len, inner]`: the first
/// of equal ones, and the first NaN if there is one. 0 for nothing.
pub(crate) fn arg_reduce<T: Ordered>(max: bool, x: &[T], [outer, len, inner]: [usize; 3], out: &mut [i64]) {
    assert_eq!(x.len(), count(&[outer, len, inner]), "arg_reduce: elements");
    assert_eq!(out.len(), count(&[outer, inner]), "arg_reduce: results");
    let block = (GRAIN / len.max(1)).max(1);
    if inner == 1 {
        return parallel::for_blocks(out, block, |start, out| arg_rows(max, &x[start * len..], len, out));
    }
    parallel::for_blocks(out, block.max(COLUMNS.min(inner)), |start, out| {
        let mut done = 0;
        while done < out.len() {
            let (matrix, column) = ((start + done) / inner, (start + done) % inner);
            let width = COLUMNS.min(inner - column).min(out.len() - done);
            let out = &mut out[done..done + width];
            run::<T, _>(ColumnsLoop { max, x: &x[matrix * len * inner..][..len * inner], column, inner, out });
            done += width;
        }
    });
}

/// The extremes first, at the speed of a reduction, then their places.
fn arg_rows<T: Ordered>(max: bool, x: &[T], len: usize, out: &mut [i64]) {
    for (i, out) in out.chunks_mut(LANES).enumerate() {
        let x = &x[i * LANES * len..][..out.len() * len];
        let mut extremes = [T::default(); LANES];
        let extremes = &mut extremes[..out.len()];
        T::extremes(max, x, len, extremes);
        for (k, (out, value)) in out.iter_mut().zip(extremes).enumerate() {
            *out = run::<T, _>(FindLoop { x: &x[k * len..][..len], value: *value });
        }
    }
}

fn run<T: Ordered, K: Kernel>(kernel: K) -> K::Output {
    if T::VECTORS { dispatch_to_avx2(kernel) } else { kernel.run::<Portable>() }
}

/// The index of the first element equal to `value`, NaN being equal to itself here; 0 if there is none.
struct FindLoop<'a, T> {
    x: &'a [T],
    value: T,
}

impl<T: Ordered> Kernel for FindLoop<'_, T> {
    type Output = i64;

    #[inline(always)]
    fn run<I: Isa>(self) -> i64 {
        const BLOCK: usize = 64;
        let is = |x: T| (x == self.value) | (is_nan(&x) & is_nan(&self.value));
        for (i, block) in self.x.chunks(BLOCK).enumerate() {
            // Without a way out of the middle, this loop vectorises.
            let mut found = false;
            for &x in block {
                found |= is(x);
            }
            if found {
                return (i * BLOCK + block.iter().position(|&x| is(x)).unwrap_or(0)) as i64;
            }
        }
        0
    }
}

/// The extreme of up to [`COLUMNS`] columns of one matrix, and its place, row by row.
struct ColumnsLoop<'a, T> {
    max: bool,
    x: &'a [T],
    column: usize,
    inner: usize,
    out: &'a mut [i64],
}

impl<T: Ordered> Kernel for ColumnsLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        self.out.fill(0);
        let (column, width) = (self.column, self.out.len());
        let mut rows = self.x.chunks_exact(self.inner).map(|row| &row[column..][..width]);
        let Some(first) = rows.next() else { return };
        let mut best = [T::default(); COLUMNS];
        let best = &mut best[..first.len()];
        best.copy_from_slice(first);
        for (row, i) in rows.zip(1_i64..) {
            for ((best, place), &x) in best.iter_mut().zip(self.out.iter_mut()).zip(row) {
                let beyond = if self.max { x > *best } else { x < *best };
                let better = (beyond | is_nan(&x)) & !is_nan(best);
                *best = if better { x } else { *best };
                *place = if better { i } else { *place };
            }
        }
    }
}
