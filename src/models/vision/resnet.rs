//! Residual networks of convolutions.

use serde::{Deserialize, Serialize};

use super::parts::{check_head, conv};
use crate::error::{Error, Result};
use crate::layers::{
    BatchNorm2d, Conv2d, Count, GlobalAvgPool, Layer, LayerExt, Linear, MaxPool2d, Mode, check_memory, conv_norm,
};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes of a [`ResNet`], as its file holds them.
///
/// ```
/// use demotic::models::ResNetConfig;
///
/// assert_eq!(ResNetConfig::resnet18().num_parameters(), 11_689_512);
/// assert_eq!(ResNetConfig::resnet50().num_parameters(), 25_557_032);
/// let small = ResNetConfig::resnet18().width(16).in_channels(1).classes(10);
/// # let _ = small;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ResNetConfig {
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The number of outputs.
    pub num_classes: usize,
    /// The blocks of each of the four stages.
    pub blocks: [usize; 4],
    /// The channels of the first stage; each further stage has twice as many.
    pub width: usize,
    /// Whether a block is a bottleneck: three convolutions, of which the first one has a quarter of the channels that the last one
    /// gives, instead of two.
    pub bottleneck: bool,
    /// The groups of the convolution in the middle of a bottleneck (ResNeXt).
    pub groups: usize,
    /// The channels of each of these groups in the first stage, for a width of 64.
    pub width_per_group: usize,
    /// The channels that each convolution gives, in the order of the model and without those beside blocks, where `compress::shrink` has
    /// taken some out; otherwise nothing, and they follow from the sizes above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widths: Option<Vec<usize>>,
}

impl Default for ResNetConfig {
    fn default() -> Self {
        Self::resnet18()
    }
}

impl ResNetConfig {
    fn new(blocks: [usize; 4], bottleneck: bool) -> Self {
        let (in_channels, num_classes, width, widths) = (3, 1000, 64, None);
        Self { in_channels, num_classes, blocks, width, bottleneck, groups: 1, width_per_group: 64, widths }
    }

    /// ResNet-18: pictures with three channels, 1000 classes.
    #[must_use]
    pub fn resnet18() -> Self {
        Self::new([2, 2, 2, 2], false)
    }

    /// ResNet-34.
    #[must_use]
    pub fn resnet34() -> Self {
        Self::new([3, 4, 6, 3], false)
    }

    /// ResNet-50.
    #[must_use]
    pub fn resnet50() -> Self {
        Self::new([3, 4, 6, 3], true)
    }

    /// ResNet-101.
    #[must_use]
    pub fn resnet101() -> Self {
        Self::new([3, 4, 23, 3], true)
    }

    /// ResNeXt-50 32×4d (Xie et al., *Aggregated residual transformations for deep neural networks*, 2017).
    #[must_use]
    pub fn resnext50_32x4d() -> Self {
        Self { groups: 32, width_per_group: 4, ..Self::resnet50() }
    }

    /// Wide ResNet-50-2 (Zagoruyko and Komodakis, *Wide residual networks*, 2016).
    #[must_use]
    pub fn wide_resnet50_2() -> Self {
        Self { width_per_group: 128, ..Self::resnet50() }
    }

    options!(in_channels, classes);

    /// Another number of channels in the first stage.
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        (self.width, self.widths) = (width, None);
        self
    }

    /// Other numbers of blocks.
    #[must_use]
    pub fn blocks(mut self, blocks: [usize; 4]) -> Self {
        (self.blocks, self.widths) = (blocks, None);
        self
    }

    /// How many times as many channels a block gives as its stage has.
    fn expansion(&self) -> usize {
        if self.bottleneck { 4 } else { 1 }
    }

    /// The features of a picture.
    #[must_use]
    pub fn features(&self) -> usize {
        let given = self.widths.as_ref().and_then(|widths| widths.last().copied());
        given.unwrap_or(self.width.saturating_mul(8 * self.expansion()))
    }

    /// The convolutions of a block, without that beside it.
    fn depth(&self) -> usize {
        if self.bottleneck { 3 } else { 2 }
    }

    /// Whether there is a convolution beside a block.
    fn is_beside(&self, stage: usize, block: usize) -> bool {
        block == 0 && (stage > 0 || self.bottleneck)
    }

    /// The stage and the number in it of each block.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        self.blocks.into_iter().enumerate().flat_map(|(stage, count)| (0..count).map(move |block| (stage, block)))
    }

    /// The channels that each convolution gives, without those beside blocks.
    fn channels(&self) -> Vec<usize> {
        if let Some(widths) = &self.widths {
            return widths.clone();
        }
        let mut widths = vec![self.width];
        for (stage, _) in self.places() {
            let planes = self.width << stage;
            widths.extend(vec![self.inner(planes); self.depth() - 1]);
            widths.push(planes * self.expansion());
        }
        widths
    }

    /// The channels within a block of a stage.
    fn inner(&self, planes: usize) -> usize {
        if self.bottleneck { (planes * self.width_per_group / 64).saturating_mul(self.groups) } else { planes }
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        let (expansion, groups) = (self.expansion(), self.groups.max(1));
        // A convolution without a bias, and its batch norm.
        let conv = |inputs: usize, outputs: usize, places: usize| {
            Count::new(inputs) * outputs * places + Count::new(outputs) * 2
        };
        if let Some(widths) = &self.widths {
            let mut inputs = widths.first().copied().unwrap_or(0);
            let mut count = conv(self.in_channels, inputs, 49);
            for ((stage, block), widths) in self.places().zip(widths.get(1..).unwrap_or(&[]).chunks(self.depth())) {
                let outputs = widths[widths.len() - 1];
                count = count + if self.is_beside(stage, block) { conv(inputs, outputs, 1) } else { Count::new(0) };
                for (i, &to) in widths.iter().enumerate() {
                    let is_middle = self.bottleneck && i == 1;
                    let places = if is_middle || !self.bottleneck { 9 } else { 1 };
                    count = count + conv(if is_middle { inputs / groups } else { inputs }, to, places);
                    inputs = to;
                }
            }
            return (count + (Count::new(inputs) + 1) * self.num_classes).get();
        }
        let mut count = conv(self.in_channels, self.width, 49);
        let mut inputs = self.width;
        for (stage, &blocks) in self.blocks.iter().enumerate() {
            let planes = self.width.saturating_mul(1 << stage);
            let (inner, outputs) = (self.inner(planes), planes.saturating_mul(expansion));
            let block = |inputs: usize| {
                if self.bottleneck {
                    conv(inputs, inner, 1) + conv(inner / groups, inner, 9) + conv(inner, outputs, 1)
                } else {
                    conv(inputs, planes, 9) + conv(planes, planes, 9)
                }
            };
            if stage > 0 || inputs != outputs {
                count = count + conv(inputs, outputs, 1);
            }
            if blocks > 0 {
                count = count + block(inputs) + block(outputs) * (blocks - 1);
            }
            inputs = outputs;
        }
        (count + (Count::new(self.features()) + 1) * self.num_classes).get()
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let name = "ResNet::new";
        let sizes = [self.in_channels, self.num_classes, self.width, self.groups, self.width_per_group];
        if sizes.contains(&0) || self.blocks.contains(&0) {
            return Err(Error::argument(name, format!("a size of 0 in {self:?}")));
        }
        if self.width > 1 << 32 || self.width_per_group > 1 << 16 || self.groups > 1 << 16 {
            return Err(Error::argument(name, "a model of these sizes does not fit into memory"));
        }
        if !self.bottleneck && (self.groups != 1 || self.width_per_group != 64) {
            return Err(Error::argument(name, "groups or another width within blocks that are no bottlenecks"));
        }
        if self.bottleneck && !(self.width * self.width_per_group).is_multiple_of(64) {
            let message = format!("a width of {} · {} / 64 is not whole", self.width, self.width_per_group);
            return Err(Error::argument(name, message));
        }
        let blocks = self.blocks.iter().map(|n| Count::new(*n)).sum::<Count>();
        if let Some(widths) = &self.widths {
            let wanted = (blocks * self.depth() + 1).get();
            if widths.len() != wanted || widths.contains(&0) {
                let message = format!("widths of {} convolutions, expected {wanted} of at least 1", widths.len());
                return Err(Error::argument(name, message));
            }
            let mut inputs = widths[0];
            for ((stage, block), widths) in self.places().zip(widths[1..].chunks(self.depth())) {
                let outputs = widths[widths.len() - 1];
                if !self.is_beside(stage, block) && outputs != inputs {
                    let message = format!(
                        "block {block} of stage {} gives {outputs} channels, to which {inputs} are added",
                        stage + 1
                    );
                    return Err(Error::argument(name, message));
                }
                inputs = outputs;
            }
        }
        let tensors = blocks * 24 + 32;
        check_memory(name, Count::new(self.num_parameters()), tensors)
    }
}

/// A residual network (He et al., *Deep residual learning for image recognition*, 2016): a convolution and a pooling, four stages of
/// [blocks](ResNetBlock), each stage with half the height and width and twice the channels of the one before, the mean over all
/// pixels, and a linear layer.
///
/// The parameters have the names and shapes of torchvision, so its files load.
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`
/// - output: `[batch, num_classes]`
///
/// ```
/// use demotic::models::{ResNet, ResNetConfig};
/// use demotic::prelude::*;
///
/// let config = ResNetConfig::resnet18().width(8).classes(10);
/// let mut rng = Rng::seed(0);
/// let model = ResNet::new(config, &mut rng)?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
///
/// // For other classes, with everything else that it has learnt.
/// let mut other = model.with_head(4, &mut rng)?;
/// other.freeze("*")?;
/// other.unfreeze("fc.*")?;
/// assert_eq!(other.predict(&pictures)?.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ResNet {
    pub(crate) conv1: Conv2d,
    pub(crate) bn1: BatchNorm2d,
    layer1: Vec<ResNetBlock>,
    layer2: Vec<ResNetBlock>,
    layer3: Vec<ResNetBlock>,
    layer4: Vec<ResNetBlock>,
    pub(crate) fc: Linear,
    config: ResNetConfig,
}

crate::module!(ResNet { conv1, bn1, layer1, layer2, layer3, layer4, fc }, plain { config });
architecture!(ResNet, ResNetConfig);

impl ResNet {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0 or does not fit the others, or there is no memory for such a model.
    #[track_caller]
    pub fn new(config: ResNetConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let widths = config.channels();
        let mut inputs = widths[0];
        let conv1 = conv(config.in_channels, inputs, 7, 2, 1, rng)?;
        let bn1 = BatchNorm2d::new(inputs)?;
        let mut stages = [const { Vec::new() }; 4];
        for ((stage, block), widths) in config.places().zip(widths[1..].chunks(config.depth())) {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let is_beside = config.is_beside(stage, block);
            stages[stage].push(ResNetBlock::new(inputs, widths, stride, config.groups, is_beside, rng)?);
            inputs = widths[widths.len() - 1];
        }
        let [layer1, layer2, layer3, layer4] = stages;
        let fc = Linear::new(config.features(), config.num_classes, rng)?;
        Ok(Self { conv1, bn1, layer1, layer2, layer3, layer4, fc, config })
    }

    /// The sizes of the model.
    #[must_use]
    pub fn config(&self) -> &ResNetConfig {
        &self.config
    }

    /// The blocks of each stage.
    pub(crate) fn stages(&self) -> [(&'static str, &[ResNetBlock]); 4] {
        let Self { layer1, layer2, layer3, layer4, .. } = self;
        [("layer1", layer1), ("layer2", layer2), ("layer3", layer3), ("layer4", layer4)]
    }

    /// Says in the configuration how many channels there are, after some were taken out.
    pub(crate) fn refit(&mut self) {
        let mut widths = vec![self.conv1.out_channels()];
        for block in self.stages().into_iter().flat_map(|(_, blocks)| blocks) {
            let convs = [Some(&block.conv1), Some(&block.conv2), block.conv3.as_ref()];
            widths.extend(convs.into_iter().flatten().map(Conv2d::out_channels));
        }
        let simple = self.config.clone().width(widths[0]);
        self.config = match simple.check().is_ok() && simple.channels() == widths {
            true => simple,
            false => ResNetConfig { widths: Some(widths), ..self.config.clone() },
        };
    }

    /// What the last layer sees of pictures: `[batch, features]`.
    ///
    /// # Errors
    /// If the pictures do not fit.
    #[track_caller]
    pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = conv_norm((&self.conv1, "conv1"), (&self.bn1, "bn1"), x, None, true, mode)?;
        let mut x = MaxPool2d::new(3).stride(2).padding(1).forward(&x, mode)?;
        for (name, stage) in self.stages() {
            for (i, block) in stage.iter().enumerate() {
                x = block.at((name, i), &x, mode)?;
            }
        }
        GlobalAvgPool.forward(&x, mode)
    }

    /// The same model with a new last layer, for so many classes.
    ///
    /// # Errors
    /// If there are none, or they do not fit into memory.
    #[track_caller]
    pub fn with_head(&self, classes: usize, rng: &mut Rng) -> Result<Self> {
        check_head("with_head", classes)?;
        let mut model = self.clone();
        model.fc = Linear::new(self.config.features(), classes, rng)?;
        model.config.num_classes = classes;
        Ok(model)
    }
}

impl Layer for ResNet {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.forward_features(x, mode)?;
        self.fc.at("fc", &x, mode)
    }
}

/// A block of a [`ResNet`]: two or three convolutions with batch norm, beside a path that skips them.
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels', height / stride, width / stride]`
#[derive(Debug, Clone)]
pub struct ResNetBlock {
    pub(crate) conv1: Conv2d,
    pub(crate) bn1: BatchNorm2d,
    pub(crate) conv2: Conv2d,
    pub(crate) bn2: BatchNorm2d,
    pub(crate) conv3: Option<Conv2d>,
    pub(crate) bn3: Option<BatchNorm2d>,
    pub(crate) downsample: Option<ResNetShortcut>,
}

crate::module!(ResNetBlock { conv1, bn1, conv2, bn2, conv3, bn3, downsample });

/// The path beside a block whose input is of another shape than its output: a convolution of single pixels, and batch norm.
#[derive(Debug, Clone)]
pub struct ResNetShortcut {
    pub(crate) conv: Conv2d,
    pub(crate) norm: BatchNorm2d,
}

crate::module!(ResNetShortcut { conv as "0", norm as "1" });

impl Layer for ResNetShortcut {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        conv_norm((&self.conv, "0"), (&self.norm, "1"), x, None, false, mode)
    }
}

impl ResNetBlock {
    /// Two convolutions that give so many channels, or three, which are a bottleneck.
    #[track_caller]
    fn new(
        inputs: usize,
        widths: &[usize],
        stride: usize,
        groups: usize,
        is_beside: bool,
        rng: &mut Rng,
    ) -> Result<Self> {
        let (first, second, outputs) = (widths[0], widths[1], widths[widths.len() - 1]);
        let downsample = if is_beside {
            Some(ResNetShortcut { conv: conv(inputs, outputs, 1, stride, 1, rng)?, norm: BatchNorm2d::new(outputs)? })
        } else {
            None
        };
        let is_bottleneck = widths.len() > 2;
        // The stride is that of the first convolution that looks at several places.
        let (conv1, conv2) = match is_bottleneck {
            true => (conv(inputs, first, 1, 1, 1, rng)?, conv(first, second, 3, stride, groups, rng)?),
            false => (conv(inputs, first, 3, stride, 1, rng)?, conv(first, second, 3, 1, 1, rng)?),
        };
        let (conv3, bn3) = match is_bottleneck {
            true => (Some(conv(second, outputs, 1, 1, 1, rng)?), Some(BatchNorm2d::new(outputs)?)),
            false => (None, None),
        };
        let (bn1, bn2) = (BatchNorm2d::new(first)?, BatchNorm2d::new(second)?);
        Ok(Self { conv1, bn1, conv2, bn2, conv3, bn3, downsample })
    }
}

impl Layer for ResNetBlock {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = conv_norm((&self.conv1, "conv1"), (&self.bn1, "bn1"), x, None, true, mode)?;
        let beside = match &self.downsample {
            Some(shortcut) => shortcut.at("downsample", x, mode)?,
            None => x.clone(),
        };
        let last = self.conv3.is_none();
        let y = conv_norm((&self.conv2, "conv2"), (&self.bn2, "bn2"), &y, Some(&beside).filter(|_| last), true, mode)?;
        match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => conv_norm((conv3, "conv3"), (bn3, "bn3"), &y, Some(&beside), true, mode),
            _ => Ok(y),
        }
    }
}
