//! From noise to examples.

use std::panic::Location;

use super::Denoiser;
use super::process::GaussianDiffusion;
use crate::autograd::pause_recording;
use crate::error::{Error, Here, Result};
use crate::layers::Mode;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// How examples are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffusionSampling {
    steps: Option<usize>,
    eta: f64,
    guidance: f64,
    clip: Option<f64>,
}

impl DiffusionSampling {
    /// All steps backwards, each with new noise (Ho et al., 2020), whose variance is `β (1 − ᾱₜ₋₁)/(1 − ᾱₜ)`.
    #[must_use]
    #[doc(alias = "DDPM")]
    pub fn ancestral() -> Self {
        Self { steps: None, eta: 1.0, guidance: 1.0, clip: Some(1.0) }
    }

    /// So many steps, evenly spread from the last one on, without new noise (Song, Meng and Ermon, *Denoising diffusion implicit
    /// models*, 2021): the same noise gives the same example.
    #[must_use]
    #[doc(alias = "DDIM")]
    pub fn ddim(steps: usize) -> Self {
        Self { steps: Some(steps), eta: 0.0, ..Self::ancestral() }
    }

    /// How much new noise there is in each step, from 0 (none, as in DDIM) to 1 (as much as in ancestral sampling).
    #[must_use]
    pub fn eta(mut self, eta: f64) -> Self {
        self.eta = eta;
        self
    }

    /// How far examples of a class are pushed from what the network would make without knowing it (classifier-free guidance, Ho and
    /// Salimans, 2022): the prediction is `without + scale · (with − without)`. 1, the default, is the class alone. The network has
    /// to be trained without classes at times, as [`DiffusionConfig::class_dropout`](super::DiffusionConfig::class_dropout) says.
    #[must_use]
    pub fn guidance(mut self, scale: f64) -> Self {
        self.guidance = scale;
        self
    }

    /// The numbers of examples are from `−limit` to `limit`, which predicted ones are held to. Default 1.
    #[must_use]
    pub fn clip(mut self, limit: f64) -> Self {
        self.clip = Some(limit);
        self
    }

    /// Examples may have any numbers.
    #[must_use]
    pub fn unclipped(mut self) -> Self {
        self.clip = None;
        self
    }

    #[track_caller]
    fn check(&self, steps: usize) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument("DiffusionSampling", message).at(caller));
        if let Some(few) = self.steps
            && !(1..=steps).contains(&few)
        {
            return wrong(format!("{few} steps of {steps}, expected at least 1 and no more than there are"));
        }
        if !(0.0..=1.0).contains(&self.eta) {
            return wrong(format!("eta is {}, expected a number from 0 to 1", self.eta));
        }
        if !self.guidance.is_finite() {
            return wrong(format!("the guidance is {}, expected a finite number", self.guidance));
        }
        match self.clip {
            Some(limit) if !(limit > 0.0 && limit.is_finite()) => {
                wrong(format!("the limit is {limit}, expected a positive number"))
            }
            _ => Ok(()),
        }
    }

    /// The steps that are gone back to, from the last one.
    fn path(&self, steps: usize) -> Vec<usize> {
        let few = self.steps.unwrap_or(steps);
        // The last of each of `few` parts of nearly equal length.
        (1..=few).rev().map(|i| (i * steps).div_ceil(few) - 1).collect()
    }
}

impl GaussianDiffusion {
    /// Examples one step back: from `x` after `step` steps, of which the network predicts `predicted`, to those after `previous` steps,
    /// or, where that is `None`, to the examples themselves.
    ///
    /// `noise` is drawn from the standard normal distribution, for an [`eta`](DiffusionSampling::eta) above 0; it is not looked at
    /// otherwise, nor before the first step. With the step before and an eta of 1, that is ancestral sampling; with 0, DDIM. The
    /// predicted examples are clipped as the options say, and the noise that they leave is counted from there.
    ///
    /// # Errors
    /// If shapes differ, there is no such step, `previous` is not before it, noise is missing, or an option makes no sense.
    #[track_caller]
    pub fn step_back(
        &self,
        x: &Tensor,
        predicted: &Tensor,
        [step, previous]: [Option<usize>; 2],
        options: &DiffusionSampling,
        noise: Option<&Tensor>,
    ) -> Result<Tensor> {
        let name = "step_back";
        options.check(self.steps()).here()?;
        let Some(step) = step.filter(|step| previous.is_none_or(|previous| previous < *step)) else {
            let message = format!("from step {step:?} back to {previous:?}, expected an earlier one");
            return Err(Error::argument(name, message));
        };
        let left = self.left_at(name, step)?;
        let left_before = previous.map_or(Ok(1.0), |previous| self.left_at(name, previous))?;
        let mut example = self.predicted_example(x, predicted, step)?;
        if let Some(limit) = options.clip {
            example = example.clamp(Some(-limit), Some(limit));
        }
        let variance = options.eta.powi(2) * (1.0 - left_before) / (1.0 - left) * (1.0 - left / left_before);
        let of_x = ((1.0 - left_before - variance).max(0.0) / (1.0 - left)).sqrt();
        let of_example = left_before.sqrt() - of_x * left.sqrt();
        let back = example.mul_scalar(of_example).add(&x.mul_scalar(of_x))?;
        if variance <= 0.0 {
            return Ok(back);
        }
        match noise {
            Some(noise) => back.add(&noise.mul_scalar(variance.sqrt())),
            None => Err(Error::argument(name, format!("no noise for an eta of {}", options.eta))),
        }
    }

    /// New examples of this shape, `[count, ..]`, from noise. `classes`, `[count]` of type `I64`, says what they should be.
    ///
    /// # Errors
    /// If an option makes no sense, the examples do not fit into memory, and those of the network.
    #[track_caller]
    pub fn sample(
        &self,
        network: &dyn Denoiser,
        shape: &[usize],
        classes: Option<&Tensor>,
        options: &DiffusionSampling,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        options.check(self.steps()).here()?;
        let Some(&n) = shape.first() else {
            return Err(Error::shape("sample", "examples without a shape, expected [count, ..]"));
        };
        let _unrecorded = pause_recording();
        let mut x = Tensor::normal(shape, 0.0, 1.0, rng)?;
        let path = options.path(self.steps());
        for (i, &step) in path.iter().enumerate() {
            let steps = Tensor::from_vec(vec![step as i64; n], [n])?;
            let mut predicted = network.denoise(&x, &steps, classes, &mut Mode::eval())?;
            if classes.is_some() && options.guidance != 1.0 {
                let without = network.denoise(&x, &steps, None, &mut Mode::eval())?;
                predicted = without.add(&predicted.sub(&without)?.mul_scalar(options.guidance))?;
            }
            let previous = path.get(i + 1).copied();
            let noise = match previous {
                Some(_) if options.eta > 0.0 => Some(Tensor::normal(shape, 0.0, 1.0, rng)?),
                _ => None,
            };
            x = self.step_back(&x, &predicted, [Some(step), previous], options, noise.as_ref())?;
        }
        Ok(x)
    }
}
