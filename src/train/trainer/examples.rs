//! Steps of optimizers that take the loss of each example.

use super::Core;
use super::run::{Position, Step, not_finite};
use super::subject::{Subject, TRAINING};
use crate::data::Cursor;
use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::train::task::LOSS;

impl Core {
    /// Such an optimizer counts on batches that each example is in by chance, and on nothing else being added to their gradients.
    #[track_caller]
    pub(super) fn check_by_example(&self, subject: &dyn Subject) -> Result<()> {
        let Some((examples, chance)) = self.optimizer.sampled() else { return Ok(()) };
        let what = [
            (self.parallel.is_some(), "share them among ranks"),
            (self.options.accumulate > 1, "accumulate batches"),
            (self.options.drop_last, "drop the last batch"),
            (!self.penalties.is_empty(), "add a penalty"),
        ];
        if let Some((_, what)) = what.iter().find(|(is_asked, _)| *is_asked) {
            let message = format!("the optimizer takes the loss of each example, so that the Trainer cannot {what}");
            return Err(Error::argument("fit", message));
        }
        let drawn = self.sampler(subject).and_then(|sampler| sampler.chance());
        let there = subject.examples();
        if there == examples && drawn == Some(chance) {
            return Ok(());
        }
        let drawn = drawn.map_or("in batches of one size".to_string(), |chance| format!("with a chance of {chance}"));
        let message = format!(
            "the optimizer counts on {examples} examples that are in a batch with a chance of {chance}, and there are {there} {drawn}"
        );
        Err(Error::argument("fit", message).with_help(
            "Trainer::sampler takes the PoissonSampler that the optimizer was made with, of as many examples",
        ))
    }

    /// One step on a batch, which may be empty; of such a batch the step has a loss of weight 0.
    #[track_caller]
    pub(super) fn step_by_example(
        &mut self,
        position: &Position,
        subject: &mut dyn Subject,
        batches: &mut Cursor,
        rng: &mut Rng,
    ) -> Result<Step> {
        let mut step = Step::default();
        subject.ask(batches, &|_| true);
        let Some(pick) = batches.next() else { return Ok(step) };
        let pick = pick.within(TRAINING)?;
        (step.batches, step.examples) = (1, pick.len() as u64);
        let mut losses = None;
        if pick.len() > 0 {
            let (objective, is_stepped) = subject.train(&pick, &mut *self.optimizer, rng).here()?;
            self.look_at(&objective);
            let loss = objective.loss;
            if is_stepped || loss.shape().first() != Some(&pick.len()) {
                let what = if is_stepped {
                    "task makes its steps itself".into()
                } else {
                    format!("loss has shape {:?}", loss.shape())
                };
                let message =
                    format!("the optimizer takes the loss of each of {} examples, and the {what}", pick.len());
                return Err(Error::argument("fit", message)
                    .with_help("losses of each example: CrossEntropy::new().reduction(Reduction::None)"));
            }
            // What an example has several losses of counts by their mean.
            let each = loss.reshape([pick.len(), loss.numel() / pick.len()]).within(LOSS)?.mean_dims(&[1], false)?;
            let value = each.mean().item().within(LOSS)?;
            if !value.is_finite() {
                return Err(not_finite(value, position.batch + 1, self.callbacks.run.epoch));
            }
            step.loss.add(value, pick.len() as f64);
            step.tokens = objective.tokens;
            losses = Some(each);
        }
        let Some(optimizer) = self.optimizer.by_example() else { return Ok(step) };
        losses.map_or(Ok(()), |losses| optimizer.take_in(&losses)).within("the optimizer of the Trainer")?;
        optimizer.end_batch(subject.model()).within("the optimizer of the Trainer")?;
        Ok(step)
    }
}
