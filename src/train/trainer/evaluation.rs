//! How good a model is.

use std::fmt;

use super::subject::{Measurable, Measured, Subject};
use super::together::Judged;
use super::{Core, Examples, Trainer};
use crate::autograd;
use crate::data::{Batches, Cursor, Pick};
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, LayerExt, Module};
use crate::tensor::Tensor;
use crate::train::diagnosis::{self, with_targets_explained};
use crate::train::history::Number;
use crate::train::mean::Mean;
use crate::train::running::{Metric, joined};
use crate::train::task::{LOSS, Task};

/// How a model does on data.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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

impl Evaluation {
    /// A loss, for a loop of your own.
    #[must_use]
    pub fn new(loss: f64) -> Self {
        Self { loss, metrics: Vec::new() }
    }

    /// Adds a metric.
    #[must_use]
    pub fn with_metric(mut self, name: impl Into<String>, value: f64) -> Self {
        self.metrics.push((name.into(), value));
        self
    }
}

impl<T, B: Send> Trainer<'_, T, B> {
    /// The loss and the metrics of a model on data, in batches of [`batch_size`](Self::batch_size).
    ///
    /// The losses of the batches are averaged by their [counts](crate::losses::Loss::count). Of a batch no more is kept than
    /// the [metrics](super::super::running) need.
    ///
    /// # Errors
    /// If there are no data, no target counts, the shapes do not fit, or the loss is no number because the data have values that
    /// are none.
    #[track_caller]
    pub fn evaluate<M: Module>(&self, model: &M, data: &Examples<'_, B>) -> Result<Evaluation>
    where
        T: Task<M, B>,
    {
        self.core.evaluate(&Measured { model, task: &self.task, data, rows: None })
    }
}

impl Core {
    /// Loss and metrics on the validation data; on the training data, if there are no others and metrics are wanted.
    #[track_caller]
    pub(super) fn evaluate_on_validation(&self, subject: &dyn Subject) -> Result<Evaluation> {
        match subject.validation() {
            Some(data) => self.evaluate(&*data),
            None if self.metrics.is_empty() => Ok(Evaluation::new(f64::NAN)),
            None => self.evaluate(&*subject.trained_on()),
        }
    }

    #[track_caller]
    fn evaluate(&self, data: &dyn Measurable) -> Result<Evaluation> {
        if data.examples() == 0 {
            return Err(Error::argument("evaluate", "there are no examples"));
        }
        let mut running: Vec<(&str, Box<dyn Metric>)> =
            self.metrics.iter().map(|(name, metric)| (name.as_str(), metric.fresh())).collect();
        let each = self.optimizer.sampled().is_some();
        let mut mean = Mean::default();
        let mut last = None;
        let mut batches = Cursor::new(data.examples(), self.options.batch_size);
        loop {
            let judged = self.judged(&mut batches, &|pick| judge(data, pick, each)).here()?;
            if judged.is_empty() {
                break;
            }
            for Judged { loss, count, outputs } in judged {
                mean.add(loss, count);
                let Some((prediction, target)) = outputs else {
                    let Some((name, _)) = running.first() else { continue };
                    let message = format!("the task has no outputs for the metric `{name}`");
                    return Err(Error::argument("evaluate", message).with_help(OUTPUTS));
                };
                for (name, metric) in &mut running {
                    at_metric(name, &target, metric.update(&prediction, &target))?;
                }
                last = Some(target);
            }
        }
        if mean.weight == 0.0 {
            let help = "look at the ignored class and the weights of classes";
            return Err(Error::numeric("evaluate", "no target counts, so that there is no mean loss").with_help(help));
        }
        let mut evaluation = Evaluation::new(mean.value());
        for (name, metric) in running {
            let value = metric.value();
            let value = match &last {
                Some(target) => at_metric(name, target, value)?,
                None => value.here()?,
            };
            if value.is_nan() && evaluation.loss.is_finite() {
                let loss = Number(evaluation.loss);
                let message = format!("the metric `{name}` is NaN, though the loss is {loss}");
                return Err(Error::numeric("evaluate", message).with_help(UNDEFINED));
            }
            evaluation.metrics.push((name.to_string(), value));
        }
        Ok(evaluation)
    }
}

/// Loss and outputs of a batch.
#[track_caller]
fn judge(data: &dyn Measurable, pick: &Pick<'_>, each: bool) -> Result<Judged> {
    let objective = {
        let _unrecorded = autograd::pause_recording();
        data.measure(pick).here()?
    };
    // Of losses of single examples, their mean.
    let loss = if each { objective.loss.mean() } else { objective.loss };
    let (loss, count) = (loss.item().within(LOSS)?, objective.count);
    if !loss.is_finite()
        && count != 0.0
        && let Some(found) = data.diagnose(pick)
    {
        return Err(diagnosis::in_evaluation(loss, &found));
    }
    Ok(Judged { loss, count, outputs: objective.outputs })
}

/// The help where a task gives nothing to compute metrics of.
const OUTPUTS: &str = "add them: Objective::new(loss, count).with_outputs(prediction, target)";

/// The help where a metric has no value.
const UNDEFINED: &str =
    "it is undefined on these data, or divides by something that is 0 in them: take more data, or another metric";

impl<T, B> Trainer<'_, T, B> {
    /// The predictions of a model for all examples of a dataset, in order, and the targets: computed in batches of
    /// [`batch_size`](Self::batch_size), and kept all together.
    ///
    /// # Errors
    /// If there are no data, or the shapes do not fit.
    #[track_caller]
    pub fn predict<L: Layer + ?Sized>(&self, model: &L, data: &Examples<'_>) -> Result<(Tensor, Tensor)> {
        predict_batches(model, data, self.core.options.batch_size)
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
