//! Adafactor.

use super::options::{below_one, check, not_negative, positive};
use super::rule::{StepInfo, UpdateRule, length};
use super::stepper::Stepper;
use crate::autograd::pause_recording;
use crate::config::configurable;
use crate::error::{Result, bug};
use crate::layers::Param;
use crate::tensor::{DType, Tensor};

/// Adafactor (Shazeer and Stern, 2018): steps like those of [`Adam`](super::Adam) with hardly any memory. Of the averages of a
/// matrix of squares it remembers those of rows and columns.
///
/// With gradient `g` at step `t`, for the last two dimensions of `p`:
///
/// ```text
/// w = t^beta2_decay
/// r ← r + w · (mean of g² over columns − r)          c ← c + w · (mean of g² over rows − c)
/// v = r cᵀ / max(mean of r, eps₁)                    of vectors, v ← v + w · (g² − v)
/// u = g / √max(v, eps₁²)
/// p ← p · (1 − lr · weight_decay) − min(lr, 1/√t) · max(eps₂, rms(p)) · u / max(1, rms(u) / clip_threshold)
/// ```
///
/// Formula and defaults are PyTorch's. Its `d` is [`clip_threshold`](Self::clip_threshold) here, and there are the
/// options of `transformers`: [`momentum`](Self::momentum), [`scale_parameter`](Self::scale_parameter),
/// [`relative_step`](Self::relative_step). The options of all optimizers are those of [`Stepper`].
///
/// ```
/// use demotic::optimizers::Adafactor;
///
/// let opt = Adafactor::new(0.01);
/// // With a rate and a schedule of one's own, as T5 is fine-tuned.
/// let opt = Adafactor::new(1e-3).scale_parameter(false).relative_step(false);
/// ```
#[doc(alias = "AdaFactor")]
pub type Adafactor = Stepper<AdafactorRule>;

/// The update rule of [`Adafactor`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdafactorRule {
    beta2_decay: f64,
    eps1: Option<f64>,
    eps2: f64,
    clip_threshold: f64,
    momentum: f64,
    scale_parameter: bool,
    relative_step: bool,
}

impl Default for AdafactorRule {
    fn default() -> Self {
        Self {
            beta2_decay: -0.8,
            eps1: None,
            eps2: 1e-3,
            clip_threshold: 1.0,
            momentum: 0.0,
            scale_parameter: true,
            relative_step: true,
        }
    }
}

configurable!(
    AdafactorRule { beta2_decay, eps1, eps2, clip_threshold, momentum, scale_parameter, relative_step } =
        Self::default(),
    check
);

impl Adafactor {
    /// The optimizer with the given learning rate, relative to the size of each parameter; PyTorch's default is 0.01.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(AdafactorRule::default(), learning_rate)
    }

    /// The power of the step with which the weight of new squares falls: not above 0. Default -0.8.
    #[must_use]
    pub fn beta2_decay(mut self, power: f64) -> Self {
        self.rule.beta2_decay = power;
        self
    }

    /// Bounds from below, above 0: the root of that of the squares, and that of the size of a parameter. Default the distance
    /// between 1 and the next number of the type (1.2e-7 in `F32`), and 1e-3.
    #[must_use]
    pub fn eps(mut self, squares: f64, size: f64) -> Self {
        (self.rule.eps1, self.rule.eps2) = (Some(squares), size);
        self
    }

    /// The largest root mean square of a step before it is multiplied by the rate, above 0. Default 1.
    #[doc(alias = "d")]
    #[must_use]
    pub fn clip_threshold(mut self, threshold: f64) -> Self {
        self.rule.clip_threshold = threshold;
        self
    }

    /// How much of the steps before is in each step: at least 0, less than 1. Needs memory for another number of each
    /// parameter. Default 0.
    #[doc(alias = "beta1")]
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// Whether steps are multiplied by the root mean square of their parameter. Default true.
    #[must_use]
    pub fn scale_parameter(mut self, scale: bool) -> Self {
        self.rule.scale_parameter = scale;
        self
    }

    /// Whether the rate is at most `1/√t` at step `t`. Default true.
    #[must_use]
    pub fn relative_step(mut self, relative: bool) -> Self {
        self.rule.relative_step = relative;
        self
    }
}

/// `old + weight · (new − old)`
#[track_caller]
fn lerp(old: &Tensor, new: &Tensor, weight: f64) -> Result<Tensor> {
    old.add_alpha(&new.sub(old)?, weight)
}

/// The root mean square.
fn rms(x: &Tensor) -> f64 {
    if x.is_empty() { 0.0 } else { length(x) / (x.numel() as f64).sqrt() }
}

impl UpdateRule for AdafactorRule {
    fn name(&self) -> &'static str {
        "Adafactor"
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let power = self.beta2_decay;
        check(
            power <= 0.0 && power.is_finite(),
            "Adafactor",
            "beta2_decay",
            power,
            "a finite number that is not above 0",
        )?;
        positive("Adafactor", "the eps of squares", self.eps1.unwrap_or(1.0))?;
        not_negative("Adafactor", "the eps of sizes", self.eps2)?;
        positive("Adafactor", "clip_threshold", self.clip_threshold)?;
        below_one("Adafactor", "momentum", self.momentum)
    }

    fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        let zeros = |shape: &[usize]| Ok(Tensor::zeros(shape)?.to_dtype(param.dtype()));
        let mut state = match param.shape() {
            [outer @ .., rows, columns] => vec![
                ("row_var", zeros(&[outer, &[*rows, 1]].concat())?),
                ("col_var", zeros(&[outer, &[1, *columns]].concat())?),
            ],
            _ => vec![("variance", param.zeros_like())],
        };
        if self.momentum != 0.0 {
            state.push(("exp_avg", param.zeros_like()));
        }
        Ok(state)
    }

    fn state_names_at(&self, _: &str, param: &Param) -> Option<&'static [&'static str]> {
        Some(match (param.rank() >= 2, self.momentum != 0.0) {
            (true, true) => &["row_var", "col_var", "exp_avg"],
            (true, false) => &["row_var", "col_var"],
            (false, true) => &["variance", "exp_avg"],
            (false, false) => &["variance"],
        })
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
        let (grad, t) = (grad.detach(), step.number as f64);
        if grad.is_empty() {
            return Ok(());
        }
        let least = match param.dtype() {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        };
        let (square, weight, least) = (grad.square(), t.powf(self.beta2_decay), self.eps1.unwrap_or(least));
        let (variance, average) = match state {
            [rows, columns, average @ ..] if param.rank() >= 2 => {
                *rows = lerp(rows, &square.mean_dims(&[-1], true)?, weight)?;
                *columns = lerp(columns, &square.mean_dims(&[-2], true)?, weight)?;
                let mean = rows.mean_dims(&[-2], true)?.clamp_min(least);
                (rows.mul(columns)?.div(&mean)?, average)
            }
            [variance, average @ ..] => {
                *variance = lerp(variance, &square, weight)?;
                (variance.clone(), average)
            }
            [] => return Err(bug!("Adafactor", "no tensors of state")),
        };
        // Of a small bound, the square is no number of the type any more: the root of 0 would make NaN of what has no gradient.
        let floor = if param.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
        let update = variance.clamp_min((least * least).max(floor)).rsqrt().mul(&grad)?;
        let p = param.detach().packed();
        let rate = step.learning_rate;
        let limited = if self.relative_step { rate.min(t.sqrt().recip()) } else { rate };
        let size = if self.scale_parameter { rms(&p).max(self.eps2) } else { 1.0 };
        let rate_of_update = limited * size / (rms(&update) / self.clip_threshold).max(1.0);
        let mut back = update.mul_scalar(rate_of_update);
        if let [average] = average {
            *average = lerp(average, &back, 1.0 - self.momentum)?;
            back = average.clone();
        }
        let (_, shrink) = step.decay(true);
        param.set(&p.mul_scalar(shrink).sub(&back)?)
    }
}
