//! How far two distributions are apart.

use super::weighting::{Weighting, pair, x_log_x};
use super::{Loss, Reduction, check_probabilities};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(@new KlDiv, JensenShannon);
reducible!(@weighted KlDiv, JensenShannon);
configurable!(KlDiv { log_target, batch_mean, weighting: weighting });
configurable!(JensenShannon { weighting: weighting });

/// The mean over all elements of `y (log y − x)`, where `x` is the logarithm of a predicted probability and `y` the probability that it
/// should have been: the divergence of Kullback and Leibler (1951), divided by the number of classes as well. Both tensors have the
/// same shape. [`KlDiv::batch_mean`] is the divergence itself.
///
/// A probability of 0 in the target adds nothing.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::losses::KlDiv;
///
/// let prediction = tensor![[0.5, 0.5]].log();
/// let divergence = KlDiv::new().batch_mean().loss(&prediction, &tensor![[1.0, 0.0]])?;
/// assert!((divergence.item()? - 2f64.ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn kl_div(log_prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    KlDiv::new().loss(log_prediction, target)
}

/// The mean over all examples of the divergence of Jensen and Shannon between predicted probabilities and those that they should have
/// been, both `[.., classes]`: half of the sum of what each has from their mean, by Kullback and Leibler (Lin, 1991). It is
/// symmetric, 0 for equal distributions, and at most `log 2`, which is for those that have nothing in common.
///
/// # Errors
/// If shapes or types differ, there are no examples, or a number is not a probability.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::jensen_shannon(&tensor![[1.0, 0.0]], &tensor![[0.0, 1.0]])?;
/// assert!((loss.item()? - 2f64.ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn jensen_shannon(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    JensenShannon::new().loss(probabilities, target)
}

/// [`kl_div`] with options.
#[derive(Debug, Clone, Default)]
pub struct KlDiv {
    log_target: bool,
    batch_mean: bool,
    weighting: Weighting,
}

impl KlDiv {
    /// The targets are logarithms of probabilities too.
    #[must_use]
    pub fn log_target(mut self) -> Self {
        self.log_target = true;
        self
    }

    /// The sum over all elements, divided by the size of the first dimension: the mean divergence of an example. It takes the place
    /// of the [`Reduction`].
    #[must_use]
    pub fn batch_mean(mut self) -> Self {
        self.batch_mean = true;
        self
    }
}

impl Loss for KlDiv {
    #[track_caller]
    fn loss(&self, log_prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("kl_div", log_prediction, target)?;
        let losses = match self.log_target {
            true => target.exp().mul(&target.sub(&prediction)?)?,
            false => {
                // A target of 0 adds nothing, not even where the prediction is the logarithm of 0.
                let nothing = target.eq_scalar(0.0);
                x_log_x(&target)?.sub(&target.mul(&prediction.masked_fill(&nothing, 0.0)?)?)?
            }
        };
        if !self.batch_mean {
            return self.weighting.finish("kl_div", &losses);
        }
        let examples = losses.shape().first().copied().unwrap_or(1);
        let sum = Weighting { reduction: Reduction::Sum, ..self.weighting.clone() };
        Ok(sum.finish("kl_div", &losses)?.div_scalar(examples as f64))
    }

    fn count(&self, target: &Tensor) -> f64 {
        if self.batch_mean { target.numel() as f64 } else { self.weighting.count(target) }
    }
}

/// [`jensen_shannon`] with options.
#[derive(Debug, Clone, Default)]
pub struct JensenShannon {
    weighting: Weighting,
}

impl Loss for JensenShannon {
    #[track_caller]
    fn loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "jensen_shannon";
        let (p, q) = pair(name, probabilities, target)?;
        if p.rank() == 0 {
            return Err(Error::shape(name, "the prediction is a scalar, expected [.., classes]"));
        }
        check_probabilities(name, &p)?;
        check_probabilities(name, &q)?;
        let sum = p.add(&q)?;
        let sum = sum.masked_fill(&sum.eq_scalar(0.0), 1.0)?;
        // With p = m (1 + d) and q = m (1 − d), a term is m (log(1 − d²) + d log((1 + d) / (1 − d))), in which nothing large cancels
        // while d is small: distributions that are nearly equal have a divergence of order d².
        let d = p.sub(&q)?.div(&sum)?;
        let close = d.abs().lt_scalar(0.5);
        let small = d.masked_fill(&close.logical_not()?, 0.0)?;
        let near =
            small.square().neg().log1p().add(&small.mul(&small.atanh())?.mul_scalar(2.0))?.mul(&sum)?.mul_scalar(0.5);
        // Elsewhere as it is written. A probability of 0 adds nothing.
        let half = |x: &Tensor| -> Result<Tensor> {
            let share = x.div(&sum)?.mul_scalar(2.0);
            x.mul(&share.masked_fill(&share.eq_scalar(0.0).logical_or(&close)?, 1.0)?.log())
        };
        let terms = close.where_(&near, &half(&p)?.add(&half(&q)?)?)?;
        self.weighting.finish(name, &terms.sum_dims(&[-1], false)?.mul_scalar(0.5))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}
