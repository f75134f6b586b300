//! Softmax along contiguous rows.

use crate::parallel;

use super::Real;
use super::lanes::lanes;
use super::rows::*;
use super::simd::{Isa, Kernel, dispatch};

/// What becomes of a row, or of two.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// `eˣ / Σ eˣ`.
    Softmax,
    /// `x - log Σ eˣ`.
    LogSoftmax,
    /// The gradient of softmax from that of its result, `g`, and the result `y`: `y (g - Σ g y)`.
    SoftmaxGrad,
    /// The gradient of its logarithm: `g - eʸ Σ g`.
    LogSoftmaxGrad,
}

/// Applies a rule to rows of `cols` elements of `a`, and of `b` where it is about two.
pub(crate) fn rows<T: Real>(rule: Rule, a: &[T], b: &[T], cols: usize, out: &mut [T]) {
    let fits = a.len() == out.len() && b.len() == out.len() && out.len().is_multiple_of(cols);
    assert!(fits, "softmax: rows of {cols} elements");
    parallel::for_blocks(out, rows_per_task(cols) * cols, |start, out| {
        dispatch(Rows { rule, a: &a[start..], b: &b[start..], cols, out });
    });
}

/// What happens to a row.
trait RowRule {
    /// Whether there is a second input.
    const TWO: bool;

    /// One row of at least [`LANES`] elements.
    fn row<I: Isa, T: Real>(a: &[T], b: &[T], out: &mut [T]);

    /// Short rows, column by column, in place.
    fn columns<I: Isa, T: Real>(a: &mut [Chunk<T>], b: &[Chunk<T>]);
}

struct Rows<'a, T> {
    rule: Rule,
    a: &'a [T],
    b: &'a [T],
    cols: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Rows<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        match self.rule {
            Rule::Softmax => self.by::<I, Softmax>(),
            Rule::LogSoftmax => self.by::<I, LogSoftmax>(),
            Rule::SoftmaxGrad => self.by::<I, SoftmaxGrad>(),
            Rule::LogSoftmaxGrad => self.by::<I, LogSoftmaxGrad>(),
        }
    }
}

impl<T: Real> Rows<'_, T> {
    #[inline(always)]
    fn by<I: Isa, R: RowRule>(self) {
        let cols = self.cols;
        if cols > SHORT {
            for (i, out) in self.out.chunks_exact_mut(cols).enumerate() {
                let row = i * cols..(i + 1) * cols;
                R::row::<I, T>(&self.a[row.clone()], &self.b[row], out);
            }
            return;
        }
        let (mut a, mut b) = ([[T::zero(); LANES]; SHORT], [[T::zero(); LANES]; SHORT]);
        for (i, out) in self.out.chunks_mut(LANES * cols).enumerate() {
            let group = i * LANES * cols..i * LANES * cols + out.len();
            load_columns(&self.a[group.clone()], cols, &mut a);
            if R::TWO {
                load_columns(&self.b[group], cols, &mut b);
            }
            R::columns::<I, T>(&mut a[..cols], &b[..cols]);
            store_columns(&a, cols, out);
        }
    }
}

struct Softmax;

impl RowRule for Softmax {
    const TWO: bool = false;

    #[inline(always)]
    fn row<I: Isa, T: Real>(x: &[T], _: &[T], out: &mut [T]) {
        let sum = exp_row::<I, T>(x, max_of(x), out);
        scale(out, T::one() / sum);
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(x: &mut [Chunk<T>], _: &[Chunk<T>]) {
        let sum = exp_columns::<I, T>(x, &max_of_columns(x));
        let factor: Chunk<T> = lanes(|i| T::one() / sum[i]);
        for x in x {
            *x = lanes(|i| x[i] * factor[i]);
        }
    }
}

struct LogSoftmax;

impl RowRule for LogSoftmax {
    const TWO: bool = false;

    #[inline(always)]
    fn row<I: Isa, T: Real>(x: &[T], _: &[T], out: &mut [T]) {
        let max = max_of(x);
        let log_sum = sum_exp::<I, T>(x, max).ln_on::<I>();
        for (out, &x) in out.iter_mut().zip(x) {
            *out = (x - max) - log_sum;
        }
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(x: &mut [Chunk<T>], _: &[Chunk<T>]) {
        let max = max_of_columns(x);
        let sum = sum_exp_columns::<I, T>(x, &max);
        let log_sum: Chunk<T> = lanes(|i| sum[i].ln_on::<I>());
        for x in x {
            *x = lanes(|i| (x[i] - max[i]) - log_sum[i]);
        }
    }
}

struct SoftmaxGrad;

impl RowRule for SoftmaxGrad {
    const TWO: bool = true;

    #[inline(always)]
    fn row<I: Isa, T: Real>(g: &[T], y: &[T], out: &mut [T]) {
        let dot = fold(g, y, |sum, g, y| I::mul_add(g, y, sum));
        for ((out, &g), &y) in out.iter_mut().zip(g).zip(y) {
            *out = y * (g - dot);
        }
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(g: &mut [Chunk<T>], y: &[Chunk<T>]) {
        let none = [T::zero(); LANES];
        let dot = g.iter().zip(y).fold(none, |sum, (g, y)| lanes(|i| I::mul_add(g[i], y[i], sum[i])));
        for (g, y) in g.iter_mut().zip(y) {
            *g = lanes(|i| y[i] * (g[i] - dot[i]));
        }
    }
}

struct LogSoftmaxGrad;

impl RowRule for LogSoftmaxGrad {
    const TWO: bool = true;

    #[inline(always)]
    fn row<I: Isa, T: Real>(g: &[T], y: &[T], out: &mut [T]) {
        let sum = fold(g, g, |sum, g, _| sum + g);
        for ((out, &g), &y) in out.iter_mut().zip(g).zip(y) {
            *out = g - y.exp_on::<I>() * sum;
        }
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(g: &mut [Chunk<T>], y: &[Chunk<T>]) {
        let sum = g.iter().fold([T::zero(); LANES], |sum, g| lanes(|i| sum[i] + g[i]));
        for (g, y) in g.iter_mut().zip(y) {
            *g = lanes(|i| g[i] - y[i].exp_on::<I>() * sum[i]);
        }
    }
}
