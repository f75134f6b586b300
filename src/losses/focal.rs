//! Losses that look at what is still wrong.

use super::classes::{Classes, mean};
use super::weighting::{Weighting, option, pair, single};
use super::{IGNORE_INDEX, Loss, Reduction, check_probabilities};
use crate::autograd::ops::likelihood::binary_cross_entropy;
use crate::config::configurable;
use crate::error::Result;
use crate::tensor::Tensor;

reducible!(@new BinaryFocal, Focal);
reducible!(@weighted BinaryFocal);
reducible!(@option Focal);
configurable!(BinaryFocal { alpha, gamma: set, from_probabilities, weighting: weighting } = Self::default(), check);
configurable!(Focal { gamma: set, weight: tensor, ignore_index, reduction });

/// The mean focal loss of yes and no, `−aₜ (1 − pₜ)² log pₜ` with the probability `pₜ` of what is true, and `aₜ` of ¼ for yes and ¾ for no
/// (Lin et al., *Focal loss for dense object detection*, 2017): what is right already hardly counts.
///
/// Logits and targets have the same shape; targets are 1, 0 or between.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::binary_focal(&tensor![0.0], &tensor![1.0])?;
/// assert!((loss.item()? - 0.25 * 0.25 * 2f64.ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "sigmoid_focal_loss")]
#[track_caller]
pub fn binary_focal(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    BinaryFocal::new().loss(logits, target)
}

/// The mean focal loss of class numbers, `−(1 − pₜ)² log pₜ` with the probability `pₜ` of the class that it is (Lin et al., 2017).
///
/// Logits have shape `[n, classes]`, or `[n, classes, d…]` with the classes in dimension 1; targets are class numbers (`I64`, `[n]` or
/// `[n, d…]`), −100 where they do not count.
///
/// # Errors
/// If shapes or types do not fit, a class number is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let loss = losses::focal(&tensor![[0.0, 0.0, 0.0, 0.0]], &Tensor::from_nested([2i64])?)?;
/// assert!((loss.item()? - 0.75 * 0.75 * 4f64.ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn focal(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    Focal::new().loss(logits, target)
}

/// `xᵞ` of something that may be 0, where the slope would be infinite for `γ < 1`, and is taken as 0.
fn power(x: &Tensor, gamma: f64) -> Tensor {
    if gamma < 1.0 { x.clamp_min(f64::from(f32::MIN_POSITIVE)).powf(gamma) } else { x.powf(gamma) }
}

#[track_caller]
fn checked_gamma(name: &'static str, gamma: f64) -> Result<f64> {
    option(name, "gamma", gamma, gamma >= 0.0 && gamma.is_finite(), "a number of at least 0")
}

/// [`binary_focal`] with options.
#[derive(Debug, Clone)]
pub struct BinaryFocal {
    alpha: Option<f64>,
    gamma: f64,
    from_probabilities: bool,
    weighting: Weighting,
}

impl Default for BinaryFocal {
    fn default() -> Self {
        Self { alpha: Some(0.25), gamma: 2.0, from_probabilities: false, weighting: Weighting::default() }
    }
}

impl BinaryFocal {
    /// How much yes counts; no counts `1 − alpha`. `None` for 1 of both. Default ¼.
    ///
    /// # Errors
    /// If it is not from 0 to 1.
    #[track_caller]
    pub fn alpha(mut self, alpha: impl Into<Option<f64>>) -> Result<Self> {
        self.alpha = alpha.into();
        self.check()?;
        Ok(self)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let Some(alpha) = self.alpha else { return Ok(()) };
        option("binary_focal", "alpha", alpha, (0.0..=1.0).contains(&alpha), "a number from 0 to 1").map(drop)
    }

    /// How much less that counts which is right already; 0 makes it the cross-entropy. Default 2.
    ///
    /// # Errors
    /// If it is negative or not finite.
    #[track_caller]
    pub fn gamma(mut self, gamma: f64) -> Result<Self> {
        self.gamma = checked_gamma("binary_focal", gamma)?;
        Ok(self)
    }

    /// The predictions are probabilities and not logits. Logarithms below −100 count as −100.
    #[must_use]
    pub fn from_probabilities(mut self) -> Self {
        self.from_probabilities = true;
        self
    }
}

impl Loss for BinaryFocal {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "binary_focal";
        let (x, y) = pair(name, prediction, target)?;
        let (no_target, [yes, no]);
        no_target = y.rsub_scalar(1.0);
        let mut losses = if self.from_probabilities {
            check_probabilities(name, &x)?;
            [yes, no] = [x.clone(), x.rsub_scalar(1.0)];
            binary_cross_entropy(&x, &y)?
        } else {
            [yes, no] = [x.sigmoid(), x.neg().sigmoid()];
            y.mul(&x.log_sigmoid())?.add(&no_target.mul(&x.neg().log_sigmoid())?)?.neg()
        };
        if self.gamma > 0.0 {
            // 1 − pₜ without a difference of numbers that are nearly equal.
            let wrong = no.mul(&y)?.add(&yes.mul(&no_target)?)?;
            losses = losses.mul(&power(&wrong, self.gamma))?;
        }
        if let Some(alpha) = self.alpha {
            losses = losses.mul(&y.mul_scalar(alpha).add(&no_target.mul_scalar(1.0 - alpha))?)?;
        }
        self.weighting.finish(name, &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`focal`] with options.
#[derive(Debug, Clone)]
pub struct Focal {
    gamma: f64,
    weight: Option<Tensor>,
    ignore_index: i64,
    reduction: Reduction,
}

impl Default for Focal {
    fn default() -> Self {
        Self { gamma: 2.0, weight: None, ignore_index: IGNORE_INDEX, reduction: Reduction::Mean }
    }
}

impl Focal {
    /// How much less that counts which is right already; 0 makes it the cross-entropy. Default 2.
    ///
    /// # Errors
    /// If it is negative or not finite.
    #[track_caller]
    pub fn gamma(mut self, gamma: f64) -> Result<Self> {
        self.gamma = checked_gamma("focal", gamma)?;
        Ok(self)
    }

    /// How much each class counts, the paper's `alpha`: a tensor `[classes]` of the type of the logits. The mean is divided by the number
    /// of targets that count, whatever their weights are.
    #[must_use]
    pub fn weight(mut self, weight: &Tensor) -> Self {
        self.weight = Some(weight.detach());
        self
    }

    /// Targets of this class number do not count. By default −100.
    #[must_use]
    pub fn ignore_index(mut self, index: i64) -> Self {
        self.ignore_index = index;
        self
    }
}

impl Loss for Focal {
    #[track_caller]
    fn loss(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (name, x) = ("focal", single(logits));
        let classes = Classes::of(name, &x, target, Some(self.ignore_index))?;
        let log_p = classes.squeezed(&classes.pick(&x.log_softmax(1.min(x.rank() as isize - 1))?)?)?;
        let mut losses = log_p.neg();
        if self.gamma > 0.0 {
            losses = losses.mul(&power(&log_p.expm1().neg(), self.gamma))?;
        }
        if let Some(weight) = &self.weight {
            let weights = classes.weights(name, Some(weight), &x)?;
            losses = losses.mul(&classes.tensor(weights, &x)?)?;
        }
        let counted = classes.numbers.iter().filter(|class| **class >= 0).count();
        Ok(match self.reduction {
            Reduction::Mean => mean(&losses, counted as f64),
            other => other.apply(&losses),
        })
    }

    fn count(&self, target: &Tensor) -> f64 {
        super::CrossEntropy::new().ignore_index(self.ignore_index).reduction(self.reduction).count(target)
    }
}
