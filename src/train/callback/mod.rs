//! What happens beside training: one trait for whoever watches a run, or takes a hand in it.

mod best_checkpoints;
mod budget;
mod checkpoints;
mod constrain;
mod context;
#[cfg(feature = "tui")]
mod dashboard;
mod early_stopping;
mod functions;
mod histograms;
mod history_file;
mod list;
mod lr_finder;
mod nan_guard;
mod periodic_average;
mod position;
mod progress;
mod run;
mod schedule;
mod tensorboard;
mod watched;

pub use best_checkpoints::BestCheckpoints;
pub use budget::{MemoryBudget, TimeBudget};
pub use checkpoints::Checkpoints;
pub(super) use constrain::Constrain;
pub use context::Context;
pub(super) use context::Model;
pub use functions::{AfterEpoch, Every, after_epoch, every};
pub use histograms::{HistogramRecord, Histograms};
pub use history_file::HistoryFile;
pub use list::Callbacks;
pub(super) use list::{Place, Remembers};
pub use lr_finder::{LrCurve, LrFinder};
pub(super) use nan_guard::wrong_parameter;
pub use nan_guard::{FiniteOutputs, NanGuard};
pub use periodic_average::PeriodicAverage;
pub(super) use position::{BATCH, ORDER};
pub use progress::Progress;
pub(super) use run::{Plan, Run};
pub use schedule::Scheduled;
pub use tensorboard::TensorBoard;

use super::history::{Epoch, StepReport};
use crate::autograd::Gradients;
use crate::error::Result;
use crate::io::{Checkpoint, CheckpointFolder};

/// Whoever is told what happens in a training run, and may change its course: stop it, change a learning rate, look at
/// gradients, save what it wants.
///
/// [`EarlyStopping`](super::EarlyStopping), [`Checkpoints`], [`BestCheckpoints`], [`Progress`], [`TensorBoard`], [`HistoryFile`], [`Histograms`],
/// [`NanGuard`], [`TimeBudget`], [`MemoryBudget`], [`LrFinder`], [schedules](Scheduled) and the functions [`every`] and [`after_epoch`] are callbacks. A [`Trainer`](super::Trainer) takes them by [`Trainer::callback`](super::Trainer::callback); in a loop of
/// your own, [`Callbacks`] calls them. Each method does nothing by default, so a callback says only what it is there for.
///
/// In one step of the optimizer they are called in this order: [`gradients`](Self::gradients), then the optimizer and
/// [`step`](Self::step); if the model is to be measured, [`validation`](Self::validation); and [`batch_end`](Self::batch_end). At the
/// end of an epoch come [`validation`](Self::validation), unless the run is [measured by
/// steps](super::Trainer::evaluate_every), and [`epoch_end`](Self::epoch_end). After both kinds of ends, callbacks are asked for a
/// [`checkpoint`](Self::checkpoint).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::{Callback, Context, Epoch};
///
/// /// Ends the run as soon as a metric is good enough.
/// struct GoodEnough(&'static str, f64);
///
/// impl Callback for GoodEnough {
///     fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
///         if record.metrics.iter().any(|(name, value)| name == self.0 && *value <= self.1) {
///             run.stop();
///         }
///         Ok(())
///     }
/// }
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// let history = Trainer::new(losses::mse, Adam::new(0.1))
///     .epochs(1000)
///     .metric("rmse", metrics::rmse)
///     .callback(GoodEnough("rmse", 0.01))
///     .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
/// assert!(history.epochs.len() < 200 && history.metric("rmse").last() <= Some(&0.01));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// `docs/adding_a_callback.md` walks through one that remembers something.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a callback",
    label = "expected a callback: `EarlyStopping::new(5)`, or a type of yours that implements `Callback`",
    note = "a closure becomes one by its time: `train::after_epoch(|epoch, model| ..)`, \
            `train::every(100, |report, model: &MyModel| ..)`"
)]
pub trait Callback: Send {
    /// Before the first epoch of a run, or after it was [resumed](Context::is_resumed).
    ///
    /// # Errors
    /// An error of any of these methods ends the run, and is returned.
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        let _ = run;
        Ok(())
    }

    /// Before the first batch of an epoch, or of what is left of it.
    ///
    /// # Errors
    /// As for [`fit_begin`](Self::fit_begin).
    fn epoch_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        let _ = run;
        Ok(())
    }

    /// When the gradients of a step are complete, before the optimizer sees them. They may be changed.
    ///
    /// # Errors
    /// As for [`fit_begin`](Self::fit_begin).
    fn gradients(&mut self, run: &mut Context<'_>, gradients: &mut Gradients) -> Result<()> {
        let _ = (run, gradients);
        Ok(())
    }

    /// Directly after the optimizer has changed the model, before the model is measured.
    ///
    /// # Errors
    /// As for [`fit_begin`](Self::fit_begin).
    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        let _ = (run, report);
        Ok(())
    }

    /// When the model was measured: at the end of each epoch, or after numbers of steps.
    ///
    /// # Errors
    /// As for [`fit_begin`](Self::fit_begin).
    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        let _ = (run, record);
        Ok(())
    }

    /// When everything about the batch, or the batches, of a step is done.
    ///
    /// # Errors
    /// As for [`fit_begin`](Self::fit_begin).
    fn batch_end(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        let _ = (run, report);
        Ok(())
    }

    /// At the end of an epoch, and of one that was cut short. The history has its record.
    ///
    /// # Errors
    /// As for [`fit_begin`](Self::fit_begin).
    fn epoch_end(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        let _ = (run, record);
        Ok(())
    }

    /// After the last epoch, unless the run ends with an error.
    ///
    /// # Errors
    /// As for [`fit_begin`](Self::fit_begin).
    fn fit_end(&mut self, run: &mut Context<'_>) -> Result<()> {
        let _ = run;
        Ok(())
    }

    /// The folder into which a checkpoint of the run is to be saved now, if one is. Asked after [`batch_end`](Self::batch_end) and
    /// [`epoch_end`](Self::epoch_end), when all callbacks have seen these.
    fn checkpoint(&self, run: &Context<'_>) -> Option<&CheckpointFolder> {
        let _ = run;
        None
    }

    /// Adds what further calls depend on, besides the options, to a checkpoint, under names of its own. A run that is resumed
    /// gets it back by [`load`](Self::load).
    ///
    /// # Errors
    /// If that is not possible.
    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        Ok(checkpoint)
    }

    /// Goes on from what [`save`](Self::save) added.
    ///
    /// # Errors
    /// If it is not there, or does not fit.
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        let _ = saved;
        Ok(())
    }
}

impl<C: Callback + ?Sized> Callback for Box<C> {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        (**self).fit_begin(run)
    }
    fn epoch_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        (**self).epoch_begin(run)
    }
    fn gradients(&mut self, run: &mut Context<'_>, gradients: &mut Gradients) -> Result<()> {
        (**self).gradients(run, gradients)
    }
    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        (**self).step(run, report)
    }
    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        (**self).validation(run, record)
    }
    fn batch_end(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        (**self).batch_end(run, report)
    }
    fn epoch_end(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        (**self).epoch_end(run, record)
    }
    fn fit_end(&mut self, run: &mut Context<'_>) -> Result<()> {
        (**self).fit_end(run)
    }
    fn checkpoint(&self, run: &Context<'_>) -> Option<&CheckpointFolder> {
        (**self).checkpoint(run)
    }
    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        (**self).save(checkpoint)
    }
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        (**self).load(saved)
    }
}
