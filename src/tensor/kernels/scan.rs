//! Running sums, products and extremes, and linear recurrences (the gradients of running products), along the middle of
//! `[outer, len, inner]`. Each element waits for the one before it, so that wider registers would gain nothing.

use crate::parallel;

use super::Real;
use super::reduce::Scaled;
use super::{Elem, GRAIN, count};

/// The widest group of columns that is scanned side by side.
const COLUMNS: usize = 256;

/// What runs along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Running {
    /// `out[i] = x[0] + … + x[i]`. Integers wrap around.
    Sum,
    /// `out[i] = x[0] · … · x[i]`. Integers wrap around.
    Product,
    /// The largest of `x[0] ..= x[i]`, or NaN if one of them is.
    Max,
    /// The smallest of `x[0] ..= x[i]`, or NaN if one of them is.
    Min,
    /// `log(e^x[0] + … + e^x[i])`, of floating types.
    LogSumExp,
}

/// A type whose running sums and products are kept in a wider one: `f64` for `f32`, as PyTorch does.
pub(crate) trait Scan: Elem {
    type Wide: Elem;
    const ZERO: Self::Wide;
    const ONE: Self::Wide;
    const LEAST: Self::Wide;
    const MOST: Self::Wide;
    fn sum(running: Self::Wide, x: Self) -> Self::Wide;
    fn product(running: Self::Wide, x: Self) -> Self::Wide;
    fn max(running: Self::Wide, x: Self) -> Self::Wide;
    fn min(running: Self::Wide, x: Self) -> Self::Wide;
    fn log_sum_exp(running: Self::Wide, x: Self) -> Self::Wide;
    fn narrow(running: Self::Wide) -> Self;

    /// Computes those columns of running products anew of which a part was lost on the way.
    fn mend(x: &[Self], inner: usize, out: &mut [Self]);
}

macro_rules! real_scans {
    ($($t:ty),*) => {$(
        impl Scan for $t {
            type Wide = f64;
            const ZERO: f64 = 0.0;
            const ONE: f64 = 1.0;
            const LEAST: f64 = f64::NEG_INFINITY;
            const MOST: f64 = f64::INFINITY;
            #[inline(always)]
            fn sum(running: f64, x: Self) -> f64 { running + x.to_f64() }
            #[inline(always)]
            fn product(running: f64, x: Self) -> f64 { running * x.to_f64() }
            #[inline(always)]
            fn max(running: f64, x: Self) -> f64 {
                let x = x.to_f64();
                // A NaN is neither larger nor smaller, and stays.
                if x > running || x.is_nan() { x } else { running }
            }
            #[inline(always)]
            fn min(running: f64, x: Self) -> f64 {
                let x = x.to_f64();
                if x < running || x.is_nan() { x } else { running }
            }
            fn log_sum_exp(running: f64, x: Self) -> f64 {
                let x = x.to_f64();
                let (low, high) = if x < running { (x, running) } else { (running, x) };
                // Infinities of one sign have no difference.
                if low == high && high.is_infinite() { high } else { high + (low - high).exp().ln_1p() }
            }
            #[inline(always)]
            fn narrow(running: f64) -> Self { <Self as Real>::from_f64(running) }
            fn mend(x: &[Self], inner: usize, out: &mut [Self]) { mend(x, inner, out) }
        }
    )*};
}
real_scans!(f32, f64);

impl Scan for i64 {
    type Wide = Self;
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const LEAST: Self = Self::MIN;
    const MOST: Self = Self::MAX;
    #[inline(always)]
    fn sum(running: Self, x: Self) -> Self {
        running.wrapping_add(x)
    }
    #[inline(always)]
    fn product(running: Self, x: Self) -> Self {
        running.wrapping_mul(x)
    }
    #[inline(always)]
    fn max(running: Self, x: Self) -> Self {
        Ord::max(running, x)
    }
    #[inline(always)]
    fn min(running: Self, x: Self) -> Self {
        Ord::min(running, x)
    }
    fn log_sum_exp(_: Self, _: Self) -> Self {
        unreachable!("the logarithm of a sum is a floating number")
    }
    #[inline(always)]
    fn narrow(running: Self) -> Self {
        running
    }
    fn mend(_: &[Self], _: usize, _: &mut [Self]) {}
}

/// A product that leaves the range of normal numbers has lost its digits, or all of itself, also where later factors bring it back.
fn mend<T: Real>(x: &[T], inner: usize, out: &mut [T]) {
    if out.iter().all(|y| y.is_normal()) {
        return;
    }
    for column in 0..inner {
        let Some(first) = out[column..].iter().step_by(inner).position(|y| !y.is_normal()) else { continue };
        let factor = x[first * inner + column];
        // What is 0, infinite or no number has made the product so, and it stays that.
        if factor == T::zero() || !factor.is_finite() {
            continue;
        }
        let mut product = Scaled::ONE;
        for (out, x) in out[column..].iter_mut().step_by(inner).zip(x[column..].iter().step_by(inner)) {
            product = product.times(Real::to_f64(*x));
            *out = <T as Real>::from_f64(product.value());
        }
    }
}

/// Running sums or products.
pub(crate) fn running<T: Scan>(op: Running, x: &[T], [outer, len, inner]: [usize; 3], out: &mut [T]) {
    assert!(x.len() == count(&[outer, len, inner]) && out.len() == x.len(), "scan: input and output");
    let matrix = len * inner;
    if matrix == 0 {
        return;
    }
    let matrices = (GRAIN / matrix).max(1);
    parallel::for_blocks(out, matrices * matrix, |first, out| {
        for (x, out) in x[first..].chunks(matrix).zip(out.chunks_mut(matrix)) {
            match op {
                Running::Sum => scan_columns(x, inner, out, T::ZERO, T::sum),
                Running::Product => {
                    scan_columns(x, inner, out, T::ONE, T::product);
                    T::mend(x, inner, out);
                }
                Running::Max => scan_columns(x, inner, out, T::LEAST, T::max),
                Running::Min => scan_columns(x, inner, out, T::MOST, T::min),
                Running::LogSumExp => scan_columns(x, inner, out, T::LEAST, T::log_sum_exp),
            }
        }
    });
}

/// Scans the columns of one matrix.
fn scan_columns<T: Scan>(x: &[T], inner: usize, out: &mut [T], start: T::Wide, step: impl Fn(T::Wide, T) -> T::Wide) {
    if inner == 1 {
        let mut running = start;
        for (out, &x) in out.iter_mut().zip(x) {
            running = step(running, x);
            *out = T::narrow(running);
        }
        return;
    }
    for left in (0..inner).step_by(COLUMNS) {
        let width = COLUMNS.min(inner - left);
        let mut running = [start; COLUMNS];
        let running = &mut running[..width];
        for (out, x) in out.chunks_exact_mut(inner).zip(x.chunks_exact(inner)) {
            let (out, x) = (&mut out[left..left + width], &x[left..left + width]);
            for ((out, &x), running) in out.iter_mut().zip(x).zip(running.iter_mut()) {
                *running = step(*running, x);
                *out = T::narrow(*running);
            }
        }
    }
}

/// Which way a recurrence goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `out[i] = b[i] + a[i] · out[i - 1]`, beginning with the first `b`.
    Up,
    /// `out[i] = b[i] + a[i + 1] · out[i + 1]`, beginning with the last `b`.
    Down,
}

/// A linear recurrence, kept in `f64`.
pub(crate) fn recurrent<T: Real>(
    direction: Direction,
    a: &[T],
    b: &[T],
    [outer, len, inner]: [usize; 3],
    out: &mut [T],
) {
    let fits = a.len() == count(&[outer, len, inner]) && b.len() == a.len() && out.len() == a.len();
    assert!(fits, "recurrence: operands and output");
    let matrix = len * inner;
    if matrix == 0 {
        return;
    }
    // Which row of `b` and `out` a step is about, and with which row of `a` it takes over the last one.
    let rows = |step: usize| match direction {
        Direction::Up => (step, step),
        Direction::Down => (len - 1 - step, len - step),
    };
    let matrices = (GRAIN / matrix).max(1);
    parallel::for_blocks(out, matrices * matrix, |first, out| {
        for (i, out) in out.chunks_mut(matrix).enumerate() {
            let (a, b) = (&a[first + i * matrix..][..matrix], &b[first + i * matrix..][..matrix]);
            for left in (0..inner).step_by(COLUMNS) {
                let width = COLUMNS.min(inner - left);
                let mut running = [0.0; COLUMNS];
                for step in 0..len {
                    let (row, factor) = rows(step);
                    if step > 0 {
                        let factors = &a[factor * inner + left..][..width];
                        running.iter_mut().zip(factors).for_each(|(running, &a)| *running *= a.to_f64());
                    }
                    let start = row * inner + left;
                    let (out, b) = (&mut out[start..start + width], &b[start..start + width]);
                    for ((out, &b), running) in out.iter_mut().zip(b).zip(&mut running) {
                        *running += b.to_f64();
                        *out = T::from_f64(*running);
                    }
                }
            }
        }
    });
}
