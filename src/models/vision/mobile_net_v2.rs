//! MobileNetV2.

use serde::{Deserialize, Serialize};

use super::inverted::{Body, Inverted, InvertedStage, Names, Stage};
use super::parts::{check_factor, check_images, classifier, divisible, linear, linear_count};
use crate::error::Result;
use crate::layers::{Activation, Count, Dropout, GlobalAvgPool, Init, Layer, LayerExt, Linear, Mode, Sequential};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes of a [`MobileNetV2`], as its file holds them.
///
/// ```
/// use demotic::models::MobileNetV2Config;
///
/// assert_eq!(MobileNetV2Config::mobilenet_v2().num_parameters(), 3_504_872);
/// let small = MobileNetV2Config::mobilenet_v2().width(0.35).in_channels(1).classes(10);
/// # let _ = small;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MobileNetV2Config {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The number of outputs.
    pub num_classes: usize,
    /// By how much all channels are multiplied; the results are multiples of 8. The last convolution has at least 1280.
    pub width: f64,
    /// The blocks.
    pub stages: Vec<InvertedStage>,
    /// The probability of dropout before the classes.
    pub dropout: f64,
}

impl Default for MobileNetV2Config {
    fn default() -> Self {
        Self::mobilenet_v2()
    }
}

impl MobileNetV2Config {
    /// The network of the paper: pictures with three channels, 1000 classes, a dropout of 0.2.
    #[must_use]
    pub fn mobilenet_v2() -> Self {
        let stages = InvertedStage::table([
            [1, 3, 1, 16, 1],
            [6, 3, 2, 24, 2],
            [6, 3, 2, 32, 3],
            [6, 3, 2, 64, 4],
            [6, 3, 1, 96, 3],
            [6, 3, 2, 160, 3],
            [6, 3, 1, 320, 1],
        ]);
        Self { in_channels: 3, num_classes: 1000, width: 1.0, stages, dropout: 0.2 }
    }

    options!(in_channels, classes, width_factor, dropout);

    /// Other blocks.
    #[must_use]
    pub fn stages(mut self, stages: &[InvertedStage]) -> Self {
        self.stages = stages.to_vec();
        self
    }

    /// The features of a picture.
    #[must_use]
    pub fn features(&self) -> usize {
        divisible(1280, self.width.max(1.0))
    }

    fn body(&self) -> Body {
        let stem = divisible(32, self.width);
        let mut inputs = stem;
        let stages = self.stages.iter().map(|stage| {
            let outputs = divisible(stage.channels, self.width);
            let block = |inputs: usize, stride| Inverted {
                inputs,
                expanded: inputs.saturating_mul(stage.expansion),
                outputs,
                kernel: stage.kernel,
                stride,
                squeezed: 0,
                activation: Activation::Relu6,
            };
            let (first, rest) = (block(inputs, stage.stride), block(outputs, 1));
            inputs = outputs;
            Stage { first, rest, blocks: stage.blocks }
        });
        Body {
            in_channels: self.in_channels,
            stem,
            stages: stages.collect(),
            last: self.features(),
            activation: Activation::Relu6,
            gates: [Activation::Relu, Activation::Sigmoid],
            norm: [1e-5, 0.1],
            same: false,
            skipped: 0.0,
            names: Names::MobileNetV2,
        }
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

/// A network for small devices (Sandler et al., *MobileNetV2: inverted residuals and linear bottlenecks*, 2018):
/// [blocks](super::InvertedResidual) that are wide inside, whose large convolutions see one channel each.
///
/// The parameters have the names and shapes of torchvision, so its files load.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`
/// - output: `[batch, num_classes]`
///
/// ```
/// use demotic::models::{MobileNetV2, MobileNetV2Config};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = MobileNetV2::new(MobileNetV2Config::mobilenet_v2().width(0.25).classes(10), &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
///
/// // For other classes, with everything else that it has learnt.
/// let mut other = model.with_head(4, &mut rng)?;
/// other.freeze("features.*")?;
/// assert_eq!(other.predict(&pictures)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MobileNetV2 {
    features: Sequential,
    head: Linear,
    dropout: Dropout,
    config: MobileNetV2Config,
}

crate::module!(MobileNetV2 { features, head as "classifier.1" }, plain { dropout, config });
architecture!(MobileNetV2, MobileNetV2Config);
classifier!(MobileNetV2, MobileNetV2Config, "classifier.1");

#[track_caller]
fn head(inputs: usize, classes: usize, rng: &mut Rng) -> Result<Linear> {
    linear(inputs, classes, Init::Normal { mean: 0.0, std: 0.01 }, rng)
}

impl MobileNetV2 {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0 or does not fit the others, a stride is more than 2, or there is no memory for such a model.
    #[track_caller]
    pub fn new(config: MobileNetV2Config, rng: &mut Rng) -> Result<Self> {
        check_factor("MobileNetV2::new", "width", config.width)?;
        let body = config.body();
        body.check("MobileNetV2::new", config.head_count())?;
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
        check_images("MobileNetV2", x, self.config.in_channels, 1, mode)?;
        GlobalAvgPool.forward(&self.features.at("features", x, mode)?, mode)
    }
}
