//! Mean and variance.

use super::super::Real;
use super::super::simd::Isa;
use super::{COLUMNS, Column, Reduce, feed_columns, fold_lanes, reduce};

/// Mean and variance (or its root, the standard deviation) of `x`, viewed as `[outer, len, inner]`.
///
/// The variance is `Σ (x - mean)² / max(0, len - correction)`, summed in `f64` about the mean of each block, so that values far
/// from zero lose no accuracy. With nothing to divide by it is NaN or infinite.
#[expect(clippy::too_many_arguments)]
pub(crate) fn variance<T: Real>(
    x: &[T],
    outer: usize,
    len: usize,
    inner: usize,
    correction: f64,
    root: bool,
    mean_out: &mut [T],
    var_out: &mut [T],
) {
    assert_eq!(mean_out.len(), var_out.len(), "variance: means and variances");
    let mut both = vec![(T::zero(), T::zero()); mean_out.len()];
    reduce(Moments { correction, root }, x, outer, len, inner, &mut both);
    for ((mean, var), both) in mean_out.iter_mut().zip(var_out).zip(both) {
        (*mean, *var) = both;
    }
}

#[derive(Debug, Clone, Copy)]
struct Moments {
    correction: f64,
    root: bool,
}

impl Moments {
    fn divisor(self, len: usize) -> f64 {
        (len as f64 - self.correction).max(0.0)
    }
}

/// How many elements there are, their mean, and the sum of their squared distances from it.
#[derive(Debug, Clone, Copy)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    /// From `Σ x`, `Σ (x - pivot)` and `Σ (x - pivot)²`, with a pivot close to the mean. What the pivot is off by, the
    /// sum of the differences corrects.
    #[inline(always)]
    fn about(count: usize, pivot: f64, differences: f64, squares: f64) -> Self {
        let count = count as f64;
        if count == 0.0 {
            return Self { count, mean: 0.0, squares: 0.0 };
        }
        Self { count, mean: pivot + differences / count, squares: squares - differences * differences / count }
    }
}

impl<T: Real> Reduce<T> for Moments {
    const COST: usize = 4;
    type Output = (T, T);
    type Acc = Spread;
    type Total = Spread;

    #[inline(always)]
    fn start(self) -> Spread {
        Spread { count: 0.0, mean: 0.0, squares: 0.0 }
    }

    #[inline(always)]
    fn feed<I: Isa>(self, acc: Spread, x: T) -> Spread {
        <Self as Reduce<T>>::merge(self, acc, Spread { count: 1.0, mean: x.to_f64(), squares: 0.0 })
    }

    #[inline(always)]
    fn join<I: Isa>(self, a: Spread, b: Spread) -> Spread {
        <Self as Reduce<T>>::merge(self, a, b)
    }

    #[inline(always)]
    fn total(self, acc: Spread) -> Spread {
        acc
    }

    /// Chan, Golub and LeVeque (1979).
    #[inline(always)]
    fn merge(self, a: Spread, b: Spread) -> Spread {
        let count = a.count + b.count;
        if count == 0.0 {
            return a;
        }
        let step = b.mean - a.mean;
        Spread {
            count,
            mean: a.mean + step * (b.count / count),
            squares: a.squares + b.squares + step * step * (a.count * b.count / count),
        }
    }

    #[inline(always)]
    fn finish(self, total: Spread, len: usize) -> (T, T) {
        let mean = if len == 0 { f64::NAN } else { total.mean };
        let var = total.squares / self.divisor(len);
        (T::from_f64(mean), T::from_f64(if self.root { var.sqrt() } else { var }))
    }

    #[inline(always)]
    fn checked(self, result: (T, T), column: &Column<'_, T>) -> (T, T) {
        column.moments(result, self.divisor(column.count() as usize), self.root)
    }

    #[inline(always)]
    fn fold<I: Isa>(self, x: &[T]) -> Spread {
        let sum = fold_lanes(x, 0.0, |acc, x| acc + x.to_f64(), |a, b| a + b);
        let pivot = if x.is_empty() { 0.0 } else { sum / x.len() as f64 };
        let (differences, squares) = fold_lanes(
            x,
            (0.0, 0.0),
            |(d, s), x| {
                let off = x.to_f64() - pivot;
                (d + off, I::mul_add(off, off, s))
            },
            |a, b| (a.0 + b.0, a.1 + b.1),
        );
        Spread::about(x.len(), pivot, differences, squares)
    }

    #[inline(always)]
    fn fold_columns<I: Isa>(self, x: &[T], stride: usize, rows: usize, totals: &mut [Spread]) {
        let width = totals.len().min(COLUMNS);
        let mut pivots = [0.0; COLUMNS];
        let mut differences = [0.0; COLUMNS];
        let mut squares = [0.0; COLUMNS];
        let (pivots, differences, squares) = (&mut pivots[..width], &mut differences[..width], &mut squares[..width]);
        feed_columns(x, stride, rows, pivots, |acc, x: T| acc + x.to_f64());
        pivots.iter_mut().for_each(|sum| *sum /= rows as f64);
        for row in x.chunks(stride).take(rows) {
            for (((d, s), &pivot), &x) in differences.iter_mut().zip(squares.iter_mut()).zip(&*pivots).zip(row) {
                let off = x.to_f64() - pivot;
                *d += off;
                *s = I::mul_add(off, off, *s);
            }
        }
        for (((total, &pivot), &d), &s) in totals.iter_mut().zip(&*pivots).zip(&*differences).zip(&*squares) {
            let block = Spread::about(rows, pivot, d, s);
            *total = <Self as Reduce<T>>::merge(self, *total, block);
        }
    }
}
