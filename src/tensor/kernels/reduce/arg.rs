//! Where the extreme is.

use crate::parallel;

use super::super::simd::{Isa, Kernel, dispatch};
use super::super::{GRAIN, count};
use super::{COLUMNS, Extremes, Max, Min, reduce};

/// The index along `len` of the largest (`max`) or smallest element of `x`, viewed as `[outer, len, inner]`: the first
/// of equal ones, and the first NaN if there is one. 0 for nothing.
pub(crate) fn arg_reduce<T: Extremes>(max: bool, x: &[T], outer: usize, len: usize, inner: usize, out: &mut [i64]) {
    assert_eq!(x.len(), count(&[outer, len, inner]), "arg_reduce: elements");
    assert_eq!(out.len(), count(&[outer, inner]), "arg_reduce: results");
    let block = (GRAIN / len.max(1)).max(1);
    if inner == 1 {
        return parallel::for_blocks(out, block, |start, out| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = arg_row(max, &x[(start + i) * len..][..len]);
            }
        });
    }
    parallel::for_blocks(out, block.max(COLUMNS.min(inner)), |start, out| {
        let mut done = 0;
        while done < out.len() {
            let (matrix, column) = ((start + done) / inner, (start + done) % inner);
            let width = COLUMNS.min(inner - column).min(out.len() - done);
            let out = &mut out[done..done + width];
            dispatch(ColumnsLoop { max, x: &x[matrix * len * inner..][..len * inner], column, inner, out });
            done += width;
        }
    });
}

/// The extreme first, at the speed of a reduction, then its place.
fn arg_row<T: Extremes>(max: bool, x: &[T]) -> i64 {
    let mut extreme = [T::default()];
    if max {
        reduce(Max, x, 1, x.len(), 1, &mut extreme);
    } else {
        reduce(Min, x, 1, x.len(), 1, &mut extreme);
    }
    dispatch(FindLoop { x, value: extreme[0] }) as i64
}

/// The index of the first element equal to `value`, NaN being equal to itself here; 0 if there is none.
struct FindLoop<'a, T> {
    x: &'a [T],
    value: T,
}

impl<T: Extremes> Kernel for FindLoop<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn run<I: Isa>(self) -> usize {
        const BLOCK: usize = 64;
        let is = |x: T| (x == self.value) | (x.is_nan() & self.value.is_nan());
        for (i, block) in self.x.chunks(BLOCK).enumerate() {
            // Without a way out of the middle, this loop vectorises.
            let mut found = false;
            for &x in block {
                found |= is(x);
            }
            if found {
                return i * BLOCK + block.iter().position(|&x| is(x)).unwrap_or(0);
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

impl<T: Extremes> Kernel for ColumnsLoop<'_, T> {
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
                let better = (beyond | x.is_nan()) & !best.is_nan();
                *best = if better { x } else { *best };
                *place = if better { i } else { *place };
            }
        }
    }
}
