//! The loss of a step, for optimizers that compute it more than once.

use super::run::{PENALTY, Sum};
use super::subject::{Subject, TRAINING};
use crate::autograd::Gradients;
use crate::data::Cursor;
use crate::error::{Here, Result};
use crate::layers::Module;
use crate::optimizers;
use crate::regularizers::Penalty;
use crate::rng::Rng;
use crate::train::task::LOSS;

/// Some batches, on which the model has been once.
pub(super) struct Repeat<'s> {
    pub(super) subject: &'s mut dyn Subject,
    pub(super) penalties: &'s [Box<dyn Penalty>],
    pub(super) batches: &'s mut Cursor,
    /// Where the batches begin, and how many they are.
    pub(super) from: usize,
    pub(super) count: usize,
    /// The generator as it was before the first time.
    pub(super) rng: Rng,
    /// What the first time gave, until it is asked for.
    pub(super) first: Option<(f64, Gradients)>,
}

impl optimizers::Objective for Repeat<'_> {
    fn model(&mut self) -> &mut dyn Module {
        self.subject.model()
    }

    #[track_caller]
    fn gradients(&mut self) -> Result<(f64, Gradients)> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let mut rng = self.rng.clone();
        let mut sum = Sum::default();
        self.batches.seek(self.from);
        for _ in 0..self.count {
            let Some(pick) = self.batches.next() else { break };
            let objective = self.subject.again(&pick.within(TRAINING)?, &mut rng).here()?;
            if objective.count == 0.0 {
                continue;
            }
            let mut loss = objective.loss;
            for penalty in self.penalties {
                let penalty = penalty.penalty(self.subject.model()).within(PENALTY)?;
                loss = loss.add(&penalty).within(PENALTY)?;
            }
            let value = loss.item().within(LOSS)?;
            sum.add(value, loss.backward().within(LOSS)?, objective.count)?;
        }
        sum.mean().ok_or_else(|| crate::error::bug!("fit", "nothing counts in batches that counted before"))
    }
}
