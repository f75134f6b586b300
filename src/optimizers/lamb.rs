//! LAMB.

use super::options::{below_one, positive};
use super::rule::{StepInfo, UpdateRule, length};
use super::stepper::Stepper;
use crate::autograd::pause_recording;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// LAMB (You et al., 2020): the steps of [`AdamW`](super::AdamW), scaled so that each parameter moves by the same part of its
/// own length. For batches of thousands of examples.
///
/// With `m̂` and `v̂` as in [`Adam`](super::Adam):
///
/// ```text
/// u ← m̂ / (√v̂ + eps) + weight_decay · p
/// p ← p − lr · ‖p‖ / ‖u‖ · u
/// ```
///
/// The quotient of the norms is 1 where one of them is 0. PyTorch has no such optimizer; formula and defaults are those of
/// `optax.lamb`. The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Lamb;
///
/// let opt = Lamb::new(2e-3).weight_decay(0.01).decay_matrices_only();
/// ```
#[doc(alias = "LAMB")]
pub type Lamb = Stepper<LambRule>;

/// The update rule of [`Lamb`].
#[derive(Debug, Clone, PartialEq)]
pub struct LambRule {
    betas: (f64, f64),
    eps: f64,
}

configurable!(LambRule { betas, eps } = Self { betas: (0.9, 0.999), eps: 1e-6 }, check);

impl Lamb {
    /// The optimizer with the given learning rate.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(LambRule { betas: (0.9, 0.999), eps: 1e-6 }, learning_rate)
    }

    /// How much the averages of the gradient and of its square keep from step to step: each at least 0, less
    /// than 1. Default 0.9 and 0.999.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.betas = (beta1, beta2);
        self
    }

    /// Added to the denominator, above 0. Default 1e-6.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }
}

/// `‖p‖ / (‖u‖ + eps)`, or 1 where one of the norms is 0.
pub(super) fn trust(p: &Tensor, u: &Tensor, coefficient: f64, eps: f64) -> f64 {
    let (of_p, of_u) = (length(p), length(u));
    if of_p == 0.0 || of_u == 0.0 { 1.0 } else { coefficient * of_p / (of_u + eps) }
}

const NAMES: &[&str] = &["exp_avg", "exp_avg_sq"];

impl UpdateRule for LambRule {
    fn name(&self) -> &'static str {
        "Lamb"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("Lamb", "beta1", self.betas.0)?;
        below_one("Lamb", "beta2", self.betas.1)?;
        positive("Lamb", "eps", self.eps)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(NAMES)
    }

    fn group_settings(&self) -> &'static [&'static str] {
        &["betas", "eps"]
    }

    fn set_momentum(&mut self, momentum: f64) -> bool {
        self.betas.0 = momentum;
        true
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let _unrecorded = pause_recording();
        let [m, v] = state else { return Err(bug!("Lamb", "{} tensors of state", state.len())) };
        let (beta1, beta2) = step.betas.unwrap_or(self.betas);
        let adam = fused::Adam {
            lr: 1.0,
            beta1,
            beta2,
            eps: step.eps.unwrap_or(self.eps),
            weight_decay: 0.0,
            decoupled: false,
            step: step.number,
        };
        // From zeros, with a rate of 1, Adam's step is −m̂ / (√v̂ + eps).
        let mut back = param.zeros_like();
        fused::update(&fused::Rule::Adam(adam), Parameter::new(&mut back), grad, [Some(m), Some(v), None])?;
        let p = param.detach().packed();
        let back = back.add_alpha(&p, -step.weight_decay)?;
        let rate = step.learning_rate * trust(&p, &back, 1.0, 0.0);
        param.set(&p.add_alpha(&back, rate)?)
    }
}
