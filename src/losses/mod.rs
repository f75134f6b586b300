//! How far predictions are from what they should be, as a single number to minimise.
//!
//! | task | loss |
//! |---|---|
//! | numbers | [`mse`]; with outliers [`huber`], [`smooth_l1`], [`log_cosh`] or [`mae`] |
//! | numbers of very different size | [`msle`], [`mape`] |
//! | the limits between which numbers will be | [`quantile`] |
//! | numbers, and how sure that is | [`gaussian_nll`] |
//! | counts | [`poisson_nll`] |
//! | one of several classes | [`cross_entropy`] of the logits; with a margin [`multi_margin`], [`categorical_hinge`] |
//! | the next token, at every place of a text | [`token_cross_entropy`] of the logits |
//! | yes or no, or several labels at once | [`bce_with_logits`]; with a margin [`hinge`], [`squared_hinge`], [`multi_label_margin`] |
//! | classes of which some are rare | weights of classes; [`focal`], [`binary_focal`] |
//! | a model that already ends in a softmax or sigmoid | [`cross_entropy_from_probabilities`], [`bce`], [`log_loss`]; in a log-softmax [`nll`] |
//! | which pixels belong to it | [`dice`], [`tversky`] |
//! | a distribution | [`kl_div`], [`jensen_shannon`] |
//! | vectors that are close where things are alike | [`triplet`], [`info_nce`], [`contrastive`], [`cosine_embedding`] |
//! | which of two is better | [`margin_ranking`] |
//! | labels in a sequence, without their places | [`ctc`] |
//! | a critic and a generator | [`WassersteinCritic`] |
//!
//! Losses of logits are more exact than losses of probabilities: where a probability has been rounded to 0 or 1, its
//! logarithm is lost.
//!
//! The functions average over all examples that count: class numbers of −100 do not, nor do classes of weight 0. If nothing
//! in a batch counts, its mean is NaN, as in PyTorch, but its gradients are zero, and a [`Trainer`](crate::train::Trainer) passes
//! over it.
//!
//! The structs of the same names have options, among them the
//! [`Reduction`], and can be given to a [`Trainer`](crate::train::Trainer), as far as they are of a prediction and a target. Those of
//! three inputs, such as [`triplet`], have a method `loss` of their own. The options can be read from a configuration file
//! with `serde`, which refuses what makes no sense:
//!
//! ```
//! use demotic::losses::{Bce, CrossEntropy, Huber};
//!
//! let huber: Huber = serde_json::from_str(r#"{"delta": 0.5, "reduction": "sum"}"#)?;
//! let classes: CrossEntropy = serde_json::from_str(r#"{"label_smoothing": 0.1, "weight": [1, 2.5]}"#)?;
//! let e = serde_json::from_str::<CrossEntropy>(r#"{"label_smoothing": 1.5}"#).unwrap_err();
//! assert_eq!(e.to_string(), "cross_entropy: label smoothing is 1.5, expected a number from 0 to 1");
//! # Ok::<(), serde_json::Error>(())
//! ```

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
    (@new $($Loss:ident),*) => {$(
        impl $Loss {
            /// The mean over all examples, with no further options.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }
        }
    )*};
    (@weighted $($Loss:ident),*) => {$(
        impl $Loss {
            /// Another reduction.
            #[must_use]
            pub fn reduction(mut self, reduction: Reduction) -> Self {
                self.weighting.reduction = reduction;
                self
            }

            /// How much each loss counts, of an element or of an example: a tensor of the type of the losses that broadcasts to the shape
            /// that they have with [`Reduction::None`]. A mean is divided by their number all the same (that of PyTorch's `mse_loss`,
            /// `l1_loss` and `huber_loss` by the sum of the weights).
            #[must_use]
            pub fn weight(mut self, weight: &Tensor) -> Self {
                self.weighting.weight = Some(weight.detach());
                self
            }
        }
    )*};
    ($($Loss:ident),*) => {$(
        reducible!(@new $Loss);
        reducible!(@option $Loss);
    )*};
}

mod binary;
pub(crate) mod classes;
mod critic;
mod cross_entropy;
mod ctc;
mod deviation;
mod distribution;
mod divergence;
mod focal;
mod hinge;
mod labels;
mod likelihood;
mod nll;
mod overlap;
mod pairs;
mod regression;
mod triplet;
mod weighting;

pub use binary::{Bce, BceWithLogits, bce, bce_with_logits};
pub use critic::{WassersteinCritic, gradient_penalty};
pub use cross_entropy::{CrossEntropy, cross_entropy, token_cross_entropy};
pub use ctc::{Ctc, ctc};
pub use deviation::{LogCosh, Mape, Msle, Quantile, SmoothL1, log_cosh, mape, msle, quantile, smooth_l1};
pub use distribution::{GaussianNll, PoissonNll, gaussian_nll, poisson_nll};
pub use divergence::{JensenShannon, KlDiv, jensen_shannon, kl_div};
pub use focal::{BinaryFocal, Focal, binary_focal, focal};
pub use hinge::{
    CategoricalHinge, Hinge, HingeEmbedding, MultiMargin, SoftMargin, SquaredHinge, categorical_hinge, hinge,
    hinge_embedding, multi_margin, soft_margin, squared_hinge,
};
pub use labels::{MultiLabelMargin, MultiLabelSoftMargin, multi_label_margin, multi_label_soft_margin};
pub use likelihood::{CrossEntropyFromProbabilities, cross_entropy_from_probabilities};
pub use nll::{LogLoss, Nll, log_loss, nll};
pub use overlap::{Dice, Tversky, dice, tversky};
pub use pairs::{Contrastive, CosineEmbedding, MarginRanking, contrastive, cosine_embedding, margin_ranking};
pub use regression::{Huber, Mae, Mse, huber, mae, mse};
pub use triplet::{InfoNce, Triplet, info_nce, triplet};

use serde::{Deserialize, Serialize};

use crate::config::configurable;
use crate::error::{Error, Here, Result};
use crate::tensor::{DType, Tensor};

/// What becomes of the losses of single elements or examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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

    /// The [count](Loss::count) of a batch with so many targets that count: a sum, which is divided by nothing, counts once.
    fn count(self, targets: f64) -> f64 {
        if self == Self::Sum && targets != 0.0 { 1.0 } else { targets }
    }
}

/// Class numbers that are this do not count, unless an option says otherwise.
pub(crate) const IGNORE_INDEX: i64 = -100;

/// A measure of the distance between predictions and targets.
///
/// Every function of a prediction and a target that returns a `Result<Tensor>` is one, and so is a `Box<dyn Loss>`, for a
/// loss that is chosen while the program runs:
///
/// ```
/// use demotic::prelude::*;
///
/// fn chosen(name: &str) -> Box<dyn Loss> {
///     match name {
///         "mae" => Box::new(losses::Mae::new()),
///         _ => Box::new(|prediction: &Tensor, target: &Tensor| losses::huber(prediction, target, 0.5)),
///     }
/// }
/// let trainer = Trainer::new(chosen("mae"), Adam::new(1e-3));
/// assert_eq!(chosen("mae").loss(&tensor![1.0, 5.0], &tensor![2.0, 2.0])?.item()?, 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loss",
    label = "expected a loss: `losses::mse`, `losses::CrossEntropy::new()`, or a closure over prediction and target",
    note = "a closure names the types of its arguments and returns a `Result<Tensor>`: \
            `|prediction: &Tensor, target: &Tensor| losses::mse(prediction, target)`",
    note = "where the types of the arguments are not written, `losses::from_fn(|prediction, target| ..)` gives them",
    note = "a loss whose options can be wrong is a `Result`: `losses::CrossEntropy::new().label_smoothing(0.1)?`"
)]
pub trait Loss: Send + Sync {
    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// If the shapes or types of the two do not fit each other.
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor>;

    /// How much a batch with this target counts in a mean over several batches: by what the loss of the batch was divided, or a
    /// fixed multiple of it. 0 says that nothing in the batch counts; its loss and gradients are then left out.
    ///
    /// By default the number of elements of the target. Of class numbers (`I64`) those that are −100 do not count, as in
    /// [`cross_entropy`].
    fn count(&self, target: &Tensor) -> f64 {
        if target.dtype() != DType::I64 {
            return target.numel() as f64;
        }
        let classes = target.to_vec::<i64>().unwrap_or_default();
        classes.into_iter().filter(|class| *class != IGNORE_INDEX).count() as f64
    }
}

/// A loss from a closure whose arguments need no types, since this function says what they are.
///
/// A closure that is given to a [`Trainer`](crate::train::Trainer) as it is writes them down, if only as `|p: &_, t: &_| ..`:
/// without them the compiler takes both for references of one particular lifetime, and says that its "implementation of `FnOnce`
/// is not general enough".
///
/// ```
/// use demotic::losses::{self, from_fn};
/// use demotic::prelude::*;
///
/// let both = from_fn(|prediction, target| losses::mse(prediction, target)? + losses::mae(prediction, target)?);
/// assert_eq!(both.loss(&tensor![3.0], &tensor![1.0])?.item()?, 6.0);
/// let trainer = Trainer::new(both, Adam::new(1e-3));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// ```compile_fail
/// # use demotic::prelude::*;
/// let trainer = Trainer::new(|prediction, target| losses::mse(prediction, target), Adam::new(1e-3));
/// ```
pub fn from_fn(loss: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync) -> impl Loss {
    loss
}

/// A function of prediction and target is a loss.
impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync> Loss for F {
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        self(prediction, target)
    }
}

impl Loss for Box<dyn Loss> {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        (**self).loss(prediction, target).here()
    }

    fn count(&self, target: &Tensor) -> f64 {
        (**self).count(target)
    }
}

/// Prediction and target as `F32`, if the prediction is of a 16-bit type: in these, sums of many losses would have no digits left.
pub(crate) fn in_single(prediction: &Tensor, target: &Tensor) -> Option<(Tensor, Tensor)> {
    let dtype = prediction.dtype();
    (dtype.is_float() && !dtype.is_differentiable()).then(|| {
        let target = if target.dtype() == dtype { target.to_dtype(DType::F32) } else { target.clone() };
        (prediction.to_dtype(DType::F32), target)
    })
}

/// Losses do not broadcast: a target of shape `[n]` for predictions `[n, 1]` would silently give n² differences.
#[track_caller]
pub(crate) fn check_pair(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<()> {
    prediction.expect_float(name, "the prediction")?;
    if target.dtype() == DType::I64 && target.rank() < prediction.rank() {
        check_shapes(name, prediction, target)?;
    }
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
    let (given, wanted) = (target.shape(), prediction.shape());
    Err(if prediction.numel() == target.numel() {
        e.with_help(format!("reshape the target to {wanted:?}"))
    } else if given.split_last().is_some_and(|(_, rows)| rows == wanted) {
        e.with_help(format!("the prediction comes first: {name}(prediction, target)"))
    } else if wanted.split_last().is_some_and(|(_, rows)| rows == given) {
        e.with_help(format!(
            "{name} takes a number for each output; one class number for each row, as i64, goes with cross_entropy"
        ))
    } else if let ([rows @ .., outputs], [others @ .., targets]) = (wanted, given)
        && rows == others
        && !rows.is_empty()
    {
        e.with_help(format!("the last layer needs an output for each target: {targets}, not {outputs}"))
    } else {
        e
    })
}

#[track_caller]
pub(crate) fn check_not_empty(name: &'static str, prediction: &Tensor) -> Result<()> {
    if prediction.is_empty() {
        let message = format!("no examples: the prediction has shape {:?}", prediction.shape());
        return Err(Error::shape(name, message));
    }
    Ok(())
}

/// Values outside of 0 ..= 1 are logits, not probabilities.
#[track_caller]
fn check_probabilities(name: &'static str, x: &Tensor) -> Result<()> {
    match not_probability(x)? {
        Some(p) => Err(Error::argument(name, format!("the prediction contains {p}, which is not a probability"))
            .with_help("for the raw outputs of a model use the loss of logits")),
        None => Ok(()),
    }
}

/// Targets outside of 0 ..= 1 are no answers of yes and no.
#[track_caller]
fn check_answers(name: &'static str, target: &Tensor) -> Result<()> {
    match not_probability(target)? {
        Some(y) => Err(Error::argument(name, format!("the target contains {y}, expected numbers from 0 to 1")).with_help(
            "0 stands for no and 1 for yes; classes of more than two kinds go with cross_entropy, other numbers with mse or huber",
        )),
        None => Ok(()),
    }
}

/// The first number that is outside of 0 ..= 1.
#[track_caller]
fn not_probability(x: &Tensor) -> Result<Option<f64>> {
    let x = x.detach();
    // Where there is a NaN, the numbers are looked at one by one.
    let are_within = x.is_empty() || x.min()?.item()? >= 0.0 && x.max()?.item()? <= 1.0;
    Ok(if are_within { None } else { x.to_f64_vec().into_iter().find(|p| *p < 0.0 || *p > 1.0) })
}
