//! RAdam.

use super::options::{below_one, positive};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// RAdam (Liu et al., 2020): [`Adam`](super::Adam) that divides by the average square only once it is known well enough, and
/// with more caution at first. So it does without a warm-up.
///
/// With gradient `g`, plus `weight_decay · p` if there is one, at step `t`:
///
/// ```text
/// m ← β₁ · m + (1 − β₁) · g            m̂ = m / (1 − β₁ᵗ)
/// v ← β₂ · v + (1 − β₂) · g²           s = √(1 − β₂ᵗ) / (√v + eps)
/// ρ∞ = 2 / (1 − β₂) − 1                ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)
/// r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ))
/// p ← p − lr · m̂ · r · s               if ρ > 5, else  p − lr · m̂
/// ```
///
/// The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::RAdam;
///
/// let opt = RAdam::new(1e-3).betas(0.9, 0.99).decoupled_weight_decay(true).weight_decay(0.01);
/// ```
pub type RAdam = Stepper<RAdamRule>;

/// The update rule of [`RAdam`].
#[derive(Debug, Clone, PartialEq)]
pub struct RAdamRule {
    betas: (f64, f64),
    eps: f64,
    decoupled: bool,
}

configurable!(RAdamRule { betas, eps, decoupled as "decoupled_weight_decay" } = Self { betas: (0.9, 0.999), eps: 1e-8, decoupled: false }, check);

impl RAdam {
    /// The optimizer with the given learning rate; 1e-3 is the usual one.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(RAdamRule { betas: (0.9, 0.999), eps: 1e-8, decoupled: false }, learning_rate)
    }

    /// How much the averages of the gradient and of its square keep from step to step: each at least 0, less
    /// than 1. Default 0.9 and 0.999.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.betas = (beta1, beta2);
        self
    }

    /// Added to the denominator, above 0. Default 1e-8.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }

    /// Whether the weight decay acts on the parameter itself, as in [`AdamW`](super::AdamW), instead of being added to the
    /// gradient. Default false.
    #[must_use]
    pub fn decoupled_weight_decay(mut self, decoupled: bool) -> Self {
        self.rule.decoupled = decoupled;
        self
    }
}

const NAMES: &[&str] = &["exp_avg", "exp_avg_sq"];

impl UpdateRule for RAdamRule {
    fn name(&self) -> &'static str {
        "RAdam"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("RAdam", "beta1", self.betas.0)?;
        below_one("RAdam", "beta2", self.betas.1)?;
        positive("RAdam", "eps", self.eps)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(NAMES)
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn group_settings(&self) -> &'static [&'static str] {
        &["betas", "eps"]
    }

    fn set_momentum(&mut self, momentum: f64) -> bool {
        self.betas.0 = momentum;
        true
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let [m, v] = state else { return Err(bug!("RAdam", "{} tensors of state", state.len())) };
        let (beta1, beta2) = step.betas.unwrap_or(self.betas);
        let t = step.number as f64;
        let correction = 1.0 - beta2.powf(t);
        let longest = 2.0 / (1.0 - beta2) - 1.0;
        let length = longest - 2.0 * t * beta2.powf(t) / correction;
        let is_known = length > 5.0;
        let mut rate = step.learning_rate / (1.0 - beta1.powf(t));
        if is_known {
            let known = (length - 4.0) * (length - 2.0) * longest;
            rate *= (known / ((longest - 4.0) * (longest - 2.0) * length)).sqrt() * correction.sqrt();
        }
        let (added, shrink) = step.decay(self.decoupled);
        let rule = fused::Moments {
            beta1,
            beta2,
            of_average: rate,
            of_gradient: 0.0,
            root_scale: is_known.then_some(1.0),
            eps: step.eps.unwrap_or(self.eps),
            weight_decay: added,
            shrink,
        };
        let parameter = Parameter::new(param.value_mut());
        fused::update(&fused::Rule::Moments(rule), parameter, grad, [Some(m), Some(v), None])
    }
}
