//! Constraints as callbacks.

use super::{Callback, Context};
use crate::error::Result;
use crate::regularizers::Constraint;
use crate::train::history::StepReport;

/// Enforces a constraint after each step.
pub(in crate::train) struct Constrain(pub(in crate::train) Box<dyn Constraint>);

impl Callback for Constrain {
    fn step(&mut self, run: &mut Context<'_>, _: &StepReport) -> Result<()> {
        let applied = self.0.apply(run.model_mut());
        run.within(applied, "a constraint of the Trainer")
    }
}
