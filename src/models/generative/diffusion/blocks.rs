//! What a [`DiffusionUnet`](super::DiffusionUnet) is made of.

use super::unet::DiffusionUnetConfig;
use crate::autograd::{AttentionOptions, InterpolateOptions};
use crate::error::{Result, bug};
use crate::layers::{AttentionHeads, Conv2d, Dropout, GroupNorm, Init, Layer, LayerExt, Linear, Mode};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Two convolutions beside a path that skips them; between the two, what the network knows of the step is added to the channels.
///
/// # Shapes
/// - input: `[batch, channels, height, width]` and `[batch, features]`
/// - output: `[batch, channels', height, width]`
#[derive(Debug, Clone)]
pub struct UnetResidual {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    dropout: Dropout,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

crate::module!(UnetResidual { norm1, conv1, time_emb_proj, norm2, dropout, conv2, conv_shortcut });

impl UnetResidual {
    #[track_caller]
    pub(super) fn new(config: &DiffusionUnetConfig, inputs: usize, outputs: usize, rng: &mut Rng) -> Result<Self> {
        let conv_shortcut =
            if inputs == outputs { None } else { Some(Conv2d::new(inputs, outputs, 1, &mut rng.split())?) };
        Ok(Self {
            norm1: GroupNorm::new(config.groups, inputs)?,
            conv1: Conv2d::new(inputs, outputs, 3, rng)?.padding(1),
            time_emb_proj: Linear::new(config.time_features(), outputs, rng)?,
            norm2: GroupNorm::new(config.groups, outputs)?,
            dropout: Dropout::new(config.dropout)?,
            conv2: Conv2d::new(outputs, outputs, 3, rng)?.padding(1).with_init(Init::ZEROS, rng)?,
            conv_shortcut,
        })
    }

    /// `known` went through the activation.
    #[track_caller]
    pub(super) fn run(&self, x: &Tensor, known: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.norm1.at("norm1", x, mode)?.silu();
        let y = self.conv1.at("conv1", &y, mode)?;
        let known = self.time_emb_proj.at("time_emb_proj", known, mode)?;
        let y = y.add(&known.unsqueeze(2)?.unsqueeze(3)?)?;
        let y = self.norm2.at("norm2", &y, mode)?.silu();
        let y = self.dropout.at("dropout", &y, mode)?;
        let y = self.conv2.at("conv2", &y, mode)?;
        let x = match &self.conv_shortcut {
            Some(shortcut) => shortcut.at("conv_shortcut", x, mode)?,
            None => x.clone(),
        };
        x.add(&y)
    }
}

/// Attention among all places of a picture, beside a path that skips it.
///
/// # Shapes
/// - input and output: `[batch, channels, height, width]`
#[derive(Debug, Clone)]
pub struct UnetAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Vec<Linear>,
    heads: AttentionHeads,
}

crate::module!(UnetAttention { group_norm, to_q, to_k, to_v, to_out }, plain { heads });

impl UnetAttention {
    #[track_caller]
    pub(super) fn new(config: &DiffusionUnetConfig, channels: usize, rng: &mut Rng) -> Result<Self> {
        let mut linear = || Linear::new(channels, channels, rng);
        Ok(Self {
            to_q: linear()?,
            to_k: linear()?,
            to_v: linear()?,
            to_out: vec![linear()?],
            group_norm: GroupNorm::new(config.groups, channels)?,
            heads: AttentionHeads::new(channels / config.head_size, config.head_size)?,
        })
    }
}

impl Layer for UnetAttention {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.group_norm.at("group_norm", x, mode)?;
        let &[n, channels, height, width] = y.shape() else {
            return Err(bug!("UnetAttention", "a picture of {} dimensions", y.rank()));
        };
        // The places in a row, each with its channels.
        let y = y.permute(&[0, 2, 3, 1])?.reshape([n, height * width, channels])?;
        let q = self.to_q.at("to_q", &y, mode)?;
        let k = self.to_k.at("to_k", &y, mode)?;
        let v = self.to_v.at("to_v", &y, mode)?;
        let mut y = self.heads.attend([&q, &k, &v], None, AttentionOptions::new(), mode)?;
        for (i, out) in self.to_out.iter().enumerate() {
            y = out.at(("to_out", i), &y, mode)?;
        }
        x.add(&y.reshape([n, height, width, channels])?.permute(&[0, 3, 1, 2])?)
    }
}

/// Half the height and width, by a convolution; or twice as much, by repeating pixels before one.
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels, height / 2, width / 2]` or `[batch, channels, 2 · height, 2 · width]`
#[derive(Debug, Clone)]
pub struct UnetResampling {
    conv: Conv2d,
    up: bool,
}

crate::module!(UnetResampling { conv }, plain { up });

impl UnetResampling {
    #[track_caller]
    pub(super) fn new(channels: usize, up: bool, rng: &mut Rng) -> Result<Self> {
        let conv = Conv2d::new(channels, channels, 3, rng)?.padding(1);
        Ok(Self { conv: if up { conv } else { conv.stride(2) }, up })
    }
}

impl Layer for UnetResampling {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match self.up {
            true => self.conv.at("conv", &x.interpolate(&InterpolateOptions::scale(2.0))?, mode),
            false => self.conv.at("conv", x, mode),
        }
    }
}

/// The parts of the network that see pictures of one size: residual blocks, perhaps with attention behind each, and what leads to
/// another size.
#[derive(Debug, Clone)]
pub struct UnetBlock {
    pub(super) attentions: Vec<UnetAttention>,
    pub(super) resnets: Vec<UnetResidual>,
    pub(super) downsamplers: Vec<UnetResampling>,
    pub(super) upsamplers: Vec<UnetResampling>,
}

crate::module!(UnetBlock { attentions, resnets, downsamplers, upsamplers });

impl UnetBlock {
    /// Residual blocks from and to these numbers of channels, perhaps with attention behind each.
    #[track_caller]
    pub(super) fn new(
        config: &DiffusionUnetConfig,
        channels: &[[usize; 2]],
        attention: bool,
        rng: &mut Rng,
    ) -> Result<Self> {
        let (mut attentions, mut resnets) = (Vec::new(), Vec::new());
        for [inputs, outputs] in channels {
            resnets.push(UnetResidual::new(config, *inputs, *outputs, rng)?);
            if attention {
                attentions.push(UnetAttention::new(config, *outputs, rng)?);
            }
        }
        Ok(Self { attentions, resnets, downsamplers: Vec::new(), upsamplers: Vec::new() })
    }

    /// Two residual blocks with attention in between.
    #[track_caller]
    pub(super) fn around_attention(config: &DiffusionUnetConfig, channels: usize, rng: &mut Rng) -> Result<Self> {
        let mut block = Self::new(config, &[[channels; 2]; 2], false, rng)?;
        block.attentions.push(UnetAttention::new(config, channels, rng)?);
        Ok(block)
    }

    /// Residual block `i`, and the attention behind it.
    #[track_caller]
    pub(super) fn run(&self, i: usize, x: &Tensor, known: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = mode.call(("resnets", i), &self.resnets[i], |resnet, mode| resnet.run(x, known, mode))?;
        match self.attentions.get(i) {
            Some(attention) => attention.at(("attentions", i), &y, mode),
            None => Ok(y),
        }
    }
}
