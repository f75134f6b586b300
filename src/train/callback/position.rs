//! Checkpoints in the middle of an epoch, in a loop by hand.

use super::list::Callbacks;
use crate::error::Result;
use crate::io::Checkpoint;
use crate::layers::Module;
use crate::optimizers::Optimizer;
use crate::rng::Rng;

/// How many batches of the epoch were used, and the generator that shuffled it: the names in a checkpoint, which a Trainer's have as well.
pub(in crate::train) const BATCH: &str = "trainer.batch";
pub(in crate::train) const ORDER: &str = "trainer.order";

/// Checkpoints in the middle of an epoch.
impl Callbacks {
    /// The generator that is to shuffle the present epoch, and how many of its batches were used already: none, unless the run goes on from
    /// a checkpoint that [`step_end`](Self::step_end) saved.
    ///
    /// ```
    /// use demotic::io::CheckpointFolder;
    /// use demotic::prelude::*;
    /// use demotic::train::{Callbacks, Checkpoints};
    ///
    /// # let temporary = tempfile::tempdir().unwrap();
    /// # let folder = CheckpointFolder::new(temporary.path().join("run"));
    /// # let mut rng = Rng::seed(0);
    /// # let x = Tensor::normal([80, 3], 0.0, 1.0, &mut rng)?;
    /// # let train = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    /// # let (mut model, mut opt) = (Linear::new(3, 1, &mut rng)?, Adam::new(0.05));
    /// let mut run = Callbacks::new().epochs(10).with(Checkpoints::new(folder.clone()).every(3));
    /// if let Some(latest) = folder.latest()? {
    ///     run.resume(latest, &mut model, &mut opt, &mut rng)?;
    /// }
    /// run.fit_begin(&mut model, &mut opt)?;
    /// 'run: while run.epoch_begin(&mut model, &mut opt)? {
    ///     let (mut order, used) = run.order(&mut rng);
    ///     for batch in train.batches(16).shuffle(&mut order).skip(used) {
    ///         let (x, y) = batch?;
    ///         let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
    ///         opt.step(&mut model, &loss.backward()?)?;
    ///         run.step(&mut model, &mut opt, loss.item()?, x.size(0)?)?;
    ///         if !run.step_end(&mut model, &mut opt, &rng)? {
    ///             break 'run; // Ctrl-C, or a callback
    ///         }
    ///     }
    ///     run.epoch_end(&mut model, &mut opt, &rng, None)?;
    /// }
    /// run.fit_end(&mut model, &mut opt)?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn order(&mut self, rng: &mut Rng) -> (Rng, usize) {
        (self.run.order.get_or_insert_with(|| rng.split()).clone(), self.run.batch)
    }

    /// Says that a batch was used, and its step made: saves the checkpoints that are due in the middle of an epoch. `false`, if the run is to
    /// end here.
    ///
    /// # Errors
    /// Those of saving.
    #[track_caller]
    pub fn step_end(
        &mut self,
        model: &mut (impl Module + 'static),
        optimizer: &mut dyn Optimizer,
        rng: &Rng,
    ) -> Result<bool> {
        self.run.batch += 1;
        self.run.ends = self.is_stopped();
        for folder in self.folders(model, optimizer) {
            let seconds = self.run.seconds();
            let checkpoint = self.checkpoint_after(&*model, &*optimizer, rng, seconds)?;
            self.run.saved = Some(folder.save(self.run.step, &checkpoint)?);
        }
        Ok(!self.is_stopped())
    }

    /// Adds where the epoch is.
    pub(super) fn save_position(&self, checkpoint: Checkpoint) -> Checkpoint {
        match &self.run.order {
            Some(order) => checkpoint.counter(BATCH, self.run.batch as u64).named_rng(ORDER, order),
            None => checkpoint,
        }
    }

    /// Goes on from there.
    pub(super) fn load_position(&mut self, saved: &Checkpoint) {
        if let (Ok(batch), Ok(order)) = (saved.get_counter(BATCH), saved.get_rng(ORDER)) {
            (self.run.batch, self.run.order) = (usize::try_from(batch).unwrap_or(usize::MAX), Some(order));
        }
    }
}
