//! Where a run has got to.

use std::path::PathBuf;
use std::time::Instant;

use super::progress::Speaker;
use crate::error::{Error, Result};
use crate::io::Checkpoint;
use crate::rng::Rng;
use crate::train::history::{Ended, Epoch, History};
use crate::train::mean::Mean;
use crate::train::stop::{CtrlC, StopHandle};

/// How far a run is to go.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct Plan {
    /// The last epoch; `usize::MAX` without an end.
    pub(in crate::train) epochs: usize,
    /// The last step, as far as it is known; `u64::MAX` without an end.
    pub(in crate::train) steps: u64,
    /// Whether the run is counted in steps.
    pub(in crate::train) by_steps: bool,
    /// Whether the model is measured after numbers of steps, not only of epochs.
    pub(in crate::train) evaluates_steps: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { epochs: usize::MAX, steps: u64::MAX, by_steps: false, evaluates_steps: false }
    }
}

/// What the future of a run depends on besides model, optimizer and callbacks, and what these are told of it.
pub(in crate::train) struct Run {
    pub(in crate::train) plan: Plan,
    /// The present epoch, from 1.
    pub(in crate::train) epoch: usize,
    pub(in crate::train) step: u64,
    /// The training loss since the epoch began, and since the last evaluation.
    pub(in crate::train) epoch_loss: Mean,
    pub(in crate::train) recent_loss: Mean,
    /// Seconds that the epoch has taken in earlier runs, and when this one took it up.
    pub(in crate::train) earlier_seconds: f64,
    pub(in crate::train) begun: Instant,
    pub(in crate::train) history: History,
    /// The epoch and step whose parameters the model will be left with, if someone keeps them.
    pub(in crate::train) kept: Option<(usize, u64)>,
    pub(in crate::train) is_resumed: bool,
    pub(in crate::train) is_epoch_end: bool,
    pub(in crate::train) is_epoch_complete: bool,
    /// Whether someone asked for the end.
    pub(in crate::train) stop: bool,
    /// Whether it comes anyway.
    pub(in crate::train) ends: bool,
    /// Whether someone asked for it by a key.
    pub(super) asked: bool,
    /// What several ranks have agreed on, of being interrupted.
    pub(in crate::train) agreed: Option<bool>,
    pub(in crate::train) stop_handle: StopHandle,
    pub(in crate::train) ctrl_c: Option<CtrlC>,
    /// The checkpoint that was saved last.
    pub(in crate::train) saved: Option<PathBuf>,
    /// Whether the loss was looked at for what is hardly meant.
    pub(in crate::train) is_looked_at: bool,
    pub(super) speaker: Option<Speaker>,
    /// Of a loop by hand: the generator that shuffles the epoch, and how many batches of it were used.
    pub(super) order: Option<Rng>,
    pub(super) batch: usize,
}

/// The names in a checkpoint.
const METRICS: &str = "trainer.metrics";
const LOSSES: &str = "trainer.losses";

impl Run {
    pub(in crate::train) fn new(stop_handle: StopHandle, plan: Plan) -> Self {
        let history = History {
            epochs: vec![],
            evaluations: vec![],
            steps: 0,
            kept_epoch: 0,
            kept_step: 0,
            ended: Ended::Finished,
            by_steps: plan.by_steps,
            notes: vec![],
        };
        Self {
            plan,
            epoch: 1,
            step: 0,
            epoch_loss: Mean::default(),
            recent_loss: Mean::default(),
            earlier_seconds: 0.0,
            begun: Instant::now(),
            history,
            kept: None,
            is_resumed: false,
            is_epoch_end: false,
            is_epoch_complete: false,
            stop: false,
            ends: false,
            asked: false,
            agreed: None,
            stop_handle,
            ctrl_c: None,
            saved: None,
            is_looked_at: false,
            speaker: None,
            order: None,
            batch: 0,
        }
    }

    /// Seconds since the epoch began.
    pub(in crate::train) fn seconds(&self) -> f64 {
        self.earlier_seconds + self.begun.elapsed().as_secs_f64()
    }

    /// Goes on to the next epoch.
    pub(in crate::train) fn advance(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        (self.epoch_loss, self.recent_loss, self.earlier_seconds) = (Mean::default(), Mean::default(), 0.0);
        (self.is_epoch_end, self.is_epoch_complete) = (false, false);
        (self.order, self.batch) = (None, 0);
        self.begun = Instant::now();
    }

    /// Whether a handle or Ctrl-C has asked for the end; on several ranks, whether they have agreed on it.
    pub(in crate::train) fn is_interrupted(&self) -> bool {
        self.agreed.unwrap_or_else(|| self.wants_interruption())
    }

    /// Whether somebody has asked this rank for the end.
    pub(in crate::train) fn wants_interruption(&self) -> bool {
        self.asked || self.stop_handle.is_stopped() || self.ctrl_c.as_ref().is_some_and(CtrlC::is_pressed)
    }

    pub(in crate::train) fn suspended<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.speaker {
            Some(speaker) => speaker.suspended(f),
            None => f(),
        }
    }

    /// Takes down what is probably not meant, and says it where the progress is said.
    pub(in crate::train) fn note(&mut self, note: String) {
        if let Some(speaker) = &mut self.speaker {
            speaker.say(&format!("note: {note}"));
        }
        self.history.notes.push(note);
    }

    /// Adds the position to a checkpoint.
    #[track_caller]
    pub(in crate::train) fn save(
        &self,
        mut checkpoint: Checkpoint,
        metrics: &[&str],
        seconds: f64,
    ) -> Result<Checkpoint> {
        let mut metadata = checkpoint.get_metadata().clone();
        metadata.insert_json(METRICS, &metrics)?;
        let (epoch, recent, history) = (self.epoch_loss, self.recent_loss, &self.history);
        let last = history.last().map_or((0, 0), |last| (last.epoch, last.step));
        let kept = self.kept.unwrap_or(last);
        checkpoint = checkpoint
            .metadata(metadata)
            .counter("trainer.epoch", self.epoch as u64)
            .counter("trainer.step", self.step)
            .counter("trainer.kept_epoch", kept.0 as u64)
            .counter("trainer.kept_step", kept.1)
            .counter("trainer.keeps", u64::from(self.kept.is_some()))
            .numbers(LOSSES, [epoch.total, epoch.weight, recent.total, recent.weight, seconds])
            .numbers("trainer.epochs", rows(&history.epochs))
            .numbers("trainer.evaluations", rows(&history.evaluations));
        Ok(checkpoint)
    }

    /// The names of the metrics that a checkpoint was saved with.
    #[track_caller]
    pub(in crate::train) fn metrics(saved: &Checkpoint) -> Result<Vec<String>> {
        saved.get_metadata().get_json(METRICS)
    }

    /// Takes the position up again. `source` is where it comes from, in errors.
    #[track_caller]
    pub(in crate::train) fn load(&mut self, saved: &Checkpoint, metrics: &[String], source: &str) -> Result<()> {
        let count = |name: &str| Ok::<_, Error>(usize::try_from(saved.get_counter(name)?).unwrap_or(usize::MAX));
        let losses = saved.get_numbers(LOSSES)?;
        let &[epoch_total, epoch_weight, recent_total, recent_weight, seconds] = losses else {
            return Err(Error::format("resume", format!("{source}: {} losses, expected 5", losses.len())));
        };
        // Before there was a trait of callbacks, early stopping was the only one that kept parameters.
        let keeps = match saved.get_counter("trainer.keeps") {
            Ok(keeps) => keeps != 0,
            Err(_) => saved.get_numbers(crate::train::early_stopping::NAME).is_ok(),
        };
        let kept = (count("trainer.kept_epoch")?, saved.get_counter("trainer.kept_step")?);
        self.epoch = count("trainer.epoch")?;
        self.step = saved.get_counter("trainer.step")?;
        self.epoch_loss = Mean { total: epoch_total, weight: epoch_weight };
        self.recent_loss = Mean { total: recent_total, weight: recent_weight };
        self.earlier_seconds = seconds;
        self.history.epochs = epochs(saved.get_numbers("trainer.epochs")?, metrics);
        self.history.evaluations = epochs(saved.get_numbers("trainer.evaluations")?, metrics);
        self.kept = (keeps && kept.0 > 0).then_some(kept);
        self.is_resumed = true;
        Ok(())
    }

    /// The history when the run has ended. `left` is where the model is, if nobody keeps parameters.
    pub(in crate::train) fn finish(&mut self, ended: Ended, left: Option<(usize, u64)>) {
        let history = &mut self.history;
        history.steps = self.step;
        history.by_steps = self.plan.by_steps;
        history.ended = ended;
        let last = history.last().map_or((0, 0), |last| (last.epoch, last.step));
        (history.kept_epoch, history.kept_step) = self.kept.or(left).unwrap_or(last);
    }
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
