//! Pruning while a model is trained.

use super::masks::Masks;
use super::pruning::Pruning;
use crate::count::IntoCount;
use crate::error::{Error, Result};
use crate::io::Checkpoint;
use crate::regularizers::Constraint;
use crate::tensor::Tensor;
use crate::train::{Callback, Context, StepReport};

/// Prunes more and more during training, quickly at first and slowly at the end, so that the model can make up for what it loses:
/// after step `t` of the optimizer the share is `s − s · (1 − (t − begin) / (end − begin))³` (Zhu and Gupta, *To prune, or not to
/// prune*, 2017), where `s` is the share of the [`Pruning`]. What is zero stays zero.
///
/// ```
/// use demotic::compress::{GradualPruning, Pruning};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([64, 8], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// let mut model = sequential![Linear::new(8, 16, &mut rng)?, Relu, Linear::new(16, 1, &mut rng)?];
/// Trainer::new(losses::mse, Adam::new(0.01))
///     .epochs(10)
///     .batch_size(16)
///     .callback(GradualPruning::new(Pruning::magnitude(0.5), 10, 30).every(5))
///     .fit(&mut model, &data, &mut rng)?;
/// assert_eq!(demotic::compress::Masks::of_zeros(&model, "*.weight")?.sparsity(), 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Its masks are part of the checkpoints of a run.
#[derive(Debug, Clone)]
pub struct GradualPruning {
    pruning: Pruning,
    begin: u64,
    end: u64,
    every: u64,
    masks: Masks,
}

/// Under which names a checkpoint has the masks.
const SAVED: &str = "pruning";

impl GradualPruning {
    /// From step `begin`, after which nothing is pruned yet, to step `end`, after which the whole share is.
    #[must_use]
    pub fn new(pruning: Pruning, begin: impl IntoCount, end: impl IntoCount) -> Self {
        let (begin, end) = (begin.into_count(), end.into_count());
        Self { pruning, begin, end, every: 100, masks: Masks::default() }
    }

    /// Chooses anew after each so many steps (100 unless it is said), and after the last one.
    #[must_use]
    pub fn every(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.every = steps;
        self
    }

    /// The share after a step.
    #[must_use]
    pub fn share(&self, step: impl IntoCount) -> f64 {
        let step = step.into_count();
        let whole = self.end.saturating_sub(self.begin).max(1) as f64;
        let left = 1.0 - (step.saturating_sub(self.begin) as f64 / whole).min(1.0);
        self.pruning.amount * (1.0 - left.powi(3))
    }

    /// The masks of now.
    #[must_use]
    pub fn masks(&self) -> &Masks {
        &self.masks
    }
}

impl Callback for GradualPruning {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        let Self { begin, end, every, .. } = *self;
        if begin >= end || every == 0 {
            let message = format!("from step {begin} to {end}, each {every}: expected a positive number of steps");
            return Err(Error::argument("GradualPruning", message));
        }
        // Finds mistakes before hours of training.
        self.pruning.masks(run.model()).map(|_| ())
    }

    fn step(&mut self, run: &mut Context<'_>, _: &StepReport) -> Result<()> {
        let step = run.steps();
        let is_turn = step > self.begin && step <= self.end && (step - self.begin).is_multiple_of(self.every);
        if !self.masks.masks.is_empty() {
            self.masks.apply(run.model_mut())?;
        }
        if is_turn || step == self.end {
            self.masks = self.pruning.clone().amount(self.share(step)).apply_to(run.model_mut())?;
        }
        Ok(())
    }

    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        let masks = self.masks.masks.iter().map(|(path, mask)| (path.clone(), mask.clone()));
        Ok(checkpoint.tensors(SAVED, masks.collect::<Vec<(String, Tensor)>>()))
    }

    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        self.masks = Masks { masks: saved.get_tensors(SAVED)?.to_vec() };
        Ok(())
    }
}
