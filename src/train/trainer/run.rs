//! The loop.

use std::any::Any;
use std::time::Instant;

use super::diagnosis::with_targets_explained;
use super::evaluation::Mean;
use super::{Examples, Trainer};
use crate::autograd::Gradients;
use crate::data::Batches;
use crate::error::{Error, Here, Result};
use crate::io::Checkpoint;
use crate::layers::{Layer, Mode};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};
use crate::train::early_stopping::Verdict;
use crate::train::history::{Ended, Epoch, History, StepReport};
use crate::train::progress::{Plan, Progress};
use crate::train::stop::CtrlC;

/// What is called, in errors.
pub(super) const LOSS: &str = "the loss of the Trainer";
const PENALTY: &str = "a penalty of the Trainer";
const SCHEDULE: &str = "the schedule of the Trainer";

/// Where a run has got to: what its future depends on besides model, optimizer, schedule and early stopping.
pub(super) struct State {
    /// The present epoch, from 1.
    pub(super) epoch: usize,
    /// How many of its batches were used.
    pub(super) batch: usize,
    /// The generator that shuffled it, before it did; `None` before the epoch has begun.
    pub(super) order: Option<Rng>,
    pub(super) step: u64,
    /// The training loss since the epoch began, and since the last evaluation.
    pub(super) epoch_loss: Mean,
    pub(super) recent_loss: Mean,
    /// Seconds that the epoch has taken in earlier runs.
    pub(super) seconds: f64,
    pub(super) history: History,
}

impl State {
    pub(super) fn new() -> Self {
        let history = History {
            epochs: vec![],
            evaluations: vec![],
            steps: 0,
            kept_epoch: 0,
            kept_step: 0,
            ended: Ended::Finished,
            by_steps: false,
        };
        let (epoch_loss, recent_loss) = (Mean::default(), Mean::default());
        Self { epoch: 1, batch: 0, order: None, step: 0, epoch_loss, recent_loss, seconds: 0.0, history }
    }

    /// Goes on to the next epoch.
    fn advance(&mut self) {
        (self.epoch, self.batch, self.order) = (self.epoch.saturating_add(1), 0, None);
        (self.epoch_loss, self.recent_loss, self.seconds) = (Mean::default(), Mean::default(), 0.0);
    }
}

/// One step of the optimizer.
struct Step {
    loss: Mean,
    batches: usize,
    examples: u64,
    /// If the inputs are token ids.
    tokens: Option<u64>,
}

impl Trainer<'_> {
    /// Trains `model` on `train`, whose order `rng` changes in each epoch.
    ///
    /// Batches in which no target [counts](crate::losses::Loss::count) are passed over: they make no step, and are in no average.
    ///
    /// # Errors
    /// If an option is impossible, there are no data, no target of an epoch counts, the shapes do not fit, the loss is not a
    /// finite number, or a checkpoint cannot be saved or does not belong to this run.
    #[track_caller]
    pub fn fit<L: Layer + 'static>(&mut self, model: &mut L, train: &Examples<'_>, rng: &mut Rng) -> Result<History> {
        self.check_options(train)?;
        let mut state = match self.resume.take() {
            Some(path) => self.restore(&path, model, train, rng)?,
            None => {
                if let Some(schedule) = &self.schedule {
                    schedule.start(&mut *self.optimizer).within(SCHEDULE)?;
                }
                State::new()
            }
        };
        let (epochs, max_steps) = self.limits();
        let mut progress = Progress::new(self.progress, self.plan(train.len()), state.step);
        let ctrl_c = self.checkpoints.is_some().then(CtrlC::heed);
        let mut ended = None;
        // What is left of an epoch that was cut short is taken up even if there are no steps left, for its record.
        while state.epoch <= epochs && (state.step < max_steps || state.batch > 0) {
            ended = match self.is_interrupted(ctrl_c.as_ref()) {
                true => Some(Ended::Interrupted),
                false => self.train_epoch(&mut state, model, train, rng, &mut progress, ctrl_c.as_ref())?,
            };
            if ended.is_some() || state.step >= max_steps {
                break;
            }
        }
        if ended == Some(Ended::Interrupted) {
            let resume =
                if self.checkpoints.is_some() { "; its checkpoint is saved, resume() goes on from there" } else { "" };
            progress.say(&format!("interrupted after step {}{resume}", state.step));
        }
        drop((progress, ctrl_c));
        if let Some(stopping) = &self.stopping {
            stopping.restore_best(model)?;
        }
        let mut history = state.history;
        history.steps = state.step;
        history.by_steps = self.is_by_steps();
        history.ended = ended.unwrap_or(Ended::Finished);
        if history.ended == Ended::Interrupted && self.stopping.is_none() && state.batch > 0 {
            (history.kept_epoch, history.kept_step) = (state.epoch, state.step);
        } else if self.stopping.is_none() || history.kept_epoch == 0 {
            (history.kept_epoch, history.kept_step) = history.last().map_or((0, 0), |last| (last.epoch, last.step));
        }
        Ok(history)
    }

    #[track_caller]
    fn check_options(&self, train: &Examples<'_>) -> Result<()> {
        let zero = |what: &str| Err(Error::argument("fit", format!("{what} is 0, expected at least 1")));
        if self.epochs == Some(0) {
            return zero("the number of epochs");
        }
        if self.max_steps == Some(0) {
            return zero("the number of steps");
        }
        if self.accumulate == 0 {
            return zero("the number of batches to accumulate");
        }
        let intervals = [self.evaluate_every, self.checkpoint_every].into_iter().flatten();
        if intervals.chain(self.hooks.iter().map(|(every, _)| *every)).any(|every| every == 0) {
            return zero("an interval of steps");
        }
        if train.is_empty() {
            return Err(Error::argument("fit", "there are no training data"));
        }
        Ok(())
    }

    /// The last epoch and the last step.
    fn limits(&self) -> (usize, u64) {
        let default = if self.max_steps.is_some() { usize::MAX } else { 10 };
        (self.epochs.unwrap_or(default), self.max_steps.unwrap_or(u64::MAX))
    }

    /// Whether the run is counted in steps rather than in epochs.
    fn is_by_steps(&self) -> bool {
        self.max_steps.is_some() || self.evaluate_every.is_some()
    }

    fn is_interrupted(&self, ctrl_c: Option<&CtrlC>) -> bool {
        self.stop.is_stopped() || ctrl_c.is_some_and(CtrlC::is_pressed)
    }

    /// How far the run goes if nothing stops it early.
    fn plan(&self, examples: usize) -> Plan {
        let size = self.batch_size.max(1);
        let batches = if self.drop_last { examples / size } else { examples.div_ceil(size) };
        let (epochs, max_steps) = self.limits();
        let steps = (batches.div_ceil(self.accumulate) as u64).saturating_mul(epochs as u64).min(max_steps);
        Plan { epochs, steps, by_steps: self.is_by_steps(), evaluates_steps: self.evaluate_every.is_some() }
    }

    /// One pass over the training data, or what is left of it. Says why training ends, if it does before its time.
    #[track_caller]
    fn train_epoch<L: Layer + 'static>(
        &mut self,
        state: &mut State,
        model: &mut L,
        train: &Examples<'_>,
        rng: &mut Rng,
        progress: &mut Progress,
        ctrl_c: Option<&CtrlC>,
    ) -> Result<Option<Ended>> {
        let start = Instant::now();
        let (epochs, max_steps) = self.limits();
        let mut order = state.order.get_or_insert_with(|| rng.split()).clone();
        let mut batches = Batches::new(train, self.batch_size).shuffle(&mut order);
        if self.drop_last {
            batches = batches.drop_last();
        }
        if batches.len() == 0 {
            let message = format!("{} examples make no full batch of {}", train.len(), self.batch_size);
            return Err(Error::argument("fit", message).with_help("use a smaller batch, or keep the last one"));
        }
        let mut batches = batches.skip(state.batch);
        let mut stop = false;
        while !stop && state.step < max_steps && batches.len() > 0 {
            let step = match self.step(state, model, &mut batches, rng) {
                Ok(step) => step,
                Err(e) => return Err(self.explain_step(e, state, train)),
            };
            state.batch += step.batches;
            if step.loss.weight == 0.0 {
                if batches.len() > 0 && self.is_interrupted(ctrl_c) {
                    state.seconds += start.elapsed().as_secs_f64();
                    self.save(state, state.seconds, model, train, rng)?;
                    return Ok(Some(Ended::Interrupted));
                }
                continue;
            }
            state.step += 1;
            state.epoch_loss.join(step.loss);
            state.recent_loss.join(step.loss);
            if let (Some(schedule), true) = (&mut self.schedule, self.per_step) {
                schedule.step(&mut *self.optimizer, step.loss.value()).within(SCHEDULE)?;
            }
            let seconds = state.seconds + start.elapsed().as_secs_f64();
            let report = StepReport {
                step: state.step,
                epoch: state.epoch,
                loss: step.loss.value(),
                mean_loss: state.recent_loss.value(),
                learning_rate: self.optimizer.learning_rate(),
                seconds,
            };
            progress.step(&report, step.tokens.unwrap_or(step.examples), step.tokens.is_some());
            if is_due(self.evaluate_every, state.step) {
                let record = self.evaluated(state, state.recent_loss, seconds, model, train)?;
                progress.evaluated(&record);
                stop |= self.judge(&record, state, model);
                state.history.evaluations.push(record);
                state.recent_loss = Mean::default();
            }
            for (every, hook) in &mut self.hooks {
                if is_due(Some(*every), state.step) {
                    stop |= progress.suspend(|| hook(&report, &*model as &dyn Any))?.is_break();
                }
            }
            let is_interrupted = self.is_interrupted(ctrl_c);
            let ends = stop || is_interrupted || state.step >= max_steps;
            if batches.len() > 0 && (ends || is_due(self.checkpoint_every, state.step)) {
                self.save(state, seconds, model, train, rng)?;
            }
            if batches.len() > 0 && is_interrupted && !stop && state.step < max_steps {
                // At once: what is left of the epoch, and its record, belong to the run that goes on from here.
                state.seconds = seconds;
                return Ok(Some(Ended::Interrupted));
            }
        }

        if state.epoch_loss.weight == 0.0 {
            let message = format!("no target counts in epoch {}", state.epoch);
            return Err(
                Error::numeric("fit", message).with_help("look at the ignored class and the weights of classes")
            );
        }
        let is_complete = batches.len() == 0;
        let seconds = state.seconds + start.elapsed().as_secs_f64();
        let record = match state.history.evaluations.last() {
            // Measured at this very step.
            Some(last) if last.step == state.step => {
                Epoch { train_loss: state.epoch_loss.value(), seconds, ..last.clone() }
            }
            _ => self.evaluated(state, state.epoch_loss, seconds, model, train)?,
        };
        progress.epoch(&record);
        if let (Some(schedule), false, true) = (&mut self.schedule, self.per_step, is_complete) {
            let loss = record.validation_loss.unwrap_or(record.train_loss);
            schedule.step(&mut *self.optimizer, loss).within(SCHEDULE)?;
        }
        for callback in &mut self.callbacks {
            stop |= progress.suspend(|| callback(&record, model))?.is_break();
        }
        if self.evaluate_every.is_none() {
            stop |= self.judge(&record, state, model);
        }
        state.history.epochs.push(record);
        if is_complete {
            state.advance();
            let is_done = stop || state.epoch > epochs || state.step >= max_steps;
            let is_interrupted = self.is_interrupted(ctrl_c);
            let ends = is_done || is_interrupted;
            let is_due = self.checkpoint_every.is_none_or(|every| is_due(Some(every), state.step));
            if ends || is_due {
                self.save(state, 0.0, model, train, rng)?;
            }
            if is_interrupted && !is_done {
                return Ok(Some(Ended::Interrupted));
            }
        }
        Ok(stop.then_some(Ended::StoppedEarly))
    }

    /// The loss of a batch, whose errors say where it was computed: the loss is called through a `dyn` trait, often as a
    /// closure, and does not know.
    #[track_caller]
    pub(super) fn loss_of(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        match self.loss.loss(prediction, target) {
            Ok(loss) => Ok(loss),
            Err(e) => Err(with_targets_explained(e, target).within(LOSS)),
        }
    }

    /// One step of the optimizer, on the mean over some batches; none, and a loss of weight 0, if nothing in them counts.
    #[track_caller]
    fn step<L: Layer>(
        &mut self,
        state: &State,
        model: &mut L,
        batches: &mut dyn Iterator<Item = Result<(Tensor, Tensor)>>,
        rng: &mut Rng,
    ) -> Result<Step> {
        let mut step = Step { loss: Mean::default(), batches: 0, examples: 0, tokens: None };
        // The gradients, in units of the weight of the first batch.
        let mut sum: Option<(Gradients, f64)> = None;
        for batch in batches.take(self.accumulate) {
            let (x, y) = batch.within("the training data of the Trainer")?;
            let weight = self.loss.count(&y);
            if weight == 0.0 {
                // Its mean would be one of nothing.
                step.batches += 1;
                continue;
            }
            let prediction = model.forward(&x, &mut Mode::Train(rng))?;
            let mut loss = self.loss_of(&prediction, &y)?;
            for penalty in &self.penalties {
                let penalty = penalty.penalty(model).within(PENALTY)?;
                loss = loss.add(&penalty).within(PENALTY)?;
            }
            let value = loss.item().within(LOSS)?;
            step.batches += 1;
            if !value.is_finite() {
                let (batch, epoch) = (state.batch + step.batches, state.epoch);
                let message = format!("the loss became {value} in batch {batch} of epoch {epoch}");
                return Err(Error::numeric("fit", message)
                    .with_help("lower the learning rate, standardize the inputs, or clip the gradients"));
            }
            let grads = loss.backward().within(LOSS)?;
            match &mut sum {
                Some((sum, first)) => sum.accumulate_scaled(grads, weight / *first)?,
                None => sum = Some((grads, weight)),
            }
            step.loss.add(value, weight);
            step.examples += x.shape().first().copied().unwrap_or(1) as u64;
            if x.dtype() == DType::I64 && x.rank() > 1 {
                step.tokens = Some(step.tokens.unwrap_or(0) + x.numel() as u64);
            }
        }
        let Some((mut grads, first)) = sum else { return Ok(step) };
        if self.accumulate > 1 {
            grads.scale(first / step.loss.weight);
        }
        self.optimizer.step(model, &grads).within("the optimizer of the Trainer")?;
        for constraint in &self.constraints {
            constraint.apply(model).within("a constraint of the Trainer")?;
        }
        Ok(step)
    }

    /// The state of things at the end of an epoch, or of some steps.
    #[track_caller]
    fn evaluated<L: Layer>(
        &self,
        state: &State,
        train_loss: Mean,
        seconds: f64,
        model: &L,
        train: &Examples<'_>,
    ) -> Result<Epoch> {
        let evaluation = self.evaluate_on_validation(model, train)?;
        Ok(Epoch {
            epoch: state.epoch,
            step: state.step,
            train_loss: train_loss.value(),
            validation_loss: self.validation.map(|_| evaluation.loss),
            metrics: evaluation.metrics,
            learning_rate: self.optimizer.learning_rate(),
            seconds,
        })
    }

    /// Whether early stopping has seen enough. Notes whose parameters are kept.
    fn judge<L: Layer>(&mut self, record: &Epoch, state: &mut State, model: &L) -> bool {
        let verdict = match &mut self.stopping {
            Some(stopping) => stopping.update_with(record.validation_loss.unwrap_or(record.train_loss), model),
            None => Verdict::Improved,
        };
        if verdict == Verdict::Improved {
            (state.history.kept_epoch, state.history.kept_step) = (record.epoch, record.step);
        }
        verdict == Verdict::Stop
    }

    /// Writes a checkpoint, if there is a folder for them.
    #[track_caller]
    fn save<L: Layer>(&self, state: &State, seconds: f64, model: &L, train: &Examples<'_>, rng: &Rng) -> Result<()> {
        let Some(folder) = &self.checkpoints else { return Ok(()) };
        let checkpoint: Checkpoint = self.checkpoint(state, seconds, model, train, rng)?;
        folder.save(state.step, &checkpoint).map(drop)
    }
}

/// Whether a number of steps completes an interval.
fn is_due(every: Option<u64>, step: u64) -> bool {
    every.is_some_and(|every| step.is_multiple_of(every))
}
