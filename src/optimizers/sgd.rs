//! Stochastic gradient descent.

use super::options::{below_one, fraction};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Error, Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Stochastic gradient descent, with momentum (Polyak, 1964) in Nesterov's form (1983) if wanted.
///
/// With gradient `g`, plus `weight_decay · p` if there is one, and velocity `v`, which is `g` at the first step:
///
/// ```text
/// v ← momentum · v + (1 − dampening) · g
/// p ← p − lr · v                      or, with Nesterov,  p − lr · (g + momentum · v)
/// ```
///
/// The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Sgd;
///
/// let plain = Sgd::new(0.1);
/// let opt = Sgd::new(0.01).momentum(0.9).nesterov(true).weight_decay(1e-4).clip_norm(1.0);
/// ```
pub type Sgd = Stepper<SgdRule>;

/// The update rule of [`Sgd`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SgdRule {
    momentum: f64,
    dampening: f64,
    nesterov: bool,
}

configurable!(SgdRule { momentum, dampening, nesterov }, check);

impl Sgd {
    /// Gradient descent with the given learning rate, without momentum.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(SgdRule::default(), learning_rate)
    }

    /// How much of its velocity a parameter keeps from step to step: at least 0, less than 1. Default 0.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// How much of each gradient is kept out of the velocity: 0 to 1. Default 0. The first gradient enters in full.
    #[must_use]
    pub fn dampening(mut self, dampening: f64) -> Self {
        self.rule.dampening = dampening;
        self
    }

    /// Whether to look ahead along the velocity. Needs momentum, and no dampening. Default false.
    #[must_use]
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.rule.nesterov = nesterov;
        self
    }
}

impl SgdRule {
    fn names(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["momentum_buffer"] }
    }
}

impl UpdateRule for SgdRule {
    fn name(&self) -> &'static str {
        "Sgd"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("Sgd", "momentum", self.momentum)?;
        fraction("Sgd", "dampening", self.dampening)?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let message = format!("nesterov with momentum {} and dampening {}", self.momentum, self.dampening);
            return Err(Error::argument("Sgd", message).with_help("it needs momentum, such as 0.9, and no dampening"));
        }
        Ok(())
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(self.names())
    }

    fn can_fail(&self) -> bool {
        false
    }

    /// Without momentum, there is no room for it in the state.
    fn set_momentum(&mut self, momentum: f64) -> bool {
        let has_one = self.momentum != 0.0;
        if has_one {
            self.momentum = momentum;
        }
        has_one
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        if state.len() != self.names().len() {
            return Err(bug!("Sgd", "{} tensors of state", state.len()));
        }
        let rule = fused::Sgd {
            lr: step.learning_rate,
            momentum: self.momentum,
            dampening: self.dampening,
            weight_decay: step.weight_decay,
            nesterov: self.nesterov,
            first: step.number == 1,
        };
        let parameter = Parameter::new(param.value_mut());
        fused::update(&fused::Rule::Sgd(rule), parameter, grad, [state.first_mut(), None, None])
    }
}
