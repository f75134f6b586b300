//! What turns an input into an output.

use std::panic::Location;

use super::mode::{Mode, Name};
use super::module::Module;
use super::summary::Summary;
use crate::autograd;
use crate::error::Result;
use crate::tensor::{Shape, Tensor};

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
///         let hidden = self.fc1.at("fc1", x, mode)?.relu();
///         self.fc2.at("fc2", &hidden, mode)
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
    note = "a function of a tensor becomes a layer by `Lambda::new(|x| Ok(x.relu()))`, and with parameters by a type of its own: \
            derive `Clone`, write `module!(MyLayer {{ .. }})` and implement `Layer`",
    note = "a `Box<dyn Layer>` holds a layer and is none itself: pass on `&*layer`, or put it into a `Sequential`"
)]
pub trait Layer: Module + CloneLayer {
    /// The output for `x`. The shapes are stated by each layer; the first dimension usually counts examples.
    ///
    /// # Errors
    /// If `x` does not have the shape or type that the layer takes.
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor>;

    /// The output for `x` of this layer and of as many of those behind it as are done together with it, and their number; nothing if
    /// none are, or something does not fit.
    #[doc(hidden)]
    fn with_next(&self, _next: &[Box<dyn Layer>], _x: &Tensor, _mode: &Mode<'_>) -> Option<(Tensor, usize)> {
        None
    }
}

/// What every layer can do.
pub trait LayerExt: Layer {
    /// The output for `x` of a layer that is part of another one, which calls it `name`, as [`module!`](crate::module!) does:
    /// [`forward`](Layer::forward) of which errors, [`summary`](Self::summary), [profiles](crate::profile) and
    /// [hooks](super::Hooks) know where in the model it is.
    ///
    /// A name is a text, a position, or both: `self.blocks[3].at(("blocks", 3), &x, mode)`.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward).
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let fc = Linear::new(3, 2, &mut rng)?;
    /// let e = fc.at("fc", &Tensor::ones([1, 4])?, &mut Mode::eval()).unwrap_err();
    /// assert_eq!(e.layer(), Some("fc"));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn at<'n>(&self, name: impl Into<Name<'n>>, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.call(name, self, |layer, mode| layer.forward(x, mode))
    }

    /// The output for `x` of a model that is used, not trained: [`forward`](Layer::forward) with [`Mode::eval`], without
    /// recording.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward).
    #[track_caller]
    fn predict(&self, x: &Tensor) -> Result<Tensor> {
        let _unrecorded = autograd::pause_recording();
        self.forward(x, &mut Mode::eval().called_at(Location::caller()))
    }

    /// A table of the layers, their output shapes for an input of `input_shape`, and their numbers of parameters. The shapes
    /// are those of layers that are called by their names, with [`at`](Self::at).
    ///
    /// The input is of type `F32`, or `I64` for a model that does not take that, such as one that begins with an
    /// [`Embedding`](crate::layers::Embedding).
    ///
    /// # Errors
    /// If the model takes neither in this shape.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = sequential![Linear::new(8, 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
    /// println!("{}", model.summary([32, 8])?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn summary(&self, input_shape: impl Shape) -> Result<Summary> {
        let _unrecorded = autograd::pause_recording();
        let run = |x: &Tensor, mode: &mut Mode<'_>| self.forward(x, mode);
        Summary::of(self.kind(), &|visitor| self.visit(visitor), &run, input_shape.sizes())
    }
}

impl<L: Layer + ?Sized> LayerExt for L {}

/// Cloning behind a `Box<dyn Layer>`; implemented for every layer that is `Clone`.
#[diagnostic::on_unimplemented(
    message = "the layer `{Self}` cannot be cloned",
    note = "add `#[derive(Clone)]` to it: every layer that is `Clone` and owns what it is made of can be part of others"
)]
pub trait CloneLayer {
    /// A copy of the layer with parameters of its own.
    fn clone_layer(&self) -> Box<dyn Layer>;
}

impl<L: Layer + Clone + 'static> CloneLayer for L {
    fn clone_layer(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        (**self).clone_layer()
    }
}

/// A layer, or one in a box: what goes into other layers, such as a [`Sequential`](super::Sequential).
///
/// A `Box<dyn Layer>` is no layer itself. If it were, boxes could be put into boxes without end, and Rust drops such a chain by
/// calls inside of calls, which no stack has room for. So a layer that is chosen while the program runs has one box:
///
/// ```
/// use demotic::prelude::*;
///
/// fn chosen(name: &str) -> Box<dyn Layer> {
///     match name {
///         "gelu" => Box::new(Gelu),
///         _ => Box::new(Relu),
///     }
/// }
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(8, 64, &mut rng)?, chosen("gelu"), Linear::new(64, 1, &mut rng)?];
/// assert_eq!(chosen("relu").predict(&tensor![-1.0, 1.0])?.to_vec::<f32>()?, [0.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// ```compile_fail,E0277
/// use demotic::prelude::*;
///
/// let layer: Box<dyn Layer> = Box::new(Relu);
/// let layer: Box<dyn Layer> = Box::new(layer);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "expected a layer",
    note = "what makes a layer can fail and returns a `Result`: append `?`, as in `Linear::new(8, 64, &mut rng)?`",
    note = "a function of a tensor becomes a layer by `Lambda::new(|x| Ok(x.relu()))`, and with parameters by a type of its own: \
            derive `Clone`, write `module!(MyLayer {{ .. }})` and implement `Layer`"
)]
pub trait IntoLayer {
    /// The layer in its box.
    fn into_layer(self) -> Box<dyn Layer>;
}

impl<L: Layer + 'static> IntoLayer for L {
    fn into_layer(self) -> Box<dyn Layer> {
        Box::new(self)
    }
}

impl IntoLayer for Box<dyn Layer> {
    fn into_layer(self) -> Box<dyn Layer> {
        self
    }
}

impl dyn Layer {
    /// The layer as one of type `L`, if it is of that type.
    #[must_use]
    pub fn downcast_ref<L: Layer>(&self) -> Option<&L> {
        self.as_any_ref().downcast_ref()
    }

    /// The layer as one of type `L`, for changing it, if it is of that type.
    #[must_use]
    pub fn downcast_mut<L: Layer>(&mut self) -> Option<&mut L> {
        self.as_any_mut().downcast_mut()
    }
}

impl std::fmt::Debug for dyn Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}
