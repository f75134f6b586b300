//! Optimizers that compute the loss themselves, where an ordinary one is asked for.

use super::closure::ClosureOptimizer;
use super::{Optimizer, OptimizerState};
use crate::autograd::Gradients;
use crate::error::{Error, Result};
use crate::layers::Module;

/// A [`ClosureOptimizer`] for a [`Trainer`](crate::train::Trainer), which lets it compute the loss of the present batches as often as
/// it wants: always on the same examples, with the same random choices, and layers that count what they see count it once.
///
/// The loss of a step is that at its beginning, and callbacks see the gradients there; what they do to these concerns the first
/// evaluation alone. [`Lbfgs`](super::Lbfgs) wants all examples in one batch.
///
/// ```
/// use demotic::optimizers::{ByClosure, Lbfgs};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::uniform([64, 1], -1.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), (&x * 3.0).sin())?;
/// let mut model = sequential![Linear::new(1, 16, &mut rng)?, Tanh, Linear::new(16, 1, &mut rng)?];
/// let history = Trainer::new(losses::mse, ByClosure::new(Lbfgs::new(1.0).strong_wolfe()))
///     .batch_size(64)
///     .epochs(10)
///     .fit(&mut model, &data, &mut rng)?;
/// assert!(history.last().unwrap().train_loss < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ByClosure<C> {
    inner: C,
}

impl<C: ClosureOptimizer> ByClosure<C> {
    /// Around such an optimizer.
    #[must_use]
    pub fn new(inner: C) -> Self {
        Self { inner }
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &C {
        &self.inner
    }
}

impl<C: ClosureOptimizer> Optimizer for ByClosure<C> {
    /// # Errors
    /// Always: gradients are not enough.
    #[track_caller]
    fn step(&mut self, _: &mut dyn Module, _: &Gradients) -> Result<()> {
        let message = "this optimizer computes the loss itself, gradients at one place are not enough";
        Err(Error::state("ByClosure", message)
            .with_help("give it to a Trainer; in a loop, write opt.step_with(&mut model, |model| loss)"))
    }

    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.inner.set_learning_rate(learning_rate);
    }

    fn state(&self) -> OptimizerState {
        self.inner.state()
    }

    #[track_caller]
    fn load_state(&mut self, state: OptimizerState) -> Result<()> {
        self.inner.load_state(state)
    }

    fn closure(&mut self) -> Option<&mut dyn ClosureOptimizer> {
        Some(&mut self.inner)
    }
}
