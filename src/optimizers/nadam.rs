//! NAdam.

use super::options::{below_one, not_negative, positive};
use super::rule::{StepInfo, UpdateRule, filled};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// NAdam (Dozat, 2016): [`Adam`](super::Adam) with Nesterov's momentum, which looks one step ahead.
///
/// With gradient `g`, plus `weight_decay · p` if there is one, at step `t`:
///
/// ```text
/// μₜ = β₁ · (1 − 0.96^(t · momentum_decay) / 2)          M ← M · μₜ
/// m ← β₁ · m + (1 − β₁) · g
/// v ← β₂ · v + (1 − β₂) · g²           v̂ = v / (1 − β₂ᵗ)
/// p ← p − lr · ((1 − μₜ) · g / (1 − M) + μₜ₊₁ · m / (1 − M · μₜ₊₁)) / (√v̂ + eps)
/// ```
///
/// The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::NAdam;
///
/// let opt = NAdam::new(2e-3).betas(0.9, 0.99).decoupled_weight_decay(true).weight_decay(0.01);
/// ```
#[doc(alias = "Nadam")]
pub type NAdam = Stepper<NAdamRule>;

/// The update rule of [`NAdam`].
#[derive(Debug, Clone, PartialEq)]
pub struct NAdamRule {
    betas: (f64, f64),
    eps: f64,
    momentum_decay: f64,
    decoupled: bool,
}

impl Default for NAdamRule {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, momentum_decay: 4e-3, decoupled: false }
    }
}

configurable!(
    NAdamRule { betas, eps, momentum_decay, decoupled as "decoupled_weight_decay" } = Self::default(),
    check
);

impl NAdam {
    /// The optimizer with the given learning rate; PyTorch's default is 2e-3.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(NAdamRule::default(), learning_rate)
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

    /// How fast the momentum grows from `β₁ / 2` towards `β₁`, at least 0. Default 4e-3.
    #[must_use]
    pub fn momentum_decay(mut self, decay: f64) -> Self {
        self.rule.momentum_decay = decay;
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

const NAMES: &[&str] = &["exp_avg", "exp_avg_sq", "mu_product"];

impl UpdateRule for NAdamRule {
    fn name(&self) -> &'static str {
        "NAdam"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("NAdam", "beta1", self.betas.0)?;
        below_one("NAdam", "beta2", self.betas.1)?;
        positive("NAdam", "eps", self.eps)?;
        not_negative("NAdam", "momentum_decay", self.momentum_decay)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(NAMES)
    }

    fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        let mut state = filled(param, &NAMES[..2], 0.0)?;
        state.push((NAMES[2], Tensor::from_vec(vec![1.0f64], [])?));
        Ok(state)
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
        let [m, v, product] = state else { return Err(bug!("NAdam", "{} tensors of state", state.len())) };
        let (beta1, beta2) = step.betas.unwrap_or(self.betas);
        let (lr, t) = (step.learning_rate, step.number as f64);
        let momentum = |t: f64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t * self.momentum_decay));
        let (now, next) = (momentum(t), momentum(t + 1.0));
        let so_far = product.item()? * now;
        *product = Tensor::from_vec(vec![so_far], [])?;
        let (added, shrink) = step.decay(self.decoupled);
        let rule = fused::Moments {
            beta1,
            beta2,
            of_average: lr * next / (1.0 - so_far * next),
            of_gradient: lr * (1.0 - now) / (1.0 - so_far),
            root_scale: Some((1.0 - beta2.powf(t)).sqrt().recip()),
            eps: step.eps.unwrap_or(self.eps),
            weight_decay: added,
            shrink,
        };
        let parameter = Parameter::new(param.value_mut());
        fused::update(&fused::Rule::Moments(rule), parameter, grad, [Some(m), Some(v), None])
    }
}
