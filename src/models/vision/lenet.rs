//! The convolutional network for digits.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{AvgPool2d, Conv2d, Count, Layer, LayerExt, Linear, MaxPool2d, Mode, check_memory};
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What a [`LeNet`] is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LeNetConfig {
    /// The channels of the images.
    pub in_channels: usize,
    /// Their height and width.
    pub size: [usize; 2],
    /// How many classes there are.
    pub num_classes: usize,
    /// Whether units and pooling are those of the paper, tanh and means, and not rectified units and maxima.
    pub classic: bool,
}

impl LeNetConfig {
    /// A network for grey images of 28 by 28, as those of MNIST.
    #[must_use]
    pub fn new(num_classes: usize) -> Self {
        Self { in_channels: 1, size: [28, 28], num_classes, classic: false }
    }

    /// Images with other channels or sizes.
    #[must_use]
    pub fn images(mut self, channels: usize, size: [usize; 2]) -> Self {
        (self.in_channels, self.size) = (channels, size);
        self
    }

    /// With tanh and mean pooling, as in the paper.
    #[must_use]
    pub fn classic(mut self) -> Self {
        self.classic = true;
        self
    }

    /// What is left of the height and the width behind the second pooling; `None` if nothing is.
    fn places(&self) -> Option<[usize; 2]> {
        let [h, w] = self.size.map(|n| (n / 2).checked_sub(4).map_or(0, |n| n / 2));
        (h > 0 && w > 0).then_some([h, w])
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let [h, w] = self.places().unwrap_or_default();
        let layer = |inputs: Count, outputs: usize| (inputs + 1) * outputs;
        let convolutions = layer(Count::new(self.in_channels) * 25, 6) + layer(Count::new(150), 16);
        let dense = layer(Count::new(h) * w * 16, 120) + layer(Count::new(120), 84);
        convolutions + dense + layer(Count::new(84), self.num_classes)
    }
}

/// Two convolutions and three dense layers, the network that read digits on cheques (LeCun et al., *Gradient-Based Learning Applied to
/// Document Recognition*, 1998): LeNet-5.
///
/// Rectified units and the maxima of windows take the place of the paper's scaled tanh and trained means, as in most of today's
/// descriptions; [`LeNetConfig::classic`] has tanh and plain means.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`, at least 12 by 12; output: `[batch, num_classes]`
/// - parameters: `conv1` (6 of 5 × 5), `conv2` (16 of 5 × 5), `fc1` (120), `fc2` (84), `fc3`
///
/// ```
/// use demotic::models::{LeNet, LeNetConfig};
/// use demotic::prelude::*;
///
/// let model = LeNet::new(LeNetConfig::new(10), &mut Rng::seed(0))?;
/// assert_eq!(model.num_parameters(), 61_706);
/// assert_eq!(model.predict(&Tensor::zeros([2, 1, 28, 28])?)?.shape(), [2, 10]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LeNet {
    /// Six channels; as many places as the image has.
    pub conv1: Conv2d,
    /// Sixteen channels.
    pub conv2: Conv2d,
    /// 120 features.
    pub fc1: Linear,
    /// 84 features.
    pub fc2: Linear,
    /// The classes.
    pub fc3: Linear,
    config: LeNetConfig,
}

crate::module!(LeNet { conv1, conv2, fc1, fc2, fc3 }, plain { config });

architecture!(LeNet, LeNetConfig);

impl LeNet {
    /// A network with random weights.
    ///
    /// # Errors
    /// If there are no channels or classes, the images are smaller than 12 by 12, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: LeNetConfig, rng: &mut Rng) -> Result<Self> {
        let Some([h, w]) = config.places().filter(|_| config.in_channels > 0 && config.num_classes > 0) else {
            let LeNetConfig { in_channels, size, num_classes, .. } = config;
            let message = format!("{num_classes} classes of images {size:?} with {in_channels} channels");
            return Err(Error::argument("LeNet::new", message)
                .with_help("at least one class, one channel, and a height and width of 12"));
        };
        check_memory("LeNet::new", config.count(), Count::new(10))?;
        Ok(Self {
            conv1: Conv2d::new(config.in_channels, 6, 5, rng)?.padding(2),
            conv2: Conv2d::new(6, 16, 5, rng)?,
            fc1: Linear::new(16 * h * w, 120, rng)?,
            fc2: Linear::new(120, 84, rng)?,
            fc3: Linear::new(84, config.num_classes, rng)?,
            config,
        })
    }

    /// The 84 features that the classes are decided by.
    ///
    /// # Errors
    /// If the images have other sizes than the configuration says.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let [h, w] = self.config.size;
        let fits = x.rank() == 4 && x.shape()[1..] == [self.config.in_channels, h, w];
        if !fits {
            let (shape, channels) = (x.shape(), self.config.in_channels);
            let message = format!("the input has shape {shape:?}, expected [batch, {channels}, {h}, {w}]");
            return mode.here(Err(Error::shape("LeNet", message)));
        }
        let x = self.unit(&self.conv1.at("conv1", x, mode)?);
        let x = self.unit(&self.conv2.at("conv2", &self.pooled(&x, mode)?, mode)?);
        let x = self.pooled(&x, mode)?.flatten(1, -1)?;
        let x = self.unit(&self.fc1.at("fc1", &x, mode)?);
        Ok(self.unit(&self.fc2.at("fc2", &x, mode)?))
    }

    fn unit(&self, x: &Tensor) -> Tensor {
        if self.config.classic { x.tanh() } else { x.relu() }
    }

    #[track_caller]
    fn pooled(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        if self.config.classic { AvgPool2d::new(2).forward(x, mode) } else { MaxPool2d::new(2).forward(x, mode) }
    }
}

impl Layer for LeNet {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let features = self.forward_features(x, mode)?;
        self.fc3.at("fc3", &features, mode)
    }
}
