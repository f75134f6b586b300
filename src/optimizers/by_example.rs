//! Optimizers that see examples one by one.

use crate::error::Result;
use crate::layers::Module;
use crate::tensor::Tensor;

/// An optimizer around the losses of single examples, which has no use for gradients of their mean: see
/// [`Optimizer::by_example`](super::Optimizer::by_example).
pub trait ExampleOptimizer {
    /// Takes in examples of the present batch, by the vector of their losses.
    ///
    /// # Errors
    /// If the gradients of examples cannot be told apart, or are not finite.
    fn take_in(&mut self, losses: &Tensor) -> Result<()>;

    /// Ends the batch, which may be empty, with a step.
    ///
    /// # Errors
    /// Those of the step.
    fn end_batch(&mut self, model: &mut dyn Module) -> Result<()>;
}
