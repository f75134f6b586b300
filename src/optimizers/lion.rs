//! Lion.

use super::options::below_one;
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Lion (Chen et al., 2023): every parameter moves by the learning rate, in the direction of the sign of an average gradient.
/// It remembers one number of each parameter, half of what [`Adam`](super::Adam) does.
///
/// ```text
/// p ← p − lr · (sign(β₁ · m + (1 − β₁) · g) + weight_decay · p)
/// m ← β₂ · m + (1 − β₂) · g
/// ```
///
/// Rates are usually a third to a tenth of those of [`AdamW`](super::AdamW), and weight decays as many times larger. The options
/// of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Lion;
///
/// let opt = Lion::new(1e-4).betas(0.95, 0.98).weight_decay(0.1);
/// ```
pub type Lion = Stepper<LionRule>;

/// The update rule of [`Lion`].
#[derive(Debug, Clone, PartialEq)]
pub struct LionRule {
    betas: (f64, f64),
}

configurable!(LionRule { betas } = Self { betas: (0.9, 0.99) }, check);

impl Lion {
    /// The optimizer with the given learning rate; 1e-4 is the usual one.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(LionRule { betas: (0.9, 0.99) }, learning_rate)
    }

    /// How much of the average, and how much of the average of the next step, is what was before: each at least 0, less than 1.
    /// Default 0.9 and 0.99.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.betas = (beta1, beta2);
        self
    }
}

impl UpdateRule for LionRule {
    fn name(&self) -> &'static str {
        "Lion"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("Lion", "beta1", self.betas.0)?;
        below_one("Lion", "beta2", self.betas.1)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(&["exp_avg"])
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn group_settings(&self) -> &'static [&'static str] {
        &["betas"]
    }

    fn set_momentum(&mut self, momentum: f64) -> bool {
        self.betas.0 = momentum;
        true
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let [m] = state else { return Err(bug!("Lion", "{} tensors of state", state.len())) };
        let (beta1, beta2) = step.betas.unwrap_or(self.betas);
        let rule = fused::Lion { lr: step.learning_rate, beta1, beta2, weight_decay: step.weight_decay };
        fused::update(&fused::Rule::Lion(rule), Parameter::new(param.value_mut()), grad, [Some(m), None, None])
    }
}
