//! Layers that normalise: layer norm and RMS norm.

use std::fmt;

use super::core::{Architecture, Layer, LayerConfig, Mode, Param, described};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Shape, Tensor};

/// Brings each example to mean 0 and variance 1, then scales and moves every feature by learned amounts:
/// `(x − mean) / √(variance + eps) · weight + bias` (Ba et al., *Layer Normalization*, 2016). See
/// [`Tensor::layer_norm`].
///
/// # Shapes
/// - input and output: `[.., normalized_shape…]`
/// - `weight`, `bias`: `normalized_shape`; they start as ones and zeros
///
/// ```
/// use demotic::prelude::*;
///
/// let norm = LayerNorm::new(4)?;
/// let y = norm.predict(&tensor![[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]])?;
/// assert!(y.mean_dims(&[1], false)?.abs().max()?.item()? < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct LayerNorm {
    /// `normalized_shape`, starts with ones.
    pub weight: Option<Param>,
    /// `normalized_shape`, starts with zeros.
    pub bias: Option<Param>,
    normalized_shape: Vec<usize>,
    eps: f64,
}

crate::module!(LayerNorm { weight, bias }, plain { normalized_shape, eps });

impl LayerNorm {
    /// A layer that normalises over the last dimensions, which have the given sizes: a number for the last one alone.
    /// `eps` is 1e-5.
    ///
    /// # Errors
    /// If the shape has no elements, or does not fit into memory.
    #[track_caller]
    pub fn new(normalized_shape: impl Shape) -> Result<Self> {
        let shape = checked("LayerNorm::new", &normalized_shape)?;
        let weight = Some(Param::new(Tensor::ones(&shape)?)?);
        let bias = Some(Param::new(Tensor::zeros(&shape)?)?);
        Ok(Self { weight, bias, normalized_shape: shape, eps: 1e-5 })
    }

    /// What is added to the variance, for rows whose elements are all but equal.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// The same layer without a bias.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// The same layer without weight and bias: it only normalises.
    #[must_use]
    pub fn without_affine(mut self) -> Self {
        (self.weight, self.bias) = (None, None);
        self
    }
}

impl LayerNorm {
    pub(crate) fn epsilon(&self) -> f64 {
        self.eps
    }
}

impl Architecture for LayerNorm {
    const KIND: &'static str = "LayerNorm";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        let config = LayerConfig::new().with("normalized_shape", &*self.normalized_shape).with("eps", self.eps);
        Ok(config.with("weight", self.weight.is_some()).with("bias", self.bias.is_some()))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
        let mut layer = Self::new(config.take::<Vec<usize>>("normalized_shape")?)?.eps(config.take("eps")?);
        if !config.take::<bool>("weight")? {
            layer.weight = None;
        }
        if !config.take::<bool>("bias")? {
            layer.bias = None;
        }
        config.done()?;
        Ok(layer)
    }
}

impl Layer for LayerNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (weight, bias) = (self.weight.as_deref(), self.bias.as_deref());
        mode.here(x.layer_norm(&self.normalized_shape, weight, bias, self.eps))
    }
}

impl fmt::Debug for LayerNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let affine = match (&self.weight, &self.bias) {
            (None, None) => ", no weight, no bias",
            (None, Some(_)) => ", no weight",
            (Some(_), None) => ", no bias",
            (Some(_), Some(_)) => "",
        };
        write!(f, "LayerNorm({:?}, eps {:e}{affine})", self.normalized_shape, self.eps)
    }
}

/// [`LayerNorm`] of the channels of every pixel: torchvision's `LayerNorm2d`.
///
/// # Shapes
/// - input and output: `[batch, channels, height, width]`
/// - `weight`, `bias`: `[channels]`; they start as ones and zeros
///
/// ```
/// use demotic::prelude::*;
///
/// let y = LayerNorm2d::new(3)?.predict(&Tensor::normal([2, 3, 4, 5], 1.0, 2.0, &mut Rng::seed(0))?)?;
/// assert!(y.mean_dims(&[1], false)?.abs().max()?.item()? < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LayerNorm2d {
    /// `[channels]`, starts with ones.
    pub weight: Param,
    /// `[channels]`, starts with zeros.
    pub bias: Param,
    eps: f64,
}

crate::module!(LayerNorm2d { weight, bias }, plain { eps });

impl LayerNorm2d {
    /// A layer for images with so many channels. `eps` is 1e-5.
    ///
    /// # Errors
    /// If there are none, or they do not fit into memory.
    #[track_caller]
    pub fn new(channels: usize) -> Result<Self> {
        let shape = checked("LayerNorm2d::new", &channels)?;
        Ok(Self { weight: Param::new(Tensor::ones(&shape)?)?, bias: Param::new(Tensor::zeros(&shape)?)?, eps: 1e-5 })
    }

    /// What is added to the variance.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }
}

described! {
    LayerNorm2d,
    |layer| LayerConfig::new().with("channels", layer.weight.numel()).with("eps", layer.eps),
    |options, _| Self::new(options.take("channels")?)?.eps(options.take("eps")?),
    |sizes| sizes.size("channels") * 2
}

impl Layer for LayerNorm2d {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        if x.rank() != 4 || x.shape()[1] != self.weight.numel() {
            let (shape, channels) = (x.shape(), self.weight.numel());
            let message = format!("the input has shape {shape:?}, expected [batch, {channels}, height, width]");
            return mode.here(Err(Error::shape("LayerNorm2d", message)));
        }
        let pixels = x.permute(&[0, 2, 3, 1])?;
        let y = pixels.layer_norm(&[self.weight.numel()], Some(&self.weight), Some(&self.bias), self.eps);
        mode.here(y)?.permute(&[0, 3, 1, 2])
    }
}

/// Brings each example to mean square 1, then scales every feature by a learned amount: `x / √(mean(x²) + eps) · weight`
/// (Zhang and Sennrich, *Root Mean Square Layer Normalization*, 2019). See [`Tensor::rms_norm`].
///
/// # Shapes
/// - input and output: `[.., normalized_shape…]`
/// - `weight`: `normalized_shape`; it starts as ones
///
/// ```
/// use demotic::prelude::*;
///
/// let norm = RmsNorm::new(2)?.eps(1e-6);
/// let y = norm.predict(&tensor![[3.0, 4.0]])?;
/// assert!((y.square().mean().item()? - 1.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct RmsNorm {
    /// `normalized_shape`, starts with ones.
    pub weight: Option<Param>,
    normalized_shape: Vec<usize>,
    eps: Option<f64>,
    unit_offset: bool,
}

crate::module!(RmsNorm { weight }, plain { normalized_shape, eps, unit_offset });

impl RmsNorm {
    /// A layer that normalises over the last dimensions, which have the given sizes: a number for the last one alone.
    /// `eps` is the spacing of numbers at 1, of the type of the input, as in PyTorch.
    ///
    /// # Errors
    /// If the shape has no elements, or does not fit into memory.
    #[track_caller]
    pub fn new(normalized_shape: impl Shape) -> Result<Self> {
        let shape = checked("RmsNorm::new", &normalized_shape)?;
        Ok(Self {
            weight: Some(Param::new(Tensor::ones(&shape)?)?),
            normalized_shape: shape,
            eps: None,
            unit_offset: false,
        })
    }

    /// What is added to the mean square, for rows of small numbers.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = Some(eps);
        self
    }

    /// The same layer without a weight: it only normalises.
    #[must_use]
    pub fn without_affine(mut self) -> Self {
        self.weight = None;
        self
    }

    /// The same layer whose features are scaled by `1 + weight`, as in Gemma; the weight starts as zeros.
    ///
    /// # Errors
    /// If there is not enough memory.
    #[track_caller]
    pub fn unit_offset(mut self) -> Result<Self> {
        self.unit_offset = true;
        if let Some(weight) = &mut self.weight {
            weight.set(&weight.zeros_like())?;
        }
        Ok(self)
    }

    /// What the layer gives with this in the place of its weight.
    #[track_caller]
    pub(crate) fn scaled(&self, x: &Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
        let spacing = if x.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let raised = weight.filter(|_| self.unit_offset).map(|weight| weight.add_scalar(1.0));
        x.rms_norm(&self.normalized_shape, raised.as_ref().or(weight), self.eps.unwrap_or(spacing))
    }
}

impl Architecture for RmsNorm {
    const KIND: &'static str = "RmsNorm";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        let config = LayerConfig::new().with("normalized_shape", &*self.normalized_shape).with("eps", self.eps);
        let config = config.with("weight", self.weight.is_some());
        // Files of layers without it stay as they were.
        Ok(if self.unit_offset { config.with("unit_offset", true) } else { config })
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
        let mut layer = Self::new(config.take::<Vec<usize>>("normalized_shape")?)?;
        layer.eps = config.take("eps")?;
        if config.take_or("unit_offset", false)? {
            layer = layer.unit_offset()?;
        }
        if !config.take::<bool>("weight")? {
            layer.weight = None;
        }
        config.done()?;
        Ok(layer)
    }
}

impl Layer for RmsNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(self.scaled(x, self.weight.as_deref()))
    }
}

impl fmt::Debug for RmsNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RmsNorm({:?}", self.normalized_shape)?;
        if let Some(eps) = self.eps {
            write!(f, ", eps {eps:e}")?;
        }
        f.write_str(match (&self.weight, self.unit_offset) {
            (None, _) => ", no weight)",
            (Some(_), true) => ", 1 + weight)",
            (Some(_), false) => ")",
        })
    }
}

/// The sizes of a shape that has elements.
#[track_caller]
fn checked(name: &'static str, shape: &impl Shape) -> Result<Vec<usize>> {
    let sizes = shape.sizes();
    if sizes.is_empty() || sizes.contains(&0) {
        return Err(Error::argument(name, format!("the normalized shape {sizes:?} has no elements to take a mean of")));
    }
    Ok(sizes.to_vec())
}
