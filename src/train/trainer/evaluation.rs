//! How good a model is.

use super::{Examples, Trainer};
use crate::data::Batches;
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::tensor::Tensor;

/// How a model does on data.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean loss, without penalties.
    pub loss: f64,
    /// The metrics, with their names.
    pub metrics: Vec<(String, f64)>,
}

/// A mean of parts that count differently.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    pub(super) total: f64,
    pub(super) weight: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        self.total += value * weight;
        self.weight += weight;
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

    /// The loss and the metrics of a model on data.
    ///
    /// Metrics need all predictions at once. Without them, there are only those of a batch at a time, and the losses of
    /// the batches are averaged by their [weights](crate::losses::Loss::weight).
    ///
    /// # Errors
    /// If there are no data, or the shapes do not fit.
    #[track_caller]
    pub fn evaluate<L: Layer>(&self, model: &L, data: &Examples<'_>) -> Result<Evaluation> {
        if self.metrics.is_empty() && !data.is_empty() {
            let mut mean = Mean::default();
            for batch in Batches::new(data, self.batch_size) {
                let (x, y) = batch?;
                let loss = self.loss.loss(&model.predict(&x)?, &y)?.item()?;
                mean.add(loss, self.loss.weight(&y));
            }
            return Ok(Evaluation { loss: mean.value(), metrics: Vec::new() });
        }
        let (prediction, target) = predict(model, data)?;
        let loss = self.loss.loss(&prediction, &target)?.item()?;
        let mut metrics = Vec::with_capacity(self.metrics.len());
        for (name, metric) in &self.metrics {
            metrics.push((name.clone(), metric(&prediction, &target)?));
        }
        Ok(Evaluation { loss, metrics })
    }
}

/// Examples that [`predict`] sends through the model at a time.
const PREDICT_BATCH: usize = 1024;

/// The predictions of a model for all examples of a dataset, in order, and the targets.
///
/// # Errors
/// If there are no data, or the shapes do not fit.
#[track_caller]
pub fn predict<L: Layer + ?Sized>(model: &L, data: &Examples<'_>) -> Result<(Tensor, Tensor)> {
    if data.is_empty() {
        return Err(Error::argument("predict", "there are no examples"));
    }
    let (mut predictions, mut targets) = (Vec::new(), Vec::new());
    for batch in Batches::new(data, PREDICT_BATCH) {
        let (x, y) = batch?;
        predictions.push(model.predict(&x)?);
        targets.push(y);
    }
    let join = |parts: &[Tensor]| Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0);
    Ok((join(&predictions)?, join(&targets)?))
}
