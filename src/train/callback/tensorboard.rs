//! What happens in a run, for TensorBoard.

use std::path::Path;

use super::{Callback, Context};
use crate::autograd::Gradients;
use crate::count::IntoCount;
use crate::error::Result;
use crate::train::histogram::{gradient_histograms, weight_histograms};
use crate::train::history::{Epoch, StepReport, is_due};
use crate::train::tensorboard::EventWriter;

/// Writes the course of a run for TensorBoard: `loss/train` and `learning_rate` of steps, `loss/validation` and metrics where the model is
/// measured, and, if they are asked for, histograms of weights and gradients. `tensorboard --logdir runs` shows them.
///
/// A [`writer`](Self::writer) adds pictures, texts and whatever else. A resumed run writes a further file, and what the earlier ones have of
/// steps after its beginning is not shown.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::TensorBoard;
/// use demotic::train::tensorboard::read_events;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let runs = folder.path();
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// let board = TensorBoard::new(runs.join("first"))?.histograms(10);
/// let log = board.writer();
/// log.text("data", 0, "sums of two numbers")?;
/// Trainer::new(losses::mse, Sgd::new(0.1))
///     .epochs(10)
///     .validation(&data)
///     .metric("rmse", metrics::rmse)
///     .callback(board)
///     .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
/// let events = read_events(log.path())?;
/// assert!(events.iter().any(|event| event.tag == "gradients/weight" && event.step == 20));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TensorBoard {
    writer: EventWriter,
    every: u64,
    histograms: Option<u64>,
}

impl TensorBoard {
    /// Writes into a folder, which is that of this run alone and is made if it does not exist.
    ///
    /// # Errors
    /// If nothing can be written there.
    #[track_caller]
    pub fn new(folder: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::to(EventWriter::create(folder)?))
    }

    /// Writes where a writer does.
    #[must_use]
    pub fn to(writer: EventWriter) -> Self {
        Self { writer, every: 1, histograms: None }
    }

    /// Writes the training loss and the learning rate of every so many steps, 1 by default.
    #[must_use]
    pub fn every(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.every = steps;
        self
    }

    /// Writes histograms of weights and gradients at every so many steps.
    #[must_use]
    pub fn histograms(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.histograms = Some(steps);
        self
    }

    /// A writer into the same file.
    #[must_use]
    pub fn writer(&self) -> EventWriter {
        self.writer.clone()
    }
}

impl Callback for TensorBoard {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        run.check_interval(self.every)?;
        run.check_interval(self.histograms.unwrap_or(1))?;
        if run.is_resumed() {
            run.here(self.writer.resumed(run.steps()))?;
        }
        Ok(())
    }

    fn gradients(&mut self, run: &mut Context<'_>, gradients: &mut Gradients) -> Result<()> {
        let step = run.steps().saturating_add(1);
        if self.histograms.is_none_or(|every| !is_due(every, step)) {
            return Ok(());
        }
        let both =
            [("weights", weight_histograms(run.model())), ("gradients", gradient_histograms(run.model(), gradients))];
        for (kind, histograms) in both {
            for (path, histogram) in histograms {
                run.here(self.writer.histogram(&format!("{kind}/{path}"), step, &histogram))?;
            }
        }
        Ok(())
    }

    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        if !is_due(self.every, report.step) {
            return Ok(());
        }
        let values = [("loss/train", report.loss), ("learning_rate", report.learning_rate)];
        run.here(self.writer.scalars(report.step, &values))
    }

    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        let mut values = vec![("epoch", record.epoch as f64)];
        values.extend(record.validation_loss.map(|loss| ("loss/validation", loss)));
        values.extend(record.metrics.iter().map(|(name, value)| (name.as_str(), *value)));
        run.here(self.writer.scalars(record.step, &values))
    }
}
