//! Losses of probabilities of classes and of their logarithms.

use super::classes::{Classes, mean};
use super::weighting::{Weighting, option, single};
use super::{IGNORE_INDEX, Loss, Reduction, check_not_empty, check_pair, check_probabilities};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

reducible!(@new Nll, LogLoss);
reducible!(@option Nll);
reducible!(@weighted LogLoss);
configurable!(Nll { reduction, weight: tensor, ignore_index });
configurable!(LogLoss { label_smoothing: set, weighting: weighting });

/// The mean negative log-likelihood of class numbers: what `log_probabilities` says of the class that it was, with its sign turned.
///
/// `log_probabilities` has shape `[n, classes]`, or `[n, classes, d…]` with the classes in dimension 1, as
/// [`Tensor::log_softmax`] makes them; targets are class numbers (`I64`, `[n]` or `[n, d…]`), −100 where they do not count.
/// Of logits, [`cross_entropy`](super::cross_entropy()) does both in one.
///
/// # Errors
/// If shapes or types do not fit, a class number is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let log_p = tensor![[0.5, 0.5], [0.25, 0.75]].log();
/// let loss = losses::nll(&log_p, &Tensor::from_nested([0i64, 0])?)?;
/// assert!((loss.item()? - (2f64.ln() + 4f64.ln()) / 2.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "nll_loss")]
#[track_caller]
pub fn nll(log_probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    Nll::new().loss(log_probabilities, target)
}

/// The mean log loss of probabilities, as scikit-learn defines it: the negative logarithm of the probability of what happened,
/// `−y log p − (1 − y) log(1 − p)`.
///
/// Either `probabilities` are those of yes, and the targets, of the same shape and type, are 1 or 0 or between; or they are
/// `[.., classes]`, and the targets class numbers (`I64`, `[..]`). Probabilities are taken to be at least the smallest difference
/// from 1 that their type knows, and at most 1 less that. The loss is then at most 15.9 (36.0 in `F64`), with a gradient of
/// zero beyond.
///
/// The same of logits, more exact: [`bce_with_logits`](super::bce_with_logits()) and
/// [`cross_entropy`](super::cross_entropy()).
///
/// # Errors
/// If shapes or types do not fit, a class number or a probability is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let yes = losses::log_loss(&tensor![0.9, 0.2], &tensor![1.0, 0.0])?;
/// let classes = losses::log_loss(&tensor![[0.1, 0.9], [0.8, 0.2]], &Tensor::from_nested([1i64, 0])?)?;
/// assert!((yes.item()? + (0.9f64.ln() + 0.8f64.ln()) / 2.0).abs() < 1e-6);
/// assert!((classes.item()? - yes.item()?).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn log_loss(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    LogLoss::new().loss(probabilities, target)
}

/// [`nll`] with options.
#[derive(Debug, Clone)]
pub struct Nll {
    reduction: Reduction,
    weight: Option<Tensor>,
    ignore_index: i64,
}

impl Default for Nll {
    fn default() -> Self {
        Self { reduction: Reduction::Mean, weight: None, ignore_index: IGNORE_INDEX }
    }
}

impl Nll {
    /// How much each class counts: a tensor `[classes]` of the type of the prediction. The mean is divided by the sum of the weights
    /// of the targets.
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

impl Loss for Nll {
    #[track_caller]
    fn loss(&self, log_probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        let x = single(log_probabilities);
        let classes = Classes::of("nll", &x, target, Some(self.ignore_index))?;
        let weights = classes.weights("nll", self.weight.as_ref(), &x)?;
        let total = weights.iter().sum();
        let mut losses = classes.squeezed(&classes.pick(&x)?)?.neg();
        if self.weight.is_some() {
            losses = losses.mul(&classes.tensor(weights, &x)?)?;
        }
        Ok(match self.reduction {
            Reduction::Mean => mean(&losses, total),
            other => other.apply(&losses),
        })
    }

    /// The targets that count, each with the weight of its class.
    fn count(&self, target: &Tensor) -> f64 {
        let of_classes = super::CrossEntropy::new().ignore_index(self.ignore_index).reduction(self.reduction);
        match &self.weight {
            Some(weight) => of_classes.weight(weight).count(target),
            None => of_classes.count(target),
        }
    }
}

/// [`log_loss`] with options.
#[derive(Debug, Clone, Default)]
pub struct LogLoss {
    label_smoothing: f64,
    weighting: Weighting,
}

impl LogLoss {
    /// Takes the share `epsilon` from the target and spreads it evenly over all classes, or over yes and no.
    ///
    /// # Errors
    /// If `epsilon` is not between 0 and 1.
    #[track_caller]
    pub fn label_smoothing(mut self, epsilon: f64) -> Result<Self> {
        let allowed = (0.0..=1.0).contains(&epsilon);
        self.label_smoothing = option("log_loss", "label smoothing", epsilon, allowed, "a number from 0 to 1")?;
        Ok(self)
    }

    /// The targets, with what smoothing makes of them if there are `classes`.
    fn smoothed(&self, target: &Tensor, classes: usize) -> Tensor {
        match self.label_smoothing == 0.0 {
            true => target.clone(),
            false => target.mul_scalar(1.0 - self.label_smoothing).add_scalar(self.label_smoothing / classes as f64),
        }
    }
}

impl Loss for LogLoss {
    #[track_caller]
    fn loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (name, x) = ("log_loss", single(probabilities));
        let smallest = if x.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        x.expect_float(name, "the prediction")?;
        check_not_empty(name, &x)?;
        check_probabilities(name, &x)?;
        let p = x.clamp(Some(smallest), Some(1.0 - smallest));
        if target.dtype() != DType::I64 {
            let target = single(target);
            check_pair(name, &x, &target)?;
            let y = self.smoothed(&target, 2);
            let no = y.rsub_scalar(1.0).mul(&p.neg().log1p())?;
            return self.weighting.finish(name, &y.mul(&p.log())?.add(&no)?.neg());
        }
        let Some((&classes, rest)) = x.shape().split_last() else {
            return Err(Error::shape(name, "the prediction is a scalar, expected [.., classes]"));
        };
        let rows = Classes::of(name, &p.reshape([x.numel() / classes, classes])?, &target.flatten(0, -1)?, None)?;
        if target.shape() != rest {
            let (given, whole) = (target.shape(), x.shape());
            let message = format!("targets of shape {given:?} for a prediction of shape {whole:?}, expected {rest:?}");
            return Err(Error::shape(name, message));
        }
        let log_p = p.log().reshape([x.numel() / classes, classes])?;
        let mut losses = rows.pick(&log_p)?.neg();
        if self.label_smoothing > 0.0 {
            let even = log_p.mean_dims(&[-1], true)?.mul_scalar(-self.label_smoothing);
            losses = losses.mul_scalar(1.0 - self.label_smoothing).add(&even)?;
        }
        self.weighting.finish(name, &losses.reshape(rest)?)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}
