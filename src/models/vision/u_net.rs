//! U-Net.

use serde::{Deserialize, Serialize};

use super::ConvBlock;
use super::parts::{CONVOLUTION, check_head, check_images};
use crate::autograd::{ConvOptions, InterpolateOptions, Interpolation};
use crate::error::{Error, Result};
use crate::layers::{BatchNorm2d, Conv2d, ConvTranspose2d, Count, Layer, LayerExt, MaxPool2d, Mode, check_memory};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What a [`UNet`] is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UNetConfig {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The channels of the output: one for each class.
    pub num_classes: usize,
    /// The channels of each level, from the full size down; each level has half the height and width of the one above it.
    pub channels: Vec<usize>,
    /// How many convolutions a level has on the way down, and again on the way up.
    pub depth: usize,
    /// Whether there is a batch norm behind each convolution.
    pub batch_norm: bool,
    /// Whether pictures are made larger by transposed convolutions, and not by interpolation and a convolution of single pixels.
    pub transposed: bool,
}

impl UNetConfig {
    /// The network of the paper, with batch norms: levels of 64 to 1024 channels, two convolutions each, transposed convolutions.
    #[must_use]
    pub fn new(in_channels: usize, num_classes: usize) -> Self {
        let channels = vec![64, 128, 256, 512, 1024];
        Self { in_channels, num_classes, channels, depth: 2, batch_norm: true, transposed: true }
    }

    options!(in_channels, classes);

    /// Other levels.
    #[must_use]
    pub fn channels(mut self, channels: &[usize]) -> Self {
        self.channels = channels.to_vec();
        self
    }

    /// Another number of convolutions in each level.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Convolutions with a bias, and no batch norms.
    #[must_use]
    pub fn without_batch_norm(mut self) -> Self {
        self.batch_norm = false;
        self
    }

    /// Pictures are made larger by bilinear interpolation.
    #[must_use]
    pub fn interpolated(mut self) -> Self {
        self.transposed = false;
        self
    }

    /// By how much height and width must be divisible.
    #[must_use]
    pub fn divisor(&self) -> usize {
        let halved = u32::try_from(self.channels.len().saturating_sub(1)).unwrap_or(u32::MAX);
        1_usize.checked_shl(halved).unwrap_or(usize::MAX)
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let more = if self.batch_norm { 2 } else { 1 };
        let convolutions = |inputs: usize, outputs: usize| {
            let one = |inputs: usize| (Count::new(inputs) * 9 + more) * outputs;
            if self.depth == 0 { Count::new(0) } else { one(inputs) + one(outputs) * (self.depth - 1) }
        };
        let (mut sum, mut inputs) = (Count::new(0), self.in_channels);
        for &outputs in &self.channels {
            sum = sum + convolutions(inputs, outputs);
            inputs = outputs;
        }
        for pair in self.channels.windows(2) {
            let places = if self.transposed { 4 } else { 1 };
            sum = sum + (Count::new(pair[1]) * places + 1) * pair[0];
            sum = sum + convolutions(pair[0].saturating_mul(2), pair[0]);
        }
        sum + (Count::new(self.channels.first().copied().unwrap_or_default()) + 1) * self.num_classes
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let name = "UNet::new";
        let sizes = [self.in_channels, self.num_classes, self.depth];
        if sizes.contains(&0) || self.channels.contains(&0) {
            return Err(Error::argument(name, format!("a size of 0 in {self:?}")));
        }
        if self.channels.len() < 2 {
            let message = format!("levels with {:?} channels", self.channels);
            return Err(Error::argument(name, message).with_help("at least two levels"));
        }
        check_memory(name, self.count(), Count::new(self.channels.len()) * self.depth * 16 + 16)
    }
}

/// A network that gives a picture for a picture, such as what class each pixel belongs to (Ronneberger et al., *U-Net: convolutional
/// networks for biomedical image segmentation*, 2015): levels of convolutions between which height and width are halved, and levels that
/// lead back, each of which also sees what the level of its size found on the way down.
///
/// Zeros around the pictures keep their sizes, where the paper cuts off margins.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`, multiples of 2 to the power of the number of levels but one: of 16 for five
/// - output: `[batch, num_classes, height, width]`
/// - parameters: `down.0.0.conv.weight`, `down.0.0.norm.weight`, …, `up.0.rise.weight`, `up.0.blocks.0.conv.weight`, …, `head.weight`;
///   `up.0` is the lowest
///
/// ```
/// use demotic::models::{UNet, UNetConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = UNet::new(UNetConfig::new(3, 2).channels(&[8, 16, 32]), &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 24, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 2, 24, 32]);
/// assert_eq!(model.with_head(4, &mut rng)?.predict(&pictures)?.shape(), [2, 4, 24, 32]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct UNet {
    down: Vec<Vec<ConvBlock>>,
    up: Vec<UNetUp>,
    head: Conv2d,
    config: UNetConfig,
}

crate::module!(UNet { down, up, head }, plain { config });
architecture!(UNet, UNetConfig);

/// A way up of a [`UNet`]: twice the height and width, and convolutions of that together with what was found on the way down.
#[derive(Debug, Clone)]
pub struct UNetUp {
    rise: UNetRise,
    blocks: Vec<ConvBlock>,
}

crate::module!(UNetUp { rise, blocks });

/// What doubles height and width in a [`UNet`].
#[derive(Debug, Clone)]
pub enum UNetRise {
    /// A transposed convolution of 2 by 2 with a stride of 2.
    Transposed(ConvTranspose2d),
    /// Bilinear interpolation, behind a convolution of single pixels, with which it may change places.
    Interpolated(Conv2d),
}

crate::module!(
    enum UNetRise {
        Transposed(ConvTranspose2d),
        Interpolated(Conv2d),
    }
);

impl Layer for UNetRise {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match self {
            Self::Transposed(layer) => layer.forward(x, mode),
            Self::Interpolated(layer) => {
                let options = InterpolateOptions::scale(2.0).mode(Interpolation::Linear);
                let x = layer.forward(x, mode)?;
                mode.here(x.interpolate(&options))
            }
        }
    }
}

#[track_caller]
fn head(inputs: usize, classes: usize, rng: &mut Rng) -> Result<Conv2d> {
    Conv2d::new(inputs, classes, 1, rng)
}

impl UNet {
    /// A network with random weights.
    ///
    /// # Errors
    /// If a size is 0, there is one level only, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: UNetConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let (mut down, mut inputs) = (Vec::with_capacity(config.channels.len()), config.in_channels);
        for &outputs in &config.channels {
            down.push(blocks(&config, inputs, outputs, rng)?);
            inputs = outputs;
        }
        let mut up = Vec::with_capacity(config.channels.len());
        for pair in config.channels.windows(2).rev() {
            let (below, here) = (pair[1], pair[0]);
            let rise = if config.transposed {
                let options = ConvOptions::new().stride(2);
                UNetRise::Transposed(ConvTranspose2d::with_options(below, here, 2, options, rng)?)
            } else {
                UNetRise::Interpolated(Conv2d::new(below, here, 1, rng)?)
            };
            up.push(UNetUp { rise, blocks: blocks(&config, 2 * here, here, rng)? });
        }
        let head = head(config.channels[0], config.num_classes, rng)?;
        Ok(Self { down, up, head, config })
    }

    /// The sizes of the model.
    #[must_use]
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// What the last convolution sees of pictures: `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// If the pictures have other channels, or a height or width that cannot be halved as often as there are levels below the first.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let divisor = self.config.divisor();
        check_images("UNet", x, self.config.in_channels, divisor, mode)?;
        let [height, width] = [x.shape()[2], x.shape()[3]];
        if height % divisor != 0 || width % divisor != 0 {
            let message = format!("the input has a height of {height} and a width of {width}");
            let help = format!("multiples of {divisor}, which can be halved between the levels and come back");
            return mode.here(Err(Error::shape("UNet", message).with_help(help)));
        }
        let (mut x, mut seen) = (x.clone(), Vec::with_capacity(self.down.len()));
        for (i, level) in self.down.iter().enumerate() {
            if i > 0 {
                x = MaxPool2d::new(2).forward(&x, mode)?;
            }
            x = mode.scope(("down", i), |mode| chain(level, &x, mode))?;
            seen.push(x.clone());
        }
        // The lowest level is where the way up begins.
        for (i, (level, beside)) in self.up.iter().zip(seen.iter().rev().skip(1)).enumerate() {
            x = mode.scope(("up", i), |mode| {
                let raised = level.rise.at("rise", &x, mode)?;
                let both = Tensor::cat(&[beside, &raised], 1)?;
                mode.scope("blocks", |mode| chain(&level.blocks, &both, mode))
            })?;
        }
        Ok(x)
    }

    /// The same model with a new last convolution, for so many classes: to transfer what was learnt.
    ///
    /// # Errors
    /// If there are none, or they do not fit into memory.
    #[track_caller]
    pub fn with_head(&self, classes: usize, rng: &mut Rng) -> Result<Self> {
        check_head("with_head", classes)?;
        let mut model = self.clone();
        model.head = head(self.head.in_channels(), classes, rng)?;
        model.config.num_classes = classes;
        Ok(model)
    }
}

/// The convolutions of a level.
#[track_caller]
fn blocks(config: &UNetConfig, mut inputs: usize, outputs: usize, rng: &mut Rng) -> Result<Vec<ConvBlock>> {
    let mut blocks = Vec::with_capacity(config.depth);
    for _ in 0..config.depth {
        let conv = Conv2d::new(inputs, outputs, 3, &mut rng.split())?.padding(1).with_init(CONVOLUTION, rng)?;
        blocks.push(match config.batch_norm {
            true => ConvBlock { conv: conv.without_bias(), norm: Some(BatchNorm2d::new(outputs)?) },
            false => ConvBlock { conv, norm: None },
        });
        inputs = outputs;
    }
    Ok(blocks)
}

#[track_caller]
fn chain(blocks: &[ConvBlock], x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
    let mut x = x.clone();
    for (i, block) in blocks.iter().enumerate() {
        x = block.at(i, &x, mode)?;
    }
    Ok(x)
}

impl Layer for UNet {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let features = self.forward_features(x, mode)?;
        self.head.at("head", &features, mode)
    }
}
