//! Softmax and cross-entropy along contiguous rows.

use crate::parallel;

use super::lanes::{lanes, pairwise, total};
use super::simd::{Isa, Kernel, dispatch};
use super::split::{RowsOf, for_parts};
use super::{GRAIN, Real};

/// Elements that are worked on side by side: neighbours in a row, or, where rows are short, one element each of as many
/// rows.
pub(super) const LANES: usize = 16;

/// The longest rows that are worked on together, having been turned into columns first. At least [`LANES`].
const SHORT: usize = 32;

/// That many.
pub(super) type Chunk<T> = [T; LANES];

/// As many rows as there are lanes, column by column.
type Columns<T> = [Chunk<T>; SHORT];

/// How much longer than an addition an element takes, roughly.
const COST: usize = 4;

/// Rows of `cols` elements that are one task.
fn rows_per_task(cols: usize) -> usize {
    (GRAIN / COST / cols.max(1)).max(1)
}

/// `out = eˣ / Σ eˣ` along rows of `cols` elements.
pub(crate) fn softmax<T: Real>(x: &[T], cols: usize, out: &mut [T]) {
    for_rows(Softmax, x, x, cols, out);
}

/// `out = x - log Σ eˣ` along rows of `cols` elements.
pub(crate) fn log_softmax<T: Real>(x: &[T], cols: usize, out: &mut [T]) {
    for_rows(LogSoftmax, x, x, cols, out);
}

/// The gradient of softmax from the gradient `g` and the output `y`: `y (g - Σ g y)`.
pub(crate) fn softmax_backward<T: Real>(g: &[T], y: &[T], cols: usize, out: &mut [T]) {
    for_rows(SoftmaxGrad, g, y, cols, out);
}

/// The gradient of the logarithm of softmax from the gradient `g` and the output `y`: `g - eʸ Σ g`.
pub(crate) fn log_softmax_backward<T: Real>(g: &[T], y: &[T], cols: usize, out: &mut [T]) {
    for_rows(LogSoftmaxGrad, g, y, cols, out);
}

/// The cross-entropy of each row of `logits` with its target class, and the logarithm of each row's sum of exponentials.
///
/// With `p = softmax(logits)`, smoothing `ε` and weights `w` (1 where there are none), the loss of a row of `C` classes
/// and target `t` is `-(1 - ε) wₜ log pₜ - ε/C Σ w log p`. A target that is not a class, such as a negative one, makes
/// the loss 0.
pub(crate) fn cross_entropy<T: Real>(
    logits: &[T],
    cols: usize,
    targets: &[i64],
    label_smoothing: T,
    weights: Option<&[T]>,
    losses: &mut [T],
    lse: &mut [T],
) {
    assert_eq!(logits.len(), cols * targets.len(), "cross_entropy: a row for each target");
    assert!(losses.len() == targets.len() && lse.len() == targets.len(), "cross_entropy: results of rows");
    assert!(weights.is_none_or(|weights| weights.len() == cols), "cross_entropy: weights of classes");
    let criterion = Criterion { label_smoothing, weights, cols };
    let rows = RowsOf { data: logits, cols };
    for_parts((rows, targets, losses, lse), rows_per_task(cols), &|(rows, targets, losses, lse)| {
        dispatch(CrossEntropy { criterion, logits: rows.data, targets, losses, lse });
    });
}

/// The gradient of [`cross_entropy`] with respect to the logits, given the gradient with respect to each row's loss.
#[expect(clippy::too_many_arguments)]
pub(crate) fn cross_entropy_backward<T: Real>(
    logits: &[T],
    cols: usize,
    lse: &[T],
    targets: &[i64],
    label_smoothing: T,
    weights: Option<&[T]>,
    row_scale: &[T],
    grad: &mut [T],
) {
    assert!(logits.len() == cols * targets.len() && grad.len() == logits.len(), "cross_entropy: a row for each target");
    assert!(lse.len() == targets.len() && row_scale.len() == targets.len(), "cross_entropy: results of rows");
    assert!(weights.is_none_or(|weights| weights.len() == cols), "cross_entropy: weights of classes");
    let criterion = Criterion { label_smoothing, weights, cols };
    parallel::for_blocks(grad, rows_per_task(cols) * cols, |start, grad| {
        let first = start / cols;
        dispatch(CrossEntropyGrad {
            criterion,
            logits: &logits[start..],
            lse: &lse[first..],
            targets: &targets[first..],
            row_scale: &row_scale[first..],
            grad,
        });
    });
}

/// What happens to a row.
trait RowRule: Copy + Send + Sync {
    /// Whether there is a second input.
    const TWO: bool;

    /// One row of at least [`LANES`] elements.
    fn row<I: Isa, T: Real>(self, a: &[T], b: &[T], out: &mut [T]);

    /// Short rows, column by column, in place.
    fn columns<I: Isa, T: Real>(self, a: &mut [Chunk<T>], b: &[Chunk<T>]);
}

fn for_rows<T: Real>(rule: impl RowRule, a: &[T], b: &[T], cols: usize, out: &mut [T]) {
    let fits = a.len() == out.len() && b.len() == out.len() && out.len().is_multiple_of(cols);
    assert!(fits, "softmax: rows of {cols} elements");
    parallel::for_blocks(out, rows_per_task(cols) * cols, |start, out| {
        dispatch(Rows { rule, a: &a[start..], b: &b[start..], cols, out });
    });
}

struct Rows<'a, T, R> {
    rule: R,
    a: &'a [T],
    b: &'a [T],
    cols: usize,
    out: &'a mut [T],
}

impl<T: Real, R: RowRule> Kernel for Rows<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let cols = self.cols;
        if cols > SHORT {
            for (i, out) in self.out.chunks_exact_mut(cols).enumerate() {
                let row = i * cols..(i + 1) * cols;
                self.rule.row::<I, T>(&self.a[row.clone()], &self.b[row], out);
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
            self.rule.columns::<I, T>(&mut a[..cols], &b[..cols]);
            store_columns(&a, cols, out);
        }
    }
}

/// Turns up to [`LANES`] rows into columns. Lanes without a row keep what they have.
///
/// Moves elements only, so it is not compiled for each instruction set, like [`store_columns`]: inlined into the loops, the
/// two took a fifth of the time that the whole crate takes to compile.
#[inline(never)]
fn load_columns<T: Real>(x: &[T], cols: usize, columns: &mut Columns<T>) {
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
fn store_columns<T: Real>(columns: &Columns<T>, cols: usize, out: &mut [T]) {
    for (lane, row) in out.chunks_exact_mut(cols).enumerate().take(LANES) {
        for (out, column) in row.iter_mut().zip(columns) {
            *out = column[lane];
        }
    }
}

/// The largest number of each row, -∞ if there is none.
#[inline(always)]
fn max_of_columns<T: Real>(x: &[Chunk<T>]) -> Chunk<T> {
    x.iter().fold([T::neg_infinity(); LANES], |max, x| lanes(|i| if x[i] > max[i] { x[i] } else { max[i] }))
}

/// Replaces `x` by `e^(x - shift)`, and returns the sum of each row.
#[inline(always)]
fn exp_columns<I: Isa, T: Real>(x: &mut [Chunk<T>], shift: &Chunk<T>) -> Chunk<T> {
    let mut sum = [T::zero(); LANES];
    for x in x {
        *x = lanes(|i| (x[i] - shift[i]).exp_on::<I>());
        sum = lanes(|i| sum[i] + x[i]);
    }
    sum
}

/// The same sums, without keeping their terms.
#[inline(always)]
fn sum_exp_columns<I: Isa, T: Real>(x: &[Chunk<T>], shift: &Chunk<T>) -> Chunk<T> {
    x.iter().fold([T::zero(); LANES], |sum, x| lanes(|i| sum[i] + (x[i] - shift[i]).exp_on::<I>()))
}

#[derive(Clone, Copy)]
struct Softmax;

impl RowRule for Softmax {
    const TWO: bool = false;

    #[inline(always)]
    fn row<I: Isa, T: Real>(self, x: &[T], _: &[T], out: &mut [T]) {
        let sum = exp_row::<I, T>(x, max_of(x), out);
        scale(out, T::one() / sum);
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(self, x: &mut [Chunk<T>], _: &[Chunk<T>]) {
        let sum = exp_columns::<I, T>(x, &max_of_columns(x));
        let factor: Chunk<T> = lanes(|i| T::one() / sum[i]);
        for x in x {
            *x = lanes(|i| x[i] * factor[i]);
        }
    }
}

#[derive(Clone, Copy)]
struct LogSoftmax;

impl RowRule for LogSoftmax {
    const TWO: bool = false;

    #[inline(always)]
    fn row<I: Isa, T: Real>(self, x: &[T], _: &[T], out: &mut [T]) {
        let max = max_of(x);
        let log_sum = sum_exp::<I, T>(x, max).ln_on::<I>();
        for (out, &x) in out.iter_mut().zip(x) {
            *out = (x - max) - log_sum;
        }
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(self, x: &mut [Chunk<T>], _: &[Chunk<T>]) {
        let max = max_of_columns(x);
        let sum = sum_exp_columns::<I, T>(x, &max);
        let log_sum: Chunk<T> = lanes(|i| sum[i].ln_on::<I>());
        for x in x {
            *x = lanes(|i| (x[i] - max[i]) - log_sum[i]);
        }
    }
}

#[derive(Clone, Copy)]
struct SoftmaxGrad;

impl RowRule for SoftmaxGrad {
    const TWO: bool = true;

    #[inline(always)]
    fn row<I: Isa, T: Real>(self, g: &[T], y: &[T], out: &mut [T]) {
        let dot = fold(g, y, |sum, g, y| I::mul_add(g, y, sum));
        for ((out, &g), &y) in out.iter_mut().zip(g).zip(y) {
            *out = y * (g - dot);
        }
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(self, g: &mut [Chunk<T>], y: &[Chunk<T>]) {
        let none = [T::zero(); LANES];
        let dot = g.iter().zip(y).fold(none, |sum, (g, y)| lanes(|i| I::mul_add(g[i], y[i], sum[i])));
        for (g, y) in g.iter_mut().zip(y) {
            *g = lanes(|i| y[i] * (g[i] - dot[i]));
        }
    }
}

#[derive(Clone, Copy)]
struct LogSoftmaxGrad;

impl RowRule for LogSoftmaxGrad {
    const TWO: bool = true;

    #[inline(always)]
    fn row<I: Isa, T: Real>(self, g: &[T], y: &[T], out: &mut [T]) {
        let sum = fold(g, g, |sum, g, _| sum + g);
        for ((out, &g), &y) in out.iter_mut().zip(g).zip(y) {
            *out = g - y.exp_on::<I>() * sum;
        }
    }

    #[inline(always)]
    fn columns<I: Isa, T: Real>(self, g: &mut [Chunk<T>], y: &[Chunk<T>]) {
        let sum = g.iter().fold([T::zero(); LANES], |sum, g| lanes(|i| sum[i] + g[i]));
        for (g, y) in g.iter_mut().zip(y) {
            *g = lanes(|i| g[i] - y[i].exp_on::<I>() * sum[i]);
        }
    }
}

/// What a cross-entropy is computed with.
#[derive(Clone, Copy)]
struct Criterion<'a, T> {
    label_smoothing: T,
    weights: Option<&'a [T]>,
    cols: usize,
}

impl<T: Real> Criterion<'_, T> {
    /// The class and its weight, or `None` for a row that does not count.
    #[inline(always)]
    fn target(&self, target: i64) -> Option<(usize, T)> {
        let class = usize::try_from(target).ok().filter(|&class| class < self.cols)?;
        Some((class, self.weights.map_or(T::one(), |w| w[class])))
    }

    /// `ε/C`.
    #[inline(always)]
    fn share(&self) -> T {
        self.label_smoothing / T::from_f64(self.cols as f64)
    }

    /// `Σ w`.
    #[inline(always)]
    fn total_weight(&self) -> T {
        self.weights.map_or(T::from_f64(self.cols as f64), |w| fold(w, w, |sum, w, _| sum + w))
    }
}

struct CrossEntropy<'a, T> {
    criterion: Criterion<'a, T>,
    logits: &'a [T],
    targets: &'a [i64],
    losses: &'a mut [T],
    lse: &'a mut [T],
}

impl<T: Real> Kernel for CrossEntropy<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let cols = self.criterion.cols;
        let totals = (self.criterion.share(), self.criterion.total_weight());
        let rows = self.targets.len();
        if cols > SHORT {
            for row in 0..rows {
                let x = &self.logits[row * cols..][..cols];
                let max = max_of(x);
                let log_sum = sum_exp::<I, T>(x, max).ln_on::<I>();
                self.finish(row, max, log_sum, totals);
            }
            return;
        }
        let mut x = [[T::zero(); LANES]; SHORT];
        for first in (0..rows).step_by(LANES) {
            let count = LANES.min(rows - first);
            load_columns(&self.logits[first * cols..][..count * cols], cols, &mut x);
            let max = max_of_columns(&x[..cols]);
            let sum = sum_exp_columns::<I, T>(&x[..cols], &max);
            let log_sum: Chunk<T> = lanes(|i| sum[i].ln_on::<I>());
            for lane in 0..count {
                self.finish(first + lane, max[lane], log_sum[lane], totals);
            }
        }
    }
}

impl<T: Real> CrossEntropy<'_, T> {
    /// Stores the results of a row, given `max x` and `log Σ e^(x - max)`.
    #[inline(always)]
    fn finish(&mut self, row: usize, max: T, log_sum: T, (share, total_weight): (T, T)) {
        let Criterion { label_smoothing, weights, cols } = self.criterion;
        let x = &self.logits[row * cols..][..cols];
        self.lse[row] = max + log_sum;
        self.losses[row] = T::zero();
        if let Some((class, weight)) = self.criterion.target(self.targets[row]) {
            let surprise = weight * (log_sum - (x[class] - max));
            self.losses[row] = surprise;
            if label_smoothing > T::zero() {
                // Σ w (log_sum - (x - max)), the differences first so that large logits cancel.
                let sum = match weights {
                    Some(w) => fold(x, w, |sum, x, w| sum + w * (x - max)),
                    None => fold(x, x, |sum, x, _| sum + (x - max)),
                };
                let smooth = share * (log_sum * total_weight - sum);
                self.losses[row] = (T::one() - label_smoothing) * surprise + smooth;
            }
        }
    }
}

struct CrossEntropyGrad<'a, T> {
    criterion: Criterion<'a, T>,
    logits: &'a [T],
    lse: &'a [T],
    targets: &'a [i64],
    row_scale: &'a [T],
    grad: &'a mut [T],
}

impl<T: Real> Kernel for CrossEntropyGrad<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let cols = self.criterion.cols;
        let totals = (self.criterion.share(), self.criterion.total_weight());
        if cols > SHORT {
            for (i, grad) in self.grad.chunks_exact_mut(cols).enumerate() {
                let sum = exp_row::<I, T>(&self.logits[i * cols..][..cols], self.lse[i], grad);
                self.criterion.finish_grad(self.targets[i], self.row_scale[i], sum, totals, grad);
            }
            return;
        }
        let mut x = [[T::zero(); LANES]; SHORT];
        let mut lse = [T::zero(); LANES];
        for (i, grad) in self.grad.chunks_mut(LANES * cols).enumerate() {
            let first = i * LANES;
            load_columns(&self.logits[first * cols..][..grad.len()], cols, &mut x);
            for (lane, &value) in lse.iter_mut().zip(&self.lse[first..]) {
                *lane = value;
            }
            let sum = exp_columns::<I, T>(&mut x[..cols], &lse);
            store_columns(&x, cols, grad);
            for (lane, grad) in grad.chunks_exact_mut(cols).enumerate() {
                let row = first + lane;
                self.criterion.finish_grad(self.targets[row], self.row_scale[row], sum[lane], totals, grad);
            }
        }
    }
}

impl<T: Real> Criterion<'_, T> {
    /// Turns `e^(x - lse)`, which add up to `sum`, into the gradient of a row.
    #[inline(always)]
    fn finish_grad(&self, target: i64, row_scale: T, sum: T, (share, total_weight): (T, T), grad: &mut [T]) {
        let Some((class, weight)) = self.target(target) else {
            return grad.fill(T::zero());
        };
        // The probabilities add up to 1 but for the rounding of `lse`, which this takes out again.
        let on_target = (T::one() - self.label_smoothing) * weight;
        let smooth = if self.label_smoothing > T::zero() { share * total_weight } else { T::zero() };
        scale(grad, row_scale * (on_target + smooth) / sum);
        grad[class] = grad[class] - row_scale * on_target;
        if self.label_smoothing > T::zero() {
            match self.weights {
                Some(w) => grad.iter_mut().zip(w).for_each(|(grad, &w)| *grad = *grad - row_scale * share * w),
                None => grad.iter_mut().for_each(|grad| *grad = *grad - row_scale * share),
            }
        }
    }
}

/// The last [`LANES`] elements of a row that is not a multiple of them, and how many of those its chunks had.
#[inline(always)]
fn overlapping<T>(x: &[T]) -> Option<(&Chunk<T>, usize)> {
    let rest = x.len() % LANES;
    x.last_chunk().filter(|_| rest > 0).map(|last| (last, LANES - rest))
}

/// `out = e^(x - shift)`, and the sum of it.
#[inline(always)]
fn exp_row<I: Isa, T: Real>(x: &[T], shift: T, out: &mut [T]) -> T {
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
fn sum_exp<I: Isa, T: Real>(x: &[T], shift: T) -> T {
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
fn exp_chunk<I: Isa, T: Real>(x: &Chunk<T>, shift: T, out: &mut Chunk<T>, sum: &mut Chunk<T>, skip: usize) {
    for i in 0..LANES {
        out[i] = (x[i] - shift).exp_on::<I>();
        sum[i] += if i >= skip { out[i] } else { T::zero() };
    }
}

/// The largest element that is a number, -∞ if there is none.
#[inline(always)]
fn max_of<T: Real>(x: &[T]) -> T {
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
