//! LARS.

use super::lamb::trust;
use super::options::{below_one, not_negative, positive};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::autograd::pause_recording;
use crate::config::configurable;
use crate::error::{Error, Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// LARS (You et al., 2017): [`Sgd`](super::Sgd) with momentum, whose steps are scaled so that each parameter moves by the same
/// part of its own length. For batches of thousands of pictures.
///
/// With gradient `g`, and velocity `v`, which begins as 0:
///
/// ```text
/// u ← g + weight_decay · p
/// v ← momentum · v + lr · trust_coefficient · ‖p‖ / (‖u‖ + eps) · u
/// p ← p − v                            or, with Nesterov,  p − (lr · … · u + momentum · v)
/// ```
///
/// The factor of `lr · u` is 1 where one of the norms is 0. PyTorch has no such optimizer; formula and defaults are those of
/// `optax.lars`. The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Lars;
///
/// let opt = Lars::new(1.0).momentum(0.9).weight_decay(1e-4).decay_matrices_only().trust_matrices_only(true);
/// ```
#[doc(alias = "LARS")]
pub type Lars = Stepper<LarsRule>;

/// The update rule of [`Lars`].
#[derive(Debug, Clone, PartialEq)]
pub struct LarsRule {
    momentum: f64,
    nesterov: bool,
    trust_coefficient: f64,
    eps: f64,
    matrices_only: bool,
}

impl Default for LarsRule {
    fn default() -> Self {
        Self { momentum: 0.9, nesterov: false, trust_coefficient: 1e-3, eps: 0.0, matrices_only: false }
    }
}

configurable!(LarsRule { momentum, nesterov, trust_coefficient, eps, matrices_only as "trust_matrices_only" } = Self::default(), check);

impl Lars {
    /// The optimizer with the given learning rate, and a momentum of 0.9.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(LarsRule::default(), learning_rate)
    }

    /// How much of its velocity a parameter keeps from step to step: at least 0, less than 1. Default 0.9.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// Whether to look ahead along the velocity. Needs momentum. Default false.
    #[must_use]
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.rule.nesterov = nesterov;
        self
    }

    /// The part of its length by which a parameter moves at a rate of 1, above 0. Default 1e-3.
    #[must_use]
    pub fn trust_coefficient(mut self, coefficient: f64) -> Self {
        self.rule.trust_coefficient = coefficient;
        self
    }

    /// Added to the norm of the gradient, at least 0. Default 0.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }

    /// Whether parameters with fewer than two dimensions, biases and the scales of norms, take steps that are not scaled. Default
    /// false.
    #[must_use]
    pub fn trust_matrices_only(mut self, matrices_only: bool) -> Self {
        self.rule.matrices_only = matrices_only;
        self
    }
}

impl LarsRule {
    fn names(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["momentum_buffer"] }
    }
}

impl UpdateRule for LarsRule {
    fn name(&self) -> &'static str {
        "Lars"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("Lars", "momentum", self.momentum)?;
        positive("Lars", "trust_coefficient", self.trust_coefficient)?;
        not_negative("Lars", "eps", self.eps)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::argument("Lars", "nesterov without momentum").with_help("0.9 is the usual momentum"));
        }
        Ok(())
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(self.names())
    }

    fn group_settings(&self) -> &'static [&'static str] {
        &["eps"]
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
        let _unrecorded = pause_recording();
        if state.len() != self.names().len() {
            return Err(bug!("Lars", "{} tensors of state", state.len()));
        }
        let p = param.detach().packed();
        let u = grad.detach().add_alpha(&p, step.weight_decay)?;
        let is_plain = self.matrices_only && param.rank() < 2;
        let eps = step.eps.unwrap_or(self.eps);
        let trust = if is_plain { 1.0 } else { trust(&p, &u, self.trust_coefficient, eps) };
        let sgd = fused::Sgd {
            lr: 1.0,
            momentum: self.momentum,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: self.nesterov,
            first: step.number == 1,
        };
        let parameter = Parameter::new(param.value_mut());
        let scaled = u.mul_scalar(step.learning_rate * trust);
        fused::update(&fused::Rule::Sgd(sgd), parameter, &scaled, [state.first_mut(), None, None])
    }
}
