//! Checkpoints as a callback.

use super::{Callback, Context};
use crate::count::IntoCount;
use crate::error::Result;
use crate::io::CheckpointFolder;
use crate::train::history::is_due;
use crate::train::stop::CtrlC;

/// Saves a checkpoint of the run in a folder after each epoch, or after numbers of steps, and at the end.
///
/// While a run has one, Ctrl-C ends it with a checkpoint: see [`Trainer`](crate::train::Trainer#interruptions).
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: CheckpointFolder,
    every: Option<u64>,
}

impl Checkpoints {
    /// Saves in a folder after each epoch.
    #[must_use]
    pub fn new(folder: CheckpointFolder) -> Self {
        Self { folder, every: None }
    }

    /// Saves after every so many steps instead.
    #[must_use]
    pub fn every(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.every = Some(steps);
        self
    }
}

impl Callback for Checkpoints {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        run.check_interval(self.every.unwrap_or(1))?;
        run.run.ctrl_c = Some(CtrlC::heed());
        Ok(())
    }

    fn checkpoint(&self, run: &Context<'_>) -> Option<&CheckpointFolder> {
        let due = match self.every {
            None => run.is_epoch_end(),
            Some(every) => is_due(every, run.steps()),
        };
        (due || run.ends()).then_some(&self.folder)
    }
}
