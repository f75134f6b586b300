//! A handle on an optimizer that something else steps.

use std::sync::{Arc, Mutex, PoisonError};

use super::divided::Divided;
use super::{Optimizer, OptimizerState};
use crate::autograd::Gradients;
use crate::error::Result;
use crate::layers::Module;

/// An optimizer that can be reached while a [`Trainer`](crate::train::Trainer) has it: clones are the same optimizer once more. So what
/// only this kind of optimizer has can be used during and after a run, such as the averages of [`Averaged`](super::Averaged).
///
/// ```
/// use demotic::data::TensorDataset;
/// use demotic::optimizers::{Averaged, Shared};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = Linear::new(2, 1, &mut rng)?;
/// let data = TensorDataset::new(tensor![[1.0, 2.0], [3.0, 1.0]], tensor![[1.0], [2.0]])?;
/// let opt = Shared::new(Averaged::ema(Adam::new(0.1), 0.9));
/// Trainer::new(losses::mse, opt.clone()).epochs(100).fit(&mut model, &data, &mut rng)?;
/// // The model gets the averages.
/// opt.with(|opt| opt.swap(&mut model))?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Shared<O>(Arc<Mutex<O>>);

impl<O> Clone for Shared<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O: Optimizer> Shared<O> {
    /// A handle on this optimizer.
    #[must_use]
    pub fn new(optimizer: O) -> Self {
        Self(Arc::new(Mutex::new(optimizer)))
    }

    /// What a function makes of the optimizer. It waits until a step that is being made on another thread is done; within the function,
    /// no handle on the same optimizer may be used.
    #[track_caller]
    pub fn with<T>(&self, f: impl FnOnce(&mut O) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<O: Optimizer> Optimizer for Shared<O> {
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module, grads: &Gradients) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).step(model, grads)
    }

    #[track_caller]
    fn step_divided(&mut self, model: &mut dyn Module, grads: &Gradients, divided: &Divided<'_>) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).step_divided(model, grads, divided)
    }

    fn learning_rate(&self) -> f64 {
        self.with(|opt| opt.learning_rate())
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.with(|opt| opt.set_learning_rate(learning_rate));
    }

    #[track_caller]
    fn set_momentum(&mut self, momentum: f64) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).set_momentum(momentum)
    }

    #[track_caller]
    fn set_learning_rate_scale(&mut self, pattern: &str, scale: f64) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).set_learning_rate_scale(pattern, scale)
    }

    fn state(&self) -> OptimizerState {
        self.with(|opt| opt.state())
    }

    #[track_caller]
    fn load_state(&mut self, state: OptimizerState) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).load_state(state)
    }
}
