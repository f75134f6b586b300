//! The cross-entropy of contiguous rows with class numbers.

use crate::parallel;

use super::Real;
use super::lanes::lanes;
use super::rows::*;
use super::shared::Shared;
use super::simd::{Isa, Kernel, dispatch};

/// What a cross-entropy is computed with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Criterion<'a, T> {
    /// The class of each row.
    pub(crate) targets: &'a [i64],
    pub(crate) cols: usize,
    pub(crate) label_smoothing: T,
    /// How much each class counts, if not all the same.
    pub(crate) weights: Option<&'a [T]>,
}

/// The cross-entropy of each row of `logits` with its target class, and the logarithm of each row's sum of exponentials.
///
/// With `p = softmax(logits)`, smoothing `ε` and weights `w` (1 where there are none), the loss of a row of `C` classes
/// and target `t` is `-(1 - ε) wₜ log pₜ - ε/C Σ w log p`. A target that is not a class, such as a negative one, makes
/// the loss 0.
pub(crate) fn cross_entropy<T: Real>(criterion: Criterion<'_, T>, logits: &[T], losses: &mut [T], lse: &mut [T]) {
    criterion.assert_fits(logits);
    let (cols, rows) = (criterion.cols, criterion.targets.len());
    assert!(losses.len() == rows && lse.len() == rows, "cross_entropy: results of rows");
    let (losses, lse) = (Shared::new(losses), Shared::new(lse));
    parallel::for_ranges(rows, rows_per_task(cols), &|rows| {
        let logits = &logits[rows.start * cols..rows.end * cols];
        let targets = &criterion.targets[rows.clone()];
        // SAFETY: the ranges do not overlap.
        let (losses, lse) = unsafe { (losses.part(rows.clone()), lse.part(rows)) };
        dispatch(CrossEntropy { criterion: Criterion { targets, ..criterion }, logits, losses, lse });
    });
}

/// The gradient of [`cross_entropy`] with respect to the logits, given the gradient with respect to each row's loss.
pub(crate) fn cross_entropy_backward<T: Real>(
    criterion: Criterion<'_, T>,
    logits: &[T],
    lse: &[T],
    row_scale: &[T],
    grad: &mut [T],
) {
    criterion.assert_fits(logits);
    let (cols, rows) = (criterion.cols, criterion.targets.len());
    assert_eq!(grad.len(), logits.len(), "cross_entropy: a row for each target");
    assert!(lse.len() == rows && row_scale.len() == rows, "cross_entropy: results of rows");
    parallel::for_blocks(grad, rows_per_task(cols) * cols, |start, grad| {
        let first = start / cols;
        dispatch(CrossEntropyGrad {
            criterion: Criterion { targets: &criterion.targets[first..], ..criterion },
            logits: &logits[start..],
            lse: &lse[first..],
            row_scale: &row_scale[first..],
            grad,
        });
    });
}

impl<T: Real> Criterion<'_, T> {
    fn assert_fits(&self, logits: &[T]) {
        assert_eq!(logits.len(), self.cols * self.targets.len(), "cross_entropy: a row for each target");
        assert!(self.weights.is_none_or(|weights| weights.len() == self.cols), "cross_entropy: weights of classes");
    }

    /// The class and its weight, or `None` for a row that does not count.
    #[inline(always)]
    fn target(&self, row: usize) -> Option<(usize, T)> {
        let class = usize::try_from(self.targets[row]).ok().filter(|&class| class < self.cols)?;
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
    losses: &'a mut [T],
    lse: &'a mut [T],
}

impl<T: Real> Kernel for CrossEntropy<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let cols = self.criterion.cols;
        let totals = (self.criterion.share(), self.criterion.total_weight());
        let rows = self.criterion.targets.len();
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
        let Criterion { label_smoothing, weights, cols, .. } = self.criterion;
        let x = &self.logits[row * cols..][..cols];
        self.lse[row] = max + log_sum;
        self.losses[row] = T::zero();
        if let Some((class, weight)) = self.criterion.target(row) {
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
    row_scale: &'a [T],
    grad: &'a mut [T],
}

impl<T: Real> Kernel for CrossEntropyGrad<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let cols = self.criterion.cols;
        let totals = (self.criterion.share(), self.criterion.total_weight());
        if cols > SHORT {
            for (i, grad) in self.grad.chunks_exact_mut(cols).enumerate() {
                let sum = exp_row::<I, T>(&self.logits[i * cols..][..cols], self.lse[i], grad);
                self.criterion.finish_grad(i, self.row_scale[i], sum, totals, grad);
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
                self.criterion.finish_grad(row, self.row_scale[row], sum[lane], totals, grad);
            }
        }
    }
}

impl<T: Real> Criterion<'_, T> {
    /// Turns `e^(x - lse)`, which add up to `sum`, into the gradient of a row.
    #[inline(always)]
    fn finish_grad(&self, row: usize, row_scale: T, sum: T, (share, total_weight): (T, T), grad: &mut [T]) {
        let Some((class, weight)) = self.target(row) else {
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
