//! Learning rate schedules as callbacks.

use super::{Callback, Context};
use crate::error::{Error, Result};
use crate::io::Checkpoint;
use crate::optimizers::schedule::Schedule;
use crate::train::history::{Epoch, StepReport};

/// What is called, in errors.
const SCHEDULE: &str = "the schedule of the Trainer";

/// A [`Schedule`] that changes the learning rate after each step of the optimizer, or after each epoch.
pub struct Scheduled {
    schedule: Box<dyn Schedule>,
    per_step: bool,
}

impl Scheduled {
    /// Changes the learning rate after each complete epoch. Schedules that look at a loss get the validation loss, or the
    /// training loss without validation data.
    #[must_use]
    pub fn per_epoch(schedule: impl Schedule + 'static) -> Self {
        Self { schedule: Box::new(schedule), per_step: false }
    }

    /// Changes the learning rate after each step.
    #[must_use]
    pub fn per_step(schedule: impl Schedule + 'static) -> Self {
        Self { schedule: Box::new(schedule), per_step: true }
    }
}

impl std::fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduled").field("per_step", &self.per_step).finish_non_exhaustive()
    }
}

impl Callback for Scheduled {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        if run.is_resumed() {
            return Ok(());
        }
        let started = self.schedule.start(run.optimizer());
        run.within(started, SCHEDULE)
    }

    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        if !self.per_step {
            return Ok(());
        }
        let stepped = self.schedule.step(run.optimizer(), report.loss);
        run.within(stepped, SCHEDULE)
    }

    fn epoch_end(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        if self.per_step || !run.is_epoch_complete() {
            return Ok(());
        }
        let stepped = self.schedule.step(run.optimizer(), record.validation_loss.unwrap_or(record.train_loss));
        run.within(stepped, SCHEDULE)
    }

    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        if checkpoint.has_schedule() {
            let message = "a checkpoint has room for one schedule, there are two";
            return Err(Error::argument("checkpoint", message));
        }
        Ok(checkpoint.schedule(&*self.schedule))
    }

    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        saved.restore_schedule(&mut *self.schedule)
    }
}
