//! Blocks that are wide inside, and networks of them: MobileNets and EfficientNets.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::parts::{CONVOLUTION, conv, conv_count};
use crate::error::{Error, Result};
use crate::layers::{
    Activation, BatchNorm2d, ConvNormActivation, Count, Layer, LayerExt, Mode, Module, Sequential, SqueezeExcitation,
    StochasticDepth, Visitor, VisitorMut, check_memory,
};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Blocks of a MobileNet or an EfficientNet that follow each other and give as many channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvertedStage {
    /// How many times as many channels there are inside of a block as enter it.
    pub expansion: usize,
    /// The height and width of the kernels, an odd number.
    pub kernel: usize,
    /// 2, if the first block halves height and width, or 1.
    pub stride: usize,
    /// The channels that its blocks give, before they are multiplied by the width of the model.
    pub channels: usize,
    /// How many blocks there are, before they are multiplied by the depth of the model.
    pub blocks: usize,
}

impl InvertedStage {
    /// The five numbers in the order of the papers' tables.
    #[must_use]
    pub fn new(expansion: usize, kernel: usize, stride: usize, channels: usize, blocks: usize) -> Self {
        Self { expansion, kernel, stride, channels, blocks }
    }

    pub(super) fn table<const N: usize>(rows: [[usize; 5]; N]) -> Vec<Self> {
        rows.map(|[expansion, kernel, stride, channels, blocks]| Self::new(expansion, kernel, stride, channels, blocks))
            .into()
    }
}

/// The sizes of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inverted {
    pub(super) inputs: usize,
    pub(super) expanded: usize,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// The channels that squeeze-and-excitation squeezes to; 0 without it.
    pub(super) squeezed: usize,
    pub(super) activation: Activation,
}

impl Inverted {
    fn count(&self) -> Count {
        let Self { inputs, expanded, outputs, kernel, squeezed, .. } = *self;
        let expand = if expanded == inputs { Count::new(0) } else { conv_count(inputs, expanded, 1) };
        let squeeze = if squeezed == 0 {
            Count::new(0)
        } else {
            Count::new(expanded) * squeezed * 2 + Count::new(expanded) + squeezed
        };
        expand + conv_count(1, expanded, kernel) + squeeze + conv_count(expanded, outputs, 1)
    }
}

/// A block, and those like it that follow: what the first gives enters them, and their stride is 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    pub(super) first: Inverted,
    pub(super) rest: Inverted,
    pub(super) blocks: usize,
}

/// A network of such blocks between two convolutions.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) in_channels: usize,
    pub(super) stem: usize,
    pub(super) stages: Vec<Stage>,
    /// The channels of the last convolution.
    pub(super) last: usize,
    /// Of the first and the last convolution.
    pub(super) activation: Activation,
    /// In squeeze-and-excitation: of the squeezed numbers, and of the factors.
    pub(super) gates: [Activation; 2],
    /// What batch norm adds to variances, and its momentum.
    pub(super) norm: [f64; 2],
    /// Whether convolutions with a stride have TensorFlow's padding.
    pub(super) same: bool,
    /// The probability that the last block is skipped, the others the less, the earlier they are.
    pub(super) skipped: f64,
    /// How the blocks' parts and names are arranged.
    pub(super) names: Names,
}

/// How files name the parts of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// `features.3.conv.…` with the last convolution and its norm beside the others.
    MobileNetV2,
    /// `features.3.block.…`.
    MobileNetV3,
    /// The same, with a level more for stages: `features.3.0.block.…`.
    EfficientNet,
}

impl Body {
    pub(super) fn count(&self) -> Count {
        let stages = self.stages.iter().map(|stage| match stage.blocks {
            0 => Count::new(0),
            n => stage.first.count() + stage.rest.count() * (n - 1),
        });
        let ends = conv_count(self.in_channels, self.stem, 3) + conv_count(self.outputs(), self.last, 1);
        ends + stages.sum::<Count>()
    }

    /// The channels of the last block.
    fn outputs(&self) -> usize {
        self.stages.last().map_or(self.stem, |stage| stage.rest.outputs)
    }

    fn blocks(&self) -> Count {
        self.stages.iter().map(|stage| Count::new(stage.blocks)).sum()
    }

    /// Checks the sizes, and that there is memory for these blocks and a head of so many parameters.
    #[track_caller]
    pub(super) fn check(&self, model: &'static str, head: Count) -> Result<()> {
        let ends = [self.in_channels, self.stem, self.last, self.stages.len()];
        let all = self.stages.iter().flat_map(|stage| {
            let Inverted { inputs, expanded, outputs, kernel, stride, .. } = stage.first;
            [inputs, expanded, outputs, kernel, stride, stage.blocks]
        });
        if ends.into_iter().chain(all).any(|n| n == 0) {
            return Err(Error::argument(model, "no channels, stages, blocks, stride or kernel")
                .with_help("each size is at least 1"));
        }
        for stage in &self.stages {
            let Inverted { kernel, stride, .. } = stage.first;
            if kernel % 2 == 0 || stride > 2 {
                let message = format!("a kernel of {kernel} with a stride of {stride}");
                return Err(Error::argument(model, message).with_help("an odd kernel, and a stride of 1 or 2"));
            }
        }
        check_memory(model, self.count() + head, self.blocks() * 32 + 32)
    }

    #[track_caller]
    fn part(&self, [inputs, outputs, kernel, stride, groups]: [usize; 5], rng: &mut Rng) -> Result<ConvNormActivation> {
        let [eps, momentum] = self.norm;
        let norm = BatchNorm2d::new(outputs)?.eps(eps).momentum(momentum)?;
        let part = ConvNormActivation::of(conv(inputs, outputs, kernel, stride, groups, rng)?, norm)?;
        Ok(if self.same && stride > 1 { part.same_padding(stride) } else { part })
    }

    /// Everything before the pooling. [`check`](Self::check) comes first.
    #[track_caller]
    pub(super) fn build(&self, rng: &mut Rng) -> Result<Sequential> {
        let stem = self.part([self.in_channels, self.stem, 3, 2, 1], rng)?;
        let mut features = Sequential::new().with(stem.activation(self.activation));
        let (mut index, count) = (0_u32, self.blocks().get() as f64);
        for stage in &self.stages {
            let mut blocks = Sequential::new();
            for i in 0..stage.blocks {
                let sizes = if i == 0 { stage.first } else { stage.rest };
                let block = self.block(&sizes, self.skipped * f64::from(index) / count, rng)?;
                match self.names {
                    Names::EfficientNet => blocks.push(block),
                    _ => features.push(block),
                }
                index += 1;
            }
            if self.names == Names::EfficientNet {
                features.push(blocks);
            }
        }
        let last = self.part([self.outputs(), self.last, 1, 1, 1], rng)?;
        Ok(features.with(last.activation(self.activation)))
    }

    #[track_caller]
    fn block(&self, sizes: &Inverted, skipped: f64, rng: &mut Rng) -> Result<InvertedResidual> {
        let Inverted { inputs, expanded, outputs, kernel, stride, squeezed, activation } = *sizes;
        let mut layers = Sequential::new();
        if expanded != inputs {
            layers.push(self.part([inputs, expanded, 1, 1, 1], rng)?.activation(activation));
        }
        layers.push(self.part([expanded, expanded, kernel, stride, expanded], rng)?.activation(activation));
        if squeezed > 0 {
            let [activation, gate] = self.gates;
            let mut squeeze = SqueezeExcitation::new(expanded, squeezed, &mut rng.split())?;
            squeeze.fc1 = squeeze.fc1.with_init(CONVOLUTION, rng)?;
            squeeze.fc2 = squeeze.fc2.with_init(CONVOLUTION, rng)?;
            layers.push(squeeze.activation(activation).gate(gate));
        }
        let project = self.part([expanded, outputs, 1, 1, 1], rng)?.without_activation();
        let name = match self.names {
            Names::MobileNetV2 => {
                layers.push(project.conv);
                layers.push(project.norm);
                "conv"
            }
            _ => {
                layers.push(project);
                "block"
            }
        };
        let stochastic_depth = StochasticDepth::new(skipped)?;
        Ok(InvertedResidual { name, layers, residual: stride == 1 && inputs == outputs, stochastic_depth })
    }
}

/// A block of [`MobileNetV2`](super::MobileNetV2), [`MobileNetV3`](super::MobileNetV3) and [`EfficientNet`](super::EfficientNet): a
/// convolution of single pixels that gives more channels, one of each channel by itself, perhaps [`SqueezeExcitation`], and one of single
/// pixels that gives few channels; with a path beside it, if what comes out has the shape of what comes in (Sandler et al.,
/// *MobileNetV2: inverted residuals and linear bottlenecks*, 2018).
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels', height / stride, width / stride]`, rounded up
#[derive(Clone)]
pub struct InvertedResidual {
    name: &'static str,
    layers: Sequential,
    residual: bool,
    stochastic_depth: StochasticDepth,
}

impl Module for InvertedResidual {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.field(self.name, &self.layers);
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        visitor.field(self.name, &mut self.layers);
    }
}

impl Layer for InvertedResidual {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.layers.at(self.name, x, mode)?;
        if self.residual { self.stochastic_depth.forward(&y, mode)?.add(x) } else { Ok(y) }
    }
}

impl fmt::Debug for InvertedResidual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beside = if self.residual { "x + " } else { "" };
        write!(f, "InvertedResidual({beside}{:?}, skipped {})", self.layers, self.stochastic_depth.p())
    }
}
