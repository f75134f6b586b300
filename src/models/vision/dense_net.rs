//! DenseNet.

use serde::{Deserialize, Serialize};

use super::parts::{check_images, classifier, conv, linear_count};
use crate::error::{Error, Result};
use crate::layers::{
    AvgPool2d, BatchNorm2d, Conv2d, Count, Dropout, GlobalAvgPool, Init, Layer, LayerExt, Linear, MaxPool2d, Mode,
    Module, Visitor, VisitorMut, check_memory, conv_norm,
};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes of a [`DenseNet`], as its file holds them.
///
/// ```
/// use demotic::models::DenseNetConfig;
///
/// assert_eq!(DenseNetConfig::densenet121().num_parameters(), 7_978_856);
/// let small = DenseNetConfig::densenet121().growth(8).blocks([2, 2, 2, 2]).width(16).in_channels(1).classes(10);
/// # let _ = small;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DenseNetConfig {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The number of outputs.
    pub num_classes: usize,
    /// The layers of each of the four blocks.
    pub blocks: [usize; 4],
    /// The channels that each layer adds.
    pub growth: usize,
    /// The channels of the first convolution.
    pub width: usize,
    /// How many times as many channels as it adds a layer has inside.
    pub bottleneck: usize,
    /// The probability of dropout of what each layer adds.
    pub dropout: f64,
}

impl Default for DenseNetConfig {
    fn default() -> Self {
        Self::densenet121()
    }
}

impl DenseNetConfig {
    fn new(blocks: [usize; 4], growth: usize, width: usize) -> Self {
        Self { in_channels: 3, num_classes: 1000, blocks, growth, width, bottleneck: 4, dropout: 0.0 }
    }

    /// DenseNet-121: pictures with three channels, 1000 classes, no dropout.
    #[must_use]
    pub fn densenet121() -> Self {
        Self::new([6, 12, 24, 16], 32, 64)
    }

    /// DenseNet-161.
    #[must_use]
    pub fn densenet161() -> Self {
        Self::new([6, 12, 36, 24], 48, 96)
    }

    /// DenseNet-169.
    #[must_use]
    pub fn densenet169() -> Self {
        Self::new([6, 12, 32, 32], 32, 64)
    }

    /// DenseNet-201.
    #[must_use]
    pub fn densenet201() -> Self {
        Self::new([6, 12, 48, 32], 32, 64)
    }

    options!(in_channels, classes, dropout);

    /// Other numbers of layers.
    #[must_use]
    pub fn blocks(mut self, blocks: [usize; 4]) -> Self {
        self.blocks = blocks;
        self
    }

    /// Other channels that each layer adds.
    #[must_use]
    pub fn growth(mut self, growth: usize) -> Self {
        self.growth = growth;
        self
    }

    /// Other channels of the first convolution.
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// The channels before and behind each block; between two of them, half are left.
    fn channels(&self) -> [[usize; 2]; 4] {
        let mut before = self.width;
        self.blocks.map(|layers| {
            let behind = before.saturating_add(layers.saturating_mul(self.growth));
            [std::mem::replace(&mut before, behind / 2), behind]
        })
    }

    /// The features of a picture.
    #[must_use]
    pub fn features(&self) -> usize {
        self.channels()[3][1]
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let inner = Count::new(self.bottleneck) * self.growth;
        let mut sum = Count::new(self.in_channels) * self.width * 49 + Count::new(self.width) * 2;
        for (i, (&layers, [before, behind])) in self.blocks.iter().zip(self.channels()).enumerate() {
            // A norm and a convolution of all channels that there are, for each layer, and what is inside of it.
            // 0 + 1 + 2 + … layers, of which either factor is even.
            let (half, other) =
                if layers % 2 == 0 { (layers / 2, layers.saturating_sub(1)) } else { (layers, layers / 2) };
            let seen = Count::new(layers) * before + Count::new(half) * other * self.growth;
            sum = sum + seen * 2 + seen * inner + (inner * 2 + inner * self.growth * 9) * layers;
            // The norm behind the block, and a convolution to half as many channels.
            let transition = if i < 3 { Count::new(behind) * (behind / 2) } else { Count::new(0) };
            sum = sum + Count::new(behind) * 2 + transition;
        }
        sum + linear_count(self.features(), self.num_classes)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let sizes = [self.in_channels, self.num_classes, self.growth, self.width, self.bottleneck];
        if sizes.contains(&0) || self.blocks.contains(&0) {
            return Err(Error::argument("DenseNet::new", format!("a size of 0 in {self:?}")));
        }
        let layers = self.blocks.iter().map(|n| Count::new(*n)).sum::<Count>();
        check_memory("DenseNet::new", self.count(), layers * 16 + 64)
    }
}

/// A network in which each layer sees what all layers before it in its block have found (Huang et al., *Densely connected convolutional
/// networks*, 2017): a convolution and a pooling, four [blocks](DenseBlock) between which channels, height and width are halved, the mean
/// over all pixels, and a linear layer.
///
/// The parameters have the names and shapes of torchvision, so its files load.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`, at least 29 by 29
/// - output: `[batch, num_classes]`
///
/// ```
/// use demotic::models::{DenseNet, DenseNetConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let config = DenseNetConfig::densenet121().growth(4).blocks([2, 3, 2, 1]).width(8);
/// let model = DenseNet::new(config.classes(10), &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
/// assert_eq!(model.with_head(4, &mut rng)?.predict(&pictures)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DenseNet {
    conv0: Conv2d,
    norm0: BatchNorm2d,
    block1: DenseBlock,
    transition1: DenseTransition,
    block2: DenseBlock,
    transition2: DenseTransition,
    block3: DenseBlock,
    transition3: DenseTransition,
    block4: DenseBlock,
    norm5: BatchNorm2d,
    head: Linear,
    dropout: Dropout,
    config: DenseNetConfig,
}

crate::module!(
    DenseNet {
        conv0 as "features.conv0",
        norm0 as "features.norm0",
        block1 as "features.denseblock1",
        transition1 as "features.transition1",
        block2 as "features.denseblock2",
        transition2 as "features.transition2",
        block3 as "features.denseblock3",
        transition3 as "features.transition3",
        block4 as "features.denseblock4",
        norm5 as "features.norm5",
        head as "classifier"
    },
    plain { dropout, config }
);
architecture!(DenseNet, DenseNetConfig);
classifier!(DenseNet, DenseNetConfig, "classifier");

#[track_caller]
fn head(inputs: usize, classes: usize, rng: &mut Rng) -> Result<Linear> {
    let mut head = Linear::new(inputs, classes, rng)?;
    if let Some(bias) = &mut head.bias {
        bias.set(&bias.zeros_like())?;
    }
    Ok(head)
}

/// A convolution without a bias, initialised by the number of its inputs.
#[track_caller]
fn conv_in(inputs: usize, outputs: usize, kernel: usize, stride: usize, rng: &mut Rng) -> Result<Conv2d> {
    conv(inputs, outputs, kernel, stride, 1, &mut rng.split())?.with_init(Init::kaiming_normal(), rng)
}

impl DenseNet {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0, dropout is no probability, or there is no memory for such a model.
    #[track_caller]
    pub fn new(config: DenseNetConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        // That of its layers; before the classes there is none.
        Dropout::new(config.dropout)?;
        let [[in1, out1], [in2, out2], [in3, out3], [in4, out4]] = config.channels();
        let [n1, n2, n3, n4] = config.blocks;
        Ok(Self {
            conv0: conv_in(config.in_channels, config.width, 7, 2, rng)?,
            norm0: BatchNorm2d::new(config.width)?,
            block1: DenseBlock::new(&config, n1, in1, rng)?,
            transition1: DenseTransition::new(out1, rng)?,
            block2: DenseBlock::new(&config, n2, in2, rng)?,
            transition2: DenseTransition::new(out2, rng)?,
            block3: DenseBlock::new(&config, n3, in3, rng)?,
            transition3: DenseTransition::new(out3, rng)?,
            block4: DenseBlock::new(&config, n4, in4, rng)?,
            norm5: BatchNorm2d::new(out4)?,
            head: head(out4, config.num_classes, rng)?,
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
        check_images("DenseNet", x, self.config.in_channels, 29, mode)?;
        let (conv0, norm0) = ((&self.conv0, "features.conv0"), (&self.norm0, "features.norm0"));
        let x = conv_norm(conv0, norm0, x, None, true, mode)?;
        let x = MaxPool2d::new(3).stride(2).padding(1).forward(&x, mode)?;
        let x = self.block1.at("features.denseblock1", &x, mode)?;
        let x = self.transition1.at("features.transition1", &x, mode)?;
        let x = self.block2.at("features.denseblock2", &x, mode)?;
        let x = self.transition2.at("features.transition2", &x, mode)?;
        let x = self.block3.at("features.denseblock3", &x, mode)?;
        let x = self.transition3.at("features.transition3", &x, mode)?;
        let x = self.block4.at("features.denseblock4", &x, mode)?;
        let x = self.norm5.at("features.norm5", &x, mode)?.relu();
        GlobalAvgPool.forward(&x, mode)
    }
}

/// Layers of a [`DenseNet`] that each see the input and what all before them have found: two convolutions, each behind a batch norm and
/// rectified units, of which the first mixes the channels of a pixel.
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels + layers · growth, height, width]`
#[derive(Debug, Clone)]
pub struct DenseBlock {
    layers: Vec<DenseLayer>,
}

impl Module for DenseBlock {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        for (i, layer) in (1..).zip(&self.layers) {
            visitor.field(format_args!("denselayer{i}"), layer);
        }
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        for (i, layer) in (1..).zip(&mut self.layers) {
            visitor.field(format_args!("denselayer{i}"), layer);
        }
    }
}

impl DenseBlock {
    #[track_caller]
    fn new(config: &DenseNetConfig, count: usize, mut inputs: usize, rng: &mut Rng) -> Result<Self> {
        let inner = config.bottleneck * config.growth;
        let mut layers = Vec::with_capacity(count);
        for _ in 0..count {
            layers.push(DenseLayer {
                norm1: BatchNorm2d::new(inputs)?,
                conv1: conv_in(inputs, inner, 1, 1, rng)?,
                norm2: BatchNorm2d::new(inner)?,
                conv2: conv_in(inner, config.growth, 3, 1, rng)?,
                dropout: Dropout::new(config.dropout)?,
            });
            inputs += config.growth;
        }
        Ok(Self { layers })
    }
}

impl Layer for DenseBlock {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in (1..).zip(&self.layers) {
            let found = layer.at(&format!("denselayer{i}"), &x, mode)?;
            x = Tensor::cat(&[&x, &found], 1)?;
        }
        Ok(x)
    }
}

#[derive(Debug, Clone)]
struct DenseLayer {
    norm1: BatchNorm2d,
    conv1: Conv2d,
    norm2: BatchNorm2d,
    conv2: Conv2d,
    dropout: Dropout,
}

crate::module!(DenseLayer { norm1, conv1, norm2, conv2 }, plain { dropout });

impl Layer for DenseLayer {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.norm1.at("norm1", x, mode)?.relu();
        let x = conv_norm((&self.conv1, "conv1"), (&self.norm2, "norm2"), &x, None, true, mode)?;
        let x = self.conv2.at("conv2", &x, mode)?;
        self.dropout.forward(&x, mode)
    }
}

/// What lies between two blocks of a [`DenseNet`]: batch norm, rectified units, half as many channels, and means of 2 by 2 pixels.
#[derive(Debug, Clone)]
pub struct DenseTransition {
    norm: BatchNorm2d,
    conv: Conv2d,
}

crate::module!(DenseTransition { norm, conv });

impl DenseTransition {
    #[track_caller]
    fn new(inputs: usize, rng: &mut Rng) -> Result<Self> {
        Ok(Self { norm: BatchNorm2d::new(inputs)?, conv: conv_in(inputs, inputs / 2, 1, 1, rng)? })
    }
}

impl Layer for DenseTransition {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.norm.at("norm", x, mode)?.relu();
        let x = self.conv.at("conv", &x, mode)?;
        AvgPool2d::new(2).forward(&x, mode)
    }
}
