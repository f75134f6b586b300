//! Several callbacks, called one after the other.

use std::panic::Location;
use std::path::Path;

use super::context::Model;
use super::{Callback, Context, Plan, Run};
use crate::autograd::Gradients;
use crate::error::{Error, Here, Result};
use crate::io::{Checkpoint, CheckpointFolder};
use crate::layers::Module;
use crate::optimizers::Optimizer;
use crate::rng::Rng;
use crate::train::history::{Ended, Epoch, History, StepReport};
use crate::train::mean::Mean;
use crate::train::stop::StopHandle;
use crate::train::trainer::Evaluation;

/// When a callback's turn is. Those of the same place are called in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::train) enum Place {
    Constraint,
    Schedule,
    Progress,
    /// What the program has added.
    Own,
    EarlyStopping,
    Checkpoints,
}

/// Callbacks for a training loop of your own, which tells them what happens.
///
/// A [`Trainer`](crate::train::Trainer) does the same. The loop below trains, shows its progress, stops early, saves a checkpoint
/// after each epoch, and goes on from the latest one if there is any:
///
/// ```
/// use demotic::io::CheckpointFolder;
/// use demotic::prelude::*;
/// use demotic::train::{Callbacks, Checkpoints, Evaluation, Progress};
///
/// # let temporary = tempfile::tempdir().unwrap();
/// # let folder = temporary.path().join("run");
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([80, 3], 0.0, 1.0, &mut rng)?;
/// let y = (x.sum_dims(&[1], true)? * 2.0) + 1.0;
/// let (train, validation) = TensorDataset::new(x, y)?.split(0.8, &mut rng)?;
/// let (mut model, mut opt) = (Linear::new(3, 1, &mut rng)?, Adam::new(0.05));
///
/// let checkpoints = CheckpointFolder::new(folder).keep(3);
/// let mut run = Callbacks::new()
///     .epochs(200)
///     .with(Progress::new())
///     .with(EarlyStopping::new(10))
///     .with(Checkpoints::new(checkpoints.clone()));
/// if let Some(latest) = checkpoints.latest()? {
///     run.resume(latest, &mut model, &mut opt, &mut rng)?;
/// }
/// run.fit_begin(&mut model, &mut opt)?;
/// while run.epoch_begin(&mut model, &mut opt)? {
///     for batch in train.batches(16).shuffle(&mut rng) {
///         let (x, y) = batch?;
///         let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
///         let mut grads = loss.backward()?;
///         run.gradients(&mut model, &mut opt, &mut grads)?;
///         opt.step(&mut model, &grads)?;
///         run.step(&mut model, &mut opt, loss.item()?, x.size(0)?)?;
///     }
///     let loss = losses::mse(&model.predict(validation.x())?, validation.y())?.item()?;
///     run.epoch_end(&mut model, &mut opt, &rng, Some(Evaluation::new(loss)))?;
/// }
/// let history = run.fit_end(&mut model, &mut opt)?;
/// println!("{history}");
/// assert!(history.last().unwrap().validation_loss.unwrap() < 1e-2);
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Callbacks {
    list: Vec<(Place, Box<dyn Callback>)>,
    pub(in crate::train) run: Run,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Callbacks({})", self.list.len())
    }
}

impl Callbacks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Vec::new(), run: Run::new(StopHandle::new(), Plan::default()) }
    }

    /// Adds a callback, which is called after those before.
    #[must_use]
    pub fn with(mut self, callback: impl Callback + 'static) -> Self {
        self.add(Place::Own, Box::new(callback));
        self
    }

    /// Ends the run after so many epochs: [`epoch_begin`](Self::epoch_begin) then returns `false`.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.run.plan.epochs = epochs;
        self
    }

    /// Lets `handle` end the run.
    #[must_use]
    pub fn stop_handle(mut self, handle: StopHandle) -> Self {
        self.run.stop_handle = handle;
        self
    }

    /// The number of the present epoch, from 1.
    #[must_use]
    pub fn epoch(&self) -> usize {
        self.run.epoch
    }

    /// The steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.run.step
    }

    /// Whether a callback, a [`StopHandle`] or Ctrl-C has asked for the end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.run.stop || self.run.is_interrupted()
    }
}

/// What happens in a loop.
impl Callbacks {
    /// The run begins, or goes on.
    ///
    /// # Errors
    /// Those of the callbacks, here and in what follows.
    #[track_caller]
    pub fn fit_begin(&mut self, model: &mut (impl Module + 'static), optimizer: &mut dyn Optimizer) -> Result<()> {
        self.tell(model, optimizer, &mut |callback, run| callback.fit_begin(run))
    }

    /// The next epoch begins. `false` if there is none: the last one is over, or a callback has ended the run.
    ///
    /// # Errors
    /// Those of the callbacks.
    #[track_caller]
    pub fn epoch_begin(&mut self, model: &mut (impl Module + 'static), optimizer: &mut dyn Optimizer) -> Result<bool> {
        if self.is_stopped() || self.run.epoch > self.run.plan.epochs {
            return Ok(false);
        }
        self.run.begun = std::time::Instant::now();
        self.tell(model, optimizer, &mut |callback, run| callback.epoch_begin(run))?;
        Ok(true)
    }

    /// The gradients of a step are complete.
    ///
    /// # Errors
    /// Those of the callbacks.
    #[track_caller]
    pub fn gradients(
        &mut self,
        model: &mut (impl Module + 'static),
        optimizer: &mut dyn Optimizer,
        gradients: &mut Gradients,
    ) -> Result<()> {
        self.tell_gradients(model, optimizer, gradients)
    }

    /// The optimizer has made a step, on this loss and so many examples.
    ///
    /// # Errors
    /// Those of the callbacks.
    #[track_caller]
    pub fn step(
        &mut self,
        model: &mut (impl Module + 'static),
        optimizer: &mut dyn Optimizer,
        loss: f64,
        examples: usize,
    ) -> Result<()> {
        let mut part = Mean::default();
        part.add(loss, 1.0);
        let mut report = self.stepped(optimizer, part, examples as u64, None);
        self.tell_step(model, optimizer, &mut report)?;
        self.tell(model, optimizer, &mut |callback, run| callback.batch_end(run, &report))
    }

    /// An epoch ends, with what was measured. Saves the checkpoints that are due; `rng` is the generator that the rest of the run
    /// draws from.
    ///
    /// # Errors
    /// Those of the callbacks, of saving, or if the metrics have other names than in the epochs before.
    #[track_caller]
    pub fn epoch_end(
        &mut self,
        model: &mut (impl Module + 'static),
        optimizer: &mut dyn Optimizer,
        rng: &Rng,
        evaluation: Option<Evaluation>,
    ) -> Result<()> {
        let metrics = evaluation.as_ref().map_or_else(Vec::new, |evaluation| evaluation.metrics.clone());
        let names = |metrics: &[(String, f64)]| metrics.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        if let Some(last) = self.run.history.last() {
            let (before, now) = (names(&last.metrics), names(&metrics));
            if before != now {
                let message = format!("the metrics {now:?}, after {before:?} in the epoch before");
                return Err(Error::argument("epoch_end", message));
            }
        }
        let record = Epoch {
            epoch: self.run.epoch,
            step: self.run.step,
            train_loss: self.run.epoch_loss.value(),
            validation_loss: evaluation.map(|evaluation| evaluation.loss),
            metrics,
            learning_rate: optimizer.learning_rate(),
            seconds: self.run.seconds(),
        };
        (self.run.is_epoch_end, self.run.is_epoch_complete) = (true, true);
        self.tell(model, optimizer, &mut |callback, run| callback.validation(run, &record))?;
        self.tell_epoch_end(model, optimizer, record)?;
        self.run.ends = self.is_stopped() || self.run.epoch >= self.run.plan.epochs;
        let folders = self.folders(model, optimizer);
        self.run.advance();
        for folder in folders {
            let checkpoint = self.checkpoint(&*model, &*optimizer, rng)?;
            self.run.saved = Some(folder.save(self.run.step, &checkpoint)?);
        }
        Ok(())
    }

    /// The run ends. What it was like.
    ///
    /// # Errors
    /// Those of the callbacks.
    #[track_caller]
    pub fn fit_end(&mut self, model: &mut (impl Module + 'static), optimizer: &mut dyn Optimizer) -> Result<History> {
        let ended = match (self.run.stop, self.run.is_interrupted()) {
            (true, _) => Ended::StoppedEarly,
            (false, true) => Ended::Interrupted,
            (false, false) => Ended::Finished,
        };
        self.end(model, optimizer, ended, None)
    }

    /// Everything that the rest of the run depends on: model, optimizer, generator, position, history, and what the callbacks
    /// remember.
    ///
    /// # Errors
    /// Those of the callbacks.
    #[track_caller]
    pub fn checkpoint(
        &self,
        model: &(impl Module + ?Sized),
        optimizer: &(impl Optimizer + ?Sized),
        rng: &Rng,
    ) -> Result<Checkpoint> {
        self.checkpoint_after(model, optimizer, rng, self.run.earlier_seconds)
    }

    /// The same, so many seconds after the epoch began.
    #[track_caller]
    pub(super) fn checkpoint_after(
        &self,
        model: &(impl Module + ?Sized),
        optimizer: &(impl Optimizer + ?Sized),
        rng: &Rng,
        seconds: f64,
    ) -> Result<Checkpoint> {
        let metrics = self.run.history.last().map_or(&[][..], |last| &last.metrics);
        let names: Vec<&str> = metrics.iter().map(|(name, _)| name.as_str()).collect();
        let checkpoint = self.save(Checkpoint::new().model(model).optimizer(optimizer).rng(rng))?;
        self.run.save(self.save_position(checkpoint), &names, seconds)
    }

    /// Goes on from a checkpoint that was saved at the end of an epoch, or in the middle of one whose loop takes up its
    /// [order](Self::order). Model, optimizer and callbacks have to be made as they
    /// were then. After an error everything is as before.
    ///
    /// # Errors
    /// If the file is no such checkpoint, or something does not fit.
    #[track_caller]
    pub fn resume(
        &mut self,
        path: impl AsRef<Path>,
        model: &mut (impl Module + 'static),
        optimizer: &mut dyn Optimizer,
        rng: &mut Rng,
    ) -> Result<()> {
        let path = path.as_ref();
        let saved = Checkpoint::load(path)?;
        let mut run = Run::new(self.run.stop_handle.clone(), self.run.plan);
        run.load(&saved, &Run::metrics(&saved)?, &path.display().to_string())?;
        let mut generator = rng.clone();
        saved.restore_rng(&mut generator)?;
        self.restore(&saved, model, optimizer, &mut NoTask)?;
        (self.run, *rng) = (run, generator);
        self.load_position(&saved);
        Ok(())
    }
}

/// What a task remembers.
pub(in crate::train) trait Remembers {
    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint>;
    fn load(&mut self, saved: &Checkpoint) -> Result<()>;
}

struct NoTask;

impl Remembers for NoTask {
    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        Ok(checkpoint)
    }
    fn load(&mut self, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}

/// What the Trainer's loop needs besides.
impl Callbacks {
    /// Adds a callback, in place of the one that has the place, unless several may.
    pub(in crate::train) fn add(&mut self, place: Place, callback: Box<dyn Callback>) {
        if !matches!(place, Place::Constraint | Place::Own) {
            self.list.retain(|(other, _)| *other != place);
        }
        let at = self.list.partition_point(|(other, _)| *other <= place);
        self.list.insert(at, (place, callback));
    }

    /// Those of a place, and the others.
    pub(in crate::train) fn apart(mut self, place: Place) -> (Self, Self) {
        let mut own = Self::new();
        own.run.stop_handle = self.run.stop_handle.clone();
        (own.list, self.list) = std::mem::take(&mut self.list).into_iter().partition(|(other, _)| *other == place);
        (own, self)
    }

    /// These, and others besides.
    pub(in crate::train) fn joined(mut self, others: Self) -> Self {
        others.list.into_iter().for_each(|(place, callback)| self.add(place, callback));
        self
    }

    /// Calls all of them.
    #[track_caller]
    pub(in crate::train) fn tell(
        &mut self,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
        what: &mut dyn FnMut(&mut dyn Callback, &mut Context<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut run = Context { model, optimizer, run: &mut self.run, line: Location::caller() };
        self.list.iter_mut().try_for_each(|(_, callback)| what(&mut **callback, &mut run)).outside()
    }

    #[track_caller]
    pub(in crate::train) fn tell_gradients(
        &mut self,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
        gradients: &mut Gradients,
    ) -> Result<()> {
        self.tell(model, optimizer, &mut |callback, run| callback.gradients(run, gradients))
    }

    /// Counts a step, and reports it.
    pub(in crate::train) fn stepped(
        &mut self,
        optimizer: &dyn Optimizer,
        loss: Mean,
        examples: u64,
        tokens: Option<u64>,
    ) -> StepReport {
        let run = &mut self.run;
        run.step = run.step.saturating_add(1);
        run.epoch_loss.join(loss);
        run.recent_loss.join(loss);
        StepReport {
            step: run.step,
            epoch: run.epoch,
            loss: loss.value(),
            mean_loss: run.recent_loss.value(),
            learning_rate: optimizer.learning_rate(),
            seconds: run.seconds(),
            examples,
            tokens,
        }
    }

    /// The optimizer has made a step. Each callback sees the learning rate that those before it have left.
    #[track_caller]
    pub(in crate::train) fn tell_step(
        &mut self,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
        report: &mut StepReport,
    ) -> Result<()> {
        self.tell(model, optimizer, &mut |callback, run| {
            callback.step(run, report)?;
            report.learning_rate = run.optimizer.learning_rate();
            Ok(())
        })
    }

    /// An epoch ends, whose record the history gets.
    #[track_caller]
    pub(in crate::train) fn tell_epoch_end(
        &mut self,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
        record: Epoch,
    ) -> Result<()> {
        self.run.history.epochs.push(record.clone());
        self.tell(model, optimizer, &mut |callback, run| callback.epoch_end(run, &record))
    }

    /// Where checkpoints are to be saved now.
    #[track_caller]
    pub(in crate::train) fn folders(
        &mut self,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
    ) -> Vec<CheckpointFolder> {
        let run = Context { model, optimizer, run: &mut self.run, line: Location::caller() };
        self.list.iter().filter_map(|(_, callback)| callback.checkpoint(&run)).cloned().collect()
    }

    /// The run ends; another one may begin.
    #[track_caller]
    pub(in crate::train) fn end(
        &mut self,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
        ended: Ended,
        left: Option<(usize, u64)>,
    ) -> Result<History> {
        self.run.finish(ended, left);
        let told = self.tell(model, optimizer, &mut |callback, run| callback.fit_end(run));
        // After an error too, so that the next run does not begin where this one was.
        let run = self.reset();
        told.map(|()| run.history)
    }

    /// Forgets the run. What it held, such as a bar on the screen, is let go with what is returned.
    pub(in crate::train) fn reset(&mut self) -> Run {
        let fresh = Run::new(self.run.stop_handle.clone(), self.run.plan);
        std::mem::replace(&mut self.run, fresh)
    }

    /// Adds what the callbacks remember.
    #[track_caller]
    pub(in crate::train) fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        self.list.iter().try_fold(checkpoint, |checkpoint, (_, callback)| callback.save(checkpoint)).here()
    }

    #[track_caller]
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        self.list.iter_mut().try_for_each(|(_, callback)| callback.load(saved)).here()
    }

    /// Gives model, optimizer, callbacks and task what was saved of them. If something does not fit, everything is put back.
    #[track_caller]
    pub(in crate::train) fn restore(
        &mut self,
        saved: &Checkpoint,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
        task: &mut dyn Remembers,
    ) -> Result<()> {
        let before = (optimizer.state(), task.save(self.save(Checkpoint::new())?).here()?);
        let restored = self.restore_parts(saved, model, optimizer, task);
        if restored.is_err() {
            optimizer.load_state(before.0).here()?;
            self.load(&before.1)?;
            task.load(&before.1).here()?;
        }
        restored
    }

    #[track_caller]
    fn restore_parts(
        &mut self,
        saved: &Checkpoint,
        model: &mut dyn Model,
        optimizer: &mut dyn Optimizer,
        task: &mut dyn Remembers,
    ) -> Result<()> {
        saved.restore_optimizer(optimizer).here()?;
        self.load(saved)?;
        task.load(saved).here()?;
        // The last: it is the one that changes nothing where it fails.
        let model: &mut dyn Module = model;
        saved.restore_model(model)
    }
}
