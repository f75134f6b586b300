//! How far predictions are from what they should be, as a single number to minimise.
//!
//! | task | loss |
//! |---|---|
//! | numbers | [`mse`]; with outliers [`huber`] or [`mae`] |
//! | one of several classes | [`cross_entropy`] of the logits |
//! | the next token, at every place of a text | [`token_cross_entropy`] of the logits |
//! | yes or no, or several labels at once | [`bce_with_logits`] |
//! | a model that already ends in a softmax or sigmoid | [`cross_entropy_from_probabilities`], [`bce`] |
//!
//! Losses of logits are more exact than losses of probabilities: where a probability has been rounded to 0 or 1, its
//! logarithm is lost.
//!
//! The functions average over all examples. The structs of the same names have options, among them the
//! [`Reduction`], and can be given to a [`Trainer`](crate::train::Trainer).

/// The constructor that needs no options, and the option that all losses have.
macro_rules! reducible {
    (@option $Loss:ident) => {
        impl $Loss {
            /// Another reduction. A mean is weighted where the loss has weights of classes.
            #[must_use]
            pub fn reduction(mut self, reduction: Reduction) -> Self {
                self.reduction = reduction;
                self
            }
        }
    };
    ($($Loss:ident),*) => {$(
        impl $Loss {
            /// The mean over all examples, with no further options.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }
        }
        reducible!(@option $Loss);
    )*};
}

mod binary;
mod cross_entropy;
mod likelihood;
mod regression;

pub use binary::{Bce, BceWithLogits, bce, bce_with_logits};
pub use cross_entropy::{CrossEntropy, cross_entropy, token_cross_entropy};
pub use likelihood::{CrossEntropyFromProbabilities, cross_entropy_from_probabilities};
pub use regression::{Huber, Mae, Mse, huber, mae, mse};

use crate::error::{Error, Result, bug};
use crate::tensor::dtype::with_float;
use crate::tensor::{Element, Tensor};

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

    /// How much a batch with this target counts in a mean over several batches: the number of its examples, unless the loss
    /// is a mean over something else.
    fn weight(&self, target: &Tensor) -> f64 {
        target.shape().first().copied().unwrap_or(1) as f64
    }
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

/// The lowest logarithm of a probability that counts, as in PyTorch: losses of probabilities stay finite at 0 and 1.
const LOG_FLOOR: f64 = -100.0;
/// The smallest denominator in the gradients of losses of probabilities, as in PyTorch.
const DENOMINATOR_FLOOR: f64 = 1e-12;

/// Values outside of 0 ..= 1 are logits, not probabilities.
#[track_caller]
fn check_probabilities(name: &'static str, x: &Tensor) -> Result<()> {
    let packed = x.packed();
    let wrong = with_float!(x.dtype(), T => {
        packed.data::<T>().iter().map(|p| p.to_f64()).find(|p| *p < 0.0 || *p > 1.0)
    }, else return Err(bug!(name, "probabilities of type {}", x.dtype())));
    match wrong {
        Some(p) => Err(Error::argument(name, format!("the prediction contains {p}, which is not a probability"))
            .with_help("for the raw outputs of a model use the loss of logits")),
        None => Ok(()),
    }
}
