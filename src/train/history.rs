//! What happens during training, epoch by epoch and step by step.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The values of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// The steps of the optimizer since training began.
    #[serde(default)]
    pub step: u64,
    /// The mean loss over the training batches, penalties included.
    pub train_loss: f64,
    /// The loss on the validation data, if there are any.
    pub validation_loss: Option<f64>,
    /// The metrics on the validation data (on the training data if there are none), with their names.
    pub metrics: Vec<(String, f64)>,
    /// The learning rate with which the epoch ended.
    pub learning_rate: f64,
    /// How long the epoch took, in seconds.
    pub seconds: f64,
}

impl Epoch {
    /// The exponential of the validation loss (the training loss without validation data): for a language model with a
    /// cross-entropy, how many tokens it hesitates between.
    #[must_use]
    pub fn perplexity(&self) -> f64 {
        self.validation_loss.unwrap_or(self.train_loss).exp()
    }
}

/// What the functions of [`Trainer::every`](super::Trainer::every) are told.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The steps of the optimizer so far, this one included.
    pub step: u64,
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// The training loss of this step, penalties included.
    pub loss: f64,
    /// The mean training loss since the last evaluation, or since the epoch began.
    pub mean_loss: f64,
    /// The learning rate of the next step.
    pub learning_rate: f64,
    /// Seconds since the epoch began.
    pub seconds: f64,
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// After the number of epochs or steps that was asked for.
    Finished,
    /// Because the loss had stopped improving, or a function asked for it.
    StoppedEarly,
}

/// The course of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One entry for each epoch. The last one may have been cut short.
    pub epochs: Vec<Epoch>,
    /// One entry for each evaluation after a [number of steps](super::Trainer::evaluate_every); its training loss is the mean
    /// since the one before, or since the epoch began.
    #[serde(default)]
    pub evaluations: Vec<Epoch>,
    /// The steps of the optimizer.
    #[serde(default)]
    pub steps: u64,
    /// The epoch whose parameters the model was left with.
    pub kept_epoch: usize,
    /// The step whose parameters the model was left with.
    #[serde(default)]
    pub kept_step: u64,
    /// Why training ended.
    pub ended: Ended,
}

impl History {
    /// The training loss of each epoch.
    #[must_use]
    pub fn train_losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|e| e.train_loss).collect()
    }

    /// The validation loss of each epoch that has one.
    #[must_use]
    pub fn validation_losses(&self) -> Vec<f64> {
        self.epochs.iter().filter_map(|e| e.validation_loss).collect()
    }

    /// A metric's value in each epoch.
    #[must_use]
    pub fn metric(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().flat_map(|e| e.metrics.iter().filter(|(n, _)| n == name).map(|(_, value)| *value)).collect()
    }

    /// The last epoch.
    #[must_use]
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs.last()
    }
}

/// One line that says what came out.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(kept) = self.epochs.iter().find(|e| e.epoch == self.kept_epoch) else {
            return f.write_str("no epochs");
        };
        let ended = if self.ended == Ended::StoppedEarly { " (stopped early)" } else { "" };
        write!(f, "{} epochs{ended}, epoch {} kept: {kept}", self.epochs.len(), self.kept_epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {:.4}", self.train_loss)?;
        if let Some(loss) = self.validation_loss {
            write!(f, ", validation {loss:.4}")?;
        }
        for (name, value) in &self.metrics {
            write!(f, ", {name} {value:.4}")?;
        }
        Ok(())
    }
}
