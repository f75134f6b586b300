//! Functions as callbacks.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::{Callback, Context};
use crate::count::IntoCount;
use crate::error::{Error, Result};
use crate::layers::Module;
use crate::train::history::{Epoch, StepReport, is_due};

/// Called after each epoch.
type AtEpoch = dyn FnMut(&Epoch, &dyn Module) -> Result<ControlFlow<()>> + Send;
/// Called after numbers of steps. Whoever made it knows the model's type.
type AtStep = dyn FnMut(&StepReport, &Context<'_>) -> Result<ControlFlow<()>> + Send;

/// What [`after_epoch`] makes.
pub struct AfterEpoch(Box<AtEpoch>);

/// What [`every`] makes, for models of type `M`.
pub struct Every<M> {
    steps: u64,
    function: Box<AtStep>,
    model: PhantomData<fn(&M)>,
}

impl std::fmt::Debug for AfterEpoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AfterEpoch")
    }
}

impl<M> std::fmt::Debug for Every<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Every({})", self.steps)
    }
}

/// Calls a function after each epoch. The run ends when it returns [`ControlFlow::Break`].
#[must_use]
pub fn after_epoch(
    function: impl FnMut(&Epoch, &dyn Module) -> Result<ControlFlow<()>> + Send + 'static,
) -> AfterEpoch {
    AfterEpoch(Box::new(function))
}

/// Calls a function after every `steps` steps, for example to print a sample of a language model. The function names the
/// type of the model. The run ends when it returns [`ControlFlow::Break`].
#[must_use]
pub fn every<M: Module + 'static>(
    steps: impl IntoCount,
    mut function: impl FnMut(&StepReport, &M) -> Result<ControlFlow<()>> + Send + 'static,
) -> Every<M> {
    let typed = move |report: &StepReport, run: &Context<'_>| match run.model_as::<M>() {
        Some(model) => function(report, model),
        None => run.here(Err(not_a(std::any::type_name::<M>()))),
    };
    Every { steps: steps.into_count(), function: Box::new(typed), model: PhantomData }
}

fn not_a(name: &str) -> Error {
    Error::argument("every", format!("the function takes a {name}, the model is something else"))
        .with_help("give it the type that is trained")
}

impl Callback for AfterEpoch {
    fn epoch_end(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        let seen = &*run;
        if seen.suspended(|| (self.0)(record, seen.model()))?.is_break() {
            run.stop();
        }
        Ok(())
    }
}

impl<M> Callback for Every<M> {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        run.check_interval(self.steps)
    }

    fn batch_end(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        let seen = &*run;
        if is_due(self.steps, report.step) && seen.suspended(|| (self.function)(report, seen))?.is_break() {
            run.stop();
        }
        Ok(())
    }
}
