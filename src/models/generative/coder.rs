//! The two halves of autoencoders: from an example to a few features, and back.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{
    Activation, Conv2d, ConvTranspose2d, Count, Layer, LayerExt, Linear, Mode, Module, Relu, check_memory,
};
use crate::rng::Rng;
use crate::tensor::{Shape, Tensor};

/// The kernels of all convolutions.
const KERNEL: usize = 3;

/// The sizes of an [`Autoencoder`](super::Autoencoder) or, with what it says of the data, of a [`Vae`](super::Vae).
///
/// The encoder has convolutions, each of which halves height and width, then dense layers; the decoder has the same backwards.
///
/// ```
/// use demotic::models::CoderConfig;
///
/// // From 64 numbers to 2, by way of 32, and back.
/// let dense = CoderConfig::new(64, 2).hidden(&[32]);
/// // Pictures: 28 by 28 pixels become 14 by 14, then 7 by 7, then 8 numbers.
/// let convolutions = CoderConfig::new([1, 28, 28], 8).channels(&[16, 32]);
/// assert_eq!(dense.num_parameters(), 65 * 32 + 33 * 2 + 3 * 32 + 33 * 64);
/// # let _ = convolutions;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CoderConfig {
    /// The shape of an example: any, or `[channels, height, width]` for convolutions.
    pub input: Vec<usize>,
    /// The channels behind each convolution of the encoder; none for dense layers alone.
    pub channels: Vec<usize>,
    /// The sizes of the encoder's dense layers, before the code.
    pub hidden: Vec<usize>,
    /// How many numbers the code of an example has.
    pub latent: usize,
    /// Behind each layer but the last of encoder and decoder.
    pub activation: Activation,
}

impl CoderConfig {
    /// Codes of so many numbers for examples of this shape, by one dense layer in each direction and with [`Relu`] where there are
    /// more.
    #[must_use]
    pub fn new(input: impl Shape, latent: usize) -> Self {
        let (channels, hidden) = (Vec::new(), Vec::new());
        Self { input: input.sizes().to_vec(), channels, hidden, latent, activation: Relu.into() }
    }

    /// Convolutions of 3 by 3 with these numbers of outputs, each of which halves height and width (what is odd is rounded up).
    #[must_use]
    pub fn channels(mut self, channels: &[usize]) -> Self {
        self.channels = channels.to_vec();
        self
    }

    /// Dense layers of these sizes between the convolutions, or the example, and the code.
    #[must_use]
    pub fn hidden(mut self, sizes: &[usize]) -> Self {
        self.hidden = sizes.to_vec();
        self
    }

    /// Another activation.
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Activation>) -> Self {
        self.activation = activation.into();
        self
    }

    /// The number of parameters of an [`Autoencoder`](super::Autoencoder) with these sizes.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count(1).get()
    }

    /// The same with so many dense layers that give a code.
    pub(super) fn count(&self, heads: usize) -> Count {
        let (mut sum, dense, convs) = (Count::new(0), self.dense_sizes(), self.conv_sizes());
        let last = dense[dense.len() - 1];
        // There and back, with as many weights, and biases for the other side.
        for (pair, weights) in
            convs.windows(2).map(|pair| (pair, KERNEL * KERNEL)).chain(dense.windows(2).map(|pair| (pair, 1)))
        {
            sum = sum + Count::new(pair[0]) * pair[1] * (2 * weights) + pair[0] + pair[1];
        }
        sum + (Count::new(last) + 1) * self.latent * heads + (Count::new(self.latent) + 1) * last
    }

    /// The numbers of features: of the example as the dense layers see it, then behind each of them.
    fn dense_sizes(&self) -> Vec<usize> {
        let flat = match (self.channels.last(), &*self.input) {
            (Some(channels), [_, height, width]) => {
                let side = |n: &usize| self.channels.iter().fold(*n, |n, _| n.div_ceil(2));
                (Count::new(*channels) * side(height) * side(width)).get()
            }
            _ => self.input.iter().fold(Count::new(1), |product, n| product * *n).get(),
        };
        std::iter::once(flat).chain(self.hidden.iter().copied()).collect()
    }

    /// The channels of the picture, then behind each convolution.
    fn conv_sizes(&self) -> Vec<usize> {
        let first = if self.channels.is_empty() { &[][..] } else { self.input.get(..1).unwrap_or_default() };
        first.iter().chain(&self.channels).copied().collect()
    }

    #[track_caller]
    pub(super) fn check(&self, name: &'static str, heads: usize) -> Result<()> {
        let Self { input, channels, hidden, latent, activation } = self;
        let caller = Location::caller();
        let wrong =
            |message: String, help: &'static str| Err(Error::argument(name, message).at(caller).with_help(help));
        if input.is_empty() || [input, channels, hidden].iter().any(|sizes| sizes.contains(&0)) || *latent == 0 {
            let message = format!(
                "examples of shape {input:?} by convolutions with {channels:?} channels and dense layers of {hidden:?} to {latent} \
                 numbers"
            );
            return wrong(message, "sizes are at least 1, and examples have a shape");
        }
        if !channels.is_empty() && input.len() != 3 {
            return wrong(
                format!("convolutions for examples of shape {input:?}"),
                "expected [channels, height, width]; without channels, all layers are dense",
            );
        }
        if let Some(what) = activation.shortening() {
            let message = format!("the activation {} {what}", activation.kind());
            return wrong(message, "the next layer expects as many features as the one before it gives");
        }
        let tensors = Count::new(channels.len() + hidden.len() + 2) * 4;
        check_memory(name, self.count(heads), tensors)
    }
}

/// From an example to the features that a code is made of.
///
/// # Shapes
/// - input: `[batch, ..]` with examples of the shape that the configuration says
/// - output: `[batch, features]`
#[derive(Debug, Clone)]
pub struct CodeEncoder {
    convs: Vec<Conv2d>,
    hidden: Vec<Linear>,
    activation: Activation,
    input: Vec<usize>,
    features: usize,
}

crate::module!(CodeEncoder { convs, hidden, activation }, plain { input, features });

impl CodeEncoder {
    /// The configuration was checked.
    #[track_caller]
    pub(super) fn new(config: &CoderConfig, rng: &mut Rng) -> Result<Self> {
        let (mut convs, mut hidden) = (Vec::new(), Vec::new());
        for pair in config.conv_sizes().windows(2) {
            convs.push(Conv2d::new(pair[0], pair[1], KERNEL, rng)?.stride(2).padding(1));
        }
        let sizes = config.dense_sizes();
        for pair in sizes.windows(2) {
            hidden.push(Linear::new(pair[0], pair[1], rng)?);
        }
        let features = sizes[sizes.len() - 1];
        Ok(Self { convs, hidden, activation: config.activation, input: config.input.clone(), features })
    }

    /// How many features it gives.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }
}

impl Layer for CodeEncoder {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        if x.shape().get(1..) != Some(&*self.input) {
            let message = format!("the input has shape {:?}, expected [batch, ..] with {:?}", x.shape(), self.input);
            return mode.here(Err(Error::shape("CodeEncoder", message)));
        }
        let mut x = x.clone();
        for (i, conv) in self.convs.iter().enumerate() {
            let y = conv.at(("convs", i), &x, mode)?;
            x = self.activation.at("activation", &y, mode)?;
        }
        x = x.reshape([x.shape()[0], x.shape()[1..].iter().product()])?;
        for (i, layer) in self.hidden.iter().enumerate() {
            let y = layer.at(("hidden", i), &x, mode)?;
            x = self.activation.at("activation", &y, mode)?;
        }
        Ok(x)
    }
}

/// From a code to an example.
///
/// # Shapes
/// - input: `[batch, latent]`
/// - output: `[batch, ..]` with examples of the shape that the configuration says
#[derive(Debug, Clone)]
pub struct CodeDecoder {
    hidden: Vec<Linear>,
    convs: Vec<ConvTranspose2d>,
    activation: Activation,
    /// The shape of an example as the dense layers give it.
    unfolded: Vec<usize>,
}

crate::module!(CodeDecoder { hidden, convs, activation }, plain { unfolded });

impl CodeDecoder {
    /// The configuration was checked.
    #[track_caller]
    pub(super) fn new(config: &CoderConfig, rng: &mut Rng) -> Result<Self> {
        let (mut convs, mut hidden) = (Vec::new(), Vec::new());
        let mut sizes = config.dense_sizes();
        sizes.push(config.latent);
        for pair in sizes.windows(2).rev() {
            hidden.push(Linear::new(pair[1], pair[0], rng)?);
        }
        let (channels, mut unfolded) = (config.conv_sizes(), config.input.clone());
        for pair in channels.windows(2) {
            // Of two sizes that become this one, the one that it was.
            let even = [unfolded[1], unfolded[2]].map(|side| usize::from(side.is_multiple_of(2)));
            let conv = ConvTranspose2d::new(pair[1], pair[0], KERNEL, rng)?.stride(2).padding(1);
            convs.push(conv.output_padding(even));
            unfolded = vec![pair[1], unfolded[1].div_ceil(2), unfolded[2].div_ceil(2)];
        }
        convs.reverse();
        Ok(Self { hidden, convs, activation: config.activation, unfolded })
    }
}

impl Layer for CodeDecoder {
    #[track_caller]
    fn forward(&self, z: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut x = z.clone();
        let last = self.hidden.len() + self.convs.len() - 1;
        for (i, layer) in self.hidden.iter().enumerate() {
            x = layer.at(("hidden", i), &x, mode)?;
            if i < last {
                x = self.activation.at("activation", &x, mode)?;
            }
        }
        let mut shape = self.unfolded.clone();
        shape.insert(0, x.shape()[0]);
        x = mode.here(x.reshape(shape))?;
        for (i, conv) in self.convs.iter().enumerate() {
            x = conv.at(("convs", i), &x, mode)?;
            if self.hidden.len() + i < last {
                x = self.activation.at("activation", &x, mode)?;
            }
        }
        Ok(x)
    }
}
