//! How far predictions are from what they should be, as a single number to minimise.
//!
//! | task | loss |
//! |---|---|
//! | numbers | [`mse`]; with outliers [`huber`] or [`mae`] |
//! | one of several classes | [`cross_entropy`] of the logits |
//! | yes or no, or several labels at once | [`bce_with_logits`] |
//! | a model that already ends in a softmax or sigmoid | [`cross_entropy_from_probabilities`], [`bce`] |
//!
//! Losses of logits are more exact than losses of probabilities: where a probability has been rounded to 0 or 1, its
//! logarithm is lost.
//!
//! The functions average over all examples. The structs of the same names have options, among them the
//! [`Reduction`], and can be given to a [`Trainer`](crate::train::Trainer).

mod classification;
mod regression;

pub use classification::{
    Bce, BceWithLogits, CrossEntropy, CrossEntropyFromProbabilities, bce, bce_with_logits, cross_entropy,
    cross_entropy_from_probabilities,
};
pub use regression::{Huber, Mae, Mse, huber, mae, mse};

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What becomes of the losses of single elements or examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// They stay as they are.
    None,
}

impl Reduction {
    pub(crate) fn apply(self, losses: &Tensor) -> Tensor {
        match self {
            Self::Mean => losses.mean(),
            Self::Sum => losses.sum(),
            Self::None => losses.clone(),
        }
    }
}

/// A measure of the distance between predictions and targets.
pub trait Loss: Send + Sync {
    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// If the shapes or types of the two do not fit each other.
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor>;
}

/// A function of prediction and target is a loss.
impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync> Loss for F {
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        self(prediction, target)
    }
}

/// Losses do not broadcast: a target of shape `[n]` for predictions `[n, 1]` would silently give n² differences.
#[track_caller]
pub(crate) fn check_pair(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<()> {
    prediction.expect_float(name, "the prediction")?;
    target.expect_dtype(name, "the target", prediction.dtype())?;
    check_shapes(name, prediction, target)?;
    check_not_empty(name, prediction)
}

#[track_caller]
pub(crate) fn check_shapes(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<()> {
    if prediction.shape() == target.shape() {
        return Ok(());
    }
    let message = format!("the prediction has shape {:?}, the target {:?}", prediction.shape(), target.shape());
    let e = Error::shape(name, message);
    let same_count = prediction.numel() == target.numel();
    Err(if same_count { e.with_help(format!("reshape the target to {:?}", prediction.shape())) } else { e })
}

#[track_caller]
pub(crate) fn check_not_empty(name: &'static str, prediction: &Tensor) -> Result<()> {
    if prediction.is_empty() {
        let message = format!("no examples: the prediction has shape {:?}", prediction.shape());
        return Err(Error::shape(name, message));
    }
    Ok(())
}
