//! Layers made of a few convolutions.

use super::conv_norm::conv_norm;
use super::convolution::Conv2d;
use super::core::{Layer, LayerConfig, LayerExt, Mode, described};
use super::{Activation, BatchNorm2d};
use crate::autograd::{ConvOptions, Finish};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{Shape, Tensor};

/// A convolution without a bias, batch norm and an activation, of which most networks for images are made: torchvision's
/// `Conv2dNormActivation`, with its names. A model in use computes all of it at once where it can.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`
/// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up, for odd kernels
/// - parameters: `0` is the convolution, `1` the norm
///
/// ```
/// use demotic::prelude::*;
///
/// let layer = ConvNormActivation::new(3, 16, 3, &mut Rng::seed(0))?.stride(2).activation(Hardswish);
/// assert_eq!(layer.predict(&Tensor::ones([2, 3, 9, 8])?)?.shape(), [2, 16, 5, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConvNormActivation {
    /// As many places at each end are added as half the kernel has.
    pub conv: Conv2d,
    /// Of what the convolution gives.
    pub norm: BatchNorm2d,
    activation: Option<Activation>,
    /// The stride, if what it leaves over is added at the end.
    same: usize,
}

crate::module!(ConvNormActivation { conv as "0", norm as "1" }, plain { activation, same });

impl ConvNormActivation {
    /// A layer with stride 1 and rectified units.
    ///
    /// # Errors
    /// If a number is zero, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(in_channels: usize, out_channels: usize, kernel: usize, rng: &mut Rng) -> Result<Self> {
        let conv = Conv2d::new(in_channels, out_channels, kernel, rng)?.padding(kernel / 2).without_bias();
        Self::of(conv, BatchNorm2d::new(out_channels)?)
    }

    /// These layers, with rectified units.
    ///
    /// # Errors
    /// If the norm is not of the channels that the convolution gives.
    #[track_caller]
    pub fn of(conv: Conv2d, norm: BatchNorm2d) -> Result<Self> {
        let (given, normed) = (conv.out_channels(), norm.channels());
        if given != normed {
            let message = format!("a convolution that gives {given} channels before a norm of {normed}");
            return Err(Error::argument("ConvNormActivation::of", message));
        }
        Ok(Self { conv, norm, activation: Some(Activation::Relu), same: 0 })
    }

    /// How far the kernel moves from one output to the next.
    #[must_use]
    pub fn stride(mut self, stride: impl Shape) -> Self {
        self.conv = self.conv.stride(stride);
        self
    }

    /// As many places around the input as TensorFlow adds for its padding `SAME`, for a convolution of this stride: as few as give
    /// an output for every `stride` pixels, of an odd number one more at the end.
    pub(crate) fn same_padding(mut self, stride: usize) -> Self {
        self.same = stride;
        self.conv = self.conv.padding(0);
        self
    }

    /// Another activation.
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Activation>) -> Self {
        self.activation = Some(activation.into());
        self
    }

    /// No activation.
    #[must_use]
    pub fn without_activation(mut self) -> Self {
        self.activation = None;
        self
    }
}

described! {
    ConvNormActivation,
    |layer| {
        let parts = LayerConfig::new().with("conv", layer.conv.config()?).with("norm", layer.norm.config()?);
        let parts = if layer.same == 0 { parts } else { parts.with("same_padding", layer.same) };
        parts.with_form("activation", &layer.activation)
    },
    |options, rng| {
        let conv = Conv2d::from_config(options.take("conv")?, rng)?;
        let layer = Self::of(conv, BatchNorm2d::from_config(options.take("norm")?, rng)?)?;
        Self { activation: options.take("activation")?, same: options.take_or("same_padding", 0)?, ..layer }
    },
    |sizes| sizes.of_part::<Conv2d>("conv") + sizes.of_part::<BatchNorm2d>("norm")
}

/// An input with the places that TensorFlow adds; nothing, where it is no image.
#[track_caller]
fn widened(x: &Tensor, kernel: &[usize], stride: usize) -> Result<Option<Tensor>> {
    let (&[_, _, height, width], &[_, _, k, l]) = (x.shape(), kernel) else { return Ok(None) };
    let around = |n: usize, kernel: usize| {
        let all = (n.div_ceil(stride).saturating_sub(1) * stride + kernel).saturating_sub(n);
        ((all / 2) as isize, (all - all / 2) as isize)
    };
    x.pad(&[around(height, k), around(width, l)], 0.0).map(Some)
}

impl Layer for ConvNormActivation {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let relu = self.activation == Some(Activation::Relu);
        let wide = if self.same == 0 { None } else { mode.here(widened(x, self.conv.weight.shape(), self.same))? };
        let x = wide.as_ref().unwrap_or(x);
        let y = conv_norm((&self.conv, "0"), (&self.norm, "1"), x, None, relu, mode)?;
        match self.activation {
            Some(activation) if !relu => mode.here(activation.apply(&y)),
            _ => Ok(y),
        }
    }
}

/// Looks at the means of all channels and decides how much of each goes on: `x · σ(W₂ relu(W₁ mean(x)))` (Hu et al.,
/// *Squeeze-and-Excitation Networks*, 2018). torchvision's `SqueezeExcitation`, with its names and options.
///
/// # Shapes
/// - input and output: `[batch, channels, height, width]`
/// - `fc1`: `[squeezed, channels, 1, 1]`, `fc2`: `[channels, squeezed, 1, 1]`
///
/// ```
/// use demotic::prelude::*;
///
/// let layer = SqueezeExcitation::new(16, 4, &mut Rng::seed(0))?;
/// assert_eq!(layer.predict(&Tensor::ones([2, 16, 5, 5])?)?.shape(), [2, 16, 5, 5]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqueezeExcitation {
    /// From all channels to fewer.
    pub fc1: Conv2d,
    /// Back to a factor for each channel.
    pub fc2: Conv2d,
    activation: Activation,
    gate: Activation,
}

crate::module!(SqueezeExcitation { fc1, fc2 }, plain { activation, gate });

impl SqueezeExcitation {
    /// A layer for inputs with this number of channels, which are squeezed into so many numbers.
    ///
    /// # Errors
    /// If there are none of either, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(channels: usize, squeezed: usize, rng: &mut Rng) -> Result<Self> {
        let (fc1, fc2) = (Conv2d::new(channels, squeezed, 1, rng)?, Conv2d::new(squeezed, channels, 1, rng)?);
        Ok(Self { fc1, fc2, activation: Activation::Relu, gate: Activation::Sigmoid })
    }

    /// Another function of the squeezed numbers than the rectified ones.
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Activation>) -> Self {
        self.activation = activation.into();
        self
    }

    /// Another function that makes the factors than the sigmoid.
    #[must_use]
    pub fn gate(mut self, gate: impl Into<Activation>) -> Self {
        self.gate = gate.into();
        self
    }
}

described! {
    SqueezeExcitation,
    |layer| {
        let parts = LayerConfig::new().with("fc1", layer.fc1.config()?).with("fc2", layer.fc2.config()?);
        parts.with_form("activation", &layer.activation).with_form("gate", &layer.gate)
    },
    |options, rng| Self {
        fc1: Conv2d::from_config(options.take("fc1")?, rng)?,
        fc2: Conv2d::from_config(options.take("fc2")?, rng)?,
        activation: options.take_or("activation", Activation::Relu)?,
        gate: options.take_or("gate", Activation::Sigmoid)?,
    },
    |sizes| sizes.of_part::<Conv2d>("fc1") + sizes.of_part::<Conv2d>("fc2")
}

impl Layer for SqueezeExcitation {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        if x.rank() != 4 {
            let message = format!("the input has shape {:?}, expected [batch, channels, height, width]", x.shape());
            return mode.here(Err(Error::shape("SqueezeExcitation", message)));
        }
        let means = x.adaptive_avg_pool2d(1)?;
        let squeezed = self.fc1.at("fc1", &means, mode)?;
        let squeezed = mode.here(self.activation.apply(&squeezed))?;
        let factors = self.fc2.at("fc2", &squeezed, mode)?;
        x.mul(&mode.here(self.gate.apply(&factors))?)
    }
}

/// A convolution of each channel by itself, and one of 1 by 1 that mixes them (Chollet, *Xception*, 2017; Keras' `SeparableConv2D`): with
/// far fewer weights than one that does both at once.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`, or without a batch
/// - output: `[batch, out_channels, height', width']`, as that of [`Conv2d`]
/// - `depthwise`: `[in_channels, 1, kernel…]`, `pointwise`: `[out_channels, in_channels, 1, 1]`
///
/// ```
/// use demotic::prelude::*;
///
/// let layer = DepthwiseSeparable::new(8, 16, 3, &mut Rng::seed(0))?.padding(1);
/// assert_eq!(layer.predict(&Tensor::ones([2, 8, 5, 5])?)?.shape(), [2, 16, 5, 5]);
/// assert_eq!(layer.num_parameters(), 8 * 9 + 8 + 16 * 8 + 16);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DepthwiseSeparable {
    /// Each channel by itself.
    pub depthwise: Conv2d,
    /// All channels of each place.
    pub pointwise: Conv2d,
}

crate::module!(DepthwiseSeparable { depthwise, pointwise });

impl DepthwiseSeparable {
    /// A layer with stride 1 and no padding.
    ///
    /// # Errors
    /// As for [`Conv2d::new`].
    #[track_caller]
    pub fn new(in_channels: usize, out_channels: usize, kernel: impl Shape, rng: &mut Rng) -> Result<Self> {
        let apart = ConvOptions::new().groups(in_channels);
        let depthwise = Conv2d::with_options(in_channels, in_channels, kernel, apart, rng)?;
        Ok(Self { depthwise, pointwise: Conv2d::new(in_channels, out_channels, 1, rng)? })
    }

    /// How far the kernel moves from one output to the next.
    #[must_use]
    pub fn stride(mut self, stride: impl Shape) -> Self {
        self.depthwise = self.depthwise.stride(stride);
        self
    }

    /// How many places are added at each end.
    #[must_use]
    pub fn padding(mut self, padding: impl Shape) -> Self {
        self.depthwise = self.depthwise.padding(padding);
        self
    }

    /// Without biases.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        (self.depthwise, self.pointwise) = (self.depthwise.without_bias(), self.pointwise.without_bias());
        self
    }
}

described! {
    DepthwiseSeparable,
    |layer| {
        let depthwise = LayerConfig::new().with("depthwise", layer.depthwise.config()?);
        depthwise.with("pointwise", layer.pointwise.config()?)
    },
    |options, rng| Self {
        depthwise: Conv2d::from_config(options.take("depthwise")?, rng)?,
        pointwise: Conv2d::from_config(options.take("pointwise")?, rng)?,
    },
    |sizes| sizes.of_part::<Conv2d>("depthwise") + sizes.of_part::<Conv2d>("pointwise")
}

impl Layer for DepthwiseSeparable {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.depthwise.at("depthwise", x, mode)?;
        self.pointwise.at("pointwise", &x, mode)
    }

    fn with_next(&self, next: &[Box<dyn Layer>], x: &Tensor, mode: &Mode<'_>) -> Option<(Tensor, usize)> {
        if mode.is_training() || mode.is_heard() {
            return None;
        }
        let x = self.depthwise.parts().used(x, Finish::default(), mode).ok()??;
        self.pointwise.with_next(next, &x, mode)
    }
}
