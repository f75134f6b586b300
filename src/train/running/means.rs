//! Metrics that are means over the examples, or something made of a mean.

use std::sync::Arc;

use super::{Metric, SharedFunction, nothing_counts, other_kind, same_kind};
use crate::error::{Error, Here, Result};
use crate::losses;
use crate::tensor::exec::reduce::{ReduceOp, total};
use crate::tensor::{DType, Tensor};
use crate::train::metrics;

/// A function of all predictions and targets, from [`metrics`] or of the program's own.
type Function = fn(&Tensor, &Tensor) -> Result<f64>;

/// A mean of the means of batches, each with as many parts as it is one of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) total: f64,
    pub(super) count: f64,
}

impl Sum {
    pub(super) fn add(&mut self, mean: f64, count: usize) {
        // The mean of nothing is no number.
        if count > 0 {
            self.total += mean * count as f64;
            self.count += count as f64;
        }
    }

    /// Adds a batch of numbers, which all count: -100 is one like others.
    #[track_caller]
    fn add_numbers(&mut self, function: Function, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if !target.is_empty() {
            self.add(function(prediction, target)?, target.numel());
        }
        Ok(())
    }

    pub(super) fn join(&mut self, other: Self) {
        self.total += other.total;
        self.count += other.count;
    }

    /// The mean, or the error that `none` gives for no targets at all.
    #[track_caller]
    pub(super) fn mean(self, none: Function) -> Result<f64> {
        if self.count == 0.0 {
            let nothing = Tensor::zeros([0, 1])?;
            return none(&nothing, &nothing);
        }
        Ok(self.total / self.count)
    }
}

/// How many class numbers count: those of −100 do not.
pub(super) fn counted(target: &Tensor) -> usize {
    match target.dtype() {
        DType::I64 => total(ReduceOp::CountNonzero, &target.ne_scalar(losses::IGNORE_INDEX as f64)) as usize,
        _ => target.numel(),
    }
}

macro_rules! means {
    ($($(#[$doc:meta])* $Name:ident: $function:path, |$sum:ident, $p:ident, $y:ident| $update:expr, |$mean:ident| $finish:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $Name(Sum);

        impl Metric for $Name {
            #[track_caller]
            fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
                let ($sum, $p, $y) = (&mut self.0, prediction, target);
                $update
            }

            #[track_caller]
            fn value(&self) -> Result<f64> {
                let $mean = self.0.mean($function)?;
                Ok($finish)
            }

            #[track_caller]
            fn merge(&mut self, other: &dyn Metric) -> Result<()> {
                self.0.join(same_kind::<Self>(other)?.0);
                Ok(())
            }

            fn fresh(&self) -> Box<dyn Metric> {
                Box::new(Self::default())
            }
        }
    )*};
}

means! {
    /// [`metrics::mse`] batch by batch.
    RunningMse: metrics::mse, |sum, p, y| sum.add_numbers(metrics::mse, p, y), |mean| mean;
    /// [`metrics::rmse`] batch by batch.
    RunningRmse: metrics::rmse, |sum, p, y| sum.add_numbers(squared_rmse, p, y), |mean| mean.sqrt();
    /// [`metrics::mae`] batch by batch.
    RunningMae: metrics::mae, |sum, p, y| sum.add_numbers(metrics::mae, p, y), |mean| mean;
    /// [`metrics::accuracy`] batch by batch.
    RunningAccuracy: metrics::accuracy, |sum, p, y| add_accuracy(sum, p, y), |mean| mean;
    /// [`metrics::perplexity`] batch by batch.
    RunningPerplexity: metrics::perplexity, |sum, p, y| add_perplexity(sum, p, y), |mean| mean.exp();
    /// [`metrics::exact_match`] batch by batch.
    RunningExactMatch: metrics::exact_match, |sum, p, y| add_matches(sum, p, y), |mean| mean;
}

/// The mean squared error, with errors that name `rmse`.
#[track_caller]
fn squared_rmse(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    match metrics::mse(prediction, target) {
        Ok(mean) => Ok(mean),
        Err(_) => metrics::rmse(prediction, target),
    }
}

#[track_caller]
fn add_accuracy(sum: &mut Sum, prediction: &Tensor, target: &Tensor) -> Result<()> {
    if nothing_counts(target) {
        return Ok(());
    }
    let (predicted, actual) = metrics::class_pairs("accuracy", prediction, target)?;
    let hits = predicted.iter().zip(&actual).filter(|(p, y)| p == y).count();
    sum.add(hits as f64 / actual.len() as f64, actual.len());
    Ok(())
}

#[track_caller]
fn add_perplexity(sum: &mut Sum, logits: &Tensor, targets: &Tensor) -> Result<()> {
    let count = counted(targets);
    if count > 0 {
        if logits.shape().split_last().is_none_or(|(_, rest)| rest != targets.shape()) {
            // An error, which is the function's.
            metrics::perplexity(logits, targets)?;
        }
        let _unrecorded = crate::autograd::pause_recording();
        let loss = losses::token_cross_entropy(logits, targets)?.item()?;
        if loss.is_nan() {
            metrics::perplexity(logits, targets)?;
        }
        sum.add(loss, count);
    }
    Ok(())
}

#[track_caller]
fn add_matches(sum: &mut Sum, prediction: &Tensor, target: &Tensor) -> Result<()> {
    if !nothing_counts(target) {
        let (right, all) = metrics::matches(prediction, target)?;
        sum.add(right as f64 / all as f64, all);
    }
    Ok(())
}

/// What [`averaged`] makes.
#[derive(Clone)]
pub struct Averaged {
    function: Arc<SharedFunction>,
    sum: Sum,
}

/// The mean of a function's values over the batches, each counted by its examples: for measures that are means themselves.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::running::{self, Metric};
///
/// let mut near = running::averaged(|prediction, target| {
///     (prediction - target)?.abs().le(&Tensor::full([1], 0.5)?)?.to_dtype(DType::F32).mean().item()
/// });
/// near.update(&tensor![1.0, 2.0, 3.0], &tensor![1.1, 2.2, 9.0])?;
/// near.update(&tensor![5.0], &tensor![4.0])?;
/// assert!((near.value()? - 0.5).abs() < 1e-6);
/// let trainer = Trainer::new(losses::mse, Adam::new(1e-3)).running_metric("near", near);
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn averaged(function: impl Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static) -> Averaged {
    Averaged { function: Arc::new(function), sum: Sum::default() }
}

impl std::fmt::Debug for Averaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Averaged").field("sum", &self.sum).finish_non_exhaustive()
    }
}

impl Metric for Averaged {
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        let examples = target.shape().first().copied().unwrap_or(1);
        if examples > 0 {
            self.sum.add((self.function)(prediction, target).outside()?, examples);
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        self.sum.mean(|_, _| Err(Error::argument("averaged", "there are no examples"))).here()
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        // Another closure is another measure, even if it is of the same type.
        if !Arc::ptr_eq(&self.function, &other.function) {
            return Err(other_kind());
        }
        self.sum.join(other.sum);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self { function: self.function.clone(), sum: Sum::default() })
    }
}
