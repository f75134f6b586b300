//! Adamax.

use super::options::{below_one, positive};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Adamax (Kingma and Ba, 2015): [`Adam`](super::Adam) that divides by the largest magnitude of the gradient of late.
///
/// With gradient `g`, plus `weight_decay · p` if there is one, at step `t`:
///
/// ```text
/// m ← β₁ · m + (1 − β₁) · g
/// u ← max(β₂ · u, |g| + eps)
/// p ← p − lr / (1 − β₁ᵗ) · m / u
/// ```
///
/// The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Adamax;
///
/// let opt = Adamax::new(2e-3).betas(0.9, 0.99);
/// ```
pub type Adamax = Stepper<AdamaxRule>;

/// The update rule of [`Adamax`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamaxRule {
    betas: (f64, f64),
    eps: f64,
}

configurable!(AdamaxRule { betas, eps } = Self { betas: (0.9, 0.999), eps: 1e-8 }, check);

impl Adamax {
    /// The optimizer with the given learning rate; PyTorch's default is 2e-3.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(AdamaxRule { betas: (0.9, 0.999), eps: 1e-8 }, learning_rate)
    }

    /// How much the average of the gradient and its largest magnitude keep from step to step: each at least 0, less
    /// than 1. Default 0.9 and 0.999.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.betas = (beta1, beta2);
        self
    }

    /// Added to the magnitude of the gradient, above 0. Default 1e-8.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }
}

const NAMES: &[&str] = &["exp_avg", "exp_inf"];

impl UpdateRule for AdamaxRule {
    fn name(&self) -> &'static str {
        "Adamax"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("Adamax", "beta1", self.betas.0)?;
        below_one("Adamax", "beta2", self.betas.1)?;
        positive("Adamax", "eps", self.eps)
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
        let [m, largest] = state else { return Err(bug!("Adamax", "{} tensors of state", state.len())) };
        let (beta1, beta2) = step.betas.unwrap_or(self.betas);
        let rule = fused::Adamax {
            lr: step.learning_rate / (1.0 - beta1.powf(step.number as f64)),
            beta1,
            beta2,
            eps: step.eps.unwrap_or(self.eps),
            weight_decay: step.weight_decay,
        };
        let parameter = Parameter::new(param.value_mut());
        fused::update(&fused::Rule::Adamax(rule), parameter, grad, [Some(m), Some(largest), None])
    }
}
