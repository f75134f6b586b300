//! Losses of predicted distributions of numbers.

use super::weighting::{Weighting, expect_alike, option, pair, single};
use super::{Loss, Reduction};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(@new PoissonNll, GaussianNll);
reducible!(@weighted PoissonNll, GaussianNll);
configurable!(PoissonNll { log_input, full, eps: set, weighting: weighting });
configurable!(GaussianNll { full, eps: set, weighting: weighting });

/// The mean negative log-likelihood of counts under Poisson distributions, `eᵃ − y a`, where `a` is the logarithm of the predicted mean.
/// Both tensors have the same shape.
///
/// What depends on the count alone, `log y!`, is left out; [`PoissonNll::full`] approximates it.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::poisson_nll(&tensor![2.0, 5.0].log(), &tensor![3.0, 5.0])?;
/// assert!((loss.item()? - (2.0 - 3.0 * 2f64.ln() + 5.0 - 5.0 * 5f64.ln()) / 2.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn poisson_nll(log_mean: &Tensor, target: &Tensor) -> Result<Tensor> {
    PoissonNll::new().loss(log_mean, target)
}

/// The mean negative log-likelihood of numbers under normal distributions, of which mean and variance are predicted: `½ (log v + (ŷ − y)² / v)`.
///
/// Mean and target have the same shape, the variance as well, or 1 in its last dimension, or no last dimension: one variance for
/// all of an example. Variances below 10⁻⁶ count as that, while their gradient is kept. The constant `½ log 2π` is left out;
/// see [`GaussianNll::full`].
///
/// # Errors
/// If shapes or types do not fit, there are no examples, or a variance is negative.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::gaussian_nll(&tensor![1.0, 2.0], &tensor![1.0, 4.0], &tensor![1.0, 4.0])?;
/// assert!((loss.item()? - (0.0 + 0.5 * (4f64.ln() + 1.0)) / 2.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn gaussian_nll(mean: &Tensor, target: &Tensor, variance: &Tensor) -> Result<Tensor> {
    GaussianNll::new().loss(mean, target, variance)
}

/// [`poisson_nll`] with options.
#[derive(Debug, Clone)]
pub struct PoissonNll {
    log_input: bool,
    full: bool,
    eps: f64,
    weighting: Weighting,
}

impl Default for PoissonNll {
    fn default() -> Self {
        Self { log_input: true, full: false, eps: 1e-8, weighting: Weighting::default() }
    }
}

impl PoissonNll {
    /// Whether the predictions are logarithms of means, as by default, or means, of which the loss is `m − y log(m + eps)`.
    #[must_use]
    pub fn log_input(mut self, yes: bool) -> Self {
        self.log_input = yes;
        self
    }

    /// With Stirling's approximation of `log y!` for counts above 1: `y log y − y + ½ log 2πy`.
    #[must_use]
    pub fn full(mut self) -> Self {
        self.full = true;
        self
    }

    /// What is added to a mean before its logarithm is taken. Default 10⁻⁸.
    ///
    /// # Errors
    /// If it is negative or not finite.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Result<Self> {
        self.eps = option("poisson_nll", "eps", eps, eps >= 0.0 && eps.is_finite(), "a number of at least 0")?;
        Ok(self)
    }
}

impl Loss for PoissonNll {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("poisson_nll", prediction, target)?;
        let mut losses = match self.log_input {
            true => prediction.exp().sub(&target.mul(&prediction)?)?,
            false => prediction.sub(&target.mul(&prediction.add_scalar(self.eps).log())?)?,
        };
        if self.full {
            // Counts of at most 1 become 1, of which the term is taken away again.
            let few = target.le_scalar(1.0);
            let count = target.masked_fill(&few, 1.0)?;
            let root = count.mul_scalar(2.0 * std::f64::consts::PI).log().mul_scalar(0.5);
            let stirling = count.mul(&count.log())?.sub(&count)?.add(&root)?;
            losses = losses.add(&stirling.masked_fill(&few, 0.0)?)?;
        }
        self.weighting.finish("poisson_nll", &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`gaussian_nll`] with options.
#[derive(Debug, Clone)]
pub struct GaussianNll {
    full: bool,
    eps: f64,
    weighting: Weighting,
}

impl Default for GaussianNll {
    fn default() -> Self {
        Self { full: false, eps: 1e-6, weighting: Weighting::default() }
    }
}

impl GaussianNll {
    /// With the constant `½ log 2π`.
    #[must_use]
    pub fn full(mut self) -> Self {
        self.full = true;
        self
    }

    /// The smallest variance. Default 10⁻⁶.
    ///
    /// # Errors
    /// If it is not positive.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Result<Self> {
        self.eps = option("gaussian_nll", "eps", eps, eps > 0.0 && eps.is_finite(), "a positive number")?;
        Ok(self)
    }

    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// As for [`gaussian_nll`].
    #[track_caller]
    pub fn loss(&self, mean: &Tensor, target: &Tensor, variance: &Tensor) -> Result<Tensor> {
        let name = "gaussian_nll";
        let (mean, target, mut variance) = (single(mean), single(target), single(variance));
        expect_alike(name, ["the mean", "the target"], &mean, &target)?;
        variance.expect_dtype(name, "the variance", mean.dtype())?;
        let whole = mean.shape();
        let examples = &whole[..whole.len().saturating_sub(1)];
        if variance.shape() == examples && variance.shape() != whole {
            variance = variance.unsqueeze(-1)?;
        }
        let of_examples = matches!(variance.shape().split_last(), Some((1, rest)) if rest == examples);
        if variance.shape() != whole && !of_examples {
            let message = format!("a variance of shape {:?} for means of shape {whole:?}", variance.shape());
            return Err(Error::shape(name, message).with_help(
                "there is one for each mean, or one for each example: 1, or nothing, in its last dimension",
            ));
        }
        if let Some((i, v)) = variance.to_f64_vec().into_iter().enumerate().find(|(_, v)| *v < 0.0) {
            return Err(Error::argument(name, format!("variance {i} is {v}, expected no negative number"))
                .with_help("let the model predict its logarithm, and take exp() of that"));
        }
        // Where the limit is in force, the gradient is that at the limit.
        let limited = variance.detach().clamp_min(self.eps).sub(&variance.detach())?;
        let variance = variance.add(&limited)?;
        let mut losses = mean.sub(&target)?.square().div(&variance)?.add(&variance.log())?.mul_scalar(0.5);
        if self.full {
            losses = losses.add_scalar(0.5 * (2.0 * std::f64::consts::PI).ln());
        }
        self.weighting.finish(name, &losses)
    }
}
