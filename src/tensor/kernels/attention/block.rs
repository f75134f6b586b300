//! What happens to a block between the products: keys are rows, queries are columns, [`LANES`] of them at a time.

use super::drop::Head;
use crate::tensor::kernels::Real;
use crate::tensor::kernels::lanes::lanes;
use crate::tensor::kernels::rows::{Chunk, LANES, fold, scale};
use crate::tensor::kernels::simd::{Isa, Kernel, dispatch};

/// What is known of each query of a block: columns as long as the rows of the scores.
pub(super) struct Running<'a, T> {
    /// The largest score so far.
    pub(super) max: &'a mut [T],
    /// The sum of `e^(score - max)`.
    pub(super) sum: &'a mut [T],
    /// What everything so far has to be multiplied by, since a larger score was found.
    pub(super) factor: &'a mut [T],
}

/// Dropout of a block: the rule, and its first query and key.
pub(super) type DropAt = Option<(Head, usize, usize)>;

/// One chunk of a row.
#[inline(always)]
fn chunk<T: Real>(row: &[T], at: usize) -> Chunk<T> {
    row[at..].first_chunk().copied().unwrap_or([T::zero(); LANES])
}

/// The factors of dropout for one chunk of a row.
#[inline(always)]
fn drop_factors<T: Real>(drop: DropAt, row: usize, at: usize) -> Option<Chunk<T>> {
    let (head, query, key) = drop?;
    let (rule, kept) = (head.row(key + row), T::from_f64(head.kept()));
    let first = (query + at) as u32;
    Some(lanes(|i| if rule.keeps(first.wrapping_add(i as u32)) { kept } else { T::zero() }))
}

/// Turns the scores of a block into weights `e^(score - max)`, `max` being the largest score of the query so far.
/// Dropped weights are zero, but count for the sum.
pub(super) fn weights<T: Real>(scores: &mut [T], stride: usize, running: &mut Running<'_, T>, drop: DropAt) {
    dispatch(Weights { scores, stride, running, drop });
}

struct Weights<'a, 'b, T> {
    scores: &'a mut [T],
    stride: usize,
    running: &'a mut Running<'b, T>,
    drop: DropAt,
}

impl<T: Real> Kernel for Weights<'_, '_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { scores, stride, running, drop } = self;
        for at in (0..stride).step_by(LANES) {
            let before = chunk(running.max, at);
            // Two maxima, so that one does not wait for the other.
            let mut tops = [before; 2];
            for rows in scores.chunks(2 * stride) {
                for (top, row) in tops.iter_mut().zip(rows.chunks_exact(stride)) {
                    let row = chunk(row, at);
                    *top = lanes(|i| if row[i] > top[i] { row[i] } else { top[i] });
                }
            }
            let top: Chunk<T> = lanes(|i| if tops[0][i] > tops[1][i] { tops[0][i] } else { tops[1][i] });
            // A query that sees no key yet: any finite number will do.
            let shift: Chunk<T> = lanes(|i| if top[i] == T::neg_infinity() { T::zero() } else { top[i] });
            let factor: Chunk<T> = lanes(|i| (before[i] - shift[i]).exp_on::<I>());
            let mut sum = [T::zero(); LANES];
            for (j, row) in scores.chunks_exact_mut(stride).enumerate() {
                let Some(row) = row[at..].first_chunk_mut::<LANES>() else { continue };
                *row = lanes(|i| (row[i] - shift[i]).exp_on::<I>());
                sum = lanes(|i| sum[i] + row[i]);
                if let Some(factors) = drop_factors::<T>(drop, j, at) {
                    *row = lanes(|i| row[i] * factors[i]);
                }
            }
            let old = chunk(running.sum, at);
            let sum: Chunk<T> = lanes(|i| I::mul_add(old[i], factor[i], sum[i]));
            for (to, from) in [(&mut running.max, top), (&mut running.sum, sum), (&mut running.factor, factor)] {
                to[at..at + LANES].copy_from_slice(&from);
            }
        }
    }
}

/// Leaves in `factor` what the sums of weighted values are to be multiplied by, and in `max` the logarithm of the sum of
/// all exponentials. Of a query without keys these are 0 and ∞, whose exponentials are 0 in the gradient.
pub(super) fn finish<T: Real>(running: &mut Running<'_, T>) {
    dispatch(Finish { running });
}

struct Finish<'a, 'b, T> {
    running: &'a mut Running<'b, T>,
}

impl<T: Real> Kernel for Finish<'_, '_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Running { max, sum, factor } = self.running;
        for ((max, &mut sum), factor) in max.iter_mut().zip(sum.iter_mut()).zip(factor.iter_mut()) {
            let empty = sum == T::zero();
            *factor = if empty { T::zero() } else { T::one() / sum };
            *max = if empty { T::infinity() } else { *max + sum.ln_on::<I>() };
        }
    }
}

/// Multiplies each row by its factor.
pub(super) fn scale_rows<T: Real>(rows: &mut [T], cols: usize, factors: &[T]) {
    dispatch(ScaleRows { rows, cols, factors });
}

struct ScaleRows<'a, T> {
    rows: &'a mut [T],
    cols: usize,
    factors: &'a [T],
}

impl<T: Real> Kernel for ScaleRows<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (row, &factor) in self.rows.chunks_exact_mut(self.cols.max(1)).zip(self.factors) {
            if factor != T::one() {
                scale(row, factor);
            }
        }
    }
}

/// `a += b`, the first `len` elements.
pub(super) fn add<T: Real>(a: &mut [T], b: &[T], len: usize) {
    dispatch(Add { a: &mut a[..len], b: &b[..len] });
}

struct Add<'a, T> {
    a: &'a mut [T],
    b: &'a [T],
}

impl<T: Real> Kernel for Add<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (a, &b) in self.a.iter_mut().zip(self.b) {
            *a += b;
        }
    }
}

/// The inner products of the rows of two matrices, each with its row stride.
pub(super) fn row_dots<T: Real>(a: (&[T], usize), b: (&[T], usize), cols: usize, out: &mut [T]) {
    dispatch(RowDots { a, b, cols, out });
}

struct RowDots<'a, T> {
    a: (&'a [T], usize),
    b: (&'a [T], usize),
    cols: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for RowDots<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, out) in self.out.iter_mut().enumerate() {
            let [a, b] = [self.a, self.b].map(|(x, stride)| &x[i * stride..][..self.cols]);
            *out = fold(a, b, |sum, a, b| I::mul_add(a, b, sum));
        }
    }
}

/// Turns the scores of a block into weights, after dropout, and the gradients of the weights into those of the scores:
/// `weight · (gradient - delta)`, where `delta` is the sum of `weight · gradient` over all keys of the query.
pub(super) fn gradients<T: Real>(
    scores: &mut [T],
    grads: &mut [T],
    stride: usize,
    log_sums: &[T],
    deltas: &[T],
    drop: DropAt,
) {
    dispatch(Gradients { scores, grads, stride, log_sums, deltas, drop });
}

struct Gradients<'a, T> {
    scores: &'a mut [T],
    grads: &'a mut [T],
    stride: usize,
    log_sums: &'a [T],
    deltas: &'a [T],
    drop: DropAt,
}

impl<T: Real> Kernel for Gradients<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { scores, grads, stride, log_sums, deltas, drop } = self;
        for at in (0..stride).step_by(LANES) {
            let (log_sum, delta) = (chunk(log_sums, at), chunk(deltas, at));
            let rows = scores.chunks_exact_mut(stride).zip(grads.chunks_exact_mut(stride));
            for (j, (score, grad)) in rows.enumerate() {
                let (Some(score), Some(grad)) =
                    (score[at..].first_chunk_mut::<LANES>(), grad[at..].first_chunk_mut::<LANES>())
                else {
                    continue;
                };
                let weight: Chunk<T> = lanes(|i| (score[i] - log_sum[i]).exp_on::<I>());
                match drop_factors::<T>(drop, j, at) {
                    Some(factors) => {
                        *grad = lanes(|i| weight[i] * I::mul_add(grad[i], factors[i], -delta[i]));
                        *score = lanes(|i| weight[i] * factors[i]);
                    }
                    None => {
                        *grad = lanes(|i| weight[i] * (grad[i] - delta[i]));
                        *score = weight;
                    }
                }
            }
        }
    }
}
