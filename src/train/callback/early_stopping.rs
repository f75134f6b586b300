//! Early stopping as a callback.

use super::watched::watched;
use super::{Callback, Context};
use crate::error::{Error, Result};
use crate::io::Checkpoint;
use crate::train::early_stopping::{EarlyStopping, NAME, Verdict};
use crate::train::history::Epoch;

/// Goes by the validation loss (the training loss where there is none) or a [metric](EarlyStopping::metric), keeps the best parameters, and gives them back to
/// the model at the end. Each run that is not resumed begins anew.
impl Callback for EarlyStopping {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        // The best parameters of an earlier run may be those of another model.
        if !run.is_resumed() {
            self.reset();
        }
        Ok(())
    }

    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        let value = watched(run, "EarlyStopping", record, self.watches())?;
        match self.update_with(value, run.model()) {
            Verdict::Improved => run.keep(),
            Verdict::Waiting => (),
            Verdict::Stop => run.stop(),
        }
        Ok(())
    }

    fn fit_end(&mut self, run: &mut Context<'_>) -> Result<()> {
        let restored = self.restore_best(run.model_mut());
        run.here(restored)
    }

    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        if checkpoint.get_numbers(NAME).is_ok() {
            let message = "a checkpoint has room for one early stopping, there are two";
            return Err(Error::argument("checkpoint", message));
        }
        Ok(checkpoint.early_stopping(self))
    }

    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        saved.restore_early_stopping(self)
    }
}
