//! Sizes and numbers of a trainer.

use crate::config::configurable;
use crate::error::{Error, Result};
use crate::train::callback::Plan;

/// The sizes and numbers of a [`Trainer`](super::Trainer), all of which it has methods for, as one value: for a program whose
/// configuration is in a file, which `serde` reads and refuses where it makes no sense.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::TrainerOptions;
///
/// let options: TrainerOptions = serde_json::from_str(r#"{"epochs": 3, "batch_size": 64, "drop_last": true}"#)?;
/// let trainer = Trainer::new(losses::mse, Adam::new(1e-3)).with_options(options);
/// let e = serde_json::from_str::<TrainerOptions>(r#"{"batchsize": 64}"#).unwrap_err();
/// assert_eq!(e.to_string(), "TrainerOptions: `batchsize` is no option of it (did you mean `batch_size`?)");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrainerOptions {
    /// See [`Trainer::epochs`](super::Trainer::epochs).
    pub epochs: Option<usize>,
    /// See [`Trainer::max_steps`](super::Trainer::max_steps).
    pub max_steps: Option<u64>,
    /// See [`Trainer::batch_size`](super::Trainer::batch_size). Default 32.
    pub batch_size: usize,
    /// See [`Trainer::accumulate`](super::Trainer::accumulate). Default 1.
    pub accumulate: usize,
    /// See [`Trainer::drop_last`](super::Trainer::drop_last).
    pub drop_last: bool,
    /// See [`Trainer::evaluate_every`](super::Trainer::evaluate_every).
    pub evaluate_every: Option<u64>,
    /// See [`Trainer::checkpoint_every`](super::Trainer::checkpoint_every).
    pub checkpoint_every: Option<u64>,
    /// See [`Trainer::evaluate_averages`](super::Trainer::evaluate_averages).
    pub evaluate_averages: bool,
    /// See [`Trainer::steps_per_epoch`](super::Trainer::steps_per_epoch).
    pub steps_per_epoch: Option<u64>,
    /// See [`Trainer::validation_split`](super::Trainer::validation_split).
    pub validation_split: Option<f64>,
    /// See [`Trainer::memory_limit`](super::Trainer::memory_limit).
    pub memory_limit: Option<u64>,
    /// See [`Trainer::prefetch`](super::Trainer::prefetch). Default 0.
    pub prefetch: usize,
}

configurable!(
    TrainerOptions {
        epochs,
        max_steps,
        batch_size,
        accumulate,
        drop_last,
        evaluate_every,
        checkpoint_every,
        evaluate_averages,
        steps_per_epoch,
        validation_split,
        memory_limit,
        prefetch
    },
    check
);

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            epochs: None,
            max_steps: None,
            batch_size: 32,
            accumulate: 1,
            drop_last: false,
            evaluate_every: None,
            checkpoint_every: None,
            evaluate_averages: false,
            steps_per_epoch: None,
            validation_split: None,
            memory_limit: None,
            prefetch: 0,
        }
    }
}

/// The error about a number that is 0.
#[track_caller]
pub(super) fn zero<T>(what: &str) -> Result<T> {
    Err(Error::argument("fit", format!("{what} is 0, expected at least 1")))
}

impl TrainerOptions {
    #[track_caller]
    fn check(&self) -> Result<()> {
        if self.batch_size == 0 {
            return zero("the batch size");
        }
        self.check_numbers()
    }

    /// What a run checks before it begins; the size of batches is checked where batches are made.
    #[track_caller]
    pub(super) fn check_numbers(&self) -> Result<()> {
        if self.epochs == Some(0) {
            return zero("the number of epochs");
        }
        if self.max_steps == Some(0) {
            return zero("the number of steps");
        }
        if self.accumulate == 0 {
            return zero("the number of batches to accumulate");
        }
        if self.evaluate_every == Some(0) || self.checkpoint_every == Some(0) {
            return zero("an interval of steps");
        }
        if self.steps_per_epoch == Some(0) {
            return zero("the number of steps per epoch");
        }
        match self.validation_split {
            Some(fraction) if !(fraction > 0.0 && fraction < 1.0) => {
                let message = format!("validation_split is {fraction}, expected more than 0 and less than 1");
                Err(Error::argument("fit", message))
            }
            _ => Ok(()),
        }
    }

    /// The last epoch and the last step.
    pub(super) fn limits(&self) -> (usize, u64) {
        let default = if self.max_steps.is_some() { usize::MAX } else { 10 };
        (self.epochs.unwrap_or(default), self.max_steps.unwrap_or(u64::MAX))
    }

    /// How far the run goes if nothing stops it early.
    pub(super) fn plan(&self, examples: usize) -> Plan {
        let size = self.batch_size.max(1);
        let batches = if self.drop_last { examples / size } else { examples.div_ceil(size) };
        let (epochs, max_steps) = self.limits();
        let in_epoch = (batches.div_ceil(self.accumulate) as u64).min(self.steps_per_epoch.unwrap_or(u64::MAX));
        let steps = in_epoch.saturating_mul(epochs as u64).min(max_steps);
        let by_steps = self.max_steps.is_some() || self.evaluate_every.is_some();
        Plan { epochs, steps, by_steps, evaluates_steps: self.evaluate_every.is_some() }
    }
}
