//! A run in a checkpoint, and on from there.

use std::collections::BTreeSet;
use std::panic::Location;
use std::path::Path;

use super::Core;
use super::run::Position;
use super::subject::Subject;
use crate::error::{Error, Here, Result};
use crate::io::{Checkpoint, CheckpointFolder};
use crate::layers::{Module, ModuleExt};
use crate::rng::Rng;
use crate::train::callback::{BATCH, ORDER, Run};

const STEPS_PER_EPOCH: &str = "trainer.steps_per_epoch";
/// Some numbers of the data.
const DATA: &str = "trainer.data";
const FIRST: &str = "a first run has none: resume what CheckpointFolder::latest()? finds, if it finds one";

impl Core {
    /// Everything that the rest of the run depends on.
    #[track_caller]
    pub(super) fn checkpoint(
        &self,
        position: &Position,
        seconds: f64,
        subject: &mut dyn Subject,
        rng: &Rng,
    ) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new().optimizer(&*self.optimizer).rng(rng).metadata(self.metadata.clone());
        let model: &dyn Module = subject.model();
        checkpoint = checkpoint.model(model).counter(BATCH, position.batch as u64);
        for (name, _, value) in self.settings(subject.examples()) {
            checkpoint = checkpoint.counter(name, value);
        }
        if !self.fingerprint.is_empty() {
            checkpoint = checkpoint.numbers(DATA, self.fingerprint.clone());
        }
        if let Some(order) = &position.order {
            checkpoint = checkpoint.named_rng(ORDER, order);
        }
        checkpoint = self.callbacks.run.save(
            checkpoint,
            &self.metric_names().iter().map(String::as_str).collect::<Vec<_>>(),
            seconds,
        )?;
        subject.remembered(self.callbacks.save(checkpoint)?).here()
    }

    /// Takes everything up again.
    #[track_caller]
    pub(super) fn restore(&mut self, path: &Path, subject: &mut dyn Subject, rng: &mut Rng) -> Result<Position> {
        let op = "resume";
        let latest = if path.is_dir() { CheckpointFolder::new(path).latest()? } else { Some(path.to_path_buf()) };
        let Some(path) = latest else {
            return Err(Error::argument(op, format!("there is no checkpoint in {}", path.display())).with_help(FIRST));
        };
        let saved = Checkpoint::load(&path).map_err(|e| match (path.exists(), e.help()) {
            (true, _) => e,
            (false, help) => {
                let looked = help.map(|help| format!("; {help}")).unwrap_or_default();
                e.with_help(format!("{FIRST}{looked}"))
            }
        })?;
        let caller = Location::caller();
        let differs = |what: String| Error::argument(op, format!("{}: {what}", path.display())).at(caller);
        for (name, what, value) in self.settings(subject.examples()) {
            let before = match saved.get_counter(name) {
                // Before there was the option.
                Err(_) if name == STEPS_PER_EPOCH => 0,
                before => before?,
            };
            if before != value {
                return Err(differs(format!("saved with {what} {before}, which is {value} now")).with_help(SAME));
            }
        }
        self.fingerprint = subject.fingerprint();
        if saved.get_numbers(DATA).is_ok_and(|before| !is_alike(before, &self.fingerprint)) {
            return Err(differs(
                "saved with other data: samples of the same numbers have other values now".to_string(),
            )
            .with_help(SAME));
        }
        let metrics = Run::metrics(&saved)?;
        if metrics != self.metric_names() {
            return Err(differs(format!(
                "saved with the metrics {metrics:?}, which are {:?} now",
                self.metric_names()
            )));
        }
        if saved.has_schedule() && !self.callbacks.save(Checkpoint::new())?.has_schedule() {
            return Err(differs("saved with a schedule, there is none now".to_string()));
        }
        if let Some(name) = frozen_since(&saved, subject.model()) {
            return Err(differs(format!("saved with `{name}` trainable, which is frozen now")).with_help(
                "what was frozen is frozen again by itself; beyond that, a run goes on with the parameters that it trained",
            ));
        }

        let batch = usize::try_from(saved.get_counter(BATCH)?).unwrap_or(usize::MAX);
        let order = if batch > 0 { Some(saved.get_rng(ORDER)?) } else { None };
        let mut run = self.callbacks.reset();
        run.load(&saved, &metrics, &path.display().to_string())?;
        // From here on things change. If one of them does not fit, those before it are put back.
        let mut generator = rng.clone();
        saved.restore_rng(&mut generator)?;
        let (model, task) = subject.parts();
        self.callbacks.restore(&saved, model, &mut *self.optimizer, task)?;
        (self.callbacks.run, *rng) = (run, generator);
        Ok(Position { batch, order })
    }

    fn metric_names(&self) -> Vec<String> {
        let own = self.optimizer.reports().into_iter().map(|(name, _)| name);
        self.metrics.iter().map(|(name, _)| name.clone()).chain(own).collect()
    }

    /// What the position in the data depends on: name, description, value.
    fn settings(&self, examples: usize) -> [(&'static str, &'static str, u64); 5] {
        let options = &self.options;
        [
            ("trainer.examples", "a number of examples of", examples as u64),
            ("trainer.batch_size", "a batch size of", options.batch_size as u64),
            ("trainer.accumulate", "a number of batches to accumulate of", options.accumulate as u64),
            ("trainer.drop_last", "a drop_last of", u64::from(options.drop_last)),
            (STEPS_PER_EPOCH, "a number of steps per epoch of", options.steps_per_epoch.unwrap_or(0)),
        ]
    }
}

/// The help where a run would go on with something else.
const SAME: &str = "a run goes on with the data and options that it began with, apart from epochs and max_steps";

/// Whether numbers of data are the same, but for what another processor rounds in another way.
fn is_alike(before: &[f64], now: &[f64]) -> bool {
    let near =
        |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-3 * a.abs().max(b.abs()) + 1e-6;
    now.is_empty() || before.len() == now.len() && before.iter().zip(now).all(|(a, b)| near(*a, *b))
}

/// A parameter that was trained when the checkpoint was saved, and is frozen now.
fn frozen_since(saved: &Checkpoint, model: &dyn Module) -> Option<String> {
    let mut frozen: BTreeSet<&str> = BTreeSet::new();
    frozen.extend(saved.frozen()?.iter().map(String::as_str));
    let parameters = model.named_parameters().into_iter();
    let mut now = parameters.filter(|(_, value)| !value.is_tracked()).map(|(name, _)| name);
    now.find(|name| !frozen.contains(name.as_str()))
}
