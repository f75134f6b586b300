//! The loop.

use super::part::Part;
use super::repeat::Repeat;
use super::subject::{Subject, TRAINING, Tasked, Trained};
use super::{Core, Examples, Trainer};
use crate::autograd::Gradients;
use crate::data::{BatchSampler, Cursor, prefetched};
use crate::error::{Error, Here, Result};
use crate::io::Checkpoint;
use crate::layers::Module;
use crate::optimizers::OptimizerState;
use crate::rng::Rng;
use crate::train::callback::Run;
use crate::train::diagnosis;
use crate::train::early_stopping::Snapshot;
use crate::train::history::{Ended, History, is_due};
use crate::train::mean::Mean;
use crate::train::task::{LOSS, Objective, Task};

/// What is called, in errors.
pub(super) const PENALTY: &str = "a penalty of the Trainer";

/// Where a run is in its data.
#[derive(Default)]
pub(super) struct Position {
    /// How many batches of the present epoch were used.
    pub(super) batch: usize,
    /// The generator that shuffled the epoch, before it did; `None` before it has begun.
    pub(super) order: Option<Rng>,
}

/// Model, optimizer and task before it is known whether the task makes its steps itself.
pub(super) struct Unasked {
    model: Snapshot,
    optimizer: OptimizerState,
    task: Checkpoint,
}

/// The mean of losses and of their gradients.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) loss: Mean,
    /// The gradients, in units of the weight of the first loss.
    grads: Option<(Gradients, f64)>,
    count: usize,
}

impl Sum {
    #[track_caller]
    pub(super) fn add(&mut self, loss: f64, grads: Gradients, weight: f64) -> Result<()> {
        self.loss.add(loss, weight);
        self.count += 1;
        match &mut self.grads {
            Some((sum, first)) => sum.accumulate_scaled(grads, weight / *first)?,
            None => self.grads = Some((grads, weight)),
        }
        Ok(())
    }

    /// Nothing, if nothing was added.
    pub(super) fn mean(self) -> Option<(f64, Gradients)> {
        let (mut grads, first) = self.grads?;
        if self.count > 1 {
            grads.scale(first / self.loss.weight);
        }
        Some((self.loss.value(), grads))
    }
}

/// One step of the optimizer.
#[derive(Default)]
pub(super) struct Step {
    pub(super) loss: Mean,
    pub(super) batches: usize,
    pub(super) examples: u64,
    /// If the inputs are token ids.
    pub(super) tokens: Option<u64>,
}

/// The error about a loss that is no number.
#[track_caller]
pub(super) fn not_finite(value: f64, batch: usize, epoch: usize) -> Error {
    Error::numeric("fit", format!("the loss became {value} in batch {batch} of epoch {epoch}"))
        .with_help("lower the learning rate, standardize the inputs, or clip the gradients")
}

impl<T, B: Send> Trainer<'_, T, B> {
    /// Trains `model` on `train`, whose order `rng` changes in each epoch.
    ///
    /// A trainer may train one model after the other. What its optimizer remembers, such as the momentum of parameters, it keeps from one run to
    /// the next: for another model with the same names of parameters, make another trainer.
    ///
    /// Batches in which no target [counts](crate::losses::Loss::count) are passed over: they make no step, and are in no average.
    ///
    /// # Errors
    /// If an option is impossible, there are no data, no target of an epoch counts, the shapes do not fit, the loss is not a
    /// finite number, or a checkpoint cannot be saved or does not belong to this run; and those of callbacks.
    #[track_caller]
    pub fn fit<M: Module + 'static>(&mut self, model: &mut M, train: &Examples<'_, B>, rng: &mut Rng) -> Result<History>
    where
        T: Task<M, B>,
    {
        let validation = self.validation;
        let Some(fraction) = self.core.options.validation_split else {
            return self.fit_on(model, train, validation, [None, None], rng);
        };
        let [kept, taken] = self.core.parts(train.len(), fraction, validation.is_some())?;
        let (kept, taken) = (Part { data: train, rows: kept }, Part { data: train, rows: taken });
        self.fit_on(model, &kept, Some(&taken), [Some(&kept.rows), Some(&taken.rows)], rng)
    }

    /// The same on data that are known, with their batches made when they are needed or in advance.
    #[track_caller]
    fn fit_on<M: Module + 'static>(
        &mut self,
        model: &mut M,
        train: &Examples<'_, B>,
        validation: Option<&Examples<'_, B>>,
        rows: [Option<&[usize]>; 2],
        rng: &mut Rng,
    ) -> Result<History>
    where
        T: Task<M, B>,
    {
        let (core, task) = (&mut self.core, &mut self.task);
        let threads = core.options.prefetch;
        if threads == 0 {
            let mut subject = Trained::new(model, Tasked(task), train, validation);
            subject.rows = rows;
            return core.fit(&mut subject, rng);
        }
        let mut history = None;
        prefetched(threads, &|pick| pick.of(train), &mut |ahead| {
            let mut subject = Trained::new(&mut *model, Tasked(&mut *task), train, validation);
            (subject.rows, subject.ahead) = (rows, Some(ahead));
            history = Some(core.fit(&mut subject, rng));
        })?;
        match history {
            Some(history) => history.outside(),
            None => Err(crate::error::bug!("fit", "the run did not begin")),
        }
    }
}

impl Core {
    #[track_caller]
    pub(super) fn fit(&mut self, subject: &mut dyn Subject, rng: &mut Rng) -> Result<History> {
        self.check(subject.examples())?;
        self.check_by_example(subject)?;
        let examples = subject.examples();
        let sampled = self.sampler(subject).map_or(examples, |sampler| sampler.num_samples(examples));
        let plan = self.options.plan(sampled);
        self.callbacks.run = Run::new(self.callbacks.run.stop_handle.clone(), plan);
        self.add_checkpoints();
        self.is_asked = false;
        let result = self.run(subject, rng);
        // Whatever the run held is let go, after an error too.
        self.callbacks.reset();
        result
    }

    #[track_caller]
    fn check(&mut self, examples: usize) -> Result<()> {
        self.options.check_numbers()?;
        if examples == 0 {
            return Err(Error::argument("fit", "there are no training data"));
        }
        self.check_averages()
    }

    #[track_caller]
    fn run(&mut self, subject: &mut dyn Subject, rng: &mut Rng) -> Result<History> {
        self.fingerprint = if self.checkpoints.is_some() { subject.fingerprint() } else { Vec::new() };
        let mut position = match self.resume.take() {
            Some(path) => self.restore(&path, subject, rng)?,
            None => Position::default(),
        };
        self.check_memory(subject, rng)?;
        // An earlier run, or a checkpoint, may have left the averages in the model.
        self.swap_out(subject)?;
        self.begin_together(subject, rng)?;
        let (epochs, max_steps) = self.options.limits();
        self.callbacks.tell(subject.model(), &mut *self.optimizer, &mut |callback, run| callback.fit_begin(run))?;
        let mut ended = None;
        // What is left of an epoch that was cut short is taken up even if there are no steps left, for its record.
        while self.callbacks.run.epoch <= epochs && (self.callbacks.run.step < max_steps || position.batch > 0) {
            ended = match self.callbacks.run.is_interrupted() {
                true => Some(Ended::Interrupted),
                false => self.train_epoch(&mut position, subject, rng)?,
            };
            if ended.is_some() || self.callbacks.run.step >= max_steps {
                break;
            }
        }
        // Before the end, at which early stopping puts the best ones in their place.
        self.swap_in(subject)?;
        let ended = ended.unwrap_or(Ended::Finished);
        let is_between = ended == Ended::Interrupted && position.batch > 0;
        let left = is_between.then_some((self.callbacks.run.epoch, self.callbacks.run.step));
        let history = self.callbacks.end(subject.model(), &mut *self.optimizer, ended, left)?;
        self.end_together(subject)?;
        Ok(history)
    }

    /// One pass over the training data, or what is left of it. Says why training ends, if it does before its time.
    #[track_caller]
    fn train_epoch(
        &mut self,
        position: &mut Position,
        subject: &mut dyn Subject,
        rng: &mut Rng,
    ) -> Result<Option<Ended>> {
        self.callbacks.run.begun = std::time::Instant::now();
        let (epochs, max_steps) = self.options.limits();
        position.order.get_or_insert_with(|| rng.split());
        let mut batches = self.batches(position, subject)?;
        subject.begin_epoch();
        self.callbacks.tell(subject.model(), &mut *self.optimizer, &mut |callback, run| callback.epoch_begin(run))?;
        while !self.callbacks.run.stop && self.callbacks.run.step < max_steps && batches.left() > 0 {
            let before = rng.clone();
            let step = match self.step(position, subject, &mut batches, rng) {
                Ok(step) => step,
                Err(e) => return Err(self.explain(e, position, subject, before)),
            };
            position.batch += step.batches;
            if step.loss.weight == 0.0 {
                if batches.left() > 0 && self.callbacks.run.is_interrupted() {
                    self.callbacks.run.ends = true;
                    self.save_where_due(position, subject, rng)?;
                    return Ok(Some(Ended::Interrupted));
                }
                continue;
            }
            let mut report = self.callbacks.stepped(&*self.optimizer, step.loss, step.examples, step.tokens);
            self.callbacks.tell_step(subject.model(), &mut *self.optimizer, &mut report)?;
            if self.options.evaluate_every.is_some_and(|every| is_due(every, report.step)) {
                self.validate(subject)?;
            }
            self.callbacks
                .tell(subject.model(), &mut *self.optimizer, &mut |callback, run| callback.batch_end(run, &report))?;
            self.agree_to_stop()?;
            let run = &mut self.callbacks.run;
            let is_interrupted = run.is_interrupted();
            run.ends = run.stop || is_interrupted || run.step >= max_steps;
            if batches.left() > 0 {
                let (stops, is_last) = (run.stop, run.step >= max_steps);
                self.save_where_due(position, subject, rng)?;
                if is_interrupted && !stops && !is_last {
                    // At once: what is left of the epoch, and its record, belong to the run that goes on from here.
                    return Ok(Some(Ended::Interrupted));
                }
            }
        }

        if self.callbacks.run.epoch_loss.weight == 0.0 {
            let message = format!("no target counts in epoch {}", self.callbacks.run.epoch);
            return Err(
                Error::numeric("fit", message).with_help("look at the ignored class and the weights of classes")
            );
        }
        let is_complete = batches.left() == 0;
        (self.callbacks.run.is_epoch_end, self.callbacks.run.is_epoch_complete) = (true, is_complete);
        self.end_epoch(subject)?;
        self.compare(subject)?;
        self.agree_to_stop()?;
        let run = &mut self.callbacks.run;
        if is_complete {
            let is_done = run.stop || run.epoch >= epochs || run.step >= max_steps;
            let is_interrupted = run.is_interrupted();
            run.ends = is_done || is_interrupted;
            let folders = self.callbacks.folders(subject.model(), &mut *self.optimizer);
            self.callbacks.run.advance();
            *position = Position::default();
            self.save(folders, position, 0.0, subject, rng)?;
            if is_interrupted && !is_done {
                return Ok(Some(Ended::Interrupted));
            }
        }
        Ok(self.callbacks.run.stop.then_some(Ended::StoppedEarly))
    }

    /// What says in which order the examples come, if that is not any random one.
    pub(super) fn sampler<'s>(&'s self, subject: &'s dyn Subject) -> Option<&'s dyn BatchSampler> {
        self.sampler.as_deref().or_else(|| subject.sampler())
    }

    /// What is left of the present epoch.
    #[track_caller]
    pub(super) fn batches(&self, position: &Position, subject: &dyn Subject) -> Result<Cursor> {
        let (size, examples) = (self.options.batch_size, subject.examples());
        let mut batches = Cursor::new(examples, size);
        if let Some(order) = &position.order {
            batches.shuffle(self.sampler(subject), &mut order.clone());
        }
        if self.options.drop_last {
            batches.drop_last();
        }
        if batches.left() == 0 {
            let message = format!("{examples} examples make no full batch of {size}");
            return Err(Error::argument("fit", message).with_help("use a smaller batch, or keep the last one"));
        }
        if let Some(steps) = self.options.steps_per_epoch {
            let there = batches.left().div_ceil(self.options.accumulate) as u64;
            if steps > there {
                let message = format!("steps_per_epoch is {steps}, but the data are {there} steps");
                return Err(Error::argument("fit", message).with_help("leave it out: an epoch ends with the data"));
            }
            batches.limit((steps as usize).saturating_mul(self.options.accumulate));
        }
        batches.skip(position.batch);
        Ok(batches)
    }

    /// One step of the optimizer, on the mean over some batches; none, and a loss of weight 0, if nothing in them counts.
    #[track_caller]
    fn step(
        &mut self,
        position: &Position,
        subject: &mut dyn Subject,
        batches: &mut Cursor,
        rng: &mut Rng,
    ) -> Result<Step> {
        if self.parallel.is_some() {
            return self.step_together(position, subject, batches, rng);
        }
        if self.optimizer.sampled().is_some() {
            return self.step_by_example(position, subject, batches, rng);
        }
        let mut step = Step::default();
        let mut sum = Sum::default();
        let from = batches.position();
        let before = self.optimizer.closure().is_some().then(|| rng.clone());
        for _ in 0..self.options.accumulate {
            subject.ask(batches, &|_| true);
            let Some(pick) = batches.next() else { break };
            let pick = pick.within(TRAINING)?;
            let before = self.before_asking(subject)?;
            let (objective, is_stepped) = subject.train(&pick, &mut *self.optimizer, rng).here()?;
            self.is_asked = true;
            if is_stepped && let Err(e) = self.check_own_steps() {
                if let Some(before) = before {
                    self.put_back(before, subject)?;
                }
                return Err(e);
            }
            let weight = objective.count;
            step.batches += 1;
            if weight == 0.0 {
                continue;
            }
            self.look_at(&objective);
            let mut loss = objective.loss;
            for penalty in self.penalties.iter().filter(|_| !is_stepped) {
                let penalty = penalty.penalty(subject.model()).within(PENALTY)?;
                loss = loss.add(&penalty).within(PENALTY)?;
            }
            let value = loss.item().within(LOSS)?;
            if !value.is_finite() {
                return Err(not_finite(value, position.batch + step.batches, self.callbacks.run.epoch));
            }
            step.loss.add(value, weight);
            step.examples = step.examples.saturating_add(pick.len() as u64);
            if let Some(tokens) = objective.tokens {
                step.tokens = Some(step.tokens.unwrap_or(0).saturating_add(tokens));
            }
            if is_stepped {
                return Ok(step);
            }
            sum.add(value, loss.backward().within(LOSS)?, weight)?;
        }
        let Some((loss, mut grads)) = sum.mean() else { return Ok(step) };
        self.callbacks.tell_gradients(subject.model(), &mut *self.optimizer, &mut grads)?;
        match (self.optimizer.closure(), before) {
            (Some(closure), Some(rng)) => {
                let (penalties, count) = (&*self.penalties, step.batches);
                let first = Some((loss, grads));
                closure.step_on(&mut Repeat { subject, penalties, batches, from, count, rng, first }).map(drop)
            }
            _ => self.optimizer.step(subject.model(), &grads),
        }
        .within("the optimizer of the Trainer")?;
        Ok(step)
    }

    /// Says once what is hardly meant of a loss.
    pub(super) fn look_at(&mut self, objective: &Objective) {
        if !std::mem::replace(&mut self.callbacks.run.is_looked_at, true)
            && let Some(note) = diagnosis::of_loss(objective)
        {
            self.callbacks.run.note(note);
        }
    }

    /// What the first step of a task may change of which it turns out that it must not make steps itself.
    #[track_caller]
    pub(super) fn before_asking(&self, subject: &mut dyn Subject) -> Result<Option<Unasked>> {
        if self.is_asked || self.check_own_steps().is_ok() {
            return Ok(None);
        }
        let task = subject.remembered(Checkpoint::new()).here()?;
        Ok(Some(Unasked { model: Snapshot::of(subject.model()), optimizer: self.optimizer.state(), task }))
    }

    #[track_caller]
    pub(super) fn put_back(&mut self, before: Unasked, subject: &mut dyn Subject) -> Result<()> {
        let (model, task) = subject.parts();
        before.model.restore(model)?;
        self.optimizer.load_state(before.optimizer)?;
        task.load(&before.task).here()
    }

    /// A task that makes its own steps knows nothing of what the Trainer would add to them.
    #[track_caller]
    pub(super) fn check_own_steps(&self) -> Result<()> {
        let what = match (self.options.accumulate > 1, self.penalties.is_empty()) {
            _ if self.parallel.is_some() => "share them among ranks",
            (true, _) => "accumulate batches",
            (false, false) => "add a penalty",
            (false, true) => return Ok(()),
        };
        Err(Error::argument("fit", format!("the task makes its steps itself, so that the Trainer cannot {what}")))
    }

    /// Writes the checkpoints that are due in the middle of an epoch.
    #[track_caller]
    fn save_where_due(&mut self, position: &Position, subject: &mut dyn Subject, rng: &Rng) -> Result<()> {
        let folders = self.callbacks.folders(subject.model(), &mut *self.optimizer);
        let seconds = self.callbacks.run.seconds();
        self.save(folders, position, seconds, subject, rng)
    }

    #[track_caller]
    fn save(
        &mut self,
        folders: Vec<crate::io::CheckpointFolder>,
        position: &Position,
        seconds: f64,
        subject: &mut dyn Subject,
        rng: &Rng,
    ) -> Result<()> {
        if folders.is_empty() {
            return Ok(());
        }
        self.swap_in(subject)?;
        let saved = self.save_as_it_is(&folders, position, seconds, subject, rng);
        self.swap_out(subject)?;
        saved
    }

    #[track_caller]
    fn save_as_it_is(
        &mut self,
        folders: &[crate::io::CheckpointFolder],
        position: &Position,
        seconds: f64,
        subject: &mut dyn Subject,
        rng: &Rng,
    ) -> Result<()> {
        for folder in folders {
            let checkpoint = self.checkpoint(position, seconds, subject, rng)?;
            self.callbacks.run.saved = Some(self.save_in(folder, &checkpoint, subject.model().as_module())?);
        }
        Ok(())
    }
}
