//! A run on several ranks: each works on some of the batches, and all come to the same.

use super::Core;
use super::run::{PENALTY, Position, Step};
use super::subject::{EVALUATION, Subject, TRAINING};
use crate::data::{Cursor, Pick};
use crate::distributed::{Averaged, DataParallel};
use crate::error::{Error, Here, Result, bug};
use crate::io::{Checkpoint, CheckpointFolder};
use crate::layers::Module;
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::train::task::LOSS;

/// What an evaluation needs of a batch.
pub(super) struct Judged {
    pub(super) loss: f64,
    pub(super) count: f64,
    pub(super) outputs: Option<(Tensor, Tensor)>,
}

impl Core {
    /// Makes sure that all ranks are about to do the same, and gives them the same weights to begin with.
    #[track_caller]
    pub(super) fn begin_together(&mut self, subject: &mut dyn Subject, rng: &Rng) -> Result<()> {
        let Some(parallel) = &self.parallel else { return Ok(()) };
        let group = parallel.group();
        if self.optimizer.closure().is_some() && group.size() > 1 {
            let message = "the optimizer computes the loss more than once for each step, which ranks cannot share";
            return Err(Error::argument("fit", message).with_help("Adam and the others are called once for each step"));
        }
        if parallel.divides_parameters() && !self.penalties.is_empty() {
            return Err(Error::argument("fit", "a penalty on parameters that are divided among ranks")
                .with_help("divide no more than Sharding::Gradients, or take the weight decay of the optimizer"));
        }
        let examples = subject.examples();
        let (batches, ranks) = (self.options.accumulate, group.size());
        if batches < ranks {
            let message = format!("steps of {batches} batches for {ranks} ranks, each of which needs one");
            let help = format!(
                "accumulate(n) says how many batches make a step, on all ranks together: {ranks}, or a multiple of it"
            );
            return Err(Error::argument("fit", message).with_help(help));
        }
        if examples < ranks {
            let message = format!("{examples} examples for {ranks} ranks");
            return Err(Error::argument("fit", message).with_help("each rank needs one at least: take fewer ranks"));
        }
        let mut lines = Vec::new();
        let mut say = |name: &str, value: String| lines.push((name.to_string(), value));
        let options = format!("{:?}", self.options);
        options.split([',', '{', '}']).for_each(|option| say("options with", option.trim().to_string()));
        say("a number of examples of", examples.to_string());
        say("data with numbers such as", format!("{:?}", subject.fingerprint()));
        say("validation data of", format!("{:?}", subject.validation().map(|data| data.examples())));
        say("metrics", format!("{:?}", self.metrics.iter().map(|(name, _)| name).collect::<Vec<_>>()));
        let state = self.optimizer.state();
        say("the optimizer", format!("{} with a learning rate of {:?}", state.optimizer, state.learning_rate));
        say("penalties:", self.penalties.len().to_string());
        say("a run at step", format!("{} of epoch {}", self.callbacks.run.step, self.callbacks.run.epoch));
        say("a generator at", format!("{}", rng.clone().next_u64()));
        group.agree("fit", &lines)?;
        self.is_compared = false;
        parallel.synchronize(subject.model().as_module_mut())
    }

    /// One step of the optimizer, on the mean over the batches of all ranks.
    #[track_caller]
    pub(super) fn step_together(
        &mut self,
        position: &Position,
        subject: &mut dyn Subject,
        batches: &mut Cursor,
        rng: &Rng,
    ) -> Result<Step> {
        let Some(mut parallel) = self.parallel.take() else { return Err(bug!("fit", "no ranks")) };
        let done = self.step_with(&mut parallel, position, subject, batches, rng);
        self.parallel = Some(parallel);
        done
    }

    #[track_caller]
    fn step_with(
        &mut self,
        parallel: &mut DataParallel,
        position: &Position,
        subject: &mut dyn Subject,
        batches: &mut Cursor,
        rng: &Rng,
    ) -> Result<Step> {
        let (rank, ranks) = (parallel.group().rank(), parallel.group().size());
        let count = self.options.accumulate.min(batches.left());
        let mut together = parallel.step(subject.model().as_module(), count)?;
        let mut step = Step { batches: count, ..Step::default() };
        for i in 0..count {
            let is_own = i % ranks == rank;
            if is_own {
                subject.ask(batches, &|batch| batch % self.options.accumulate % ranks == rank);
            }
            let Some(pick) = batches.next() else { return Err(bug!("fit", "fewer batches than were left")) };
            let pick = pick.within(TRAINING)?;
            if !is_own {
                continue;
            }
            // That of this batch, whoever works on it, and whatever the others draw.
            let mut own = rng.fork((position.batch + i) as u64);
            let before = self.before_asking(subject)?;
            let (objective, is_stepped) = subject.train(&pick, &mut *self.optimizer, &mut own).here()?;
            self.is_asked = true;
            if is_stepped {
                if let Some(before) = before {
                    self.put_back(before, subject)?;
                }
                self.check_own_steps()?;
            }
            if objective.count == 0.0 {
                together.skip()?;
                continue;
            }
            self.look_at(&objective);
            let mut loss = objective.loss;
            for penalty in &self.penalties {
                let penalty = penalty.penalty(subject.model()).within(PENALTY)?;
                loss = loss.add(&penalty).within(PENALTY)?;
            }
            let value = loss.item().within(LOSS)?;
            if !value.is_finite() {
                return Err(super::run::not_finite(value, position.batch + i + 1, self.callbacks.run.epoch));
            }
            let tokens = objective.tokens.map_or(-1.0, |tokens| tokens as f64);
            together.backward_with(&loss, objective.count, [pick.len() as f64, tokens]).within(LOSS)?;
        }
        let (averaged, heads) = together.finish_with()?;
        for head in heads.iter().filter(|head| head.weight != 0.0) {
            step.loss.add(head.loss, head.weight);
            step.examples = step.examples.saturating_add(head.notes[0] as u64);
            if head.notes[1] >= 0.0 {
                step.tokens = Some(step.tokens.unwrap_or(0).saturating_add(head.notes[1] as u64));
            }
        }
        if let Some(Averaged { mut gradients, .. }) = averaged {
            self.callbacks.tell_gradients(subject.model(), &mut *self.optimizer, &mut gradients)?;
            together
                .step_optimizer(&mut *self.optimizer, subject.model().as_module_mut(), &gradients)
                .within("the optimizer of the Trainer")?;
            // Options of optimizers have no names: what they come to says whether they are the same.
            if !std::mem::replace(&mut self.is_compared, true) {
                let so_far = vec![("a model after step".to_string(), (self.callbacks.run.step + 1).to_string())];
                parallel.compare_with("fit", so_far, subject.model().as_module())?;
            }
        }
        Ok(step)
    }

    /// What one rank wants, all do: to stop after a step, or because somebody asked for it.
    #[track_caller]
    pub(super) fn agree_to_stop(&mut self) -> Result<()> {
        let Some(parallel) = &self.parallel else { return Ok(()) };
        let run = &mut self.callbacks.run;
        let wishes = Tensor::from_slice(&[u8::from(run.stop), u8::from(run.wants_interruption())], [2])?;
        let (mut stop, mut interrupted) = (false, false);
        for wishes in parallel.group().all_gather(&wishes)? {
            let wishes = wishes.to_vec::<u8>()?;
            stop |= wishes.first() == Some(&1);
            interrupted |= wishes.get(1) == Some(&1);
        }
        (run.stop, run.agreed) = (stop, Some(interrupted));
        Ok(())
    }

    /// What batches come to, the next ones in order: on several ranks one of each, of which every rank gets to know.
    #[track_caller]
    pub(super) fn judged(
        &self,
        batches: &mut Cursor,
        judge: &dyn Fn(&Pick<'_>) -> Result<Judged>,
    ) -> Result<Vec<Judged>> {
        let Some(parallel) = &self.parallel else {
            let Some(pick) = batches.next() else { return Ok(Vec::new()) };
            return Ok(vec![judge(&pick.within(EVALUATION)?)?]);
        };
        let group = parallel.group();
        let mut own = None;
        let mut there = 0;
        // A rank without a batch helps the others to gather parameters.
        let helps = parallel.divides_parameters() && group.rank() >= batches.left();
        for rank in 0..group.size() {
            let Some(pick) = batches.next() else { break };
            let pick = pick.within(EVALUATION)?;
            there += 1;
            if rank == group.rank() {
                own = Some(judge(&pick)?);
            } else if rank == 0 && helps {
                judge(&pick)?;
            }
        }
        if there == 0 {
            return Ok(Vec::new());
        }
        let told = own.as_ref().map_or(vec![], |own| vec![own.loss, own.count]);
        let told = group.all_gather(&Tensor::from_slice(&told, [told.len()])?)?;
        let nothing = Tensor::zeros([0])?;
        let mut outputs = Vec::new();
        if !self.metrics.is_empty() {
            let pair = own.and_then(|own| own.outputs).unwrap_or((nothing.clone(), nothing));
            let (predictions, targets) = (group.all_gather(&pair.0)?, group.all_gather(&pair.1)?);
            outputs = predictions.into_iter().zip(targets).collect();
        }
        let mut outputs = outputs.into_iter();
        let mut judged = Vec::with_capacity(there);
        for told in told.iter().take(there) {
            let [loss, count] = told.to_vec::<f64>()?[..] else {
                return Err(bug!("evaluate", "a batch without a loss"));
            };
            judged.push(Judged { loss, count, outputs: outputs.next() });
        }
        Ok(judged)
    }

    /// Makes sure at the end of an epoch that all ranks have come to the same model.
    #[track_caller]
    pub(super) fn compare(&self, subject: &mut dyn Subject) -> Result<()> {
        let Some(parallel) = &self.parallel else { return Ok(()) };
        let so_far = vec![("a model after step".to_string(), self.callbacks.run.step.to_string())];
        parallel.compare_with("fit", so_far, subject.model().as_module())
    }

    /// Gives all ranks all of the model when the run has ended.
    #[track_caller]
    pub(super) fn end_together(&self, subject: &mut dyn Subject) -> Result<()> {
        let Some(parallel) = &self.parallel else { return Ok(()) };
        parallel.unite(subject.model().as_module_mut())?;
        self.compare(subject)
    }

    /// Saves a checkpoint: on several ranks each its part.
    #[track_caller]
    pub(super) fn save_in(
        &self,
        folder: &CheckpointFolder,
        checkpoint: &Checkpoint,
        model: &dyn Module,
    ) -> Result<std::path::PathBuf> {
        let step = self.callbacks.run.step;
        match &self.parallel {
            Some(parallel) => parallel.save(folder, step, checkpoint, model),
            None => folder.save(step, checkpoint),
        }
    }
}
