//! A plain convolutional network of any size.

use serde::{Deserialize, Serialize};

use super::parts::{check_head, check_images};
use crate::error::{Error, Result};
use crate::layers::{
    BatchNorm2d, Conv2d, Count, Dropout, GlobalAvgPool, Layer, LayerExt, Linear, MaxPool2d, Mode, check_memory,
    conv_norm,
};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What a [`ConvNet`] is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConvNetConfig {
    /// The channels of the images.
    pub in_channels: usize,
    /// How many classes there are.
    pub num_classes: usize,
    /// The channels of each stage; between two of them, height and width are halved.
    pub channels: Vec<usize>,
    /// How many convolutions a stage has.
    pub depth: usize,
    /// The height and width of the kernels, an odd number.
    pub kernel: usize,
    /// Whether there is a batch norm behind each convolution.
    pub batch_norm: bool,
    /// The probability of dropout before the classes.
    pub dropout: f64,
    /// The channels that each convolution gives, where `compress::shrink` has taken different numbers out of those of a stage; otherwise
    /// nothing, and they are those of its stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widths: Option<Vec<usize>>,
}

impl ConvNetConfig {
    /// Stages of 32, 64 and 128 channels with two convolutions of 3 by 3 and batch norms each, without dropout, for images with this
    /// number of channels.
    #[must_use]
    pub fn new(in_channels: usize, num_classes: usize) -> Self {
        let channels = vec![32, 64, 128];
        let (batch_norm, dropout, widths) = (true, 0.0, None);
        Self { in_channels, num_classes, channels, depth: 2, kernel: 3, batch_norm, dropout, widths }
    }

    /// Other stages.
    #[must_use]
    pub fn channels(mut self, channels: &[usize]) -> Self {
        (self.channels, self.widths) = (channels.to_vec(), None);
        self
    }

    /// Another number of convolutions in each stage.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        (self.depth, self.widths) = (depth, None);
        self
    }

    /// Kernels of another size.
    #[must_use]
    pub fn kernel(mut self, kernel: usize) -> Self {
        self.kernel = kernel;
        self
    }

    /// Convolutions with a bias, and no batch norms.
    #[must_use]
    pub fn without_batch_norm(mut self) -> Self {
        self.batch_norm = false;
        self
    }

    options!(dropout);

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let (mut sum, mut inputs) = (Count::new(0), self.in_channels);
        let kernel = Count::new(self.kernel) * self.kernel;
        let one = |from: usize, to: usize| (kernel * from + if self.batch_norm { 2 } else { 1 }) * to;
        for &outputs in self.widths.as_ref().unwrap_or(&self.channels) {
            sum = sum + one(inputs, outputs);
            if self.widths.is_none() && self.depth > 1 {
                // All but the first are alike.
                sum = sum + one(outputs, outputs) * (self.depth - 1);
            }
            inputs = outputs;
        }
        sum + (Count::new(inputs) + 1) * self.num_classes
    }

    /// The channels that each convolution gives.
    fn each(&self) -> Vec<usize> {
        let alike = || self.channels.iter().flat_map(|count| vec![*count; self.depth]).collect();
        self.widths.clone().unwrap_or_else(alike)
    }
}

/// A convolution, a batch norm if there are any, and a rectified unit.
#[derive(Debug, Clone)]
pub struct ConvBlock {
    /// As many places as the input has.
    pub conv: Conv2d,
    /// Behind the convolution, which then has no bias.
    pub norm: Option<BatchNorm2d>,
}

crate::module!(ConvBlock { conv, norm });

impl Layer for ConvBlock {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match &self.norm {
            Some(norm) => conv_norm((&self.conv, "conv"), (norm, "norm"), x, None, true, mode),
            None => Ok(self.conv.at("conv", x, mode)?.relu()),
        }
    }
}

/// A plain convolutional network: stages of convolutions with rectified units, between which height and width are halved; the means of what
/// the last one finds; and a dense layer that decides.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`, of any size that can be halved between the stages
/// - output: `[batch, num_classes]`
/// - parameters: `stages.0.0.conv.weight`, `stages.0.0.norm.weight`, …, `head.weight`, `head.bias`
///
/// ```
/// use demotic::models::{ConvNet, ConvNetConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = ConvNet::new(ConvNetConfig::new(3, 10).channels(&[16, 32]), &mut rng)?;
/// assert_eq!(model.predict(&Tensor::zeros([2, 3, 32, 32])?)?.shape(), [2, 10]);
///
/// // The same features for other classes.
/// model.set_head(4, &mut rng)?;
/// assert_eq!(model.predict(&Tensor::zeros([2, 3, 32, 32])?)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConvNet {
    /// The blocks of each stage.
    pub stages: Vec<Vec<ConvBlock>>,
    /// Before the head.
    pub dropout: Dropout,
    /// The classes.
    pub head: Linear,
    config: ConvNetConfig,
}

crate::module!(ConvNet { stages, dropout, head }, plain { config });

architecture!(ConvNet, ConvNetConfig);

impl ConvNet {
    /// A network with random weights.
    ///
    /// # Errors
    /// If there are no channels, stages, convolutions or classes, the kernel has an even size, dropout is no probability, or the weights
    /// do not fit into memory.
    #[track_caller]
    pub fn new(config: ConvNetConfig, rng: &mut Rng) -> Result<Self> {
        let ConvNetConfig { in_channels, num_classes, ref channels, depth, kernel, batch_norm, dropout, .. } = config;
        let counts = [in_channels, num_classes, channels.len(), depth];
        if counts.contains(&0) || channels.contains(&0) || kernel % 2 == 0 {
            let message = format!(
                "{num_classes} classes of images with {in_channels} channels by stages of {channels:?}, {depth} convolutions of {kernel} \
                 each"
            );
            return Err(Error::argument("ConvNet::new", message).with_help("at least one of each, and an odd kernel"));
        }
        let convolutions = Count::new(channels.len()) * depth;
        if let Some(widths) = &config.widths
            && (widths.len() != convolutions.get() || widths.contains(&0))
        {
            let message =
                format!("widths of {} convolutions, expected {} of at least 1", widths.len(), convolutions.get());
            return Err(Error::argument("ConvNet::new", message));
        }
        check_memory("ConvNet::new", config.count(), convolutions * 4 + 2)?;
        let (mut stages, mut inputs) = (Vec::with_capacity(channels.len()), in_channels);
        for widths in config.each().chunks(depth) {
            let mut stage = Vec::with_capacity(depth);
            for outputs in widths {
                let conv = Conv2d::new(inputs, *outputs, kernel, rng)?.padding(kernel / 2);
                stage.push(match batch_norm {
                    true => ConvBlock { conv: conv.without_bias(), norm: Some(BatchNorm2d::new(*outputs)?) },
                    false => ConvBlock { conv, norm: None },
                });
                inputs = *outputs;
            }
            stages.push(stage);
        }
        Ok(Self { stages, dropout: Dropout::new(dropout)?, head: Linear::new(inputs, num_classes, rng)?, config })
    }

    /// Says in the configuration how many channels there are, after some were taken out.
    pub(crate) fn refit(&mut self) {
        let widths: Vec<usize> = self.stages.iter().flatten().map(|block| block.conv.out_channels()).collect();
        let first: Vec<usize> = widths.iter().step_by(self.config.depth.max(1)).copied().collect();
        let simple = self.config.clone().channels(&first);
        self.config = match simple.each() == widths {
            true => simple,
            false => ConvNetConfig { widths: Some(widths), ..self.config.clone() },
        };
    }

    /// What the last stage finds, the mean over all places: `[batch, channels]`.
    ///
    /// # Errors
    /// If the images have other channels, or are too small to be halved between the stages.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        // Between stages, height and width are halved.
        let least = 1usize.checked_shl(self.config.channels.len().saturating_sub(1) as u32).unwrap_or(usize::MAX);
        check_images("ConvNet", x, self.config.in_channels, least, mode)?;
        let mut x = x.clone();
        for (i, stage) in self.stages.iter().enumerate() {
            if i > 0 {
                x = MaxPool2d::new(2).forward(&x, mode)?;
            }
            for (k, block) in stage.iter().enumerate() {
                x = mode.scope(("stages", i), |mode| block.at(k, &x, mode))?;
            }
        }
        GlobalAvgPool.forward(&x, mode)
    }

    /// Another head, with random weights, for other classes: to transfer what was learnt.
    ///
    /// # Errors
    /// If there are no classes, or the weights do not fit into memory.
    #[track_caller]
    pub fn set_head(&mut self, num_classes: usize, rng: &mut Rng) -> Result<()> {
        check_head("set_head", num_classes)?;
        self.head = Linear::new(self.head.in_features(), num_classes, rng)?;
        self.config.num_classes = num_classes;
        Ok(())
    }
}

impl Layer for ConvNet {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let features = self.forward_features(x, mode)?;
        let features = self.dropout.at("dropout", &features, mode)?;
        self.head.at("head", &features, mode)
    }
}
