//! RMSprop.

use super::options::{below_one, positive};
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// RMSprop (Hinton, 2012): gradients divided by the root of their mean square.
///
/// With gradient `g`, plus `weight_decay · p` if there is one:
///
/// ```text
/// s ← alpha · s + (1 − alpha) · g²
/// p ← p − lr · g / (√s + eps)
/// ```
///
/// With [`centered`](Stepper::centered) (Graves, 2013), the square of the average gradient is taken off `s`; with
/// momentum, the quotient enters a velocity as in [`Sgd`](super::Sgd). The options of all optimizers are those of
/// [`Stepper`].
///
/// ```
/// use demotic::optimizers::RmsProp;
///
/// let opt = RmsProp::new(1e-3).alpha(0.9).momentum(0.9).centered(true);
/// ```
#[doc(alias = "RMSprop")]
pub type RmsProp = Stepper<RmsPropRule>;

/// The update rule of [`RmsProp`].
#[derive(Debug, Clone, PartialEq)]
pub struct RmsPropRule {
    alpha: f64,
    eps: f64,
    momentum: f64,
    centered: bool,
}

configurable!(RmsPropRule { alpha, eps, momentum, centered }, check);

impl Default for RmsPropRule {
    fn default() -> Self {
        Self { alpha: 0.99, eps: 1e-8, momentum: 0.0, centered: false }
    }
}

impl RmsProp {
    /// The optimizer with the given learning rate; PyTorch's default is 0.01.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(RmsPropRule::default(), learning_rate)
    }

    /// How much the average of squares keeps from step to step: at least 0, less than 1. Default 0.99.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.rule.alpha = alpha;
        self
    }

    /// Added to the denominator, above 0. Default 1e-8.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }

    /// How much of its velocity a parameter keeps from step to step: at least 0, less than 1. Default 0.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// Whether to divide by the estimated standard deviation of the gradient, instead of its root mean square.
    /// Default false.
    ///
    /// Where the gradient hardly varies, the difference `s − mean²` is mostly rounding error, and steps get very large: a
    /// larger [`eps`](Self::eps), such as 1e-4, keeps them in bounds.
    #[must_use]
    pub fn centered(mut self, centered: bool) -> Self {
        self.rule.centered = centered;
        self
    }
}

impl RmsPropRule {
    fn names(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum != 0.0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        }
    }
}

impl UpdateRule for RmsPropRule {
    fn name(&self) -> &'static str {
        "RmsProp"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("RmsProp", "alpha", self.alpha)?;
        below_one("RmsProp", "momentum", self.momentum)?;
        positive("RmsProp", "eps", self.eps)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(self.names())
    }

    fn can_fail(&self) -> bool {
        false
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
        let count = state.len();
        let (Some((square, others)), true) = (state.split_first_mut(), count == self.names().len()) else {
            return Err(bug!("RmsProp", "{count} tensors of state"));
        };
        let (mean, velocity) = others.split_at_mut(usize::from(self.centered));
        let rule = fused::RmsProp {
            lr: step.learning_rate,
            alpha: self.alpha,
            eps: step.eps.unwrap_or(self.eps),
            momentum: self.momentum,
            weight_decay: step.weight_decay,
        };
        let parameter = Parameter::new(param.value_mut());
        let state = [Some(square), mean.first_mut(), velocity.first_mut()];
        fused::update(&fused::Rule::RmsProp(rule), parameter, grad, state)
    }
}
