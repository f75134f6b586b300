//! What changes a weight and has parameters of its own.

use std::fmt;

use super::{ConvKind, Weight};
use crate::autograd::{self, ConvOptions};
use crate::error::{Error, Result};
use crate::layers::core::mode::Mode;
use crate::layers::core::module::Module;
use crate::tensor::Tensor;

/// A weight, and what changes it.
#[derive(Clone)]
pub struct Adapted {
    pub(super) base: Box<Weight>,
    pub(super) adapter: Box<dyn Adapter>,
}

/// Something that changes what a [`Weight`] stands for, and has parameters of its own: [`Lora`](crate::layers::Lora), for
/// instance. One of your own is a struct, [`module!`](crate::module!), and the [`value`](Self::value) that it makes of a
/// weight; the other methods are ways to compute the same with less.
///
/// ```
/// use demotic::layers::{Adapter, Weight};
/// use demotic::prelude::*;
///
/// /// A learned factor for each output (Liu et al., *Few-shot parameter-efficient fine-tuning*, 2022).
/// #[derive(Clone)]
/// struct Scaled {
///     scale: Param,
/// }
///
/// module!(Scaled { scale });
///
/// impl Adapter for Scaled {
///     fn value(&self, weight: &Tensor) -> Result<Tensor> {
///         weight.mul(&self.scale)
///     }
/// }
///
/// let mut model = sequential![Linear::new(4, 8, &mut Rng::seed(0))?, Relu];
/// model.freeze("*")?;
/// model.for_each_mut("*", |_, layer: &mut Linear| {
///     let scale = Param::new(Tensor::ones([layer.out_features(), 1])?)?;
///     layer.weight.adapt(Scaled { scale })
/// })?;
/// assert_eq!(model.num_trainable_parameters(), 8);
/// # Ok::<(), demotic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an adapter of weights",
    note = "derive `Clone`, write `module!({Self} {{ .. }})` and implement `Adapter`: `value` says what it makes of a weight"
)]
pub trait Adapter: Module + CloneAdapter {
    /// What the adapter makes of a weight; of the same shape and type.
    ///
    /// # Errors
    /// If it does not fit the weight.
    #[track_caller]
    fn value(&self, weight: &Tensor) -> Result<Tensor>;

    /// Called by layers before each pass in which they use the weight: for adapters that change with every pass in training, by what
    /// they keep in [buffers](crate::layers::Buffer).
    ///
    /// # Errors
    /// If it does not fit the weight.
    fn begin_pass(&self, weight: &Weight, mode: &Mode<'_>) -> Result<()> {
        let _ = (weight, mode);
        Ok(())
    }

    /// The weight of which the adapter would make `value`, up to rounding.
    ///
    /// # Errors
    /// If the adapter cannot be taken out of a weight, which is what an adapter says that has no method of its own for it.
    #[track_caller]
    fn undo(&self, value: &Tensor) -> Result<Tensor> {
        let _ = value;
        Err(Error::state("unmerge", format!("what {} does to a weight cannot be undone", self.kind())))
    }

    /// A dense layer with the weight that the adapter makes of `base`: see [`Weight::linear`].
    ///
    /// # Errors
    /// If `x` does not fit.
    #[track_caller]
    fn linear(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let _ = mode;
        x.linear(&base.outputs_first(self.value(&base.value()?)?), bias)
    }

    /// Some of its outputs: see [`Weight::linear_part`].
    ///
    /// # Errors
    /// If `x` does not fit, or there are no such outputs.
    #[track_caller]
    fn linear_part(
        &self,
        base: &Weight,
        x: &Tensor,
        bias: Option<&Tensor>,
        [first, count]: [usize; 2],
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let _ = mode;
        let weight = base.outputs_first(self.value(&base.value()?)?);
        x.linear(&weight.narrow(0, first, count)?, bias)
    }

    /// A convolution with the weight that the adapter makes of `base`: see [`Weight::convolve`].
    ///
    /// # Errors
    /// If `x` does not fit.
    #[track_caller]
    fn convolve(
        &self,
        base: &Weight,
        kind: ConvKind,
        x: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvOptions,
    ) -> Result<Tensor> {
        kind.apply(x, &self.value(&base.value()?)?, bias, options)
    }

    /// The rows with the numbers `ids` of what the adapter makes of `base`, which `rows` picks out of a matrix with as many.
    ///
    /// # Errors
    /// Those of `rows`.
    #[track_caller]
    fn look_up(&self, base: &Weight, ids: &Tensor, rows: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let _ = ids;
        rows(&self.value(&base.value()?)?)
    }
}

/// Cloning behind a `Box<dyn Adapter>`; implemented for every adapter that is `Clone`.
#[diagnostic::on_unimplemented(
    message = "the adapter `{Self}` cannot be cloned",
    note = "add `#[derive(Clone)]` to it"
)]
pub trait CloneAdapter {
    /// A copy with parameters of its own.
    fn clone_adapter(&self) -> Box<dyn Adapter>;
}

impl<A: Adapter + Clone> CloneAdapter for A {
    fn clone_adapter(&self) -> Box<dyn Adapter> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Adapter> {
    fn clone(&self) -> Self {
        (**self).clone_adapter()
    }
}

impl Weight {
    /// The adapter, if there is one.
    #[must_use]
    pub fn adapter(&self) -> Option<&dyn Adapter> {
        match self {
            Self::Adapted(Adapted { adapter, .. }) => Some(&**adapter),
            _ => None,
        }
    }

    /// Adds an adapter.
    ///
    /// # Errors
    /// If there is one already, or what it makes of the weight has another shape or type.
    #[track_caller]
    pub fn adapt(&mut self, adapter: impl Adapter) -> Result<()> {
        self.adapt_boxed(Box::new(adapter))
    }

    #[track_caller]
    fn adapt_boxed(&mut self, adapter: Box<dyn Adapter>) -> Result<()> {
        if let Some(present) = self.adapter() {
            let message = format!("the weight has an adapter already, a {}", present.kind());
            return Err(Error::state("adapt", message).with_help("merge it, or take it out"));
        }
        self.checked("adapt", &*adapter)?;
        *self = Self::Adapted(Adapted { base: Box::new(self.shared()), adapter });
        Ok(())
    }

    /// What an adapter makes of the weight, if that fits.
    #[track_caller]
    fn checked(&self, op: &'static str, adapter: &dyn Adapter) -> Result<Tensor> {
        let _unrecorded = autograd::pause_recording();
        let value = adapter.value(&self.value()?)?;
        if value.shape() != self.shape() || value.dtype() != self.dtype() {
            let (shape, dtype) = (self.shape(), self.dtype());
            let message = format!(
                "{} makes {:?} of {} of a weight {shape:?} of {dtype}",
                adapter.kind(),
                value.shape(),
                value.dtype()
            );
            return Err(Error::shape(op, message));
        }
        Ok(value)
    }

    /// For the configurations of layers, which have no words for adapters. Of [`Lora`](crate::layers::Lora), files say what it is.
    #[track_caller]
    pub(crate) fn expect_plain(&self, op: &'static str) -> Result<()> {
        match self.adapter() {
            None => Ok(()),
            Some(adapter) if adapter.as_module().as_any_ref().is::<crate::layers::Lora>() => Ok(()),
            Some(adapter) => {
                let message =
                    format!("a weight has an adapter, a {}, of which configurations know nothing", adapter.kind());
                Err(Error::state(op, message)
                    .with_help("merge it; or make the model in code and load() its parameters"))
            }
        }
    }

    /// Takes the adapter out, so that the weight is what it was without.
    pub fn take_adapter(&mut self) -> Option<Box<dyn Adapter>> {
        let Self::Adapted(Adapted { base, .. }) = self else { return None };
        let base = base.shared();
        match std::mem::replace(self, base) {
            Self::Adapted(Adapted { adapter, .. }) => Some(adapter),
            _ => None,
        }
    }

    /// Makes the parameter what the adapter makes of it, and takes the adapter out, which costs no time from then on.
    /// Returns it, if there was one.
    ///
    /// # Errors
    /// Those of the adapter; nothing is changed then.
    #[track_caller]
    pub fn merge(&mut self) -> Result<Option<Box<dyn Adapter>>> {
        let Self::Adapted(Adapted { base, adapter }) = self else { return Ok(None) };
        let value = base.checked("merge", &**adapter)?;
        base.set(&value)?;
        Ok(self.take_adapter())
    }

    /// Takes out of the parameter what [`merge`](Self::merge) put into it, up to rounding, and puts the adapter back into its
    /// place.
    ///
    /// # Errors
    /// If the adapter [cannot be undone](Adapter::undo), or there is another one; nothing is changed then.
    #[track_caller]
    pub fn unmerge(&mut self, adapter: Box<dyn Adapter>) -> Result<()> {
        let value = {
            let _unrecorded = autograd::pause_recording();
            adapter.undo(&self.value()?)?
        };
        self.adapt_boxed(adapter)?;
        let set = self.set(&value);
        if set.is_err() {
            self.take_adapter();
        }
        set
    }
}

impl fmt::Debug for Adapted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {}", self.base, self.adapter.kind())
    }
}
