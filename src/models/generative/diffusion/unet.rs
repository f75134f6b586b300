//! The network of a diffusion model.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use super::Denoiser;
use super::blocks::{UnetBlock, UnetResampling};
use crate::error::{Error, Here, Result};
use crate::layers::{Conv2d, Count, Embedding, GroupNorm, Init, LayerExt, Linear, Mode, check_memory};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// The sizes of a [`DiffusionUnet`].
///
/// ```
/// use demotic::models::DiffusionUnetConfig;
///
/// // For 28 by 28 pixels: 64 channels there, 128 at 14 by 14 and 7 by 7, with attention at the last two.
/// let config = DiffusionUnetConfig::new(1).channels(&[64, 128, 128]).attention(&[false, true, true]).classes(10);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DiffusionUnetConfig {
    /// The channels of the pictures.
    pub image_channels: usize,
    /// The channels inside: for pictures of full size, half of it, and so on.
    pub channels: Vec<usize>,
    /// The residual blocks of each size on the way down; on the way up there is one more.
    pub layers: usize,
    /// At which of the sizes there is attention behind each block. Between down and up there always is.
    pub attention: Vec<bool>,
    /// The features of a head of attention.
    pub head_size: usize,
    /// The groups of the norms.
    pub groups: usize,
    /// How many classes of pictures the network knows, if any.
    pub classes: Option<usize>,
    /// The probability of dropout in each residual block.
    pub dropout: f64,
}

impl DiffusionUnetConfig {
    /// Two sizes with 64 and 128 channels and two blocks each, attention at the smaller one with heads of 8 features, norms of 32 groups
    /// and no classes.
    #[must_use]
    pub fn new(image_channels: usize) -> Self {
        Self {
            image_channels,
            channels: vec![64, 128],
            layers: 2,
            attention: vec![false, true],
            head_size: 8,
            groups: 32,
            classes: None,
            dropout: 0.0,
        }
    }

    /// Other sizes, with attention at the smallest one.
    #[must_use]
    pub fn channels(mut self, channels: &[usize]) -> Self {
        self.channels = channels.to_vec();
        self.attention = (1..=channels.len()).map(|i| i == channels.len()).collect();
        self
    }

    /// Attention at other sizes.
    #[must_use]
    pub fn attention(mut self, at: &[bool]) -> Self {
        self.attention = at.to_vec();
        self
    }

    /// Heads of another size.
    #[must_use]
    pub fn head_size(mut self, features: usize) -> Self {
        self.head_size = features;
        self
    }

    /// Norms of other groups.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Pictures of so many classes.
    #[must_use]
    pub fn classes(mut self, classes: usize) -> Self {
        self.classes = Some(classes);
        self
    }

    /// Other numbers of residual blocks.
    #[must_use]
    pub fn layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    options!(dropout);

    /// The features that say which step it is.
    pub(super) fn time_features(&self) -> usize {
        self.channels.first().map_or(0, |channels| channels.saturating_mul(4))
    }

    /// From and to how many channels the residual blocks of a size go, on the way down and on the way up: the first one, those in
    /// between and the last one.
    fn residuals(&self, size: usize) -> [[[usize; 2]; 3]; 2] {
        let at = |size: usize| self.channels[size];
        let (here, larger) = (at(size), at(size.saturating_sub(1)));
        let below = at((size + 1).min(self.channels.len() - 1));
        let down = [[larger, here], [here, here], [here, here]];
        // With what was kept on the way down.
        let up = [below, here, here].map(|inputs| [inputs.saturating_add(here), here]);
        let last = [here.saturating_add(larger), here];
        [down, [up[0], up[1], last]]
    }

    /// The number of parameters of such a network.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let (Some(&first), Some(&last)) = (self.channels.first(), self.channels.last()) else { return Count::new(0) };
        let time = self.time_features();
        let conv = |inputs: usize, outputs: usize, places: usize| (Count::new(inputs) * places + 1) * outputs;
        let norm = |channels: usize| Count::new(channels) * 2;
        let residual = |[inputs, outputs]: [usize; 2]| {
            let shortcut = if inputs == outputs { Count::new(0) } else { conv(inputs, outputs, 1) };
            let convs = conv(inputs, outputs, 9) + conv(outputs, outputs, 9) + shortcut;
            convs + norm(inputs) + norm(outputs) + conv(time, outputs, 1)
        };
        let attention = |channels: usize| conv(channels, channels, 1) * 4 + norm(channels);
        let classes = self.classes.map_or(Count::new(0), |classes| (Count::new(classes) + 1) * time);
        let edges = conv(self.image_channels, first, 9) + norm(first) + conv(first, self.image_channels, 9);
        let mut sum = edges + conv(first, time, 1) + conv(time, time, 1) + classes;
        sum = sum + residual([last, last]) * 2 + attention(last);
        let layers = self.layers;
        for (size, &here) in self.channels.iter().enumerate() {
            let [down, up] = self.residuals(size);
            sum = sum + residual(down[0]) + residual(down[1]) * layers.saturating_sub(1);
            sum = sum + residual(up[0]) + residual(up[1]) * layers.saturating_sub(1) + residual(up[2]);
            if self.attention.get(size) == Some(&true) {
                sum = sum + attention(here) * layers + attention(here) * layers + attention(here);
            }
            if size + 1 < self.channels.len() {
                sum = sum + conv(here, here, 9) + conv(self.channels[size + 1], self.channels[size + 1], 9);
            }
        }
        sum
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let name = "DiffusionUnet::new";
        let Self { image_channels, channels, layers, attention, head_size, groups, classes, .. } = self;
        let caller = Location::caller();
        let wrong =
            |message: String, help: &'static str| Err(Error::argument(name, message).at(caller).with_help(help));
        let sizes = [*image_channels, channels.len(), *layers, *head_size, *groups, classes.unwrap_or(1)];
        if sizes.contains(&0) || channels.contains(&0) {
            return wrong(format!("a size of 0 in {self:?}"), "at least 1 of each; without classes, leave them out");
        }
        if channels.len() > 32 {
            return wrong(format!("{} sizes of pictures", channels.len()), "each is half as large as the one before");
        }
        if !channels[0].is_multiple_of(2) {
            return wrong(
                format!("{} channels at full size", channels[0]),
                "the waves that tell the step come in pairs",
            );
        }
        if attention.len() != channels.len() {
            let message = format!("attention is said for {} sizes of {}", attention.len(), channels.len());
            return wrong(message, "expected one of true and false for each");
        }
        if let Some(odd) = channels.iter().find(|channels| !channels.is_multiple_of(*groups)) {
            return wrong(format!("{odd} channels in {groups} groups"), "the groups of the norms divide all channels");
        }
        let last = channels.len() - 1;
        let attended = (0..=last).filter(|size| attention[*size] || *size == last).map(|size| channels[size]);
        if let Some(odd) = attended.into_iter().find(|channels| !channels.is_multiple_of(*head_size)) {
            return wrong(
                format!("{odd} channels in heads of {head_size}"),
                "the size of a head divides the channels wherever there is attention, and those of the smallest pictures",
            );
        }
        let tensors = (Count::new(*layers) * 2 + 4) * channels.len() * 24 + 64;
        check_memory(name, self.count(), tensors)
    }
}

/// Says which step it is: waves of different lengths, and two dense layers.
///
/// # Shapes
/// - input: `[batch]` of type `I64`
/// - output: `[batch, features]`
#[derive(Debug, Clone)]
pub struct UnetTimes {
    linear_1: Linear,
    linear_2: Linear,
    waves: usize,
}

crate::module!(UnetTimes { linear_1, linear_2 }, plain { waves });

impl UnetTimes {
    #[track_caller]
    fn run(&self, steps: &Tensor, dtype: DType, mode: &mut Mode<'_>) -> Result<Tensor> {
        // Cosines, then sines, of angles that grow by 1, …, 1/10000 from step to step.
        let half = self.waves / 2;
        let steps = steps.to_vec::<i64>()?;
        let mut waves = Vec::with_capacity(steps.len() * self.waves);
        for step in &steps {
            let angle = |i: usize| *step as f64 * (-(10_000f64.ln()) * i as f64 / half as f64).exp();
            waves.extend((0..half).map(|i| angle(i).cos()));
            waves.extend((0..half).map(|i| angle(i).sin()));
        }
        let waves = Tensor::from_vec(waves, [steps.len(), self.waves])?.to_dtype(dtype);
        let hidden = self.linear_1.at("linear_1", &waves, mode)?.silu();
        self.linear_2.at("linear_2", &hidden, mode)
    }
}

/// The network of Ho et al. (2020), as `UNet2DModel` of the package `diffusers` has it, whose names the parameters have: residual
/// blocks of convolutions on a way down, where pictures are halved again and again, and on a way up, where they are doubled and what was
/// kept at each size is joined to the channels. All blocks are told the step, and the class, if there are any.
///
/// # Shapes
/// - input: `[batch, image_channels, height, width]`, with a height and width that can be halved as often as there are further
///   sizes; steps and classes of shape `[batch]`
/// - output: as the input
/// - parameters: `conv_in.weight`, `time_embedding.linear_1.weight`, …, `down_blocks.0.resnets.0.norm1.weight`, …
///
/// The last row of `class_embedding` stands for no class. The last convolution of each residual block and that of the network
/// begin with zeros, as in the paper.
///
/// ```
/// use demotic::models::{Denoiser, DiffusionUnet, DiffusionUnetConfig};
/// use demotic::prelude::*;
///
/// let config = DiffusionUnetConfig::new(3).channels(&[16, 32]).layers(1).groups(8);
/// let model = DiffusionUnet::new(config, &mut Rng::seed(0))?;
/// let steps = Tensor::from_vec(vec![0i64, 500], [2])?;
/// let noise = model.denoise(&Tensor::zeros([2, 3, 16, 16])?, &steps, None, &mut Mode::eval())?;
/// assert_eq!(noise.shape(), [2, 3, 16, 16]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "UNet2DModel")]
#[derive(Debug, Clone)]
pub struct DiffusionUnet {
    conv_in: Conv2d,
    time_embedding: UnetTimes,
    class_embedding: Option<Embedding>,
    down_blocks: Vec<UnetBlock>,
    mid_block: UnetBlock,
    up_blocks: Vec<UnetBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    config: DiffusionUnetConfig,
}

crate::module!(
    DiffusionUnet {
        conv_in,
        time_embedding,
        class_embedding,
        down_blocks,
        up_blocks,
        mid_block,
        conv_norm_out,
        conv_out
    },
    plain { config }
);
architecture!(DiffusionUnet, DiffusionUnetConfig);

impl DiffusionUnet {
    /// A network with random weights.
    ///
    /// # Errors
    /// If a size is 0 or does not fit the others, dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: DiffusionUnetConfig, rng: &mut Rng) -> Result<Self> {
        config.check().here()?;
        let (first, last) = (config.channels[0], config.channels[config.channels.len() - 1]);
        let (mut down_blocks, mut up_blocks) = (Vec::new(), Vec::new());
        for (size, &here) in config.channels.iter().enumerate() {
            let [[first, more, _], _] = config.residuals(size);
            let mut channels = vec![more; config.layers];
            channels[0] = first;
            let mut block = UnetBlock::new(&config, &channels, config.attention[size], rng)?;
            if size + 1 < config.channels.len() {
                block.downsamplers.push(UnetResampling::new(here, false, rng)?);
            }
            down_blocks.push(block);
        }
        let mid_block = UnetBlock::around_attention(&config, last, rng)?;
        for (size, &here) in config.channels.iter().enumerate().rev() {
            let [_, [first, more, last]] = config.residuals(size);
            let mut channels = vec![more; config.layers];
            channels[0] = first;
            channels.push(last);
            let mut block = UnetBlock::new(&config, &channels, config.attention[size], rng)?;
            if size > 0 {
                block.upsamplers.push(UnetResampling::new(here, true, rng)?);
            }
            up_blocks.push(block);
        }
        let time = config.time_features();
        Ok(Self {
            conv_in: Conv2d::new(config.image_channels, first, 3, rng)?.padding(1),
            time_embedding: UnetTimes {
                linear_1: Linear::new(first, time, rng)?,
                linear_2: Linear::new(time, time, rng)?,
                waves: first,
            },
            class_embedding: config.classes.map(|classes| Embedding::new(classes + 1, time, rng)).transpose()?,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::new(config.groups, first)?,
            conv_out: Conv2d::new(first, config.image_channels, 3, rng)?.padding(1).with_init(Init::ZEROS, rng)?,
            config,
        })
    }

    /// What all blocks are told: of the step and, if the network knows classes, of these.
    #[track_caller]
    fn known(&self, x: &Tensor, steps: &Tensor, classes: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let name = "DiffusionUnet";
        let n = x.shape()[0];
        for (what, numbers) in [("steps", Some(steps)), ("classes", classes)] {
            let Some(numbers) = numbers else { continue };
            if numbers.shape() != [n] || numbers.dtype() != DType::I64 {
                let message =
                    format!("{what} of {} {:?} for {n} pictures, expected i64 [{n}]", numbers.dtype(), numbers.shape());
                return Err(Error::shape(name, message));
            }
        }
        let time =
            mode.call("time_embedding", &self.time_embedding, |times, mode| times.run(steps, x.dtype(), mode))?;
        let (Some(embedding), Some(none)) = (&self.class_embedding, self.config.classes) else {
            return match classes {
                Some(_) => Err(Error::argument(name, "classes for a network that knows none")
                    .with_help("DiffusionUnetConfig::classes says how many there are")),
                None => Ok(time),
            };
        };
        let mut told = vec![none as i64; n];
        if let Some(classes) = classes {
            for (i, (told, class)) in told.iter_mut().zip(classes.to_vec::<i64>()?).enumerate() {
                if !(-1..none as i64).contains(&class) {
                    let message = format!("class {class} of picture {i}, expected 0 to {}", none - 1);
                    return Err(Error::index(name, message).with_help("-1 stands for no class"));
                }
                *told = if class < 0 { *told } else { class };
            }
        }
        time.add(&embedding.at("class_embedding", &Tensor::from_vec(told, [n])?, mode)?)
    }
}

impl Denoiser for DiffusionUnet {
    #[track_caller]
    fn denoise(&self, x: &Tensor, steps: &Tensor, classes: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let channels = self.config.image_channels;
        let part = 1 << (self.config.channels.len() - 1);
        let fits = |side: usize| side > 0 && side.is_multiple_of(part);
        if !matches!(*x.shape(), [_, c, height, width] if c == channels && fits(height) && fits(width)) {
            let message =
                format!("the pictures have shape {:?}, expected [batch, {channels}, height, width]", x.shape());
            let e = Error::shape("DiffusionUnet", message);
            return mode.here(Err(e.with_help(format!("height and width are multiples of {part}, to be halved"))));
        }
        let known = self.known(x, steps, classes, mode)?.silu();
        let mut x = self.conv_in.at("conv_in", x, mode)?;
        let mut kept = vec![x.clone()];
        for (i, block) in self.down_blocks.iter().enumerate() {
            x = mode.scope(("down_blocks", i), |mode| {
                let mut x = x.clone();
                for i in 0..block.resnets.len() {
                    x = block.run(i, &x, &known, mode)?;
                    kept.push(x.clone());
                }
                for (i, smaller) in block.downsamplers.iter().enumerate() {
                    x = smaller.at(("downsamplers", i), &x, mode)?;
                    kept.push(x.clone());
                }
                Ok(x)
            })?;
        }
        x = mode.scope("mid_block", |mode| {
            let x = self.mid_block.run(0, &x, &known, mode)?;
            self.mid_block.run(1, &x, &known, mode)
        })?;
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = mode.scope(("up_blocks", i), |mode| {
                let mut x = x.clone();
                for i in 0..block.resnets.len() {
                    if let Some(kept) = kept.pop() {
                        x = Tensor::cat(&[&x, &kept], 1)?;
                    }
                    x = block.run(i, &x, &known, mode)?;
                }
                for (i, larger) in block.upsamplers.iter().enumerate() {
                    x = larger.at(("upsamplers", i), &x, mode)?;
                }
                Ok(x)
            })?;
        }
        let x = self.conv_norm_out.at("conv_norm_out", &x, mode)?.silu();
        self.conv_out.at("conv_out", &x, mode)
    }
}
