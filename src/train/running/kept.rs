//! Metrics that keep more than a mean: sums of each output, or the examples themselves.

use std::sync::Arc;

use super::{Metric, SharedFunction, nothing_counts, other_kind, same_kind};
use crate::error::{Error, Here, Result};
use crate::tensor::Tensor;
use crate::train::metrics;

/// [`metrics::r2`] batch by batch: the variance of the targets by Welford's method, which does not subtract large sums.
#[derive(Debug, Clone, Default)]
pub struct RunningR2 {
    outputs: Vec<Output>,
}

/// One of the outputs of a model.
#[derive(Debug, Clone, Default)]
struct Output {
    count: f64,
    mean: f64,
    /// The sum of the squared distances of the targets from their mean.
    spread: f64,
    /// The sum of the squared errors.
    residual: f64,
}

impl Metric for RunningR2 {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if target.is_empty() {
            return Ok(());
        }
        // Whatever is wrong with a batch is wrong with the whole.
        metrics::r2(prediction, target)?;
        let width = target.numel() / target.shape().first().copied().unwrap_or(1);
        if !self.outputs.is_empty() && self.outputs.len() != width {
            let message = format!("a batch of {width} outputs after batches of {}", self.outputs.len());
            return Err(Error::shape("r2", message));
        }
        self.outputs.resize(width, Output::default());
        let pairs = prediction.to_f64_vec().into_iter().zip(target.to_f64_vec());
        for (i, (p, y)) in pairs.enumerate() {
            let output = &mut self.outputs[i % width];
            output.count += 1.0;
            output.residual += (p - y).powi(2);
            let distance = y - output.mean;
            output.mean += distance / output.count;
            output.spread += distance * (y - output.mean);
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        if self.outputs.is_empty() {
            let nothing = Tensor::zeros([0])?;
            return metrics::r2(&nothing, &nothing);
        }
        let of = |output: &Output| match (output.spread == 0.0, output.residual == 0.0) {
            (false, _) => 1.0 - output.residual / output.spread,
            (true, exact) => f64::from(u8::from(exact)),
        };
        Ok(self.outputs.iter().map(of).sum::<f64>() / self.outputs.len() as f64)
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if self.outputs.is_empty() {
            self.outputs.clone_from(&other.outputs);
            return Ok(());
        }
        if !other.outputs.is_empty() && self.outputs.len() != other.outputs.len() {
            let message = format!("a batch of {} outputs after batches of {}", other.outputs.len(), self.outputs.len());
            return Err(Error::shape("r2", message));
        }
        for (a, b) in self.outputs.iter_mut().zip(&other.outputs) {
            // Chan, Golub and LeVeque, 1979.
            let (distance, count) = (b.mean - a.mean, a.count + b.count);
            a.spread += b.spread + distance * distance * (a.count * b.count / count);
            a.mean += distance * (b.count / count);
            a.residual += b.residual;
            a.count = count;
        }
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self::default())
    }
}

/// [`metrics::f1`] batch by batch. It keeps two numbers of each example.
#[derive(Debug, Clone, Default)]
pub struct RunningF1 {
    /// Predicted and actual classes, one number each for an example, whatever the number of classes.
    predicted: Vec<i64>,
    actual: Vec<i64>,
}

impl Metric for RunningF1 {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if nothing_counts(target) {
            return Ok(());
        }
        let (predicted, actual) = metrics::class_pairs("f1", prediction, target)?;
        self.predicted.extend(predicted);
        self.actual.extend(actual);
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        let list = |classes: &[i64]| Tensor::from_vec(classes.to_vec(), [classes.len()]);
        metrics::f1(&list(&self.predicted)?, &list(&self.actual)?)
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        self.predicted.extend(&other.predicted);
        self.actual.extend(&other.actual);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self::default())
    }
}

/// What [`at_once`] makes.
#[derive(Clone)]
pub struct AtOnce {
    function: Arc<SharedFunction>,
    predictions: Vec<Tensor>,
    targets: Vec<Tensor>,
}

/// A function of all predictions at once, which are kept until then: for measures that need their order, such as the area under the
/// ROC curve.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::running::{self, Metric};
///
/// let mut auc = running::at_once(metrics::roc_auc);
/// let mut rest = auc.fresh();
/// auc.update(&tensor![0.1, 0.4], &Tensor::from_nested([0i64, 0])?)?;
/// rest.update(&tensor![0.35, 0.8], &Tensor::from_nested([1i64, 1])?)?;
/// auc.merge(&*rest)?;
/// assert_eq!(auc.value()?, 0.75);
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn at_once(function: impl Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static) -> AtOnce {
    AtOnce { function: Arc::new(function), predictions: Vec::new(), targets: Vec::new() }
}

impl std::fmt::Debug for AtOnce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AtOnce").field("batches", &self.targets.len()).finish_non_exhaustive()
    }
}

impl Metric for AtOnce {
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        self.predictions.push(prediction.detach());
        self.targets.push(target.detach());
        Ok(())
    }

    fn value(&self) -> Result<f64> {
        if self.targets.is_empty() {
            return Err(Error::argument("at_once", "there are no examples"));
        }
        (self.function)(&joined(&self.predictions)?, &joined(&self.targets)?).outside()
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if !Arc::ptr_eq(&self.function, &other.function) {
            return Err(other_kind());
        }
        self.predictions.extend_from_slice(&other.predictions);
        self.targets.extend_from_slice(&other.targets);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self { function: self.function.clone(), predictions: Vec::new(), targets: Vec::new() })
    }
}

/// Batches as one tensor. A single one is not copied.
#[track_caller]
pub(in crate::train) fn joined(parts: &[Tensor]) -> Result<Tensor> {
    match parts {
        [one] => Ok(one.clone()),
        parts => Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0),
    }
}
