//! The cross-entropy of probabilities.

use super::{Loss, Reduction, check_pair, check_probabilities, configurable, in_single};
use crate::autograd::ops::likelihood::log_likelihood;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

reducible!(CrossEntropyFromProbabilities);
configurable!(CrossEntropyFromProbabilities { reduction });

/// The mean over all examples of `H(y, ŷ) = −Σ yᵢ log ŷᵢ`, for predicted probabilities `[.., classes]`.
///
/// Targets are probabilities of the same shape, or class numbers (`I64`, `[..]`). Logarithms below −100 count as
/// −100, which keeps the loss finite where a probability is 0. Prefer [`cross_entropy`](super::cross_entropy()) where the logits are at hand.
///
/// # Errors
/// If shapes or types do not fit, a class number or a probability is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let p = tensor![[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]];
/// let loss = losses::cross_entropy_from_probabilities(&p, &Tensor::from_nested([0i64, 2])?)?;
/// assert!((loss.item()? - 2.0f64.ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn cross_entropy_from_probabilities(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    CrossEntropyFromProbabilities::new().loss(probabilities, target)
}

/// [`cross_entropy_from_probabilities`] with options.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CrossEntropyFromProbabilities {
    reduction: Reduction,
}

impl Loss for CrossEntropyFromProbabilities {
    #[track_caller]
    fn loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "cross_entropy_from_probabilities";
        if let Some((probabilities, target)) = in_single(probabilities, target) {
            return self.loss(&probabilities, &target);
        }
        probabilities.expect_float(name, "the prediction")?;
        let Some((&classes, rest)) = probabilities.shape().split_last() else {
            return Err(Error::shape(name, "the prediction is a scalar, expected [.., classes]"));
        };
        check_probabilities(name, probabilities)?;
        let one_hot;
        let target = if target.dtype() == DType::I64 {
            if target.shape() != rest {
                let message = format!(
                    "targets of shape {:?} for predictions {:?}, expected {rest:?}",
                    target.shape(),
                    probabilities.shape()
                );
                return Err(Error::shape(name, message));
            }
            one_hot = target.one_hot(classes)?.to_dtype(probabilities.dtype());
            &one_hot
        } else {
            target
        };
        check_pair(name, probabilities, target)?;
        let terms = log_likelihood(probabilities, target)?;
        Ok(self.reduction.apply(&terms.sum_dims(&[-1], false)?.neg()))
    }

    /// All rows count, whatever their class is.
    fn count(&self, target: &Tensor) -> f64 {
        let classes = if target.dtype() == DType::I64 { 1 } else { target.shape().last().copied().unwrap_or(1) };
        self.reduction.count(target.numel() as f64 / classes.max(1) as f64)
    }
}
