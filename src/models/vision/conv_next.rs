//! ConvNeXt.

use serde::{Deserialize, Serialize};

use super::parts::{check_images, classifier, linear, linear_count};
use crate::autograd::ConvOptions;
use crate::error::{Error, Result};
use crate::layers::{
    Conv2d, Count, Dropout, GlobalAvgPool, Init, Layer, LayerExt, LayerNorm, LayerNorm2d, Linear, Mode, Param,
    Sequential, StochasticDepth, check_memory,
};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes of a [`ConvNext`], as its file holds them.
///
/// ```
/// use demotic::models::ConvNextConfig;
///
/// assert_eq!(ConvNextConfig::tiny().num_parameters(), 28_589_128);
/// let small = ConvNextConfig::tiny().channels(&[16, 32]).blocks(&[2, 2]).in_channels(1).classes(10);
/// # let _ = small;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConvNextConfig {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The number of outputs.
    pub num_classes: usize,
    /// The channels of each stage; between two of them, height and width are halved.
    pub channels: Vec<usize>,
    /// The blocks of each stage.
    pub blocks: Vec<usize>,
    /// What the factors of the blocks' channels start with.
    pub layer_scale: f64,
    /// The probability that the last block is skipped in training; earlier ones are skipped the less, the earlier they are.
    pub stochastic_depth: f64,
}

impl Default for ConvNextConfig {
    fn default() -> Self {
        Self::tiny()
    }
}

impl ConvNextConfig {
    fn new(width: usize, third: usize, stochastic_depth: f64) -> Self {
        let channels = [1, 2, 4, 8].map(|times| times * width).to_vec();
        let blocks = vec![3, 3, third, 3];
        Self { in_channels: 3, num_classes: 1000, channels, blocks, layer_scale: 1e-6, stochastic_depth }
    }

    /// ConvNeXt-T: pictures with three channels, 1000 classes, the last block skipped with a probability of 0.1.
    #[must_use]
    pub fn tiny() -> Self {
        Self::new(96, 9, 0.1)
    }

    /// ConvNeXt-S, where that is 0.4.
    #[must_use]
    pub fn small() -> Self {
        Self::new(96, 27, 0.4)
    }

    /// ConvNeXt-B, where it is 0.5.
    #[must_use]
    pub fn base() -> Self {
        Self::new(128, 27, 0.5)
    }

    /// ConvNeXt-L, where it is 0.5 as well.
    #[must_use]
    pub fn large() -> Self {
        Self::new(192, 27, 0.5)
    }

    options!(in_channels, classes, stochastic_depth);

    /// Other channels of the stages.
    #[must_use]
    pub fn channels(mut self, channels: &[usize]) -> Self {
        self.channels = channels.to_vec();
        self
    }

    /// Other numbers of blocks.
    #[must_use]
    pub fn blocks(mut self, blocks: &[usize]) -> Self {
        self.blocks = blocks.to_vec();
        self
    }

    /// Another factor of the blocks' channels to start with.
    #[must_use]
    pub fn layer_scale(mut self, layer_scale: f64) -> Self {
        self.layer_scale = layer_scale;
        self
    }

    /// The features of a picture.
    #[must_use]
    pub fn features(&self) -> usize {
        self.channels.last().copied().unwrap_or_default()
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let (mut sum, mut inputs) = (Count::new(0), None);
        for (&channels, &blocks) in self.channels.iter().zip(&self.blocks) {
            let c = Count::new(channels);
            // The norm and the convolution before the stage.
            sum = sum
                + match inputs {
                    None => (Count::new(self.in_channels) * 16 + 3) * channels,
                    Some(inputs) => (Count::new(inputs) * 4 + 1) * channels + Count::new(inputs) * 2,
                };
            sum = sum + (c * (49 + 1 + 2 + 4 + 1 + 1) + c * c * 8) * blocks;
            inputs = Some(channels);
        }
        sum + Count::new(self.features()) * 2 + linear_count(self.features(), self.num_classes)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let name = "ConvNext::new";
        if self.channels.len() != self.blocks.len() {
            let message = format!("channels {:?} of stages with {:?} blocks", self.channels, self.blocks);
            return Err(Error::argument(name, message).with_help("as many numbers of channels as of blocks"));
        }
        let sizes = [self.in_channels, self.num_classes, self.channels.len()];
        if sizes.contains(&0) || self.channels.contains(&0) || self.blocks.contains(&0) {
            return Err(Error::argument(name, format!("a size of 0 in {self:?}")));
        }
        if !self.layer_scale.is_finite() {
            return Err(Error::argument(name, format!("the layer scale is {}, expected a number", self.layer_scale)));
        }
        let blocks = self.blocks.iter().map(|n| Count::new(*n)).sum::<Count>();
        check_memory(name, self.count(), blocks * 16 + 32 + self.blocks.len())
    }
}

/// A convolutional network with what was learnt from transformers (Liu et al., *A ConvNet for the 2020s*, 2022): patches of 4 by 4
/// pixels, stages of [blocks](ConvNextBlock) with layer norms, between which height and width are halved, the mean over all pixels, and a
/// linear layer.
///
/// The parameters have the names and shapes of torchvision, so its files load.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`, which can be halved between the stages: at least 32 by 32 for four
/// - output: `[batch, num_classes]`
///
/// ```
/// use demotic::models::{ConvNext, ConvNextConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let config = ConvNextConfig::tiny().channels(&[8, 16]).blocks(&[1, 2]);
/// let model = ConvNext::new(config.classes(10), &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
/// assert_eq!(model.with_head(4, &mut rng)?.predict(&pictures)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConvNext {
    features: Sequential,
    norm: LayerNorm,
    head: Linear,
    dropout: Dropout,
    config: ConvNextConfig,
}

crate::module!(
    ConvNext { features, norm as "classifier.0", head as "classifier.2" },
    plain { dropout, config }
);
architecture!(ConvNext, ConvNextConfig);
classifier!(ConvNext, ConvNextConfig, "classifier.2");

const INIT: Init = Init::TruncatedNormal { mean: 0.0, std: 0.02, low: -2.0, high: 2.0 };
const EPS: f64 = 1e-6;

#[track_caller]
fn head(inputs: usize, classes: usize, rng: &mut Rng) -> Result<Linear> {
    linear(inputs, classes, INIT, rng)
}

#[track_caller]
fn conv(inputs: usize, outputs: usize, kernel: usize, options: ConvOptions, rng: &mut Rng) -> Result<Conv2d> {
    Conv2d::with_options(inputs, outputs, kernel, options, &mut rng.split())?.with_init(INIT, rng)
}

impl ConvNext {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0 or does not fit the others, stochastic depth is no probability, or there is no memory for such a model.
    #[track_caller]
    pub fn new(config: ConvNextConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let total = config.blocks.iter().sum::<usize>();
        let (mut features, mut inputs, mut index) = (Sequential::new(), config.in_channels, 0);
        for (i, (&channels, &blocks)) in config.channels.iter().zip(&config.blocks).enumerate() {
            let between = Sequential::new();
            features.push(if i == 0 {
                let stem = conv(inputs, channels, 4, ConvOptions::new().stride(4), rng)?;
                between.with(stem).with(LayerNorm2d::new(channels)?.eps(EPS))
            } else {
                let halved = conv(inputs, channels, 2, ConvOptions::new().stride(2), rng)?;
                between.with(LayerNorm2d::new(inputs)?.eps(EPS)).with(halved)
            });
            let mut stage = Sequential::new();
            for _ in 0..blocks {
                let share = index as f64 / (total.max(2) - 1) as f64;
                stage.push(ConvNextBlock::new(channels, config.layer_scale, config.stochastic_depth * share, rng)?);
                index += 1;
            }
            features.push(stage);
            inputs = channels;
        }
        Ok(Self {
            features,
            norm: LayerNorm::new(inputs)?.eps(EPS),
            head: head(inputs, config.num_classes, rng)?,
            dropout: Dropout::new(0.0)?,
            config,
        })
    }

    /// What the last layer sees of pictures: `[batch, features]`.
    ///
    /// # Errors
    /// If the pictures do not fit.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let halved = u32::try_from(self.config.channels.len()).unwrap_or(u32::MAX);
        let least = 2_usize.checked_shl(halved).unwrap_or(usize::MAX);
        check_images("ConvNext", x, self.config.in_channels, least, mode)?;
        let x = GlobalAvgPool.forward(&self.features.at("features", x, mode)?, mode)?;
        self.norm.at("classifier.0", &x, mode)
    }
}

/// A block of a [`ConvNext`]: a convolution of 7 by 7 of each channel by itself, layer norm, two dense layers for each pixel with four
/// times as many units between them, and a factor for each channel; beside a path that skips it all.
///
/// # Shapes
/// - input and output: `[batch, channels, height, width]`
#[derive(Debug, Clone)]
pub struct ConvNextBlock {
    layer_scale: Param,
    conv: Conv2d,
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    stochastic_depth: StochasticDepth,
}

crate::module!(
    ConvNextBlock { layer_scale, conv as "block.0", norm as "block.2", fc1 as "block.3", fc2 as "block.5" },
    plain { stochastic_depth }
);

impl ConvNextBlock {
    #[track_caller]
    fn new(channels: usize, layer_scale: f64, skipped: f64, rng: &mut Rng) -> Result<Self> {
        let apart = ConvOptions::new().padding(3).groups(channels);
        Ok(Self {
            layer_scale: Param::new(Tensor::full([channels, 1, 1], layer_scale)?)?,
            conv: conv(channels, channels, 7, apart, rng)?,
            norm: LayerNorm::new(channels)?.eps(EPS),
            fc1: head(channels, 4 * channels, rng)?,
            fc2: head(4 * channels, channels, rng)?,
            stochastic_depth: StochasticDepth::new(skipped)?,
        })
    }
}

impl Layer for ConvNextBlock {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.conv.at("block.0", x, mode)?.permute(&[0, 2, 3, 1])?;
        let y = self.norm.at("block.2", &y, mode)?;
        let y = self.fc1.at("block.3", &y, mode)?.gelu();
        let y = self.fc2.at("block.5", &y, mode)?.permute(&[0, 3, 1, 2])?;
        let y = y.mul(&self.layer_scale)?;
        self.stochastic_depth.forward(&y, mode)?.add(x)
    }
}
