//! The large matrices of a model: what layers multiply by, whatever stands for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::mode::Mode;
use super::module::{Module, Role, Visitor, VisitorMut};
use super::module_ext::ModuleExt;
use super::param::{Buffer, Param};
use crate::autograd::{self, ConvOptions};
use crate::error::{Error, Result};
use crate::tensor::{DType, QTensor, Scheme, Tensor};

/// The weight of a [`Linear`](crate::layers::Linear) or an [`Embedding`](crate::layers::Embedding): a parameter, by itself or
/// with an [`Adapter`] that changes what it stands for. Layers do not know which.
///
/// Its parameter has the name of the field that it is in, `weight`; those of an adapter are named below it, `weight.lora_a`.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut layer = Linear::new(4, 2, &mut rng)?;
/// let lora = Lora::new(&layer.weight, 1, 8.0, &mut rng)?;
/// layer.weight.adapt(lora)?;
/// let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["weight", "weight.lora_a", "weight.lora_b", "bias"]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Weight {
    /// A parameter: of dense layers, `[out, in]`.
    Dense(Param),
    /// A parameter of a dense layer whose inputs come first, `[in, out]`: so GPT-2's files have it, and `transformers` calls such
    /// a layer `Conv1D`.
    InputsFirst(Param),
    /// Blocks of a few bits a number, which are not trained: see [`QTensor`]. Of dense layers, `[out, in]`.
    Quantized(Quantized),
    /// A weight with an adapter.
    Adapted(Adapted),
}

/// A weight of a few bits a number. Its blocks are a buffer of its model: they are saved and loaded as such.
#[derive(Clone)]
pub struct Quantized {
    scheme: Scheme,
    shape: Vec<usize>,
    /// What of it is a row of blocks: of convolutions, all that an output has.
    rows: Vec<usize>,
    blocks: Buffer,
}

impl Quantized {
    /// A weight with these blocks.
    #[must_use]
    pub fn new(value: &QTensor) -> Self {
        let (scheme, shape) = (value.scheme(), value.shape().to_vec());
        Self { scheme, rows: shape.clone(), shape, blocks: Buffer::new(value.blocks().clone()) }
    }

    /// The weight of a convolution, `[out, in / groups, kernel…]`, of which a row of the blocks has all numbers of an output.
    ///
    /// # Errors
    /// If there are not as many numbers, or as many rows.
    #[track_caller]
    pub fn with_shape(value: &QTensor, shape: impl Into<Vec<usize>>) -> Result<Self> {
        let shape = shape.into();
        if shape.len() < 2 || as_rows(&shape) != value.shape() {
            let message = format!("blocks of {:?} for a weight of shape {shape:?}", value.shape());
            return Err(Error::shape("quantized", message));
        }
        Ok(Self { shape, ..Self::new(value) })
    }

    /// The blocks.
    ///
    /// # Errors
    /// None, unless the buffer was replaced by something else.
    #[track_caller]
    pub fn value(&self) -> Result<QTensor> {
        QTensor::from_blocks(self.scheme, &*self.rows, &self.blocks.get())
    }

    #[track_caller]
    fn numbers(&self) -> Result<Tensor> {
        self.value()?.dequantize()?.reshape(&*self.shape)
    }

    /// How the numbers are kept.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn shared(&self) -> Self {
        Self { blocks: self.blocks.shared(), ..self.clone() }
    }
}

/// The shape of the blocks of a weight: a matrix, with a row for each output.
pub(crate) fn as_rows(shape: &[usize]) -> Vec<usize> {
    match shape {
        [outputs, rest @ ..] if rest.len() > 1 => vec![*outputs, rest.iter().product()],
        _ => shape.to_vec(),
    }
}

/// Which convolution a layer computes with its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the layers have these names")]
pub enum ConvKind {
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
}

impl ConvKind {
    /// The convolution itself.
    ///
    /// # Errors
    /// As for [`Tensor::conv2d`].
    #[track_caller]
    pub fn apply(self, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        match self {
            Self::Conv1d => x.conv1d(w, bias, options),
            Self::Conv2d => x.conv2d(w, bias, options),
            Self::Conv3d => x.conv3d(w, bias, options),
            Self::ConvTranspose1d => x.conv_transpose1d(w, bias, options),
            Self::ConvTranspose2d => x.conv_transpose2d(w, bias, options),
            Self::ConvTranspose3d => x.conv_transpose3d(w, bias, options),
        }
    }

    /// How many spatial dimensions it has, unless it is a transposed one.
    #[must_use]
    pub fn dims(self) -> Option<usize> {
        match self {
            Self::Conv1d => Some(1),
            Self::Conv2d => Some(2),
            Self::Conv3d => Some(3),
            _ => None,
        }
    }
}

/// A weight, and what changes it.
#[derive(Clone)]
pub struct Adapted {
    base: Box<Weight>,
    adapter: Box<dyn Adapter>,
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
    /// they keep in [buffers](super::Buffer).
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
    /// A parameter with this value.
    ///
    /// # Errors
    /// Those of [`Param::new`].
    #[track_caller]
    pub fn new(value: Tensor) -> Result<Self> {
        Ok(Self::Dense(Param::new(value)?))
    }

    /// Tells the adapter, if there is one, that a layer is about to use the weight in a pass: see [`Adapter::begin_pass`].
    ///
    /// # Errors
    /// Those of the adapter.
    pub fn begin_pass(&self, mode: &Mode<'_>) -> Result<()> {
        match self {
            Self::Dense(_) | Self::InputsFirst(_) | Self::Quantized(_) => Ok(()),
            Self::Adapted(Adapted { base, adapter }) => adapter.begin_pass(base, mode),
        }
    }

    /// What the weight stands for, with everything that an adapter changes. Gradients go through it; without an adapter it
    /// is the parameter itself.
    ///
    /// # Errors
    /// Those of the adapter.
    #[track_caller]
    pub fn value(&self) -> Result<Tensor> {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => Ok(param.value().clone()),
            Self::Quantized(quantized) => quantized.numbers(),
            Self::Adapted(Adapted { base, adapter }) => adapter.value(&base.value()?),
        }
    }

    /// The shape of its value.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => param.shape(),
            Self::Quantized(quantized) => &quantized.shape,
            Self::Adapted(Adapted { base, .. }) => base.shape(),
        }
    }

    /// The type of its value.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => param.dtype(),
            Self::Quantized(_) => DType::F32,
            Self::Adapted(Adapted { base, .. }) => base.dtype(),
        }
    }

    /// The blocks, if the weight is quantised, without what an adapter makes of it.
    #[must_use]
    pub fn quantized(&self) -> Option<&Quantized> {
        match self {
            Self::Dense(_) | Self::InputsFirst(_) => None,
            Self::Quantized(quantized) => Some(quantized),
            Self::Adapted(Adapted { base, .. }) => base.quantized(),
        }
    }

    /// The parameter, without what an adapter makes of it; of a quantised weight there is none.
    #[must_use]
    pub fn param(&self) -> Option<&Param> {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => Some(param),
            Self::Quantized(_) => None,
            Self::Adapted(Adapted { base, .. }) => base.param(),
        }
    }

    /// The parameter, for changing it.
    #[must_use]
    pub fn param_mut(&mut self) -> Option<&mut Param> {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => Some(param),
            Self::Quantized(_) => None,
            Self::Adapted(Adapted { base, .. }) => base.param_mut(),
        }
    }

    /// Replaces the value of the parameter: [`Param::set`].
    ///
    /// # Errors
    /// If the new value has another shape or type.
    #[track_caller]
    pub fn set(&mut self, value: &Tensor) -> Result<()> {
        self.dense("set")?.set(value)
    }

    /// Freezes the parameter or makes it trainable; an adapter stays as it is.
    pub fn set_trainable(&mut self, trainable: bool) {
        if let Some(param) = self.param_mut() {
            param.set_trainable(trainable);
        }
    }

    #[track_caller]
    fn dense(&mut self, op: &'static str) -> Result<&mut Param> {
        self.param_mut().ok_or_else(|| {
            let e = Error::state(op, "the weight is quantised, and not a parameter that could be changed");
            e.with_help("train an adapter beside it: add_lora(pattern, ..); or dequantize it first")
        })
    }

    /// The adapter, if there is one.
    #[must_use]
    pub fn adapter(&self) -> Option<&dyn Adapter> {
        match self {
            Self::Dense(_) | Self::InputsFirst(_) | Self::Quantized(_) => None,
            Self::Adapted(Adapted { adapter, .. }) => Some(&**adapter),
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
            Self::Dense(_) | Self::InputsFirst(_) | Self::Quantized(_) => None,
        }
    }

    /// The same weight once more, for gradients too.
    pub(crate) fn shared(&self) -> Self {
        match self {
            Self::Dense(param) => Self::Dense(param.shared()),
            Self::InputsFirst(param) => Self::InputsFirst(param.shared()),
            Self::Quantized(quantized) => Self::Quantized(quantized.shared()),
            Self::Adapted(Adapted { base, adapter }) => {
                Self::Adapted(Adapted { base: Box::new(base.shared()), adapter: adapter.clone() })
            }
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

    /// Whether the inputs of a dense layer with this weight come first: [`InputsFirst`](Self::InputsFirst).
    #[must_use]
    pub fn is_inputs_first(&self) -> bool {
        match self {
            Self::Dense(_) | Self::Quantized(_) => false,
            Self::InputsFirst(_) => true,
            Self::Adapted(Adapted { base, .. }) => base.is_inputs_first(),
        }
    }

    /// A value of this weight as a product takes it, with the outputs first.
    pub(crate) fn outputs_first(&self, value: Tensor) -> Tensor {
        if self.is_inputs_first() { value.t() } else { value }
    }

    /// The numbers of outputs and inputs of a dense layer with this weight.
    ///
    /// # Errors
    /// If it is no matrix.
    #[track_caller]
    pub fn features(&self) -> Result<[usize; 2]> {
        match *self.shape() {
            [inputs, outputs] if self.is_inputs_first() => Ok([outputs, inputs]),
            [outputs, inputs] => Ok([outputs, inputs]),
            ref shape => Err(Error::shape("weight", format!("a weight of shape {shape:?}, expected a matrix"))),
        }
    }

    /// A dense layer: `x · Wᵀ + bias` or, for a weight whose inputs come first, `x · W + bias`. In training, an adapter may draw
    /// random numbers.
    ///
    /// # Shapes
    /// - `x`: `[.., in]`
    /// - output: `[.., out]`
    ///
    /// # Errors
    /// If `x` does not fit.
    #[track_caller]
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        match self {
            Self::Dense(param) => x.linear(param, bias),
            Self::InputsFirst(param) => x.linear(&param.t(), bias),
            Self::Quantized(quantized) => quantized.value()?.linear(x, bias),
            Self::Adapted(Adapted { base, adapter }) => adapter.linear(base, x, bias, mode),
        }
    }

    /// Some of the outputs of [`linear`](Self::linear), for a weight that holds several projections: from output `first` on,
    /// `count` of them. `bias` is for these alone.
    ///
    /// # Errors
    /// If `x` does not fit, or there are no such outputs.
    #[track_caller]
    pub fn linear_part(
        &self,
        x: &Tensor,
        bias: Option<&Tensor>,
        [first, count]: [usize; 2],
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        match self {
            Self::Dense(param) => x.linear(&param.narrow(0, first, count)?, bias),
            Self::InputsFirst(param) => x.linear(&param.narrow(1, first, count)?.t(), bias),
            Self::Quantized(quantized) => quantized.value()?.narrow(first, count)?.linear(x, bias),
            Self::Adapted(Adapted { base, adapter }) => adapter.linear_part(base, x, bias, [first, count], mode),
        }
    }

    /// A convolution with this weight. With one in [`Int8`](Scheme::Int8), it is of whole numbers: see [`QTensor::conv2d`].
    ///
    /// # Errors
    /// If `x` does not fit.
    #[track_caller]
    pub fn convolve(&self, kind: ConvKind, x: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        match (self, kind.dims()) {
            (Self::Quantized(quantized), Some(dims)) => {
                quantized.value()?.convolve(dims, &quantized.shape, x, bias, options)
            }
            (Self::Adapted(Adapted { base, adapter }), _) => adapter.convolve(base, kind, x, bias, options),
            _ => kind.apply(x, &self.value()?, bias, options),
        }
    }

    /// The rows with the numbers `ids`, which `rows` picks out of a matrix with as many.
    ///
    /// # Errors
    /// Those of `rows`.
    #[track_caller]
    pub fn look_up(&self, ids: &Tensor, rows: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => rows(param),
            // Only those rows become numbers.
            Self::Quantized(quantized) => quantized.value()?.embedding(ids),
            Self::Adapted(Adapted { base, adapter }) => adapter.look_up(base, ids, rows),
        }
    }
}

/// How a weight is kept: what a file says of it beside its blocks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct QuantizedAs {
    pub(crate) scheme: Scheme,
    pub(crate) shape: Vec<usize>,
}

/// How all quantised weights of a model are kept, by their paths.
pub(crate) fn quantized<M: Module + ?Sized>(model: &M) -> BTreeMap<String, QuantizedAs> {
    let mut found = BTreeMap::new();
    model.for_each("*", |path, weight: &Weight| {
        if let Some(Quantized { scheme, rows, .. }) = weight.quantized() {
            found.insert(path.to_string(), QuantizedAs { scheme: *scheme, shape: rows.clone() });
        }
    });
    found
}

/// Makes weights of a model quantised ones, with blocks of zeros. Those with another shape stay what they are, which loading will not
/// fail to see.
#[track_caller]
pub(crate) fn quantize_as(model: &mut dyn Module, all: &BTreeMap<String, QuantizedAs>) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    model.for_each_mut("*", |path, weight: &mut Weight| {
        let Some(QuantizedAs { scheme, shape }) = all.get(path) else { return Ok(()) };
        let turned = weight.is_inputs_first() && shape.iter().rev().eq(weight.shape());
        if turned || (!weight.is_inputs_first() && shape == weight.shape()) {
            *weight = Weight::from(&QTensor::zeros("open", *scheme, shape)?);
        } else if *shape == as_rows(weight.shape()) {
            *weight =
                Weight::Quantized(Quantized::with_shape(&QTensor::zeros("open", *scheme, shape)?, weight.shape())?);
        }
        Ok(())
    })?;
    Ok(())
}

impl From<&QTensor> for Weight {
    fn from(value: &QTensor) -> Self {
        Self::Quantized(Quantized::new(value))
    }
}

impl From<Param> for Weight {
    fn from(param: Param) -> Self {
        Self::Dense(param)
    }
}

impl Module for Weight {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => param.visit(visitor),
            Self::Quantized(quantized) => quantized.blocks.visit(visitor),
            Self::Adapted(Adapted { base, adapter }) => {
                (**base).visit(visitor);
                visitor.module(adapter.as_module());
            }
        }
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => param.visit_mut(visitor),
            Self::Quantized(quantized) => quantized.blocks.visit_mut(visitor),
            Self::Adapted(Adapted { base, adapter }) => {
                (**base).visit_mut(visitor);
                visitor.module((**adapter).as_module_mut());
            }
        }
    }

    fn role(&self) -> Role {
        Role::Leaf
    }
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => param.fmt(f),
            Self::Quantized(quantized) => quantized.fmt(f),
            Self::Adapted(adapted) => adapted.fmt(f),
        }
    }
}

impl fmt::Debug for Quantized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantized({:?} {})", self.shape, self.scheme)
    }
}

impl fmt::Debug for Adapted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {}", self.base, self.adapter.kind())
    }
}
