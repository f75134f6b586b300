//! What turns an input into an output.

use std::any::Any;

use super::module::Module;
use crate::autograd;
use crate::error::{Here, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Whether a model is being trained or used.
///
/// Layers that act at random in training, such as dropout, take their random numbers from here: there is no
/// randomness in evaluation, and no training without a generator.
#[derive(Debug)]
pub enum Mode<'a> {
    /// The model is used: the same input gives the same output.
    Eval,
    /// The model is trained; random choices are drawn from the generator.
    Train(&'a mut Rng),
}

impl Mode<'_> {
    /// Whether this is training.
    #[must_use]
    pub fn is_train(&self) -> bool {
        matches!(self, Self::Train(_))
    }
}

/// A [`Module`] that maps one tensor to another.
///
/// ```
/// use demotic::prelude::*;
///
/// #[derive(Clone)]
/// struct TwoLayers {
///     fc1: Linear,
///     fc2: Linear,
/// }
///
/// module!(TwoLayers { fc1, fc2 });
///
/// impl Layer for TwoLayers {
///     fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
///         let hidden = self.fc1.forward(x, mode).in_layer("fc1")?.relu();
///         self.fc2.forward(&hidden, mode).in_layer("fc2")
///     }
/// }
///
/// let mut rng = Rng::seed(1);
/// let model = TwoLayers { fc1: Linear::new(4, 8, &mut rng)?, fc2: Linear::new(8, 2, &mut rng)? };
/// assert_eq!(model.predict(&Tensor::ones([5, 4])?)?.shape(), [5, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "expected a layer",
    note = "what makes a layer can fail and returns a `Result`: append `?`, as in `Linear::new(8, 64, &mut rng)?`",
    note = "a function of tensors becomes a layer by a type of its own: derive `Clone`, write `module!(MyLayer {{ .. }})` and \
            implement `Layer`"
)]
pub trait Layer: Module + CloneLayer {
    /// The output for `x`. The shapes are stated by each layer; the first dimension usually counts examples.
    ///
    /// # Errors
    /// If `x` does not have the shape or type that the layer takes.
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor>;

    /// The output for `x` of a model that is used, not trained: [`forward`](Layer::forward) in [`Mode::Eval`], without
    /// recording.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward).
    #[track_caller]
    fn predict(&self, x: &Tensor) -> Result<Tensor> {
        let _unrecorded = autograd::pause_recording();
        self.forward(x, &mut Mode::Eval)
    }
}

/// Cloning behind a `Box<dyn Layer>`; implemented for every layer that is `Clone`.
#[diagnostic::on_unimplemented(
    message = "the layer `{Self}` cannot be cloned",
    note = "add `#[derive(Clone)]` to it: every layer that is `Clone` and owns what it is made of can be part of others"
)]
pub trait CloneLayer {
    /// A copy of the layer with parameters of its own.
    fn clone_layer(&self) -> Box<dyn Layer>;

    /// The layer as a value whose type can be asked for.
    #[doc(hidden)]
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

impl<L: Layer + Clone + 'static> CloneLayer for L {
    fn clone_layer(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        (**self).clone_layer()
    }
}

impl Layer for Box<dyn Layer> {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        // A call through `dyn` does not hand on the caller's line.
        (**self).forward(x, mode).here()
    }
}

impl std::fmt::Debug for dyn Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}
