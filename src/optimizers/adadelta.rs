//! Adadelta.

use super::options::{fraction, positive};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Adadelta (Zeiler, 2012): gradients divided by the root of their mean square, and multiplied by that of the steps so far. It
/// needs no learning rate; 1 leaves the method as it is.
///
/// With gradient `g`, plus `weight_decay · p` if there is one:
///
/// ```text
/// s ← rho · s + (1 − rho) · g²
/// d = √(a + eps) / √(s + eps) · g
/// a ← rho · a + (1 − rho) · d²
/// p ← p − lr · d
/// ```
///
/// The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Adadelta;
///
/// let opt = Adadelta::new(1.0).rho(0.95);
/// ```
#[doc(alias = "AdaDelta")]
pub type Adadelta = Stepper<AdadeltaRule>;

/// The update rule of [`Adadelta`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdadeltaRule {
    rho: f64,
    eps: f64,
}

configurable!(AdadeltaRule { rho, eps } = Self { rho: 0.9, eps: 1e-6 }, check);

impl Adadelta {
    /// The optimizer with the given factor of its steps; 1 is PyTorch's default.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(AdadeltaRule { rho: 0.9, eps: 1e-6 }, learning_rate)
    }

    /// How much the averages keep from step to step: at least 0, at most 1. Default 0.9.
    #[must_use]
    pub fn rho(mut self, rho: f64) -> Self {
        self.rule.rho = rho;
        self
    }

    /// Added below both roots, above 0; the first steps depend on it. Default 1e-6.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }
}

const NAMES: &[&str] = &["square_avg", "acc_delta"];

impl UpdateRule for AdadeltaRule {
    fn name(&self) -> &'static str {
        "Adadelta"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        fraction("Adadelta", "rho", self.rho)?;
        positive("Adadelta", "eps", self.eps)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(NAMES)
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn group_settings(&self) -> &'static [&'static str] {
        &["eps"]
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let [square, deltas] = state else { return Err(bug!("Adadelta", "{} tensors of state", state.len())) };
        let rule = fused::Adadelta {
            lr: step.learning_rate,
            rho: self.rho,
            eps: step.eps.unwrap_or(self.eps),
            weight_decay: step.weight_decay,
        };
        let parameter = Parameter::new(param.value_mut());
        fused::update(&fused::Rule::Adadelta(rule), parameter, grad, [Some(square), Some(deltas), None])
    }
}
