//! How noise is added, and what follows for taking it out.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use super::Denoiser;
use crate::error::{Error, Result};
use crate::layers::Mode;
use crate::losses::mse;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// How much noise each step adds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum NoiseSchedule {
    /// The variances `β` of the steps rise evenly from `start` to `end` (Ho, Jain and Abbeel, 2020).
    Linear {
        /// The first variance.
        start: f64,
        /// The last one.
        end: f64,
    },
    /// What is left of the picture's variance after a share `u` of the steps is `cos²(π/2 · (u + s)/(1 + s))`, with `s` = 0.008 and
    /// no variance above 0.999 (Nichol and Dhariwal, *Improved denoising diffusion probabilistic models*, 2021). Fewer steps do.
    Cosine,
}

impl NoiseSchedule {
    /// Variances from 0.0001 to 0.02, which fit a thousand steps.
    #[must_use]
    pub fn linear() -> Self {
        Self::Linear { start: 1e-4, end: 0.02 }
    }

    /// The cosine.
    #[must_use]
    pub fn cosine() -> Self {
        Self::Cosine
    }

    /// The variance that step `i` of `steps` adds.
    fn beta(self, i: usize, steps: usize) -> f64 {
        match self {
            Self::Linear { start, .. } if steps == 1 => start,
            Self::Linear { start, end } => start + (end - start) * i as f64 / (steps - 1) as f64,
            Self::Cosine => {
                let left = |i: usize| {
                    let share = i as f64 / steps as f64;
                    ((share + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2)
                };
                (1.0 - left(i + 1) / left(i)).min(0.999)
            }
        }
    }
}

/// What a [`Denoiser`] predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Prediction {
    /// The noise `ε`.
    Noise,
    /// The velocity `√ᾱ ε − √(1 − ᾱ) x₀` (Salimans and Ho, *Progressive distillation for fast sampling of diffusion models*, 2022), which says
    /// something at every step.
    Velocity,
}

/// A diffusion process (Ho, Jain and Abbeel, *Denoising diffusion probabilistic models*, 2020): examples become noise in many small
/// steps, `xₜ = √ᾱₜ x₀ + √(1 − ᾱₜ) ε`, where `ᾱₜ` is the product of `1 − β` up to step `t`. A network that sees `xₜ` and `t` learns to
/// tell the noise, and drawing goes the same way back, from noise alone to an example.
///
/// It has no parameters; the network is any [`Denoiser`]. [`Diffusion`](super::Diffusion) is both in one.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianDiffusion {
    schedule: NoiseSchedule,
    prediction: Prediction,
    /// `ᾱ` of each step.
    left: Vec<f64>,
}

/// More would do nothing, and take memory.
const MOST_STEPS: usize = 1_000_000;

impl GaussianDiffusion {
    /// A process of so many steps, whose network predicts the noise.
    ///
    /// # Errors
    /// If there are no steps, or more than a million, or a variance is not between 0 and 1.
    #[track_caller]
    pub fn new(steps: usize, schedule: NoiseSchedule) -> Result<Self> {
        let name = "GaussianDiffusion::new";
        if steps == 0 || steps > MOST_STEPS {
            return Err(Error::argument(name, format!("{steps} steps, expected 1 to {MOST_STEPS}")));
        }
        if let NoiseSchedule::Linear { start, end } = schedule
            && !(start > 0.0 && end < 1.0 && start <= end)
        {
            let message = format!("variances from {start} to {end}, expected rising ones between 0 and 1");
            return Err(Error::argument(name, message));
        }
        let (mut left, mut product) = (Vec::with_capacity(steps), 1.0);
        for i in 0..steps {
            product *= 1.0 - schedule.beta(i, steps);
            left.push(product);
        }
        Ok(Self { schedule, prediction: Prediction::Noise, left })
    }

    /// The network predicts something else.
    #[must_use]
    pub fn prediction(mut self, prediction: Prediction) -> Self {
        self.prediction = prediction;
        self
    }

    /// The number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.left.len()
    }

    /// The variance that each step adds, `βₜ`.
    #[must_use]
    pub fn betas(&self) -> Vec<f64> {
        (0..self.steps()).map(|i| self.schedule.beta(i, self.steps())).collect()
    }

    /// How much of the variance after each step is the example's, `ᾱₜ`.
    #[must_use]
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.left
    }

    /// A number for each example, in the shape that multiplies them.
    #[track_caller]
    fn factors(&self, op: &'static str, x: &Tensor, steps: &Tensor, f: impl Fn(f64) -> f64) -> Result<Tensor> {
        if x.rank() == 0 || steps.shape() != &x.shape()[..1] || steps.dtype() != DType::I64 {
            let message =
                format!("steps of {} {:?} for examples of shape {:?}", steps.dtype(), steps.shape(), x.shape());
            return Err(Error::shape(op, message).with_help("expected one step for each, of type I64"));
        }
        let mut factors = Vec::with_capacity(x.shape()[0]);
        for (i, step) in steps.to_vec::<i64>()?.into_iter().enumerate() {
            let Some(left) = usize::try_from(step).ok().and_then(|step| self.left.get(step)) else {
                let message = format!("step {step} of example {i}, of {} steps", self.steps());
                return Err(Error::index(op, message));
            };
            factors.push(f(*left));
        }
        let mut shape = vec![1; x.rank()];
        shape[0] = factors.len();
        Ok(Tensor::from_vec(factors, shape)?.to_dtype(x.dtype()))
    }

    /// Examples as they are after the step of each, with this noise: `√ᾱ x + √(1 − ᾱ) ε`.
    ///
    /// # Errors
    /// If shapes or types do not fit, or there is no such step.
    ///
    /// ```
    /// use demotic::models::{GaussianDiffusion, NoiseSchedule};
    /// use demotic::prelude::*;
    ///
    /// let process = GaussianDiffusion::new(1000, NoiseSchedule::linear())?;
    /// let (x, noise) = (Tensor::ones([2, 1])?, Tensor::zeros([2, 1])?);
    /// let steps = Tensor::from_vec(vec![0i64, 999], [2])?;
    /// // Nearly all of it, and nearly nothing.
    /// let noisy = process.add_noise(&x, &noise, &steps)?.to_vec::<f32>()?;
    /// assert!(noisy[0] > 0.9999 && noisy[1] < 0.01);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn add_noise(&self, x: &Tensor, noise: &Tensor, steps: &Tensor) -> Result<Tensor> {
        let [of_x, of_noise] = self.mixture("add_noise", x, steps)?;
        x.mul(&of_x)?.add(&noise.mul(&of_noise)?)
    }

    /// `√ᾱ` and `√(1 − ᾱ)` of each example.
    #[track_caller]
    fn mixture(&self, op: &'static str, x: &Tensor, steps: &Tensor) -> Result<[Tensor; 2]> {
        Ok([self.factors(op, x, steps, f64::sqrt)?, self.factors(op, x, steps, |left| (1.0 - left).sqrt())?])
    }

    /// What the network should predict: the noise, or `√ᾱ ε − √(1 − ᾱ) x`.
    ///
    /// # Errors
    /// As for [`add_noise`](Self::add_noise).
    #[track_caller]
    pub fn target(&self, x: &Tensor, noise: &Tensor, steps: &Tensor) -> Result<Tensor> {
        let [of_x, of_noise] = self.mixture("target", x, steps)?;
        match self.prediction {
            Prediction::Noise => Ok(noise.clone()),
            Prediction::Velocity => noise.mul(&of_x)?.sub(&x.mul(&of_noise)?),
        }
    }

    /// The mean squared error of what the network predicts of examples with noise, each after a step of its own.
    ///
    /// In training, steps and noise come from the generator of the [`Mode`]. In evaluation they are always the same, with steps spread
    /// evenly, so that losses can be compared.
    ///
    /// # Errors
    /// If there are no examples, and those of the network.
    #[track_caller]
    pub fn loss(
        &self,
        network: &dyn Denoiser,
        x: &Tensor,
        classes: Option<&Tensor>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        x.expect_float("diffusion", "the examples")?;
        let Some(&n) = x.shape().first() else {
            return Err(Error::shape("diffusion", "the examples are a scalar, expected [batch, ..]"));
        };
        let (steps, noise) = match mode.rng() {
            Some(rng) => {
                let steps: Vec<i64> = (0..n).map(|_| rng.below(self.steps()) as i64).collect();
                (steps, Tensor::normal(x.shape(), 0.0, 1.0, rng)?)
            }
            None => {
                let steps = (0..n).map(|i| ((2 * i + 1) * self.steps() / (2 * n)) as i64).collect();
                (steps, Tensor::normal(x.shape(), 0.0, 1.0, &mut Rng::seed(0))?)
            }
        };
        let (steps, noise) = (Tensor::from_vec(steps, [n])?, noise.to_dtype(x.dtype()));
        let noisy = self.add_noise(x, &noise, &steps)?;
        let predicted = network.denoise(&noisy, &steps, classes, mode)?;
        mse(&predicted, &self.target(x, &noise, &steps)?)
    }

    /// The example that `x` after `step` steps must come from, if the network's prediction is right.
    ///
    /// # Errors
    /// If the shapes differ, or there is no such step.
    #[track_caller]
    pub fn predicted_example(&self, x: &Tensor, predicted: &Tensor, step: usize) -> Result<Tensor> {
        let left = self.left_at("predicted_example", step)?;
        let (of_x, of_noise) = (left.sqrt(), (1.0 - left).sqrt());
        match self.prediction {
            Prediction::Noise => Ok(x.sub(&predicted.mul_scalar(of_noise))?.div_scalar(of_x)),
            Prediction::Velocity => x.mul_scalar(of_x).sub(&predicted.mul_scalar(of_noise)),
        }
    }

    #[track_caller]
    pub(super) fn left_at(&self, op: &'static str, step: usize) -> Result<f64> {
        let caller = Location::caller();
        let none = || Error::index(op, format!("step {step} of {}", self.steps())).at(caller);
        self.left.get(step).copied().ok_or_else(none)
    }
}
