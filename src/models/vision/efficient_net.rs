//! EfficientNet.

use serde::{Deserialize, Serialize};

use super::inverted::{Body, Inverted, InvertedStage, Names, Stage};
use super::parts::{check_factor, check_images, classifier, divisible, linear, linear_count};
use crate::error::Result;
use crate::layers::{Activation, Count, Dropout, GlobalAvgPool, Init, Layer, LayerExt, Linear, Mode, Sequential};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes of an [`EfficientNet`], as its file holds them.
///
/// ```
/// use demotic::models::EfficientNetConfig;
///
/// assert_eq!(EfficientNetConfig::b0().num_parameters(), 5_288_548);
/// assert_eq!(EfficientNetConfig::b4().num_parameters(), 19_341_616);
/// assert_eq!(EfficientNetConfig::lite0().num_parameters(), 4_652_008);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EfficientNetConfig {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The number of outputs.
    pub num_classes: usize,
    /// By how much all channels are multiplied; the results are multiples of 8.
    pub width: f64,
    /// By how much the blocks of a stage are multiplied; the results are rounded up.
    pub depth: f64,
    /// The blocks.
    pub stages: Vec<InvertedStage>,
    /// The probability of dropout before the classes.
    pub dropout: f64,
    /// The probability that the last block is skipped in training; earlier ones are skipped the less, the earlier they are.
    pub stochastic_depth: f64,
    /// Whether there is no squeeze-and-excitation, the units are `Relu6`, and the first and last convolutions and the depths of the first
    /// and last stages are not multiplied.
    pub lite: bool,
    /// Added to variances by batch norm: 10⁻⁵, in what comes from TensorFlow 10⁻³.
    #[serde(default = "usual_eps")]
    pub norm_eps: f64,
    /// Whether convolutions with a stride pad as TensorFlow does: what it leaves over is added at the end.
    #[serde(default)]
    pub same_padding: bool,
}

/// In files that are older than the option.
fn usual_eps() -> f64 {
    1e-5
}

impl Default for EfficientNetConfig {
    fn default() -> Self {
        Self::b0()
    }
}

macro_rules! published {
    ($($(#[$doc:meta])* $name:ident $width:literal $depth:literal $dropout:literal $lite:literal;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name() -> Self {
            Self::scaled($width, $depth, $dropout, $lite)
        }
    )*};
}

impl EfficientNetConfig {
    fn scaled(width: f64, depth: f64, dropout: f64, lite: bool) -> Self {
        let stages = InvertedStage::table([
            [1, 3, 1, 16, 1],
            [6, 3, 2, 24, 2],
            [6, 5, 2, 40, 2],
            [6, 3, 2, 80, 3],
            [6, 5, 1, 112, 3],
            [6, 5, 2, 192, 4],
            [6, 3, 1, 320, 1],
        ]);
        let stochastic_depth = 0.2;
        let (in_channels, num_classes, norm_eps, same_padding) = (3, 1000, usual_eps(), false);
        Self { in_channels, num_classes, width, depth, stages, dropout, stochastic_depth, lite, norm_eps, same_padding }
    }

    published! {
        /// EfficientNet-B0: pictures with three channels (of 224 by 224 in the paper), 1000 classes, a dropout of 0.2.
        b0 1.0 1.0 0.2 false;
        /// EfficientNet-B1 (240 by 240).
        b1 1.0 1.1 0.2 false;
        /// EfficientNet-B2 (260 by 260).
        b2 1.1 1.2 0.3 false;
        /// EfficientNet-B3 (300 by 300).
        b3 1.2 1.4 0.3 false;
        /// EfficientNet-B4 (380 by 380).
        b4 1.4 1.8 0.4 false;
        /// EfficientNet-Lite0 (224 by 224): see [`lite`](Self::lite).
        lite0 1.0 1.0 0.2 true;
        /// EfficientNet-Lite1 (240 by 240).
        lite1 1.0 1.1 0.2 true;
        /// EfficientNet-Lite2 (260 by 260).
        lite2 1.1 1.2 0.3 true;
        /// EfficientNet-Lite3 (280 by 280).
        lite3 1.2 1.4 0.3 true;
        /// EfficientNet-Lite4 (300 by 300).
        lite4 1.4 1.8 0.3 true;
    }

    options!(in_channels, classes, width_factor, dropout, stochastic_depth);

    /// Another factor for the blocks of a stage.
    #[must_use]
    pub fn depth(mut self, depth: f64) -> Self {
        self.depth = depth;
        self
    }

    /// Other blocks.
    #[must_use]
    pub fn stages(mut self, stages: &[InvertedStage]) -> Self {
        self.stages = stages.to_vec();
        self
    }

    /// The features of a picture: four times the channels of the last stage, or 1280 in a lite network.
    #[must_use]
    pub fn features(&self) -> usize {
        if self.lite {
            return 1280;
        }
        self.stages.last().map_or(0, |stage| divisible(stage.channels, self.width).saturating_mul(4))
    }

    fn body(&self) -> Body {
        let stem = if self.lite { 32 } else { divisible(32, self.width) };
        let mut inputs = stem;
        let activation = if self.lite { Activation::Relu6 } else { Activation::Silu };
        let ends = [0, self.stages.len().saturating_sub(1)];
        let stages = self.stages.iter().enumerate().map(|(i, stage)| {
            let outputs = divisible(stage.channels, self.width);
            let block = |inputs: usize, stride| Inverted {
                inputs,
                expanded: inputs.saturating_mul(stage.expansion),
                outputs,
                kernel: stage.kernel,
                stride,
                squeezed: if self.lite { 0 } else { (inputs / 4).max(1) },
                activation,
            };
            let (first, rest) = (block(inputs, stage.stride), block(outputs, 1));
            inputs = outputs;
            let depth = if self.lite && ends.contains(&i) { 1.0 } else { self.depth };
            Stage { first, rest, blocks: (stage.blocks as f64 * depth).ceil() as usize }
        });
        Body {
            in_channels: self.in_channels,
            stem,
            stages: stages.collect(),
            last: self.features(),
            activation,
            gates: [Activation::Silu, Activation::Sigmoid],
            norm: [self.norm_eps, 0.1],
            same: self.same_padding,
            skipped: self.stochastic_depth,
            names: Names::EfficientNet,
        }
    }

    /// How many blocks each stage has.
    pub(crate) fn stage_blocks(&self) -> Vec<usize> {
        self.body().stages.iter().map(|stage| stage.blocks).collect()
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        (self.body().count() + self.head_count()).get()
    }

    fn head_count(&self) -> Count {
        linear_count(self.features(), self.num_classes)
    }
}

/// A network whose width, depth and size of pictures grow together (Tan and Le, *EfficientNet: rethinking model scaling for convolutional
/// neural networks*, 2019): [blocks](super::InvertedResidual) with squeeze-and-excitation, of which any may be skipped in training.
///
/// The parameters have the names and shapes of torchvision, so its files load. The lite networks, made for devices that compute in whole
/// numbers, are not in torchvision; they have the same names here, where a block has one part less.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`
/// - output: `[batch, num_classes]`
///
/// ```
/// use demotic::models::{EfficientNet, EfficientNetConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = EfficientNet::new(EfficientNetConfig::b0().width(0.25).classes(10), &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
/// assert_eq!(model.with_head(4, &mut rng)?.predict(&pictures)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EfficientNet {
    features: Sequential,
    head: Linear,
    dropout: Dropout,
    config: EfficientNetConfig,
}

crate::module!(EfficientNet { features, head as "classifier.1" }, plain { dropout, config });
architecture!(EfficientNet, EfficientNetConfig);
classifier!(EfficientNet, EfficientNetConfig, "classifier.1");

#[track_caller]
fn head(inputs: usize, classes: usize, rng: &mut Rng) -> Result<Linear> {
    let bound = 1.0 / (classes.max(1) as f64).sqrt();
    linear(inputs, classes, Init::Uniform { low: -bound, high: bound }, rng)
}

impl EfficientNet {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0 or does not fit the others, a stride is more than 2, or there is no memory for such a model.
    #[track_caller]
    pub fn new(config: EfficientNetConfig, rng: &mut Rng) -> Result<Self> {
        let name = "EfficientNet::new";
        check_factor(name, "width", config.width)?;
        check_factor(name, "depth", config.depth)?;
        let body = config.body();
        body.check(name, config.head_count())?;
        let dropout = Dropout::new(config.dropout)?;
        Ok(Self {
            features: body.build(rng)?,
            head: head(config.features(), config.num_classes, rng)?,
            dropout,
            config,
        })
    }

    /// What the last layer sees of pictures: `[batch, features]`.
    ///
    /// # Errors
    /// If the pictures do not fit.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        check_images("EfficientNet", x, self.config.in_channels, 1, mode)?;
        GlobalAvgPool.forward(&self.features.at("features", x, mode)?, mode)
    }
}
