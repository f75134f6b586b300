//! How good a model is.

use std::fmt;

use super::diagnosis::{explain_evaluation, with_targets_explained};
use super::run::LOSS;
use super::{Examples, Trainer};
use crate::data::Batches;
use crate::error::{Error, Here, Result};
use crate::layers::Layer;
use crate::tensor::Tensor;
use crate::train::history::Number;
use crate::train::running::{Metric, joined};

/// How a model does on data.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean loss, without penalties.
    pub loss: f64,
    /// The metrics, with their names.
    pub metrics: Vec<(String, f64)>,
}

/// One line: `loss 0.1234, rmse 0.3512`.
impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {}", Number(self.loss))?;
        self.metrics.iter().try_for_each(|(name, value)| write!(f, ", {name} {}", Number(*value)))
    }
}

/// A mean of parts that count differently.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    pub(super) total: f64,
    pub(super) weight: f64,
}

impl Mean {
    /// A part of weight 0 does not count, whatever its value is: that of a batch without targets is NaN.
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        if weight != 0.0 {
            self.total += value * weight;
            self.weight += weight;
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.total += other.total;
        self.weight += other.weight;
    }

    pub(super) fn value(self) -> f64 {
        self.total / self.weight
    }
}

impl Trainer<'_> {
    /// Loss and metrics on the validation data; on the training data, if there are no others and metrics are wanted.
    #[track_caller]
    pub(super) fn evaluate_on_validation<L: Layer>(&self, model: &L, train: &Examples<'_>) -> Result<Evaluation> {
        match self.validation {
            Some(data) => self.evaluate(model, data),
            None if self.metrics.is_empty() => Ok(Evaluation { loss: f64::NAN, metrics: Vec::new() }),
            None => self.evaluate(model, train),
        }
    }

    /// The loss and the metrics of a model on data, in batches of [`batch_size`](Self::batch_size).
    ///
    /// The losses of the batches are averaged by their [counts](crate::losses::Loss::count). Of a batch no more is kept than
    /// the [metrics](super::super::running) need.
    ///
    /// # Errors
    /// If there are no data, no target counts, the shapes do not fit, or the loss is no number because the data have values that
    /// are none.
    #[track_caller]
    pub fn evaluate<L: Layer>(&self, model: &L, data: &Examples<'_>) -> Result<Evaluation> {
        if data.is_empty() {
            return Err(Error::argument("evaluate", "there are no examples"));
        }
        let mut running: Vec<(&str, Box<dyn Metric>)> =
            self.metrics.iter().map(|(name, metric)| (name.as_str(), metric.fresh())).collect();
        let mut mean = Mean::default();
        let (mut first, mut last) = (0, Tensor::zeros([0])?);
        for batch in Batches::new(data, self.batch_size) {
            let (x, y) = batch.within(DATA)?;
            let prediction = model.predict(&x)?;
            let loss = self.loss_of(&prediction, &y)?.item().within(LOSS)?;
            let count = self.loss.count(&y);
            if !loss.is_finite() && count != 0.0 {
                explain_evaluation(loss, &x, &y, first)?;
            }
            mean.add(loss, count);
            for (name, metric) in &mut running {
                at_metric(name, &y, metric.update(&prediction, &y))?;
            }
            first += x.shape().first().copied().unwrap_or(1);
            last = y;
        }
        if mean.weight == 0.0 {
            let help = "look at the ignored class and the weights of classes";
            return Err(Error::numeric("evaluate", "no target counts, so that there is no mean loss").with_help(help));
        }
        let mut metrics = Vec::with_capacity(running.len());
        for (name, metric) in running {
            metrics.push((name.to_string(), at_metric(name, &last, metric.value())?));
        }
        Ok(Evaluation { loss: mean.value(), metrics })
    }

    /// The predictions of a model for all examples of a dataset, in order, and the targets: computed in batches of
    /// [`batch_size`](Self::batch_size), and kept all together.
    ///
    /// # Errors
    /// If there are no data, or the shapes do not fit.
    #[track_caller]
    pub fn predict<L: Layer + ?Sized>(&self, model: &L, data: &Examples<'_>) -> Result<(Tensor, Tensor)> {
        predict_batches(model, data, self.batch_size)
    }
}

/// What a metric says, with its name and the caller's line where it is an error.
#[track_caller]
fn at_metric<T>(name: &str, target: &Tensor, result: Result<T>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(e) => Err(with_targets_explained(e, target).within(format_args!("the metric `{name}` of the Trainer"))),
    }
}

/// The data of an evaluation, in errors.
const DATA: &str = "the data of an evaluation";

/// Examples that [`predict`] sends through the model at a time.
const PREDICT_BATCH: usize = 256;

/// The predictions of a model for all examples of a dataset, in order, and the targets. 256 examples go through the model
/// at a time; [`Trainer::predict`] takes its batch size.
///
/// # Errors
/// If there are no data, or the shapes do not fit.
#[track_caller]
pub fn predict<L: Layer + ?Sized>(model: &L, data: &Examples<'_>) -> Result<(Tensor, Tensor)> {
    predict_batches(model, data, PREDICT_BATCH)
}

#[track_caller]
fn predict_batches<L: Layer + ?Sized>(model: &L, data: &Examples<'_>, size: usize) -> Result<(Tensor, Tensor)> {
    if data.is_empty() {
        return Err(Error::argument("predict", "there are no examples"));
    }
    let (mut predictions, mut targets) = (Vec::new(), Vec::new());
    for batch in Batches::new(data, size) {
        let (x, y) = batch.within("the data of a prediction")?;
        predictions.push(model.predict(&x)?);
        targets.push(y);
    }
    Ok((joined(&predictions)?, joined(&targets)?))
}
