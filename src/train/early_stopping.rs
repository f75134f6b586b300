//! Stopping when there is no improvement any more.

use crate::config::configurable;
use crate::error::{Error, Result};
use crate::io::{Checkpoint, load_named, slots};
use crate::layers::Module;
use crate::optimizers::options::not_negative;
use crate::tensor::Tensor;

/// The values of all parameters and buffers of a model, by path.
///
/// Taking a snapshot copies nothing: the values are shared until training changes the model's.
#[derive(Debug, Clone)]
pub struct Snapshot {
    values: Vec<(String, Tensor)>,
}

impl Snapshot {
    /// The present values of a model.
    #[must_use]
    pub fn of<M: Module + ?Sized>(model: &M) -> Self {
        Self { values: slots(model) }
    }

    /// Gives a model the values back, each to the parameter or buffer of its path. After an error the model is as before.
    ///
    /// # Errors
    /// If the snapshot is of a model of another structure: the message lists what is missing, unexpected and misshapen.
    #[track_caller]
    pub fn restore<M: Module + ?Sized>(&self, model: &mut M) -> Result<()> {
        const HELP: &str = "a snapshot belongs to the model that it was taken of, or to a clone";
        load_named(model, "restore", "the snapshot", &self.values, HELP)
    }
}

/// Whether to go on training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum Verdict {
    /// The value is the best so far.
    Improved,
    /// It is not, but there is patience left.
    Waiting,
    /// There has been no improvement for too long.
    Stop,
}

/// Stops training when a value, usually the validation loss, has not improved for some epochs, and remembers the best
/// parameters. Works in the [`Trainer`](super::Trainer) and in a loop of your own. Its options serialise with `serde`, what it
/// remembers does not.
///
/// ```
/// use demotic::train::{EarlyStopping, Verdict};
///
/// let mut stopping = EarlyStopping::new(2);
/// assert_eq!(stopping.update(1.0), Verdict::Improved);
/// assert_eq!(stopping.update(1.1), Verdict::Waiting);
/// assert_eq!(stopping.update(1.2), Verdict::Stop);
/// ```
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    patience: usize,
    min_delta: f64,
    maximize: bool,
    metric: Option<String>,
    best: Option<f64>,
    waited: usize,
    snapshot: Option<Snapshot>,
}

configurable!(
    EarlyStopping { patience: required, min_delta, maximize, metric; state best, waited, snapshot } = Self::new(0), check
);

impl EarlyStopping {
    /// Stops when `patience` values in a row have brought no improvement. Smaller values are better.
    #[must_use]
    pub fn new(patience: usize) -> Self {
        Self { patience, min_delta: 0.0, maximize: false, metric: None, best: None, waited: 0, snapshot: None }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("EarlyStopping", "min_delta", self.min_delta)
    }

    /// Only changes by more than `delta` count as improvements.
    #[must_use]
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.min_delta = delta.abs();
        self
    }

    /// Larger values are better.
    #[must_use]
    pub fn maximize(mut self) -> Self {
        self.maximize = true;
        self
    }

    /// Goes by a metric of the run in place of the validation loss, where it is used as a callback. Where larger values are better,
    /// [`maximize`](Self::maximize) says so.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>) -> Self {
        self.metric = Some(name.into());
        self
    }

    pub(super) fn watches(&self) -> Option<&str> {
        self.metric.as_deref()
    }

    /// Takes the next value. NaN never counts as an improvement.
    pub fn update(&mut self, value: f64) -> Verdict {
        let improved = match self.best {
            None => !value.is_nan(),
            Some(best) if self.maximize => value > best + self.min_delta,
            Some(best) => value < best - self.min_delta,
        };
        if improved {
            self.best = Some(value);
            self.waited = 0;
            return Verdict::Improved;
        }
        self.waited = self.waited.saturating_add(1);
        if self.waited >= self.patience { Verdict::Stop } else { Verdict::Waiting }
    }

    /// Takes the next value, and remembers the model's parameters if it is the best.
    pub fn update_with<M: Module + ?Sized>(&mut self, value: f64, model: &M) -> Verdict {
        let verdict = self.update(value);
        if verdict == Verdict::Improved {
            self.snapshot = Some(Snapshot::of(model));
        }
        verdict
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        (self.best, self.waited, self.snapshot) = (None, 0, None);
    }

    /// The best value so far.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Gives the model the parameters of the best value. Without any, it stays as it is.
    ///
    /// # Errors
    /// If the model is of another structure than the one remembered.
    #[track_caller]
    pub fn restore_best<M: Module + ?Sized>(&self, model: &mut M) -> Result<()> {
        self.snapshot.as_ref().map_or(Ok(()), |snapshot| snapshot.restore(model))
    }
}

/// The name under which a checkpoint keeps the best value, how many have come since, and the best parameters.
pub(super) const NAME: &str = "early_stopping";

/// Early stopping.
impl Checkpoint {
    /// The best value so far, the patience used up, and the parameters of the best value.
    #[must_use]
    pub fn early_stopping(self, stopping: &EarlyStopping) -> Self {
        let best = stopping.best.unwrap_or(f64::NAN);
        let checkpoint = self.numbers(NAME, [best, stopping.waited as f64]);
        match &stopping.snapshot {
            Some(snapshot) => checkpoint.tensors(NAME, snapshot.values.iter().cloned()),
            None => checkpoint,
        }
    }

    /// Goes on from a saved state; patience and the other options are not part of it.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn restore_early_stopping(&self, stopping: &mut EarlyStopping) -> Result<()> {
        let numbers = self.get_numbers(NAME)?;
        let &[best, waited] = numbers else {
            return Err(Error::format(NAME, format!("{} numbers, expected 2", numbers.len())));
        };
        stopping.best = (!best.is_nan()).then_some(best);
        stopping.waited = waited as usize;
        stopping.snapshot = self.get_tensors(NAME).ok().map(|values| Snapshot { values: values.to_vec() });
        Ok(())
    }
}
