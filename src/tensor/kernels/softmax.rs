//! Softmax and cross-entropy along contiguous rows.

use crate::parallel;

use super::simd::{Isa, Kernel, dispatch};
use super::split::{RowsOf, for_parts};
use super::{GRAIN, Real};

/// Elements that are worked on side by side. Few, since rows are often as short as the number of classes; what a row
/// has beyond a multiple is padded.
const LANES: usize = 16;

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
    debug_assert_eq!(logits.len(), cols * targets.len());
    debug_assert!(losses.len() == targets.len() && lse.len() == targets.len());
    let criterion = Criterion { label_smoothing, weights, cols };
    let rows = RowsOf { data: logits, cols };
    for_parts((rows, targets, losses, lse), rows_per_task(cols), &|(rows, targets, losses, lse)| {
        dispatch(CrossEntropy { criterion, logits: rows.data, targets, losses, lse });
    });
}

/// The gradient of [`cross_entropy`] with respect to the logits, given the gradient with respect to each row's loss.
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
    debug_assert!(logits.len() == cols * targets.len() && grad.len() == logits.len());
    debug_assert!(lse.len() == targets.len() && row_scale.len() == targets.len());
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

/// What happens to one row.
trait RowRule: Copy + Send + Sync {
    fn row<I: Isa, T: Real>(self, a: &[T], b: &[T], out: &mut [T]);
}

fn for_rows<T: Real>(rule: impl RowRule, a: &[T], b: &[T], cols: usize, out: &mut [T]) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
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
        for (i, out) in self.out.chunks_exact_mut(self.cols).enumerate() {
            let row = i * self.cols..(i + 1) * self.cols;
            self.rule.row::<I, T>(&self.a[row.clone()], &self.b[row], out);
        }
    }
}

#[derive(Clone, Copy)]
struct Softmax;

impl RowRule for Softmax {
    #[inline(always)]
    fn row<I: Isa, T: Real>(self, x: &[T], _: &[T], out: &mut [T]) {
        let max = max_of(x);
        let mut sum = [T::zero(); LANES];
        map(x, x, out, T::neg_infinity(), |lane, x, _| {
            let e = (x - max).exp_on::<I>();
            sum[lane] += e;
            e
        });
        scale(out, T::one() / total(sum));
    }
}

#[derive(Clone, Copy)]
struct LogSoftmax;

impl RowRule for LogSoftmax {
    #[inline(always)]
    fn row<I: Isa, T: Real>(self, x: &[T], _: &[T], out: &mut [T]) {
        let max = max_of(x);
        let log_sum = sum_exp::<I, T>(x, max).ln_on::<I>();
        for (out, &x) in out.iter_mut().zip(x) {
            *out = (x - max) - log_sum;
        }
    }
}

#[derive(Clone, Copy)]
struct SoftmaxGrad;

impl RowRule for SoftmaxGrad {
    #[inline(always)]
    fn row<I: Isa, T: Real>(self, g: &[T], y: &[T], out: &mut [T]) {
        let dot = fold(g, y, T::zero(), |sum, g, y| I::mul_add(g, y, sum));
        for ((out, &g), &y) in out.iter_mut().zip(g).zip(y) {
            *out = y * (g - dot);
        }
    }
}

#[derive(Clone, Copy)]
struct LogSoftmaxGrad;

impl RowRule for LogSoftmaxGrad {
    #[inline(always)]
    fn row<I: Isa, T: Real>(self, g: &[T], y: &[T], out: &mut [T]) {
        let sum = fold(g, g, T::zero(), |sum, g, _| sum + g);
        map(g, y, out, T::zero(), |_, g, y| g - y.exp_on::<I>() * sum);
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
        self.weights.map_or(T::from_f64(self.cols as f64), |w| fold(w, w, T::zero(), |sum, w, _| sum + w))
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
    fn run<I: Isa>(self) {
        let Criterion { label_smoothing, weights, cols } = self.criterion;
        let (share, total_weight) = (self.criterion.share(), self.criterion.total_weight());
        for (i, &target) in self.targets.iter().enumerate() {
            let x = &self.logits[i * cols..][..cols];
            let max = max_of(x);
            let log_sum = sum_exp::<I, T>(x, max).ln_on::<I>();
            self.lse[i] = max + log_sum;
            self.losses[i] = T::zero();
            if let Some((class, weight)) = self.criterion.target(target) {
                let surprise = weight * (log_sum - (x[class] - max));
                self.losses[i] = surprise;
                if label_smoothing > T::zero() {
                    // Σ w (log_sum - (x - max)), the differences first so that large logits cancel.
                    let sum = match weights {
                        Some(w) => fold(x, w, T::zero(), |sum, x, w| sum + w * (x - max)),
                        None => fold(x, x, T::zero(), |sum, x, _| sum + (x - max)),
                    };
                    let smooth = share * (log_sum * total_weight - sum);
                    self.losses[i] = (T::one() - label_smoothing) * surprise + smooth;
                }
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
        let Criterion { label_smoothing, weights, cols } = self.criterion;
        let (share, total_weight) = (self.criterion.share(), self.criterion.total_weight());
        for (i, grad) in self.grad.chunks_exact_mut(cols).enumerate() {
            let Some((class, weight)) = self.criterion.target(self.targets[i]) else {
                grad.fill(T::zero());
                continue;
            };
            let x = &self.logits[i * cols..][..cols];
            let (lse, row_scale) = (self.lse[i], self.row_scale[i]);
            let mut sum = [T::zero(); LANES];
            map(x, x, grad, T::neg_infinity(), |lane, x, _| {
                let e = (x - lse).exp_on::<I>();
                sum[lane] += e;
                e
            });
            // The probabilities add up to 1 but for the rounding of `lse`, which this takes out again.
            let on_target = (T::one() - label_smoothing) * weight;
            scale(grad, row_scale * (on_target + share * total_weight) / total(sum));
            grad[class] = grad[class] - row_scale * on_target;
            if label_smoothing > T::zero() {
                match weights {
                    Some(w) => grad.iter_mut().zip(w).for_each(|(grad, &w)| *grad = *grad - row_scale * share * w),
                    None => grad.iter_mut().for_each(|grad| *grad = *grad - row_scale * share),
                }
            }
        }
    }
}

/// `out = f(lane, a, b)`, in chunks of [`LANES`]; the last one is padded with `pad`.
#[inline(always)]
fn map<T: Real>(a: &[T], b: &[T], out: &mut [T], pad: T, mut f: impl FnMut(usize, T, T) -> T) {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let (out_chunks, out_rest) = out.as_chunks_mut::<LANES>();
    for ((a, b), out) in a_chunks.iter().zip(b_chunks).zip(out_chunks) {
        for lane in 0..LANES {
            out[lane] = f(lane, a[lane], b[lane]);
        }
    }
    if !out_rest.is_empty() {
        let (a, b) = (padded(a_rest, pad), padded(b_rest, pad));
        let mut last = [pad; LANES];
        for lane in 0..LANES {
            last[lane] = f(lane, a[lane], b[lane]);
        }
        out_rest.copy_from_slice(&last[..out_rest.len()]);
    }
}

/// Reduces pairs in [`LANES`] lanes, and adds the lanes up.
#[inline(always)]
fn fold<T: Real>(a: &[T], b: &[T], start: T, f: impl Fn(T, T, T) -> T) -> T {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] = f(lanes[lane], a[lane], b[lane]);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane = f(*lane, a, b);
    }
    total(lanes)
}

/// The largest element that is a number, -∞ if there is none.
#[inline(always)]
fn max_of<T: Real>(x: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = padded(rest, T::neg_infinity());
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    pairwise(lanes, larger)
}

/// `Σ e^(x - max)`.
#[inline(always)]
fn sum_exp<I: Isa, T: Real>(x: &[T], max: T) -> T {
    let mut sum = [T::zero(); LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            sum[lane] += (chunk[lane] - max).exp_on::<I>();
        }
    }
    if !rest.is_empty() {
        let chunk = padded(rest, T::neg_infinity());
        for lane in 0..LANES {
            sum[lane] += (chunk[lane] - max).exp_on::<I>();
        }
    }
    total(sum)
}

#[inline(always)]
fn scale<T: Real>(x: &mut [T], factor: T) {
    for x in x {
        *x *= factor;
    }
}

#[inline(always)]
fn total<T: Real>(lanes: [T; LANES]) -> T {
    pairwise(lanes, |a, b| a + b)
}

#[inline(always)]
fn pairwise<T: Real>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn padded<T: Real>(x: &[T], pad: T) -> [T; LANES] {
    let mut chunk = [pad; LANES];
    chunk[..x.len()].copy_from_slice(x);
    chunk
}
