//! A run in a checkpoint, and on from there.

use std::path::Path;

use super::evaluation::Mean;
use super::run::State;
use super::{Examples, Trainer};
use crate::error::{Error, Here, Result};
use crate::io::{Checkpoint, CheckpointFolder};
use crate::layers::{Module, ModuleExt};
use crate::rng::Rng;
use crate::train::history::Epoch;

/// The names of the metrics, as JSON in the metadata.
const METRICS: &str = "trainer.metrics";
/// The generator that shuffled the present epoch.
const ORDER: &str = "trainer.order";

impl Trainer<'_> {
    /// Everything that the rest of the run depends on.
    #[track_caller]
    pub(super) fn checkpoint(
        &self,
        state: &State,
        seconds: f64,
        model: &impl Module,
        train: &Examples<'_>,
        rng: &Rng,
    ) -> Result<Checkpoint> {
        let mut metadata = self.metadata.clone();
        metadata.insert_json(METRICS, &self.metric_names())?;
        let (epoch, recent, history) = (state.epoch_loss, state.recent_loss, &state.history);
        let mut checkpoint = Checkpoint::new()
            .model(model)
            .optimizer(&*self.optimizer)
            .rng(rng)
            .metadata(metadata)
            .counter("trainer.epoch", state.epoch as u64)
            .counter("trainer.batch", state.batch as u64)
            .counter("trainer.step", state.step)
            .counter("trainer.kept_epoch", history.kept_epoch as u64)
            .counter("trainer.kept_step", history.kept_step)
            .numbers("trainer.losses", [epoch.total, epoch.weight, recent.total, recent.weight, seconds])
            .numbers("trainer.epochs", rows(&history.epochs))
            .numbers("trainer.evaluations", rows(&history.evaluations));
        for (name, _, value) in self.settings(train) {
            checkpoint = checkpoint.counter(name, value);
        }
        if let Some(order) = &state.order {
            checkpoint = checkpoint.named_rng(ORDER, order);
        }
        if let Some(schedule) = &self.schedule {
            checkpoint = checkpoint.schedule(&**schedule);
        }
        if let Some(stopping) = &self.stopping {
            checkpoint = checkpoint.early_stopping(stopping);
        }
        Ok(checkpoint)
    }

    /// Takes everything up again.
    #[track_caller]
    pub(super) fn restore(
        &mut self,
        path: &Path,
        model: &mut impl Module,
        train: &Examples<'_>,
        rng: &mut Rng,
    ) -> Result<State> {
        let op = "resume";
        let latest = if path.is_dir() { CheckpointFolder::new(path).latest()? } else { Some(path.to_path_buf()) };
        let Some(path) = latest else {
            return Err(Error::argument(op, format!("there is no checkpoint in {}", path.display())));
        };
        let saved = Checkpoint::load(&path)?;
        let differs = |what: String| Error::argument(op, format!("{}: {what}", path.display()));
        for (name, what, value) in self.settings(train) {
            let before = saved.get_counter(name)?;
            if before != value {
                return Err(differs(format!("saved with {what} {before}, which is {value} now")).with_help(
                    "a run goes on with the data and options that it began with, apart from epochs and max_steps",
                ));
            }
        }
        let metrics: Vec<String> = saved.get_metadata().get_json(METRICS)?;
        if metrics != self.metric_names() {
            return Err(differs(format!(
                "saved with the metrics {metrics:?}, which are {:?} now",
                self.metric_names()
            )));
        }
        if self.schedule.is_none() && saved.has_schedule() {
            return Err(differs("saved with a schedule, there is none now".to_string()));
        }
        if let Some(name) = frozen_since(&saved, model) {
            return Err(differs(format!("saved with `{name}` trainable, which is frozen now")).with_help(
                "what was frozen is frozen again by itself; beyond that, a run goes on with the parameters that it trained",
            ));
        }

        let mut state = State::new();
        let count = |name: &str| Ok(usize::try_from(saved.get_counter(name)?).unwrap_or(usize::MAX));
        state.epoch = count("trainer.epoch")?;
        state.batch = count("trainer.batch")?;
        state.step = saved.get_counter("trainer.step")?;
        state.order = if state.batch > 0 { Some(saved.get_rng(ORDER)?) } else { None };
        let losses = saved.get_numbers("trainer.losses")?;
        let &[epoch_total, epoch_weight, recent_total, recent_weight, seconds] = losses else {
            return Err(Error::format(op, format!("{}: {} losses, expected 5", path.display(), losses.len())));
        };
        state.epoch_loss = Mean { total: epoch_total, weight: epoch_weight };
        state.recent_loss = Mean { total: recent_total, weight: recent_weight };
        state.seconds = seconds;
        state.history.epochs = epochs(saved.get_numbers("trainer.epochs")?, &metrics);
        state.history.evaluations = epochs(saved.get_numbers("trainer.evaluations")?, &metrics);
        state.history.kept_epoch = count("trainer.kept_epoch")?;
        state.history.kept_step = saved.get_counter("trainer.kept_step")?;

        // From here on things change. If one of them does not fit, those before it are put back.
        let mut generator = rng.clone();
        saved.restore_rng(&mut generator)?;
        let before = (self.optimizer.state(), self.schedule.as_ref().map(|schedule| schedule.state()));
        let stopping = self.stopping.clone();
        if let Err(e) = self.restore_parts(&saved, model) {
            self.optimizer.load_state(before.0).here()?;
            if let (Some(schedule), Some(state)) = (&mut self.schedule, before.1) {
                schedule.load_state(&state).here()?;
            }
            self.stopping = stopping;
            return Err(e);
        }
        *rng = generator;
        Ok(state)
    }

    #[track_caller]
    fn restore_parts(&mut self, saved: &Checkpoint, model: &mut impl Module) -> Result<()> {
        saved.restore_optimizer(&mut *self.optimizer).here()?;
        if let Some(schedule) = &mut self.schedule {
            saved.restore_schedule(&mut **schedule).here()?;
        }
        if let Some(stopping) = &mut self.stopping {
            saved.restore_early_stopping(stopping)?;
        }
        // The last: it is the one that changes nothing where it fails.
        saved.restore_model(model)
    }

    fn metric_names(&self) -> Vec<&str> {
        self.metrics.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// What the position in the data depends on: name, description, value.
    fn settings(&self, train: &Examples<'_>) -> [(&'static str, &'static str, u64); 4] {
        [
            ("trainer.examples", "a number of examples of", train.len() as u64),
            ("trainer.batch_size", "a batch size of", self.batch_size as u64),
            ("trainer.accumulate", "a number of batches to accumulate of", self.accumulate as u64),
            ("trainer.drop_last", "a drop_last of", u64::from(self.drop_last)),
        ]
    }
}

/// A parameter that was trained when the checkpoint was saved, and is frozen now.
fn frozen_since(saved: &Checkpoint, model: &impl Module) -> Option<String> {
    let frozen = saved.frozen()?;
    let parameters = model.named_parameters().into_iter();
    parameters.filter(|(_, value)| !value.is_tracked()).map(|(name, _)| name).find(|name| !frozen.contains(name))
}

/// Numbers of an epoch besides its metrics.
const FIXED: usize = 7;

/// The numbers of epochs one after the other, each with its metrics.
fn rows(epochs: &[Epoch]) -> Vec<f64> {
    let row = |e: &Epoch| {
        let validation = [f64::from(u8::from(e.validation_loss.is_some())), e.validation_loss.unwrap_or(0.0)];
        let fixed: [f64; FIXED] =
            [e.epoch as f64, e.step as f64, e.train_loss, validation[0], validation[1], e.learning_rate, e.seconds];
        fixed.into_iter().chain(e.metrics.iter().map(|(_, value)| *value)).collect::<Vec<_>>()
    };
    epochs.iter().flat_map(row).collect()
}

/// The reverse of [`rows`].
fn epochs(rows: &[f64], metrics: &[String]) -> Vec<Epoch> {
    let epoch = |row: &[f64]| Epoch {
        epoch: row[0] as usize,
        step: row[1] as u64,
        train_loss: row[2],
        validation_loss: (row[3] != 0.0).then_some(row[4]),
        learning_rate: row[5],
        seconds: row[6],
        metrics: metrics.iter().cloned().zip(row[FIXED..].iter().copied()).collect(),
    };
    rows.chunks_exact(FIXED + metrics.len()).map(epoch).collect()
}
