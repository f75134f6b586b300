//! Averages of the parameters in place of the parameters.

use super::Core;
use super::subject::Subject;
use crate::error::{Error, Result};

impl Core {
    #[track_caller]
    pub(super) fn check_averages(&mut self) -> Result<()> {
        if self.options.evaluate_averages && self.optimizer.averages().is_none() {
            return Err(Error::argument("fit", "evaluate_averages, but the optimizer keeps no averages")
                .with_help("put it into one that does: optimizers::Averaged::ema(optimizer, 0.999)"));
        }
        Ok(())
    }

    /// Gives the model the averages, if it is to be measured and kept with them and there are any.
    #[track_caller]
    pub(super) fn swap_in(&mut self, subject: &mut dyn Subject) -> Result<()> {
        match self.optimizer.averages() {
            Some(averages) if self.options.evaluate_averages && averages.count() > 0 && !averages.is_swapped() => {
                averages.swap(subject.model())
            }
            _ => Ok(()),
        }
    }

    /// Gives the model its own values back, if it holds the averages.
    #[track_caller]
    pub(super) fn swap_out(&mut self, subject: &mut dyn Subject) -> Result<()> {
        match self.optimizer.averages() {
            Some(averages) if averages.is_swapped() => averages.swap(subject.model()),
            _ => Ok(()),
        }
    }
}
