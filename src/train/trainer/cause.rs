//! Why a step has failed.

use super::Core;
use super::run::Position;
use super::subject::Subject;
use crate::error::{Error, ErrorKind};
use crate::layers::{Module, ModuleExt};
use crate::rng::Rng;
use crate::train::callback::{FiniteOutputs, wrong_parameter};
use crate::train::diagnosis;
use crate::train::early_stopping::Snapshot;

impl Core {
    /// An error of numbers in a step, with what is wrong with the data that it was made on, with the parameters, or with the output of a
    /// layer. `rng` is the generator as it was before the step.
    #[track_caller]
    pub(super) fn explain(&self, e: Error, position: &Position, subject: &mut dyn Subject, rng: Rng) -> Error {
        if e.kind() == ErrorKind::Gradient && is_frozen(subject.model().as_module()) {
            return diagnosis::frozen(e);
        }
        if e.kind() != ErrorKind::Numeric {
            return e;
        }
        if let Some(found) = self.in_data(position, subject) {
            return diagnosis::because(e, &found);
        }
        if e.op() != "fit" {
            // It is not the loss, so that all outputs were numbers.
            return e;
        }
        if let Some((path, value)) = wrong_parameter(subject.model()) {
            return diagnosis::seen(e, &format!("the parameter `{path}` is {value} already"));
        }
        match self.in_outputs(position, subject, rng) {
            Some(found) => diagnosis::seen(e, &format!("{found}, the first that is not finite")),
            None => e,
        }
    }

    fn in_data(&self, position: &Position, subject: &dyn Subject) -> Option<String> {
        let mut batches = self.batches(position, subject).ok()?;
        let data = subject.trained_on();
        for _ in 0..self.options.accumulate {
            let Some(Ok(pick)) = batches.next() else { break };
            if let Some(found) = data.diagnose(&pick) {
                return Some(found);
            }
        }
        None
    }

    /// The first output that is no number when the batches of the step go through the model once more.
    fn in_outputs(&self, position: &Position, subject: &mut dyn Subject, mut rng: Rng) -> Option<String> {
        let mut batches = self.batches(position, subject).ok()?;
        // Running statistics must not count the examples twice.
        let before = Snapshot::of(subject.model());
        let mut outputs = FiniteOutputs::new();
        for _ in 0..self.options.accumulate {
            let Some(Ok(pick)) = batches.next() else { break };
            let heard = subject.heard(&pick, &mut rng, &mut outputs);
            if heard.is_err() || outputs.first().is_some() {
                break;
            }
        }
        // They were its own.
        let _ = before.restore(subject.model());
        outputs.first().map(String::from)
    }
}

/// Whether a model has parameters, and all of them are frozen.
fn is_frozen(model: &dyn Module) -> bool {
    let parameters = model.named_parameters();
    !parameters.is_empty() && parameters.iter().all(|(_, param)| !param.is_tracked())
}
