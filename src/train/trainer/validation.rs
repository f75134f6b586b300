//! What is measured during a run: with the averages of the parameters, if they are what counts.

use super::Core;
use super::subject::Subject;
use crate::error::Result;
use crate::train::history::Epoch;
use crate::train::mean::Mean;

impl Core {
    /// Measures the model after a number of steps.
    #[track_caller]
    pub(super) fn validate(&mut self, subject: &mut dyn Subject) -> Result<()> {
        self.swap_in(subject)?;
        let measured = self.validate_as_it_is(subject);
        self.swap_out(subject)?;
        measured
    }

    #[track_caller]
    fn validate_as_it_is(&mut self, subject: &mut dyn Subject) -> Result<()> {
        let record = self.measured(self.callbacks.run.recent_loss, subject)?;
        self.callbacks
            .tell(subject.model(), &mut *self.optimizer, &mut |callback, run| callback.validation(run, &record))?;
        self.callbacks.run.history.evaluations.push(record);
        self.callbacks.run.recent_loss = Mean::default();
        Ok(())
    }

    /// Measures the model at the end of an epoch.
    #[track_caller]
    pub(super) fn end_epoch(&mut self, subject: &mut dyn Subject) -> Result<()> {
        self.swap_in(subject)?;
        let measured = self.end_epoch_as_it_is(subject);
        self.swap_out(subject)?;
        measured
    }

    #[track_caller]
    fn end_epoch_as_it_is(&mut self, subject: &mut dyn Subject) -> Result<()> {
        let run = &self.callbacks.run;
        let record = match run.history.evaluations.last() {
            // Measured at this very step.
            Some(last) if last.step == run.step => {
                Epoch { train_loss: run.epoch_loss.value(), seconds: run.seconds(), ..last.clone() }
            }
            _ => self.measured(run.epoch_loss, subject)?,
        };
        if self.options.evaluate_every.is_none() {
            self.callbacks
                .tell(subject.model(), &mut *self.optimizer, &mut |callback, run| callback.validation(run, &record))?;
        }
        self.callbacks.tell_epoch_end(subject.model(), &mut *self.optimizer, record)
    }

    /// The state of things at the end of an epoch, or of some steps.
    #[track_caller]
    fn measured(&self, train_loss: Mean, subject: &dyn Subject) -> Result<Epoch> {
        let run = &self.callbacks.run;
        let seconds = run.seconds();
        let mut evaluation = self.evaluate_on_validation(subject)?;
        evaluation.metrics.extend(self.optimizer.reports());
        Ok(Epoch {
            epoch: run.epoch,
            step: run.step,
            train_loss: train_loss.value(),
            validation_loss: subject.validation().map(|_| evaluation.loss),
            metrics: evaluation.metrics,
            learning_rate: self.optimizer.learning_rate(),
            seconds,
        })
    }
}
