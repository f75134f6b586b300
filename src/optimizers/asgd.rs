//! Averaged stochastic gradient descent.

use super::options::not_negative;
use super::rule::{StepInfo, UpdateRule};
use super::stepper::Stepper;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Averaged stochastic gradient descent (Polyak and Juditsky, 1992), with the rates of Bottou: steps that get shorter, and an
/// average of the parameters from step `t0` on.
///
/// With gradient `g`, plus `weight_decay · p` if there is one, at step `t`:
///
/// ```text
/// η = lr / (1 + lambd · lr · (t − 1))^alpha
/// p ← p · (1 − lambd · η) − η · g
/// a ← a + (p − a) / max(1, t − 1 − t0)
/// ```
///
/// The average is in the state, under PyTorch's name `ax`; [`Averaged`](super::Averaged) puts averages of any optimizer into the
/// model. Where a schedule changes the rate, PyTorch's step still has the one before. The options of all optimizers are those
/// of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Asgd;
/// use demotic::prelude::*;
///
/// let mut model = Linear::new(2, 1, &mut Rng::seed(0))?;
/// let mut opt = Asgd::new(0.1).t0(10.0);
/// for _ in 0..30 {
///     let loss = model.forward(&tensor![[1.0, 2.0]], &mut Mode::eval())?.square().mean();
///     opt.step(&mut model, &loss.backward()?)?;
/// }
/// let state = opt.state();
/// model.weight.set(&state.parameters["weight"].tensors["ax"])?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "ASGD")]
pub type Asgd = Stepper<AsgdRule>;

/// The update rule of [`Asgd`].
#[derive(Debug, Clone, PartialEq)]
pub struct AsgdRule {
    lambd: f64,
    alpha: f64,
    t0: f64,
}

configurable!(AsgdRule { lambd, alpha, t0 } = Self { lambd: 1e-4, alpha: 0.75, t0: 1e6 }, check);

impl Asgd {
    /// The optimizer with the given learning rate; PyTorch's default is 0.01.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(AsgdRule { lambd: 1e-4, alpha: 0.75, t0: 1e6 }, learning_rate)
    }

    /// How fast the rate falls, and how strongly parameters are pulled towards zero: at least 0. Default 1e-4.
    #[must_use]
    pub fn lambd(mut self, lambd: f64) -> Self {
        self.rule.lambd = lambd;
        self
    }

    /// The power with which the rate falls, at least 0. Default 0.75.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.rule.alpha = alpha;
        self
    }

    /// The step from which on parameters are averaged, at least 0. Default 1e6.
    #[must_use]
    pub fn t0(mut self, t0: f64) -> Self {
        self.rule.t0 = t0;
        self
    }
}

impl UpdateRule for AsgdRule {
    fn name(&self) -> &'static str {
        "Asgd"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("Asgd", "lambd", self.lambd)?;
        not_negative("Asgd", "alpha", self.alpha)?;
        not_negative("Asgd", "t0", self.t0)
    }

    fn state_names(&self) -> Option<&'static [&'static str]> {
        Some(&["ax"])
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let [average] = state else { return Err(bug!("Asgd", "{} tensors of state", state.len())) };
        let (lr, before) = (step.learning_rate, (step.number - 1) as f64);
        let eta = lr / (1.0 + self.lambd * lr * before).powf(self.alpha);
        let rule = fused::Asgd {
            eta,
            shrink: 1.0 - self.lambd * eta,
            mu: (before - self.t0).max(1.0).recip(),
            weight_decay: step.weight_decay,
        };
        fused::update(&fused::Rule::Asgd(rule), Parameter::new(param.value_mut()), grad, [Some(average), None, None])
    }
}
