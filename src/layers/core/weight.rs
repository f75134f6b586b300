//! The large matrices of a model: what layers multiply by, whatever stands for it.

mod adapter;
mod convolution;
mod factored;
mod form;
mod quantized;
mod sparse;

pub use adapter::{Adapted, Adapter, CloneAdapter};
pub use convolution::ConvKind;
pub use factored::Factored;
pub(crate) use form::{WeightForm, check_forms, form_as, forms};
pub use quantized::Quantized;
pub(crate) use quantized::{QuantizedAs, as_rows, quantize_as, quantized};
pub use sparse::Sparse;

use std::fmt;

use super::mode::Mode;
use super::module::{Module, Role, Visitor, VisitorMut};
use super::param::Param;
use crate::autograd::ConvOptions;
use crate::error::{Error, Here, Result};
use crate::tensor::{DType, Tensor};

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
    /// Blocks of a few bits a number, which are not trained: see [`QTensor`](crate::tensor::QTensor). Of dense layers, `[out, in]`.
    Quantized(Quantized),
    /// The numbers that are not zero, which are not trained: see [`sparsify`](crate::compress::sparsify).
    Sparse(Sparse),
    /// The product of two thin matrices, which are parameters: see [`factorize`](crate::compress::factorize).
    Factored(Factored),
    /// A weight with an adapter.
    Adapted(Adapted),
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
    #[track_caller]
    pub fn begin_pass(&self, mode: &Mode<'_>) -> Result<()> {
        match self {
            Self::Adapted(Adapted { base, adapter }) => adapter.begin_pass(base, mode),
            _ => Ok(()),
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
            Self::Sparse(sparse) => sparse.numbers(),
            Self::Factored(factored) => factored.value(),
            Self::Adapted(Adapted { base, adapter }) => adapter.value(&base.value()?),
        }
    }

    /// The shape of its value.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => param.shape(),
            Self::Quantized(quantized) => &quantized.shape,
            Self::Sparse(sparse) => &sparse.shape,
            Self::Factored(factored) => &factored.shape,
            Self::Adapted(Adapted { base, .. }) => base.shape(),
        }
    }

    /// The type of its value.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => param.dtype(),
            Self::Quantized(_) | Self::Sparse(_) => DType::F32,
            Self::Factored(factored) => factored.left.dtype(),
            Self::Adapted(Adapted { base, .. }) => base.dtype(),
        }
    }

    /// The blocks, if the weight is quantised, without what an adapter makes of it.
    #[must_use]
    pub fn quantized(&self) -> Option<&Quantized> {
        match self {
            Self::Quantized(quantized) => Some(quantized),
            Self::Adapted(Adapted { base, .. }) => base.quantized(),
            _ => None,
        }
    }

    /// The numbers that are not zero, if the weight is sparse, without what an adapter makes of it.
    #[must_use]
    pub fn sparse(&self) -> Option<&Sparse> {
        match self {
            Self::Sparse(sparse) => Some(sparse),
            Self::Adapted(Adapted { base, .. }) => base.sparse(),
            _ => None,
        }
    }

    /// The parameter, without what an adapter makes of it; of a weight that is quantised, sparse or a product there is none.
    #[must_use]
    pub fn param(&self) -> Option<&Param> {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => Some(param),
            Self::Adapted(Adapted { base, .. }) => base.param(),
            _ => None,
        }
    }

    /// The parameter, for changing it.
    #[must_use]
    pub fn param_mut(&mut self) -> Option<&mut Param> {
        match self {
            Self::Dense(param) | Self::InputsFirst(param) => Some(param),
            Self::Adapted(Adapted { base, .. }) => base.param_mut(),
            _ => None,
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
        let what = match self {
            Self::Sparse(_) => "sparse",
            Self::Factored(_) => "a product of two",
            _ => "quantised",
        };
        self.param_mut()
            .ok_or_else(|| {
                let e = Error::state(op, format!("the weight is {what}, and not a parameter that could be changed"));
                e.with_help("train an adapter beside it: add_lora(pattern, ..); or dequantize it first")
            })
            .here()
    }

    /// A parameter with the same value, in the layout that it had, if the weight is quantised, sparse or a product of two.
    #[track_caller]
    pub(crate) fn whole(&self) -> Result<Option<Self>> {
        let turned = match self {
            Self::Quantized(quantized) => quantized.turned,
            Self::Sparse(sparse) => sparse.turned,
            Self::Factored(factored) => factored.turned,
            _ => return Ok(None),
        };
        let value = self.value()?.detach();
        Ok(Some(match turned {
            true => Self::InputsFirst(Param::new(value.t().contiguous())?),
            false => Self::new(value)?,
        }))
    }

    /// The same weight once more, for gradients too.
    pub(crate) fn shared(&self) -> Self {
        match self {
            Self::Dense(param) => Self::Dense(param.shared()),
            Self::InputsFirst(param) => Self::InputsFirst(param.shared()),
            Self::Quantized(quantized) => Self::Quantized(quantized.shared()),
            Self::Sparse(sparse) => Self::Sparse(sparse.shared()),
            Self::Factored(factored) => Self::Factored(factored.shared()),
            Self::Adapted(Adapted { base, adapter }) => {
                Self::Adapted(Adapted { base: Box::new(base.shared()), adapter: adapter.clone() })
            }
        }
    }

    /// Whether the inputs of a dense layer with this weight come first: [`InputsFirst`](Self::InputsFirst).
    #[must_use]
    pub fn is_inputs_first(&self) -> bool {
        match self {
            Self::InputsFirst(_) => true,
            Self::Adapted(Adapted { base, .. }) => base.is_inputs_first(),
            _ => false,
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
            Self::Sparse(sparse) => sparse.value()?.linear(x, bias),
            Self::Factored(factored) => x.linear(&factored.right, None)?.linear(&factored.left, bias),
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
            Self::Sparse(sparse) => sparse.part(first, count)?.linear(x, bias),
            Self::Factored(Factored { left, right, .. }) => {
                x.linear(right, None)?.linear(&left.narrow(0, first, count)?, bias)
            }
            Self::Adapted(Adapted { base, adapter }) => adapter.linear_part(base, x, bias, [first, count], mode),
        }
    }

    /// A convolution with this weight. With one in [`Int8`](crate::tensor::Scheme::Int8), it is of whole numbers: see
    /// [`QTensor::conv2d`](crate::tensor::QTensor::conv2d).
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
            Self::Sparse(sparse) => sparse.value()?.embedding(ids),
            Self::Factored(factored) => rows(&factored.left)?.linear(&factored.right.t(), None),
            Self::Adapted(Adapted { base, adapter }) => adapter.look_up(base, ids, rows),
        }
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
            Self::Sparse(sparse) => sparse.visit(visitor),
            Self::Factored(factored) => factored.visit(visitor),
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
            Self::Sparse(sparse) => sparse.visit_mut(visitor),
            Self::Factored(factored) => factored.visit_mut(visitor),
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
            Self::Sparse(sparse) => sparse.fmt(f),
            Self::Factored(factored) => factored.fmt(f),
            Self::Adapted(adapted) => adapted.fmt(f),
        }
    }
}
