//! Adam and AdamW.

use super::options::{below_one, positive};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Adam (Kingma and Ba, 2015): each parameter moves by about the learning rate, in the direction of its average gradient.
///
/// With gradient `g`, plus `weight_decay · p` if there is one, at step `t`:
///
/// ```text
/// m ← β₁ · m + (1 − β₁) · g            m̂ = m / (1 − β₁ᵗ)
/// v ← β₂ · v + (1 − β₂) · g²           v̂ = v / (1 − β₂ᵗ)
/// p ← p − lr · m̂ / (√v̂ + eps)
/// ```
///
/// With [`amsgrad`](Stepper::amsgrad), `v̂` is made of the largest `v` so far. The options of all optimizers are those
/// of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Adam;
///
/// let opt = Adam::new(1e-3).betas(0.9, 0.99).eps(1e-6);
/// ```
pub type Adam = Stepper<AdamRule<false>>;

/// AdamW (Loshchilov and Hutter, 2019): [`Adam`] with a weight decay of its own, apart from the gradient.
///
/// Each step first takes `p ← p − lr · weight_decay · p`, then Adam's step. The default weight decay is 0.01; it is
/// usually kept off biases and norms.
///
/// ```
/// use demotic::optimizers::AdamW;
///
/// let opt = AdamW::new(3e-4).weight_decay(0.1).no_decay("*.bias");
/// ```
pub type AdamW = Stepper<AdamRule<true>>;

/// The update rule of [`Adam`] and, with decoupled weight decay, of [`AdamW`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamRule<const DECOUPLED: bool> {
    betas: (f64, f64),
    eps: f64,
    amsgrad: bool,
}

configurable!([const DECOUPLED: bool] AdamRule<DECOUPLED> { betas, eps, amsgrad } = Self::default(), check);

impl<const DECOUPLED: bool> Default for AdamRule<DECOUPLED> {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, amsgrad: false }
    }
}

impl<const DECOUPLED: bool> Stepper<AdamRule<DECOUPLED>> {
    /// The optimizer with the given learning rate; 1e-3 is the usual one.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(AdamRule::default(), learning_rate)
    }

    /// How much the averages of the gradient and of its square keep from step to step: each at least 0, less
    /// than 1. Default 0.9 and 0.999.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.betas = (beta1, beta2);
        self
    }

    /// Added to the denominator, above 0: parameters with smaller gradients move less. Default 1e-8.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }

    /// Whether to divide by the largest average so far, so that steps never grow (Reddi et al., 2018). Default false.
    #[must_use]
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.rule.amsgrad = amsgrad;
        self
    }
}

impl<const DECOUPLED: bool> AdamRule<DECOUPLED> {
    fn names(&self) -> &'static [&'static str] {
        if self.amsgrad { &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] } else { &["exp_avg", "exp_avg_sq"] }
    }
}

impl<const DECOUPLED: bool> UpdateRule for AdamRule<DECOUPLED> {
    fn name(&self) -> &'static str {
        if DECOUPLED { "AdamW" } else { "Adam" }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one(self.name(), "beta1", self.betas.0)?;
        below_one(self.name(), "beta2", self.betas.1)?;
        positive(self.name(), "eps", self.eps)
    }

    fn default_weight_decay(&self) -> f64 {
        if DECOUPLED { 0.01 } else { 0.0 }
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(self.names())
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
        let count = state.len();
        let ([m, v, v_max @ ..], true) = (state, count == self.names().len()) else {
            return Err(bug!(self.name(), "{count} tensors of state"));
        };
        let (beta1, beta2) = step.betas.unwrap_or(self.betas);
        let rule = fused::Adam {
            lr: step.learning_rate,
            beta1,
            beta2,
            eps: step.eps.unwrap_or(self.eps),
            weight_decay: step.weight_decay,
            decoupled: DECOUPLED,
            step: step.number,
        };
        let parameter = Parameter::new(param.value_mut());
        fused::update(&fused::Rule::Adam(rule), parameter, grad, [Some(m), Some(v), v_max.first_mut()])
    }
}
