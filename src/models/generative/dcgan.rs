//! Generative adversarial networks of convolutions.

use serde::{Deserialize, Serialize};

use super::adversaries::Adversaries;
use crate::error::{Error, Result};
use crate::layers::{
    BatchNorm2d, Conv2d, ConvTranspose2d, Count, Init, Layer, LayerExt, LeakyRelu, Mode, Module, Relu, Sequential,
    Tanh, check_memory,
};
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sides of the smallest picture inside, and of the kernels that lead to it and from it.
const SMALLEST: usize = 4;

/// The sizes of a [`Dcgan`].
///
/// ```
/// use demotic::models::DcganConfig;
///
/// // The networks of the paper, for coloured pictures of 64 by 64 pixels.
/// let paper = DcganConfig::new(3, 64).width(128);
/// // For small grey pictures, with a critic as WGAN-GP needs it.
/// let small = DcganConfig::new(1, 8).width(32).latent(16).extra_layers(1).critic();
/// assert!(small.num_parameters() < paper.num_parameters());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DcganConfig {
    /// The channels of the pictures.
    pub image_channels: usize,
    /// Their height and width: 8, 16, 32, 64 and so on.
    pub image_size: usize,
    /// How many numbers a picture is made of.
    pub latent: usize,
    /// The channels behind the first convolution of the discriminator, and before the last one of the generator. With each halving of
    /// the pictures there are twice as many.
    pub width: usize,
    /// Further convolutions of 3 by 3 in both networks, where pictures have half their size.
    pub extra_layers: usize,
    /// Whether the discriminator has batch norms.
    pub discriminator_norm: bool,
}

impl DcganConfig {
    /// Networks with 100 numbers of noise and a width of 64 for square pictures with so many channels and pixels on each side.
    #[must_use]
    pub fn new(image_channels: usize, image_size: usize) -> Self {
        Self { image_channels, image_size, latent: 100, width: 64, extra_layers: 0, discriminator_norm: true }
    }

    /// Another number of numbers that a picture is made of.
    #[must_use]
    pub fn latent(mut self, numbers: usize) -> Self {
        self.latent = numbers;
        self
    }

    /// Another width.
    #[must_use]
    pub fn width(mut self, channels: usize) -> Self {
        self.width = channels;
        self
    }

    /// Further convolutions of 3 by 3 in each network.
    #[must_use]
    pub fn extra_layers(mut self, layers: usize) -> Self {
        self.extra_layers = layers;
        self
    }

    /// No batch norms in the discriminator, which makes it a critic for
    /// [`Adversarial::wgan_gp`](crate::train::Adversarial::wgan_gp): what that says of a picture must not depend on the others.
    #[must_use]
    pub fn critic(mut self) -> Self {
        self.discriminator_norm = false;
        self
    }

    /// The number of parameters of both networks.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    /// How often pictures are halved, after the first time.
    fn halvings(&self) -> usize {
        (self.image_size / SMALLEST).max(2).ilog2() as usize - 1
    }

    /// The channels where pictures have half their size, a quarter, and so on.
    fn channels(&self) -> Vec<usize> {
        let wider = |i| self.width.saturating_mul(1usize.checked_shl(i).unwrap_or(usize::MAX));
        (0..=self.halvings() as u32).map(wider).collect()
    }

    fn count(&self) -> Count {
        let (channels, kernel) = (self.channels(), SMALLEST * SMALLEST);
        let last = channels[channels.len() - 1];
        let extra = Count::new(self.width) * (9 * self.width.min(usize::MAX / 9)) * self.extra_layers;
        let steps: Count = channels.windows(2).map(|pair| Count::new(pair[0]) * pair[1] * kernel).sum();
        let edge = Count::new(self.image_channels) * self.width * kernel;
        let norms = |outputs: &[usize]| -> Count { outputs.iter().map(|n| Count::new(*n) * 2).sum() };
        let extra_norms = Count::new(self.width) * 2 * self.extra_layers;
        let generator = Count::new(self.latent) * last * kernel + norms(&channels);
        let discriminator = Count::new(last) * kernel;
        let both = (steps + extra + edge) * 2 + generator + discriminator + extra_norms;
        match self.discriminator_norm {
            true => both + norms(&channels[1..]) + extra_norms,
            false => {
                both + channels[1..].iter().map(|n| Count::new(*n)).sum::<Count>()
                    + Count::new(self.width) * self.extra_layers
            }
        }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let Self { image_channels, image_size, latent, width, extra_layers, .. } = *self;
        if [image_channels, latent, width].contains(&0) {
            let message = format!("{latent} numbers become {image_channels} channels by a width of {width}");
            return Err(Error::argument("Dcgan::new", message).with_help("at least 1 of each"));
        }
        if image_size < 2 * SMALLEST || !image_size.is_power_of_two() {
            let message = format!("pictures of {image_size} by {image_size}");
            return Err(Error::argument("Dcgan::new", message).with_help(
                "expected 8, 16, 32, 64 or another power of two: each convolution halves them, down to 4 by 4",
            ));
        }
        let tensors = (Count::new(extra_layers) + self.halvings() + 2) * 16;
        check_memory("Dcgan::new", self.count(), tensors)
    }
}

/// The initial weights of all convolutions, by the paper.
const INIT: Init = Init::Normal { mean: 0.0, std: 0.02 };

/// A batch norm whose weights begin near 1, by the paper.
#[track_caller]
fn norm(channels: usize, rng: &mut Rng) -> Result<BatchNorm2d> {
    let mut norm = BatchNorm2d::new(channels)?;
    if let Some(weight) = &mut norm.weight {
        weight.set(&Init::Normal { mean: 1.0, std: 0.02 }.tensor(&[channels], rng)?)?;
    }
    Ok(norm)
}

#[track_caller]
fn up(inputs: usize, outputs: usize, rng: &mut Rng) -> Result<ConvTranspose2d> {
    ConvTranspose2d::new(inputs, outputs, SMALLEST, &mut rng.split())?.without_bias().with_init(INIT, rng)
}

#[track_caller]
fn down(inputs: usize, outputs: usize, kernel: usize, rng: &mut Rng) -> Result<Conv2d> {
    Conv2d::new(inputs, outputs, kernel, &mut rng.split())?.with_init(INIT, rng)
}

/// The generator of a [`Dcgan`]: transposed convolutions that double height and width, with batch norms and rectified units, and a
/// hyperbolic tangent at the end.
///
/// # Shapes
/// - input: `[batch, latent]`, or `[batch, latent, 1, 1]`
/// - output: `[batch, image_channels, image_size, image_size]`, from −1 to 1
#[derive(Debug, Clone)]
pub struct DcganGenerator {
    /// The layers. Without extra ones they have the names of PyTorch's example, and its files load.
    pub main: Sequential,
    latent: usize,
}

crate::module!(DcganGenerator { main }, plain { latent });

impl DcganGenerator {
    #[track_caller]
    fn new(config: &DcganConfig, rng: &mut Rng) -> Result<Self> {
        let (mut main, channels) = (Sequential::new(), config.channels());
        let mut inputs = config.latent;
        for (i, outputs) in channels.iter().rev().enumerate() {
            let conv = up(inputs, *outputs, rng)?;
            main.push(if i == 0 { conv } else { conv.stride(2).padding(1) });
            main.push(norm(*outputs, rng)?);
            main.push(Relu);
            inputs = *outputs;
        }
        for _ in 0..config.extra_layers {
            main.push(down(inputs, inputs, 3, rng)?.padding(1).without_bias());
            main.push(norm(inputs, rng)?);
            main.push(Relu);
        }
        main.push(up(inputs, config.image_channels, rng)?.stride(2).padding(1));
        main.push(Tanh);
        Ok(Self { main, latent: config.latent })
    }
}

impl Layer for DcganGenerator {
    #[track_caller]
    fn forward(&self, noise: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let noise = match noise.shape() {
            &[n, latent] | &[n, latent, 1, 1] if latent == self.latent => noise.reshape([n, latent, 1, 1])?,
            shape => {
                let message = format!("the noise has shape {shape:?}, expected [batch, {}]", self.latent);
                return mode.here(Err(Error::shape("DcganGenerator", message)));
            }
        };
        self.main.at("main", &noise, mode)
    }
}

/// The discriminator of a [`Dcgan`]: convolutions that halve height and width, with leaky units and, if wanted, batch norms.
///
/// # Shapes
/// - input: `[batch, image_channels, image_size, image_size]`
/// - output: `[batch]`, a logit or score for each picture
#[derive(Debug, Clone)]
pub struct DcganDiscriminator {
    /// The layers. With batch norms and without extra ones they have the names of PyTorch's example, and its files load.
    pub main: Sequential,
    image: [usize; 3],
}

crate::module!(DcganDiscriminator { main }, plain { image });

impl DcganDiscriminator {
    #[track_caller]
    fn new(config: &DcganConfig, rng: &mut Rng) -> Result<Self> {
        let (mut main, channels) = (Sequential::new(), config.channels());
        let unit = LeakyRelu { slope: 0.2 };
        // A batch norm takes the place of a bias.
        let add = |main: &mut Sequential, conv: Conv2d, rng: &mut Rng| -> Result<()> {
            if config.discriminator_norm {
                let outputs = conv.out_channels();
                main.push(conv.without_bias());
                main.push(norm(outputs, rng)?);
            } else {
                main.push(conv);
            }
            main.push(unit);
            Ok(())
        };
        main.push(down(config.image_channels, config.width, SMALLEST, rng)?.stride(2).padding(1).without_bias());
        main.push(unit);
        for _ in 0..config.extra_layers {
            let conv = down(config.width, config.width, 3, rng)?.padding(1);
            add(&mut main, conv, rng)?;
        }
        for pair in channels.windows(2) {
            let conv = down(pair[0], pair[1], SMALLEST, rng)?.stride(2).padding(1);
            add(&mut main, conv, rng)?;
        }
        main.push(down(channels[channels.len() - 1], 1, SMALLEST, rng)?.without_bias());
        Ok(Self { main, image: [config.image_channels, config.image_size, config.image_size] })
    }
}

impl Layer for DcganDiscriminator {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        if x.rank() != 4 || x.shape()[1..] != self.image {
            let [channels, side, _] = self.image;
            let message =
                format!("the pictures have shape {:?}, expected [batch, {channels}, {side}, {side}]", x.shape());
            return mode.here(Err(Error::shape("DcganDiscriminator", message)));
        }
        let scores = self.main.at("main", x, mode)?;
        mode.here(scores.reshape([x.shape()[0]]))
    }
}

/// A generative adversarial network of convolutions (Radford, Metz and Chintala, *Unsupervised representation learning with deep
/// convolutional generative adversarial networks*, 2016): a generator that makes pictures of noise, and a discriminator that tells them
/// from real ones. Each learns from the other, by [`Adversarial`](crate::train::Adversarial): as in the paper, or, with
/// [`DcganConfig::critic`], as a WGAN with gradient penalty.
///
/// Pictures have numbers from −1 to 1. Weights begin normally distributed with deviation 0.02.
///
/// ```
/// use demotic::models::{Adversaries, Dcgan, DcganConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = Dcgan::new(DcganConfig::new(1, 16).latent(8).width(4), &mut rng)?;
/// let pictures = model.sample(3, &mut rng)?;
/// assert_eq!(pictures.shape(), [3, 1, 16, 16]);
/// assert_eq!(model.discriminator.predict(&pictures)?.shape(), [3]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "GAN")]
#[derive(Debug, Clone)]
pub struct Dcgan {
    /// Makes pictures of noise.
    pub generator: DcganGenerator,
    /// Says whether pictures are real.
    pub discriminator: DcganDiscriminator,
    config: DcganConfig,
}

crate::module!(Dcgan { generator, discriminator }, plain { config });
architecture!(Dcgan, DcganConfig);

impl Dcgan {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0, that of the pictures is no power of two from 8 on, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: DcganConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let generator = DcganGenerator::new(&config, rng)?;
        Ok(Self { generator, discriminator: DcganDiscriminator::new(&config, rng)?, config })
    }
}

impl Adversaries for Dcgan {
    #[track_caller]
    fn noise(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        Tensor::normal([count, self.config.latent], 0.0, 1.0, rng)
    }

    #[track_caller]
    fn generate(&self, noise: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.generator.at("generator", noise, mode)
    }

    #[track_caller]
    fn judge(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.discriminator.at("discriminator", x, mode)
    }

    fn generator_mut(&mut self) -> &mut dyn Module {
        &mut self.generator
    }

    fn critic_mut(&mut self) -> &mut dyn Module {
        &mut self.discriminator
    }
}
