//! Muon.

use serde::{Deserialize, Serialize};

use super::options::{below_one, not_negative, positive};
use super::rule::{StepInfo, UpdateRule, filled, length};
use super::stepper::Stepper;
use super::{Optimizer, problem};
use crate::autograd::pause_recording;
use crate::config::configurable;
use crate::error::{Error, Result, bug};
use crate::layers::{Param, matches};
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Parameter};

/// Muon (Jordan et al., 2024): momentum whose steps are made orthogonal, so that a matrix changes by the same amount in all
/// directions.
///
/// With gradient `g` and average `m`:
///
/// ```text
/// m ← momentum · m + (1 − momentum) · g
/// u ← (1 − momentum) · g + momentum · m    with Nesterov's momentum, else  m
/// O ← the orthogonal matrix that is nearest to u, roughly
/// p ← p · (1 − lr · weight_decay) − lr · √max(1, rows / columns) · O
/// ```
///
/// `O` comes of a few rounds of the iteration of Newton and Schulz, `X ← a X + (b A + c A²) X` with `A = X Xᵀ`. Formula and
/// defaults are those of `torch.optim.Muon`; the iteration is computed in the type of the parameter, where PyTorch rounds to
/// bfloat16.
///
/// **Only matrices** are trained like that; other parameters are an error, unless [`adamw`](Self::adamw) says that they are
/// trained by [`AdamW`](super::AdamW). Embeddings and the last layer usually are, too: [`adamw_for`](Self::adamw_for).
///
/// ```
/// use demotic::optimizers::{Muon, Optimizer};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(3, 8, &mut rng)?, Relu, Linear::new(8, 1, &mut rng)?];
/// // The weight of the first layer by Muon; its bias, and the last layer, by AdamW with a rate of 1e-3.
/// let mut opt = Muon::new(0.02).weight_decay(0.01).adamw(1e-3).adamw_for("2.*");
/// # let loss = model.forward(&tensor![[1.0, 2.0, 3.0]], &mut Mode::eval())?.square().mean();
/// # opt.step(&mut model, &loss.backward()?)?;
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// The `betas` and the `eps` of a [`Group`](super::Group) are those of AdamW.
pub type Muon = Stepper<MuonRule>;

/// The update rule of [`Muon`].
#[derive(Debug, Clone, PartialEq)]
pub struct MuonRule {
    momentum: f64,
    nesterov: bool,
    coefficients: [f64; 3],
    eps: f64,
    steps: u32,
    adjust_lr: AdjustLr,
    /// The learning rate of the parameters that AdamW trains, as a multiple of that of the others.
    adamw: Option<f64>,
    adamw_betas: (f64, f64),
    patterns: Vec<String>,
}

impl Default for MuonRule {
    fn default() -> Self {
        Self {
            momentum: 0.95,
            nesterov: true,
            coefficients: [3.4445, -4.775, 2.0315],
            eps: 1e-7,
            steps: 5,
            adjust_lr: AdjustLr::Original,
            adamw: None,
            adamw_betas: (0.9, 0.95),
            patterns: Vec::new(),
        }
    }
}

configurable!(
    MuonRule {
        momentum, nesterov, coefficients as "ns_coefficients", eps, steps as "ns_steps", adjust_lr, adamw as "adamw_scale",
        adamw_betas, patterns as "adamw_for"
    } = Self::default(),
    check
);

/// Added to the denominator of AdamW.
const ADAMW_EPS: f64 = 1e-8;

/// What the steps of [`Muon`] are multiplied by besides the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdjustLr {
    /// `√max(1, rows / columns)`
    Original,
    /// `0.2 · √max(rows, columns)`: steps as long as those of AdamW, so that its rates can be kept.
    #[serde(rename = "match_rms_adamw")]
    MatchRmsAdamW,
    /// `√(rows / columns)`
    SpectralUnclamped,
}

impl AdjustLr {
    fn of(self, rows: usize, columns: usize) -> f64 {
        let (rows, columns) = (rows as f64, columns as f64);
        match self {
            Self::Original => (rows / columns).max(1.0).sqrt(),
            Self::MatchRmsAdamW => 0.2 * rows.max(columns).sqrt(),
            Self::SpectralUnclamped => (rows / columns).sqrt(),
        }
    }
}

impl Muon {
    /// The optimizer with the given learning rate, and a weight decay of 0.1. PyTorch's default is 1e-3; without
    /// [`AdjustLr::MatchRmsAdamW`], 0.02 is usual.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(MuonRule::default(), learning_rate)
    }

    /// How much the average of gradients keeps from step to step: at least 0, less than 1. Default 0.95.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// Whether to look ahead along the average. Default true.
    #[must_use]
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.rule.nesterov = nesterov;
        self
    }

    /// The coefficients `a`, `b` and `c` of the iteration. Default 3.4445, -4.775 and 2.0315.
    #[must_use]
    pub fn ns_coefficients(mut self, coefficients: [f64; 3]) -> Self {
        self.rule.coefficients = coefficients;
        self
    }

    /// The rounds of the iteration, less than 100. Default 5.
    #[must_use]
    pub fn ns_steps(mut self, steps: u32) -> Self {
        self.rule.steps = steps;
        self
    }

    /// The least norm that the iteration divides by, above 0. Default 1e-7.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.rule.eps = eps;
        self
    }

    /// What steps are multiplied by besides the learning rate, which depends on the shape of the matrix. Default
    /// [`AdjustLr::Original`].
    #[doc(alias = "adjust_lr_fn")]
    #[must_use]
    pub fn adjust_lr(mut self, by: AdjustLr) -> Self {
        self.rule.adjust_lr = by;
        self
    }

    /// Trains parameters that are no matrices by [`AdamW`](super::AdamW) with this learning rate, the
    /// [betas](Self::adamw_betas) 0.9 and 0.95, and the weight decay of the optimizer. A schedule changes both rates in the same proportion.
    #[must_use]
    pub fn adamw(mut self, learning_rate: f64) -> Self {
        self.rule.adamw = Some(learning_rate / self.learning_rate());
        self
    }

    /// Trains matrices whose path matches `pattern` by AdamW as well. Needs [`adamw`](Self::adamw).
    #[must_use]
    pub fn adamw_for(mut self, pattern: impl Into<String>) -> Self {
        self.rule.patterns.push(pattern.into());
        self
    }

    /// The betas of AdamW, of parameters that are trained by it. Default 0.9 and 0.95.
    #[must_use]
    pub fn adamw_betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.adamw_betas = (beta1, beta2);
        self
    }
}

impl MuonRule {
    /// Whether a parameter is one of AdamW's.
    fn is_other(&self, path: &str, param: &Param) -> bool {
        param.rank() != 2 || self.patterns.iter().any(|pattern| matches(pattern, path))
    }

    /// The nearest orthogonal matrix, roughly.
    #[track_caller]
    fn orthogonal(&self, u: &Tensor) -> Result<Tensor> {
        let is_tall = matches!(u.shape(), [rows, columns] if rows > columns);
        let x = if is_tall { u.t() } else { u.clone() };
        let mut x = x.mul_scalar(length(&u.packed()).max(self.eps).recip());
        let [a, b, c] = self.coefficients;
        for _ in 0..self.steps {
            let gram = x.matmul(&x.t())?;
            let factor = gram.mul_scalar(b).add_alpha(&gram.matmul(&gram)?, c)?;
            x = x.mul_scalar(a).add(&factor.matmul(&x)?)?;
        }
        Ok(if is_tall { x.t() } else { x })
    }
}

impl UpdateRule for MuonRule {
    fn name(&self) -> &'static str {
        "Muon"
    }

    fn default_weight_decay(&self) -> f64 {
        0.1
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        below_one("Muon", "momentum", self.momentum)?;
        positive("Muon", "eps", self.eps)?;
        if let Some(bad) = self.coefficients.iter().find(|c| !c.is_finite()) {
            return Err(Error::argument("Muon", format!("a coefficient is {bad}, expected finite numbers")));
        }
        if self.steps >= 100 {
            return Err(Error::argument("Muon", format!("ns_steps is {}, expected less than 100", self.steps)));
        }
        let (beta1, beta2) = self.adamw_betas;
        below_one("Muon", "beta1 of AdamW", beta1)?;
        below_one("Muon", "beta2 of AdamW", beta2)?;
        match self.adamw {
            Some(scale) => not_negative("Muon", "the learning rate of AdamW, as a multiple of the other one,", scale),
            None if self.patterns.is_empty() => Ok(()),
            None => Err(Error::argument("Muon", format!("adamw_for(\"{}\") without adamw", self.patterns[0]))
                .with_help("adamw(1e-3) says with which rate")),
        }
    }

    fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        self.init_at("", param)
    }

    #[track_caller]
    fn init_at(&self, path: &str, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        match (self.is_other(path, param), self.adamw) {
            (false, _) => filled(param, &["momentum_buffer"], 0.0),
            (true, Some(_)) => filled(param, &["exp_avg", "exp_avg_sq"], 0.0),
            (true, None) => {
                let message = format!("{} has shape {:?}, and is no matrix", problem::quoted(path), param.shape());
                Err(Error::parameter("Muon", message)
                    .with_help("adamw(1e-3) trains by AdamW, with that rate, what is no matrix"))
            }
        }
    }

    fn state_names_at(&self, path: &str, param: &Param) -> Option<&'static [&'static str]> {
        Some(if self.is_other(path, param) { &["exp_avg", "exp_avg_sq"] } else { &["momentum_buffer"] })
    }

    fn group_settings(&self) -> &'static [&'static str] {
        &["betas", "eps"]
    }

    fn set_momentum(&mut self, momentum: f64) -> bool {
        self.momentum = momentum;
        true
    }

    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()> {
        let _unrecorded = pause_recording();
        match (state, self.adamw) {
            ([m, v], Some(scale)) => {
                let (beta1, beta2) = step.betas.unwrap_or(self.adamw_betas);
                let rule = fused::Adam {
                    lr: step.learning_rate * scale,
                    beta1,
                    beta2,
                    eps: step.eps.unwrap_or(ADAMW_EPS),
                    weight_decay: step.weight_decay,
                    decoupled: true,
                    step: step.number,
                };
                let parameter = Parameter::new(param.value_mut());
                fused::update(&fused::Rule::Adam(rule), parameter, grad, [Some(m), Some(v), None])
            }
            ([m], _) => {
                let grad = grad.detach();
                *m = m.add_alpha(&grad.sub(m)?, 1.0 - self.momentum)?;
                let u = if self.nesterov { grad.add_alpha(&m.sub(&grad)?, self.momentum)? } else { m.clone() };
                let &[rows, columns] = param.shape() else {
                    return Err(bug!("Muon", "a parameter of shape {:?}", param.shape()));
                };
                if param.is_empty() {
                    return Ok(());
                }
                let (_, shrink) = step.decay(true);
                let by = -step.learning_rate * self.adjust_lr.of(rows, columns);
                let new = param.detach().mul_scalar(shrink).add_alpha(&self.orthogonal(&u)?, by)?;
                param.set(&new.packed())
            }
            (state, _) => Err(bug!("Muon", "{} tensors of state", state.len())),
        }
    }
}
