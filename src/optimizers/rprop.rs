//! Rprop.

use super::options::{check, positive};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Error, Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Rprop (Riedmiller and Braun, 1993): each parameter has a step length of its own, which grows while the sign of its gradient
/// stays the same. Of the gradient, only the sign counts. For the whole data at once: on batches, signs change by chance.
///
/// With gradient `g`, and that of the step before, `h`:
///
/// ```text
/// g · h > 0:   s ← min(s · eta_plus, max_step)
/// g · h < 0:   s ← max(s · eta_minus, min_step),   g ← 0
/// p ← p − s · sign(g)
/// ```
///
/// The learning rate is the first step length; later changes of it have no effect. The options of all optimizers are those of
/// [`Stepper`].
///
/// ```
/// use demotic::optimizers::Rprop;
///
/// let opt = Rprop::new(0.01).etas(0.5, 1.2).step_sizes(1e-6, 1.0);
/// ```
pub type Rprop = Stepper<RpropRule>;

/// The update rule of [`Rprop`].
#[derive(Debug, Clone, PartialEq)]
pub struct RpropRule {
    eta_minus: f64,
    eta_plus: f64,
    min_step: f64,
    max_step: f64,
}

configurable!(
    RpropRule { eta_minus, eta_plus, min_step, max_step } =
        Self { eta_minus: 0.5, eta_plus: 1.2, min_step: 1e-6, max_step: 50.0 },
    check
);

impl Rprop {
    /// The optimizer with the given first step length; PyTorch's default is 0.01.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(RpropRule { eta_minus: 0.5, eta_plus: 1.2, min_step: 1e-6, max_step: 50.0 }, learning_rate)
    }

    /// The factors by which steps get shorter and longer: above 0 and less than 1, and above 1. Default 0.5 and 1.2.
    #[must_use]
    pub fn etas(mut self, minus: f64, plus: f64) -> Self {
        (self.rule.eta_minus, self.rule.eta_plus) = (minus, plus);
        self
    }

    /// The shortest and the longest step, above 0. Default 1e-6 and 50.
    #[must_use]
    pub fn step_sizes(mut self, min: f64, max: f64) -> Self {
        (self.rule.min_step, self.rule.max_step) = (min, max);
        self
    }
}

const NAMES: &[&str] = &["prev", "step_size"];

impl UpdateRule for RpropRule {
    fn name(&self) -> &'static str {
        "Rprop"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let (minus, plus) = (self.eta_minus, self.eta_plus);
        check(minus > 0.0 && minus < 1.0, "Rprop", "eta_minus", minus, "above 0 and less than 1")?;
        check(plus > 1.0 && plus.is_finite(), "Rprop", "eta_plus", plus, "a finite number above 1")?;
        positive("Rprop", "the shortest step", self.min_step)?;
        positive("Rprop", "the longest step", self.max_step)?;
        if self.min_step > self.max_step {
            let message = format!("the shortest step {} is above the longest one {}", self.min_step, self.max_step);
            return Err(Error::argument("Rprop", message));
        }
        Ok(())
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(NAMES)
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let [earlier, size] = state else { return Err(bug!("Rprop", "{} tensors of state", state.len())) };
        if step.number == 1 {
            *size = size.full_like(step.learning_rate);
        }
        let rule = fused::Rprop {
            eta_minus: self.eta_minus,
            eta_plus: self.eta_plus,
            min_step: self.min_step,
            max_step: self.max_step,
            weight_decay: step.weight_decay,
        };
        let parameter = Parameter::new(param.value_mut());
        fused::update(&fused::Rule::Rprop(rule), parameter, grad, [Some(earlier), Some(size), None])
    }
}
