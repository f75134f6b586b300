//! What a callback sees of a run.

use std::any::Any;
use std::panic::Location;

use super::run::Run;
use crate::error::{Error, Result};
use crate::layers::Module;
use crate::optimizers::Optimizer;
use crate::train::history::History;

/// A model whose type can be asked for.
pub(in crate::train) trait Model: Module + Any {}
impl<M: Module + Any> Model for M {}

/// The run that a [`Callback`](super::Callback) is called in: its model and optimizer, and where it has got to.
pub struct Context<'c> {
    pub(in crate::train) model: &'c mut dyn Model,
    pub(in crate::train) optimizer: &'c mut dyn Optimizer,
    pub(in crate::train) run: &'c mut Run,
    /// The line of the program that errors point to.
    pub(in crate::train) line: &'static Location<'static>,
}

impl Context<'_> {
    /// The model.
    #[must_use]
    pub fn model(&self) -> &dyn Module {
        &*self.model
    }

    /// The model, to be changed.
    #[must_use]
    pub fn model_mut(&mut self) -> &mut dyn Module {
        &mut *self.model
    }

    /// The model as what it is; `None` if it is of another type.
    #[must_use]
    pub fn model_as<M: Module + 'static>(&self) -> Option<&M> {
        let model: &dyn Any = &*self.model;
        model.downcast_ref()
    }

    /// The optimizer.
    #[must_use]
    pub fn optimizer(&mut self) -> &mut dyn Optimizer {
        &mut *self.optimizer
    }

    /// Model and optimizer together.
    #[must_use]
    pub fn parts(&mut self) -> (&mut dyn Module, &mut dyn Optimizer) {
        (&mut *self.model, &mut *self.optimizer)
    }

    /// An interval of steps has to be at least 1.
    #[track_caller]
    pub(super) fn check_interval(&self, steps: u64) -> Result<()> {
        match steps {
            0 => self.here(Err(Error::argument("fit", "an interval of steps is 0, expected at least 1"))),
            _ => Ok(()),
        }
    }

    /// The number of the present epoch, from 1.
    #[must_use]
    pub fn epoch(&self) -> usize {
        self.run.epoch
    }

    /// The steps of the optimizer so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.run.step
    }

    /// What was measured so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.run.history
    }

    /// Whether the run goes on from a checkpoint.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.run.is_resumed
    }

    /// Whether the present event is the end of an epoch.
    #[must_use]
    pub fn is_epoch_end(&self) -> bool {
        self.run.is_epoch_end
    }

    /// Whether all batches of the epoch were used: one that is cut short by a number of steps has an end as well.
    #[must_use]
    pub fn is_epoch_complete(&self) -> bool {
        self.run.is_epoch_complete
    }

    /// Whether the run ends here, as far as that is known: someone has asked for it, or it is complete.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.run.ends || self.run.stop
    }

    /// Ends the run after the present step or epoch.
    pub fn stop(&mut self) {
        self.run.stop = true;
    }

    /// Notes that the model's present parameters are those that it will be left with: by
    /// [`History::kept_epoch`] and [`History::kept_step`]. Whoever calls this gives them back to the model at the
    /// [end](super::Callback::fit_end).
    pub fn keep(&mut self) {
        self.run.kept = Some((self.run.epoch, self.run.step));
    }

    /// Says something where the progress is said: as a line, or as a message of the dashboard. Without [`Progress`](super::Progress) it is
    /// said to nobody.
    pub fn say(&mut self, text: impl AsRef<str>) {
        if let Some(speaker) = &mut self.run.speaker {
            speaker.say(text.as_ref());
        }
    }

    /// Runs a function that prints, without a progress bar in its way.
    pub fn suspended<T>(&self, f: impl FnOnce() -> T) -> T {
        self.run.suspended(f)
    }

    /// A result whose error points to the line of the program that called the run: what is called through a `dyn` trait
    /// does not know it.
    #[track_caller]
    pub(in crate::train) fn here<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|e| e.at(self.line))
    }

    /// The same, and says what was called.
    #[track_caller]
    pub(in crate::train) fn within<T>(&self, result: Result<T>, caller: &str) -> Result<T> {
        self.here(result.map_err(|e| e.within(caller)))
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("epoch", &self.run.epoch).field("steps", &self.run.step).finish_non_exhaustive()
    }
}
