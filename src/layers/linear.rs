//! The dense layer.

use std::fmt;

use super::core::{Architecture, Init, Layer, LayerConfig, Mode, Param, Weight};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A dense layer, `y = x · Wᵀ + b`: every output is a weighted sum of all inputs.
///
/// # Shapes
/// - input: `[.., in_features]`
/// - output: `[.., out_features]`
/// - `weight`: `[out_features, in_features]` (the other way round if it is [`Weight::InputsFirst`]), `bias`: `[out_features]`
///
/// Both start out evenly distributed in `±1/√in_features`, as in PyTorch.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let layer = Linear::new(784, 128, &mut rng)?;
/// let y = layer.predict(&Tensor::zeros([32, 784])?)?;
/// assert_eq!(y.shape(), [32, 128]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Linear {
    /// `[out_features, in_features]`, or [`Weight::InputsFirst`].
    pub weight: Weight,
    /// `[out_features]`.
    pub bias: Option<Param>,
}

crate::module!(Linear { weight, bias });

impl Linear {
    /// A layer with the given numbers of features, and a bias.
    ///
    /// # Errors
    /// If a number is zero, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(in_features: usize, out_features: usize, rng: &mut Rng) -> Result<Self> {
        if in_features == 0 || out_features == 0 {
            let message =
                format!("{in_features} input and {out_features} output features, expected at least 1 of each");
            return Err(Error::argument("Linear::new", message));
        }
        let init = Init::pytorch_default(in_features);
        let weight = Weight::new(init.tensor(&[out_features, in_features], rng)?)?;
        let bias = Some(Param::new(init.tensor(&[out_features], rng)?)?);
        Ok(Self { weight, bias })
    }

    /// The same layer without a bias.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// The same layer with other initial weights; the bias is set to zero.
    ///
    /// # Errors
    /// If the scheme's options make no sense.
    #[track_caller]
    pub fn with_init(mut self, init: Init, rng: &mut Rng) -> Result<Self> {
        self.weight.set(&init.tensor(self.weight.shape(), rng)?.to_dtype(self.weight.dtype()))?;
        if let Some(bias) = &mut self.bias {
            bias.set(&bias.zeros_like())?;
        }
        Ok(self)
    }

    /// The number of features that an input has.
    #[must_use]
    pub fn in_features(&self) -> usize {
        let shape = self.weight.shape();
        shape[usize::from(!self.weight.is_inputs_first())]
    }

    /// The number of features that an output has.
    #[must_use]
    pub fn out_features(&self) -> usize {
        let shape = self.weight.shape();
        shape[usize::from(self.weight.is_inputs_first())]
    }
}

impl Architecture for Linear {
    const KIND: &'static str = "Linear";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        self.weight.expect_plain("config")?;
        let sizes =
            LayerConfig::new().with("in_features", self.in_features()).with("out_features", self.out_features());
        Ok(sizes.with("bias", self.bias.is_some()).with("inputs_first", self.weight.is_inputs_first()))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        let layer = Self::new(config.take("in_features")?, config.take("out_features")?, rng)?;
        let mut layer = if config.take("bias")? { layer } else { layer.without_bias() };
        if config.take_or("inputs_first", false)? {
            layer.weight = Weight::InputsFirst(Param::new(layer.weight.value()?.t().contiguous())?);
        }
        config.done()?;
        Ok(layer)
    }

    fn min_parameters(config: &LayerConfig) -> usize {
        (config.size("in_features") * config.size("out_features")).get()
    }
}

impl Layer for Linear {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        // Not a closure, in which the caller's line would be lost.
        let y = match self.weight.begin_pass(mode) {
            Ok(()) => self.weight.linear(x, self.bias.as_deref(), mode),
            Err(e) => Err(e),
        };
        mode.here(y)
    }
}

impl fmt::Debug for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bias = if self.bias.is_some() { "" } else { ", no bias" };
        write!(f, "Linear({} → {}{bias})", self.in_features(), self.out_features())
    }
}
