//! MobileNetV3.

use serde::{Deserialize, Serialize};

use super::inverted::{Body, Inverted, Names, Stage};
use super::parts::{check_factor, check_images, classifier, divisible, linear, linear_count};
use crate::error::Result;
use crate::layers::{Activation, Count, Dropout, GlobalAvgPool, Init, Layer, LayerExt, Linear, Mode, Sequential};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A block of a [`MobileNetV3`]; channels are multiplied by the width of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MobileNetV3Block {
    /// The height and width of the kernel, an odd number.
    pub kernel: usize,
    /// The channels inside.
    pub expanded: usize,
    /// The channels that the block gives.
    pub channels: usize,
    /// Whether there is squeeze-and-excitation.
    pub squeeze: bool,
    /// Whether the units are `Hardswish`, and not rectified ones.
    pub hardswish: bool,
    /// 2, if height and width are halved, or 1.
    pub stride: usize,
}

/// Rows of the paper's tables: kernel, expanded, channels, squeeze, hardswish, stride.
fn table<const N: usize>(rows: [(usize, usize, usize, bool, bool, usize); N]) -> Vec<MobileNetV3Block> {
    rows.map(|(kernel, expanded, channels, squeeze, hardswish, stride)| MobileNetV3Block {
        kernel,
        expanded,
        channels,
        squeeze,
        hardswish,
        stride,
    })
    .into()
}

/// The sizes of a [`MobileNetV3`], as its file holds them.
///
/// ```
/// use demotic::models::MobileNetV3Config;
///
/// assert_eq!(MobileNetV3Config::small().num_parameters(), 2_542_856);
/// assert_eq!(MobileNetV3Config::large().num_parameters(), 5_483_032);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MobileNetV3Config {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The number of outputs.
    pub num_classes: usize,
    /// By how much all channels are multiplied; the results are multiples of 8.
    pub width: f64,
    /// The blocks.
    pub blocks: Vec<MobileNetV3Block>,
    /// The features before they are multiplied by the width: units of the dense layer before the last one.
    pub hidden: usize,
    /// The probability of dropout before the classes.
    pub dropout: f64,
    /// Added to variances by batch norm: 10⁻³, in what timm has trained 10⁻⁵.
    #[serde(default = "usual_eps")]
    pub norm_eps: f64,
    /// Whether convolutions with a stride pad as TensorFlow does: what it leaves over is added at the end.
    #[serde(default)]
    pub same_padding: bool,
}

/// In files that are older than the option.
fn usual_eps() -> f64 {
    1e-3
}

impl MobileNetV3Config {
    fn new(blocks: Vec<MobileNetV3Block>, hidden: usize) -> Self {
        let (norm_eps, same_padding) = (usual_eps(), false);
        Self { in_channels: 3, num_classes: 1000, width: 1.0, blocks, hidden, dropout: 0.2, norm_eps, same_padding }
    }

    /// The small network: pictures with three channels, 1000 classes, a dropout of 0.2.
    #[must_use]
    pub fn small() -> Self {
        let blocks = table([
            (3, 16, 16, true, false, 2),
            (3, 72, 24, false, false, 2),
            (3, 88, 24, false, false, 1),
            (5, 96, 40, true, true, 2),
            (5, 240, 40, true, true, 1),
            (5, 240, 40, true, true, 1),
            (5, 120, 48, true, true, 1),
            (5, 144, 48, true, true, 1),
            (5, 288, 96, true, true, 2),
            (5, 576, 96, true, true, 1),
            (5, 576, 96, true, true, 1),
        ]);
        Self::new(blocks, 1024)
    }

    /// The large network.
    #[must_use]
    pub fn large() -> Self {
        let blocks = table([
            (3, 16, 16, false, false, 1),
            (3, 64, 24, false, false, 2),
            (3, 72, 24, false, false, 1),
            (5, 72, 40, true, false, 2),
            (5, 120, 40, true, false, 1),
            (5, 120, 40, true, false, 1),
            (3, 240, 80, false, true, 2),
            (3, 200, 80, false, true, 1),
            (3, 184, 80, false, true, 1),
            (3, 184, 80, false, true, 1),
            (3, 480, 112, true, true, 1),
            (3, 672, 112, true, true, 1),
            (5, 672, 160, true, true, 2),
            (5, 960, 160, true, true, 1),
            (5, 960, 160, true, true, 1),
        ]);
        Self::new(blocks, 1280)
    }

    options!(in_channels, classes, width_factor, dropout);

    /// Other blocks.
    #[must_use]
    pub fn blocks(mut self, blocks: &[MobileNetV3Block]) -> Self {
        self.blocks = blocks.to_vec();
        self
    }

    /// Another number of features.
    #[must_use]
    pub fn hidden(mut self, hidden: usize) -> Self {
        self.hidden = hidden;
        self
    }

    /// The features of a picture.
    #[must_use]
    pub fn features(&self) -> usize {
        divisible(self.hidden, self.width)
    }

    /// The channels of the last convolution.
    fn last(&self) -> usize {
        self.blocks.last().map_or(0, |block| divisible(block.channels, self.width).saturating_mul(6))
    }

    fn body(&self) -> Body {
        let stem = divisible(16, self.width);
        let mut inputs = stem;
        let stages = self.blocks.iter().map(|block| {
            let expanded = divisible(block.expanded, self.width);
            let first = Inverted {
                inputs,
                expanded,
                outputs: divisible(block.channels, self.width),
                kernel: block.kernel,
                stride: block.stride,
                squeezed: if block.squeeze { divisible(expanded / 4, 1.0) } else { 0 },
                activation: if block.hardswish { Activation::Hardswish } else { Activation::Relu },
            };
            inputs = first.outputs;
            Stage { first, rest: first, blocks: 1 }
        });
        Body {
            in_channels: self.in_channels,
            stem,
            stages: stages.collect(),
            last: self.last(),
            activation: Activation::Hardswish,
            gates: [Activation::Relu, Activation::Hardsigmoid],
            norm: [self.norm_eps, 0.01],
            same: self.same_padding,
            skipped: 0.0,
            names: Names::MobileNetV3,
        }
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        (self.body().count() + self.head_count()).get()
    }

    fn head_count(&self) -> Count {
        linear_count(self.last(), self.features()) + linear_count(self.features(), self.num_classes)
    }
}

/// A network for small devices, found by search (Howard et al., *Searching for MobileNetV3*, 2019): the
/// [blocks](super::InvertedResidual) of [`MobileNetV2`](super::MobileNetV2), some with squeeze-and-excitation and `Hardswish`.
///
/// The parameters have the names and shapes of torchvision, so its files load.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`
/// - output: `[batch, num_classes]`
///
/// ```
/// use demotic::models::{MobileNetV3, MobileNetV3Config};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = MobileNetV3::new(MobileNetV3Config::small().width(0.25).classes(10), &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
/// assert_eq!(model.with_head(4, &mut rng)?.predict(&pictures)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MobileNetV3 {
    features: Sequential,
    hidden: Linear,
    head: Linear,
    dropout: Dropout,
    config: MobileNetV3Config,
}

crate::module!(
    MobileNetV3 { features, hidden as "classifier.0", head as "classifier.3" },
    plain { dropout, config }
);
architecture!(MobileNetV3, MobileNetV3Config);
classifier!(MobileNetV3, MobileNetV3Config, "classifier.3");

#[track_caller]
fn head(inputs: usize, classes: usize, rng: &mut Rng) -> Result<Linear> {
    linear(inputs, classes, Init::Normal { mean: 0.0, std: 0.01 }, rng)
}

impl MobileNetV3 {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0 or does not fit the others, a stride is more than 2, or there is no memory for such a model.
    #[track_caller]
    pub fn new(config: MobileNetV3Config, rng: &mut Rng) -> Result<Self> {
        let name = "MobileNetV3::new";
        check_factor(name, "width", config.width)?;
        let body = config.body();
        body.check(name, config.head_count())?;
        Ok(Self {
            features: body.build(rng)?,
            hidden: head(config.last(), config.features(), rng)?,
            head: head(config.features(), config.num_classes, rng)?,
            dropout: Dropout::new(config.dropout)?,
            config,
        })
    }

    /// What the last layer sees of pictures: `[batch, features]`.
    ///
    /// # Errors
    /// If the pictures do not fit.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        check_images("MobileNetV3", x, self.config.in_channels, 1, mode)?;
        let x = GlobalAvgPool.forward(&self.features.at("features", x, mode)?, mode)?;
        Ok(self.hidden.at("classifier.0", &x, mode)?.hardswish())
    }
}
