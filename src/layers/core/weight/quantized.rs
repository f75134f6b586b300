//! Weights of a few bits a number.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Weight;
use crate::error::{Error, Result};
use crate::layers::core::module::Module;
use crate::layers::core::module_ext::ModuleExt;
use crate::layers::core::param::Buffer;
use crate::tensor::{QTensor, Scheme, Tensor};

/// A weight of a few bits a number. Its blocks are a buffer of its model: they are saved and loaded as such.
#[derive(Clone)]
pub struct Quantized {
    scheme: Scheme,
    pub(super) shape: Vec<usize>,
    /// What of it is a row of blocks: of convolutions, all that an output has.
    rows: Vec<usize>,
    pub(super) blocks: Buffer,
    pub(super) turned: bool,
}

impl Quantized {
    /// A weight with these blocks.
    #[must_use]
    pub fn new(value: &QTensor) -> Self {
        let (scheme, shape) = (value.scheme(), value.shape().to_vec());
        Self { scheme, rows: shape.clone(), shape, blocks: Buffer::new(value.blocks().clone()), turned: false }
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

    pub(crate) fn is_turned(&self) -> bool {
        self.turned
    }

    /// Whether its inputs came first before.
    pub(crate) fn turned(self, turned: bool) -> Self {
        Self { turned, ..self }
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
    pub(super) fn numbers(&self) -> Result<Tensor> {
        self.value()?.dequantize()?.reshape(&*self.shape)
    }

    /// How the numbers are kept.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn shared(&self) -> Self {
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
            *weight = Weight::Quantized(Quantized::new(&QTensor::zeros("open", *scheme, shape)?).turned(turned));
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

impl fmt::Debug for Quantized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantized({:?} {})", self.shape, self.scheme)
    }
}
