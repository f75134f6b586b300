//! Checkpoints of the best.

use super::watched::watched;
use super::{Callback, Context};
use crate::error::Result;
use crate::io::{Checkpoint, CheckpointFolder};
use crate::train::history::Epoch;

/// Saves a checkpoint in a folder of its own whenever the validation loss, or a metric, is better than ever before. With
/// [`CheckpointFolder::keep`], the folder has the best ones alone.
///
/// ```
/// use demotic::io::CheckpointFolder;
/// use demotic::prelude::*;
/// use demotic::train::BestCheckpoints;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let runs = folder.path();
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// let best = CheckpointFolder::new(runs.join("best")).keep(1);
/// Trainer::new(losses::mse, Adam::new(0.1))
///     .validation(&data)
///     .metric("r2", metrics::r2)
///     .callback(BestCheckpoints::new(best.clone()).metric("r2").maximize())
///     .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
/// assert_eq!(best.list()?.len(), 1);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BestCheckpoints {
    folder: CheckpointFolder,
    metric: Option<String>,
    maximize: bool,
    best: Option<f64>,
    /// The step of the best, if it is the present one.
    improved: Option<u64>,
}

impl BestCheckpoints {
    /// Goes by the validation loss (the training loss without validation data), of which smaller values are better.
    #[must_use]
    pub fn new(folder: CheckpointFolder) -> Self {
        Self { folder, metric: None, maximize: false, best: None, improved: None }
    }

    /// Goes by a metric of the run.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>) -> Self {
        self.metric = Some(name.into());
        self
    }

    /// Larger values are better.
    #[must_use]
    pub fn maximize(mut self) -> Self {
        self.maximize = true;
        self
    }

    /// The name in a checkpoint: there may be one for each metric.
    fn name(&self) -> String {
        format!("best_checkpoints.{}", self.metric.as_deref().unwrap_or_default())
    }
}

impl Callback for BestCheckpoints {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        if !run.is_resumed() {
            self.best = None;
        }
        self.improved = None;
        Ok(())
    }

    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        let value = watched(run, "BestCheckpoints", record, self.metric.as_deref())?;
        let is_better = match self.best {
            None => !value.is_nan(),
            Some(best) if self.maximize => value > best,
            Some(best) => value < best,
        };
        if is_better {
            (self.best, self.improved) = (Some(value), Some(run.steps()));
        }
        Ok(())
    }

    fn checkpoint(&self, run: &Context<'_>) -> Option<&CheckpointFolder> {
        (self.improved == Some(run.steps())).then_some(&self.folder)
    }

    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        Ok(checkpoint.numbers(self.name(), [self.best.unwrap_or(f64::NAN)]))
    }

    /// A run that was begun without it begins to look for the best here.
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        let best = saved.get_numbers(&self.name()).ok().and_then(|numbers| numbers.first().copied());
        self.best = best.filter(|best| !best.is_nan());
        Ok(())
    }
}
