//! The variational autoencoder.

use serde::{Deserialize, Serialize};

use super::coder::{CodeDecoder, CodeEncoder, CoderConfig};
use crate::autograd::pause_recording;
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, LayerExt, Linear, Mode};
use crate::losses::{BceWithLogits, Loss, Mse, Reduction};
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What a [`Vae`] takes the numbers of an example for, given its code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum Observed {
    /// Numbers from 0 to 1, such as grey levels: each is on with the probability that the decoder says. The error is the binary
    /// cross-entropy.
    Bernoulli,
    /// Any numbers: each is normally distributed about what the decoder says. The error is `(x − x̂)² / 2 std²`, without the constant.
    Gaussian {
        /// The standard deviation, the same for all.
        std: f64,
    },
}

/// The sizes of a [`Vae`], and what its data are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VaeConfig {
    /// The sizes of encoder and decoder.
    pub coder: CoderConfig,
    /// What the numbers of an example are.
    pub observed: Observed,
}

impl VaeConfig {
    /// For numbers from 0 to 1.
    #[must_use]
    pub fn bernoulli(coder: CoderConfig) -> Self {
        Self { coder, observed: Observed::Bernoulli }
    }

    /// For any numbers, which are told to the precision of `std`.
    #[must_use]
    pub fn gaussian(coder: CoderConfig, std: f64) -> Self {
        Self { coder, observed: Observed::Gaussian { std } }
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.coder.count(2).get()
    }
}

/// What [`Vae::elbo`] gives: three numbers, each the mean over the examples of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Elbo {
    /// What is minimised: `reconstruction + beta · divergence`, for beta 1 the negative of the lower bound.
    pub loss: Tensor,
    /// The negative log-likelihood of the examples, given their codes: a sum over the numbers of an example.
    pub reconstruction: Tensor,
    /// How far the codes' distributions are from the standard normal one, in nats: a sum over the numbers of a code.
    pub divergence: Tensor,
}

/// A variational autoencoder (Kingma and Welling, *Auto-encoding variational Bayes*, 2014). The encoder does not give a code, but a normal
/// distribution of codes for each example, and all of them together are held near the standard normal distribution. So what the decoder
/// makes of a code that is drawn from that one is a new example.
///
/// It minimises the negative of a lower bound of the log-likelihood ([`elbo`](Self::elbo)),
/// `−log p(x | z) + β · ½ Σ (μ² + σ² − log σ² − 1)`, with `z = μ + σ ε` and `ε` drawn from the standard normal distribution. The second
/// term is the divergence of Kullback and Leibler in closed form; with β > 1 (Higgins et al., *β-VAE*, 2017) the numbers of a
/// code come to mean things that vary independently.
///
/// # Shapes
/// - input and output: `[batch, ..]` with examples of the configuration's shape
/// - codes: `[batch, latent]`
/// - parameters: `encoder.convs.0.weight`, …, `encoder.hidden.0.weight`, …, `mean.weight`, `log_var.weight`,
///   `decoder.hidden.0.weight`, …, `decoder.convs.0.weight`, …
///
/// In training, the noise comes from the generator of the [`Mode`]; in evaluation there is none, and the code is the mean.
///
/// ```
/// use demotic::data::TensorDataset;
/// use demotic::models::{CoderConfig, Vae, VaeConfig};
/// use demotic::prelude::*;
/// use demotic::train::Objective;
///
/// // Points on a circle.
/// let mut rng = Rng::seed(0);
/// let angles = Tensor::uniform([256, 1], 0.0, std::f64::consts::TAU, &mut rng)?;
/// let x = Tensor::cat(&[&angles.cos(), &angles.sin()], 1)?;
/// let config = VaeConfig::gaussian(CoderConfig::new(2, 2).hidden(&[32]), 0.1);
/// let mut model = Vae::new(config, &mut rng)?;
/// let elbo = |model: &Vae, (x, _): &(Tensor, Tensor), mode: &mut Mode| {
///     Ok(Objective::new(model.elbo(x, 1.0, mode)?.loss, x.shape()[0] as f64))
/// };
/// let data = TensorDataset::new(x.clone(), x)?;
/// Trainer::with_task(elbo, Adam::new(0.01)).epochs(60).fit(&mut model, &data, &mut rng)?;
/// // What it makes up is near the circle.
/// let radius = model.sample(200, &mut rng)?.norm_dims(2.0, &[1], false)?;
/// assert!((radius.mean().item()? - 1.0).abs() < 0.2);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "VariationalAutoencoder")]
#[derive(Debug, Clone)]
pub struct Vae {
    /// What is found in an example.
    pub encoder: CodeEncoder,
    /// The means of the numbers of a code.
    pub mean: Linear,
    /// The logarithms of their variances.
    pub log_var: Linear,
    /// The example of a code.
    pub decoder: CodeDecoder,
    config: VaeConfig,
}

crate::module!(Vae { encoder, mean, log_var, decoder }, plain { config });
architecture!(Vae, VaeConfig);

impl Vae {
    /// A model with random weights.
    ///
    /// # Errors
    /// As for [`Autoencoder::new`](super::Autoencoder::new), and if a standard deviation is not positive.
    #[track_caller]
    pub fn new(config: VaeConfig, rng: &mut Rng) -> Result<Self> {
        config.coder.check("Vae::new", 2).here()?;
        if let Observed::Gaussian { std } = config.observed
            && !(std > 0.0 && std.is_finite())
        {
            let message = format!("the standard deviation is {std}, expected a positive number");
            return Err(Error::argument("Vae::new", message));
        }
        let encoder = CodeEncoder::new(&config.coder, rng)?;
        let mean = Linear::new(encoder.features(), config.coder.latent, rng)?;
        let log_var = Linear::new(encoder.features(), config.coder.latent, rng)?;
        Ok(Self { encoder, mean, log_var, decoder: CodeDecoder::new(&config.coder, rng)?, config })
    }

    /// The means and the logarithms of the variances of the codes of examples, `[batch, latent]` each.
    ///
    /// # Errors
    /// If the examples have another shape.
    #[track_caller]
    pub fn encode(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<(Tensor, Tensor)> {
        let features = self.encoder.at("encoder", x, mode)?;
        Ok((self.mean.at("mean", &features, mode)?, self.log_var.at("log_var", &features, mode)?))
    }

    /// A code from each of these distributions in training, `mean + exp(log_var / 2) · ε`, through which gradients flow into both; the
    /// means in evaluation.
    ///
    /// # Errors
    /// If the shapes differ.
    #[track_caller]
    pub fn reparameterize(&self, mean: &Tensor, log_var: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let noise = match mode.rng() {
            Some(rng) => Tensor::normal(mean.shape(), 0.0, 1.0, rng)?.to_dtype(mean.dtype()),
            None => return Ok(mean.clone()),
        };
        mode.here(log_var.mul_scalar(0.5).exp().mul(&noise).and_then(|noise| mean.add(&noise)))
    }

    /// The examples of codes: the means of what the numbers may be.
    ///
    /// # Errors
    /// If the codes have another size.
    #[track_caller]
    pub fn decode(&self, z: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.decoder.at("decoder", z, mode)?;
        Ok(match self.config.observed {
            Observed::Bernoulli => x.sigmoid(),
            Observed::Gaussian { .. } => x,
        })
    }

    /// The negative of the lower bound, with `beta` times the divergence of the codes. `beta` is 1 for the bound itself; a smaller one
    /// at the beginning of training keeps codes from being given up.
    ///
    /// # Errors
    /// If the examples have another shape, there are none, or `beta` is negative or not finite.
    #[track_caller]
    pub fn elbo(&self, x: &Tensor, beta: f64, mode: &mut Mode<'_>) -> Result<Elbo> {
        if !(beta >= 0.0 && beta.is_finite()) {
            return Err(Error::argument("elbo", format!("beta is {beta}, expected a number from 0 on")));
        }
        let (mean, log_var) = self.encode(x, mode)?;
        let z = self.reparameterize(&mean, &log_var, mode)?;
        let decoded = self.decoder.at("decoder", &z, mode)?;
        let examples = 1.0 / x.shape()[0] as f64;
        let reconstruction = match self.config.observed {
            Observed::Bernoulli => {
                BceWithLogits::new().reduction(Reduction::Sum).loss(&decoded, x)?.mul_scalar(examples)
            }
            Observed::Gaussian { std } => {
                Mse::new().reduction(Reduction::Sum).loss(&decoded, x)?.mul_scalar(0.5 * examples / (std * std))
            }
        };
        let surplus = mean.square().add(&log_var.exp())?.sub(&log_var)?.add_scalar(-1.0);
        let divergence = surplus.sum().mul_scalar(0.5 * examples);
        let loss = reconstruction.add(&divergence.mul_scalar(beta))?;
        Ok(Elbo { loss, reconstruction, divergence })
    }

    /// So many new examples: what the decoder makes of codes drawn from the standard normal distribution.
    ///
    /// # Errors
    /// If they do not fit into memory.
    #[track_caller]
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let z = Tensor::normal([count, self.config.coder.latent], 0.0, 1.0, rng)?;
        self.decode(&z.to_dtype(self.mean.weight.dtype()), &mut Mode::eval())
    }
}

/// What it makes of examples: encoded and decoded.
impl Layer for Vae {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (mean, log_var) = self.encode(x, mode)?;
        let z = self.reparameterize(&mean, &log_var, mode)?;
        self.decode(&z, mode)
    }
}
