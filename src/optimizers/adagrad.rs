//! AdaGrad.

use super::options::{not_negative, positive};
use super::rule::{StepInfo, UpdateRule, filled};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// AdaGrad (Duchi et al., 2011): gradients divided by the root of the sum of all their squares so far.
///
/// With gradient `g`, plus `weight_decay · p` if there is one, at step `t`:
///
/// ```text
/// s ← s + g²
/// p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps)
/// ```
///
/// The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::AdaGrad;
///
/// let opt = AdaGrad::new(0.01).lr_decay(1e-4).initial_accumulator_value(0.1);
/// ```
pub type AdaGrad = Stepper<AdaGradRule>;

/// The update rule of [`AdaGrad`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdaGradRule {
    lr_decay: f64,
    initial_accumulator_value: f64,
    eps: f64,
}

configurable!(AdaGradRule { lr_decay, initial_accumulator_value, eps }, check);

impl Default for AdaGradRule {
    fn default() -> Self {
        Self { lr_decay: 0.0, initial_accumulator_value: 0.0, eps: 1e-10 }
    }
}

impl AdaGrad {
    /// The optimizer with the given learning rate; PyTorch's default is 0.01.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(AdaGradRule::default(), learning_rate)
    }

    /// How fast the learning rate falls by itself, at least 0. Default 0.
    #[must_use]
    pub fn lr_decay(mut self, lr_decay: f64) -> Self {
        self.rule.lr_decay = lr_decay;
        self
    }

    /// What the sum of squares begins with, at least 0. Default 0.
    #[must_use]
    pub fn initial_accumulator_value(mut self, value: f64) -> Self {
        self.rule.initial_accumulator_value = value;
        self
    }

    /// Added to the denominator, above 0. Default 1e-10.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }
}

impl UpdateRule for AdaGradRule {
    fn name(&self) -> &'static str {
        "AdaGrad"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("AdaGrad", "lr_decay", self.lr_decay)?;
        not_negative("AdaGrad", "initial_accumulator_value", self.initial_accumulator_value)?;
        positive("AdaGrad", "eps", self.eps)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(&["sum"])
    }

    fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        filled(param, &["sum"], self.initial_accumulator_value)
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn group_settings(&self) -> &'static [&'static str] {
        &["eps"]
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let [sum] = state else { return Err(bug!("AdaGrad", "{} tensors of state", state.len())) };
        let rule = fused::AdaGrad {
            lr: step.learning_rate,
            lr_decay: self.lr_decay,
            eps: step.eps.unwrap_or(self.eps),
            weight_decay: step.weight_decay,
            step: step.number,
        };
        fused::update(&fused::Rule::AdaGrad(rule), Parameter::new(param.value_mut()), grad, [Some(sum), None, None])
    }
}
