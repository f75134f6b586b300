//! VGG.

use serde::{Deserialize, Serialize};

use super::parts::{CONVOLUTION, check_images, classifier, linear, linear_count};
use crate::error::{Error, Result};
use crate::layers::{
    BatchNorm2d, Conv2d, Count, Dropout, Init, Layer, LayerExt, Linear, MaxPool2d, Mode, Relu, Sequential, check_memory,
};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes of a [`Vgg`], as its file holds them.
///
/// ```
/// use demotic::models::VggConfig;
///
/// assert_eq!(VggConfig::vgg16().num_parameters(), 138_357_544);
/// assert_eq!(VggConfig::vgg11().batch_norm().num_parameters(), 132_868_840);
/// let small = VggConfig::vgg11().stages(&[vec![16], vec![32, 32]]).hidden(64).classes(10);
/// # let _ = small;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VggConfig {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The number of outputs.
    pub num_classes: usize,
    /// The channels of the convolutions of each stage; behind it, height and width are halved.
    pub stages: Vec<Vec<usize>>,
    /// Whether there is a batch norm behind each convolution.
    pub batch_norm: bool,
    /// The height and width to which means bring what the last stage finds.
    pub places: usize,
    /// The units of the two dense layers before the last one.
    pub hidden: usize,
    /// The probability of dropout behind each of them.
    pub dropout: f64,
}

impl Default for VggConfig {
    fn default() -> Self {
        Self::vgg16()
    }
}

impl VggConfig {
    /// Stages with so many convolutions.
    fn new(depths: [usize; 5]) -> Self {
        let stages = depths.iter().zip([64, 128, 256, 512, 512]).map(|(n, channels)| vec![channels; *n]).collect();
        Self { in_channels: 3, num_classes: 1000, stages, batch_norm: false, places: 7, hidden: 4096, dropout: 0.5 }
    }

    /// VGG-11: pictures with three channels, 1000 classes, no batch norms, a dropout of 0.5.
    #[must_use]
    pub fn vgg11() -> Self {
        Self::new([1, 1, 2, 2, 2])
    }

    /// VGG-13.
    #[must_use]
    pub fn vgg13() -> Self {
        Self::new([2, 2, 2, 2, 2])
    }

    /// VGG-16.
    #[must_use]
    pub fn vgg16() -> Self {
        Self::new([2, 2, 3, 3, 3])
    }

    /// VGG-19.
    #[must_use]
    pub fn vgg19() -> Self {
        Self::new([2, 2, 4, 4, 4])
    }

    options!(in_channels, classes, dropout);

    /// With a batch norm behind each convolution: torchvision's `vgg16_bn` and the like.
    #[must_use]
    pub fn batch_norm(mut self) -> Self {
        self.batch_norm = true;
        self
    }

    /// Other stages.
    #[must_use]
    pub fn stages(mut self, stages: &[Vec<usize>]) -> Self {
        self.stages = stages.to_vec();
        self
    }

    /// Another height and width before the dense layers.
    #[must_use]
    pub fn places(mut self, places: usize) -> Self {
        self.places = places;
        self
    }

    /// Other units of the dense layers before the last one.
    #[must_use]
    pub fn hidden(mut self, hidden: usize) -> Self {
        self.hidden = hidden;
        self
    }

    /// The numbers that enter the dense layers, if they can be counted.
    fn flat(&self) -> Option<usize> {
        self.places.checked_mul(self.places)?.checked_mul(*self.stages.last()?.last()?)
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let (mut sum, mut inputs) = (Count::new(0), self.in_channels);
        for outputs in self.stages.iter().flatten() {
            let norm = if self.batch_norm { 2 } else { 0 };
            sum = sum + (Count::new(inputs) * 9 + 1 + norm) * *outputs;
            inputs = *outputs;
        }
        let hidden = self.hidden;
        let dense = linear_count(self.flat().unwrap_or(usize::MAX), hidden) + linear_count(hidden, hidden);
        sum + dense + linear_count(hidden, self.num_classes)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let sizes = [self.in_channels, self.num_classes, self.places, self.hidden, self.stages.len()];
        if sizes.contains(&0) || self.stages.iter().any(|stage| stage.is_empty() || stage.contains(&0)) {
            return Err(Error::argument("Vgg::new", format!("a size of 0 in {self:?}")));
        }
        let convolutions = self.stages.iter().map(|stage| Count::new(stage.len())).sum::<Count>();
        check_memory("Vgg::new", self.count(), convolutions * 8 + 16)
    }
}

/// Convolutions of 3 by 3 in stages, and three dense layers (Simonyan and Zisserman, *Very deep convolutional networks for large-scale
/// image recognition*, 2015).
///
/// The parameters have the names and shapes of torchvision, so its files load.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`, which can be halved behind each stage: at least 32 by 32 for five
/// - output: `[batch, num_classes]`
///
/// ```
/// use demotic::models::{Vgg, VggConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let config = VggConfig::vgg11().batch_norm().stages(&[vec![8], vec![16, 16]]).places(2).hidden(32);
/// let model = Vgg::new(config.classes(10), &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
/// assert_eq!(model.with_head(4, &mut rng)?.predict(&pictures)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Vgg {
    features: Sequential,
    fc1: Linear,
    fc2: Linear,
    head: Linear,
    dropout: Dropout,
    config: VggConfig,
}

crate::module!(
    Vgg { features, fc1 as "classifier.0", fc2 as "classifier.3", head as "classifier.6" },
    plain { dropout, config }
);
architecture!(Vgg, VggConfig);
classifier!(Vgg, VggConfig, "classifier.6");

#[track_caller]
fn head(inputs: usize, classes: usize, rng: &mut Rng) -> Result<Linear> {
    linear(inputs, classes, Init::Normal { mean: 0.0, std: 0.01 }, rng)
}

impl Vgg {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0, dropout is no probability, or there is no memory for such a model.
    #[track_caller]
    pub fn new(config: VggConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let (mut features, mut inputs) = (Sequential::new(), config.in_channels);
        for stage in &config.stages {
            for &outputs in stage {
                let biased = Conv2d::new(inputs, outputs, 3, &mut rng.split())?.padding(1);
                features.push(biased.with_init(CONVOLUTION, rng)?);
                if config.batch_norm {
                    features.push(BatchNorm2d::new(outputs)?);
                }
                features.push(Relu);
                inputs = outputs;
            }
            features.push(MaxPool2d::new(2));
        }
        let hidden = config.hidden;
        let Some(flat) = config.flat() else {
            return Err(Error::argument("Vgg::new", "a model of these sizes does not fit into memory"));
        };
        Ok(Self {
            features,
            fc1: head(flat, hidden, rng)?,
            fc2: head(hidden, hidden, rng)?,
            head: head(hidden, config.num_classes, rng)?,
            dropout: Dropout::new(config.dropout)?,
            config,
        })
    }

    /// What the last layer sees of pictures: `[batch, hidden]`.
    ///
    /// # Errors
    /// If the pictures do not fit.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let halved = u32::try_from(self.config.stages.len()).unwrap_or(u32::MAX);
        let least = 1_usize.checked_shl(halved).unwrap_or(usize::MAX);
        check_images("Vgg", x, self.config.in_channels, least, mode)?;
        let x = self.features.at("features", x, mode)?;
        let x = mode.here(x.adaptive_avg_pool2d(self.config.places))?.flatten(1, -1)?;
        let x = self.fc1.at("classifier.0", &x, mode)?.relu();
        let x = self.dropout.forward(&x, mode)?;
        Ok(self.fc2.at("classifier.3", &x, mode)?.relu())
    }
}
