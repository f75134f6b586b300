//! Reductions of floating-point numbers: which loops they take, and what they make of the totals.

use super::super::simd::{Isa, Kernel, dispatch_to_avx2};
use super::super::{GRAIN, Real};
use super::again::{Column, root};
use super::fold::{LogSumExp, Max, Min, Moments, Product, Sum, SumAbs, SumSquares};
use super::{Reducer, View, reduce};
use crate::parallel;

/// A reduction of floating-point numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RealOp {
    /// `Σ x`, 0 for nothing.
    Sum,
    /// `Σ x / n`, NaN for nothing.
    Mean,
    /// `Σ x²`.
    SumSquares,
    /// `Σ x² / n`, NaN for nothing.
    MeanSquares,
    /// `(Σ |x|ᵖ)^(1/p)` for any `p`: 0 counts what is not zero, ±∞ gives the extremes of |x|.
    Norm(f64),
    /// `Π x`, 1 for nothing.
    Product,
    /// The largest element, or NaN if there is one; -∞ for nothing.
    Max,
    /// The smallest element, or NaN if there is one; ∞ for nothing.
    Min,
    /// `log Σ eˣ` without overflow, -∞ for nothing.
    LogSumExp,
    /// `Σ (x - mean)² / max(0, n - correction)`. With nothing to divide by it is NaN or infinite.
    Variance { correction: f64 },
    /// The root of the variance.
    Deviation { correction: f64 },
}

/// Reduces `x`, viewed as `[outer, len, inner]`, into the `outer · inner` elements of `out`.
pub(crate) fn reals<T: Real>(op: RealOp, x: &[T], shape: [usize; 3], out: &mut [T]) {
    let view = View::new(x, shape, out.len());
    match op {
        RealOp::LogSumExp | RealOp::Variance { .. } | RealOp::Deviation { .. } => {
            let reducer = match op {
                RealOp::LogSumExp => Reducer::of::<LogSumExp>(),
                _ => Reducer::of::<Moments>(),
            };
            reduce(&reducer, view, &|first, totals, out| finish_triples(op, &view, first, totals, out), out);
        }
        _ => {
            let reducer = match op {
                RealOp::SumSquares | RealOp::MeanSquares | RealOp::Norm(2.0) => Reducer::of::<SumSquares>(),
                RealOp::Norm(1.0) => Reducer::of::<SumAbs>(),
                RealOp::Product => Reducer::of::<Product>(),
                RealOp::Max | RealOp::Norm(f64::INFINITY) => Reducer::of::<Max>(),
                RealOp::Min | RealOp::Norm(f64::NEG_INFINITY) => Reducer::of::<Min>(),
                _ => Reducer::of::<Sum>(),
            };
            let powers = match op {
                RealOp::Norm(p) if p != 1.0 && p != 2.0 => Some(powers(p, x)),
                _ => None,
            };
            let reduced = View { x: powers.as_deref().unwrap_or(x), ..view };
            reduce(&reducer, reduced, &|first, totals, out| finish(op, &view, first, totals, out), out);
        }
    }
}

fn finish<T: Real>(op: RealOp, view: &View<'_, T>, first: usize, totals: &[f64], out: &mut [T]) {
    let count = view.len as f64;
    if op == RealOp::Sum {
        // The most frequent of all, of small tensors too: one pass that vectorises.
        out.iter_mut().zip(totals).for_each(|(out, total)| *out = T::from_f64(*total));
        if out.iter().fold(true, |all, x| all & x.is_finite()) {
            return;
        }
    }
    for (i, (out, &total)) in out.iter_mut().zip(totals).enumerate() {
        let column = || -> Column<'_, T> { view.column(first + i) };
        *out = match op {
            RealOp::Sum => column().sum(T::from_f64(total), 1.0),
            RealOp::Mean => column().sum(T::from_f64(total / count), count),
            RealOp::SumSquares => column().squares(T::from_f64(total), 1.0),
            RealOp::MeanSquares => column().squares(T::from_f64(total / count), count),
            RealOp::Norm(2.0) => column().norm(T::from_f64(total.sqrt())),
            // Magnitudes are from 0 on, also the largest of none.
            RealOp::Norm(f64::INFINITY) if total < 0.0 => T::zero(),
            RealOp::Norm(p) if p != 0.0 && p != 1.0 && p.is_finite() => column().p_norm(T::from_f64(root(total, p)), p),
            RealOp::Product => column().product(T::from_f64(total)),
            _ => T::from_f64(total),
        };
    }
}

fn finish_triples<T: Real>(op: RealOp, view: &View<'_, T>, first: usize, totals: &[[f64; 3]], out: &mut [T]) {
    for (i, (out, &total)) in out.iter_mut().zip(totals).enumerate() {
        *out = match op {
            RealOp::Variance { correction } | RealOp::Deviation { correction } => {
                let (divisor, root) = ((view.len as f64 - correction).max(0.0), matches!(op, RealOp::Deviation { .. }));
                let var = total[2] / divisor;
                let spread = T::from_f64(if root { var.sqrt() } else { var });
                view.column(first + i).spread(spread, divisor, root)
            }
            _ => T::from_f64(total[0]) + T::from_f64(total[1].ln()),
        };
    }
}

/// What a norm adds up, or is the extreme of: `|x|ᵖ`; of `p = ±∞` the magnitudes themselves.
fn powers<T: Real>(p: f64, x: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    parallel::for_blocks(&mut out, GRAIN / 8, |start, out| dispatch_to_avx2(PowersLoop { p, x: &x[start..], out }));
    out
}

struct PowersLoop<'a, T> {
    p: f64,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for PowersLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let pairs = self.out.iter_mut().zip(self.x);
        if self.p.is_infinite() {
            pairs.for_each(|(out, x)| *out = x.abs());
        } else if self.p == 0.0 {
            // NaN is not zero.
            pairs.for_each(|(out, x)| *out = if *x == T::zero() { T::zero() } else { T::one() });
        } else {
            let p = T::from_f64(self.p);
            pairs.for_each(|(out, x)| *out = x.abs().pow_on::<I>(p));
        }
    }
}
