//! Losses of scores that are to be on the right side of a margin.

use super::classes::{Classes, expect_class_weights};
use super::weighting::{Weighting, option, pair, signed_pair, single};
use super::{Loss, Reduction};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

reducible!(@new Hinge, SquaredHinge, SoftMargin, HingeEmbedding, CategoricalHinge, MultiMargin);
reducible!(@weighted Hinge, SquaredHinge, SoftMargin, HingeEmbedding, CategoricalHinge);
reducible!(@option MultiMargin);
configurable!(Hinge { weighting: weighting });
configurable!(SquaredHinge { weighting: weighting });
configurable!(SoftMargin { weighting: weighting });
configurable!(HingeEmbedding { margin: set, weighting: weighting });
configurable!(CategoricalHinge { weighting: weighting });
configurable!(MultiMargin { squared, margin: set, weight: tensor, reduction });

/// The mean hinge loss of support vector machines, `max(0, 1 − y s)`, of scores `s` and labels `y` of the same shape.
///
/// Labels are 1 and −1, or 1 and 0: floats of the type of the scores, integers or truth values.
///
/// # Errors
/// If shapes or types do not fit, a label is another number, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::hinge(&tensor![2.0, 0.5, 0.5], &tensor![1.0, 1.0, -1.0])?;
/// assert_eq!(loss.item()? as f32, (0.0 + 0.5 + 1.5) / 3.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn hinge(scores: &Tensor, target: &Tensor) -> Result<Tensor> {
    Hinge::new().loss(scores, target)
}

/// The mean of the squares of the [`hinge`] loss, `max(0, 1 − y s)²`, of scores and labels of the same shape.
///
/// # Errors
/// As for [`hinge`].
///
/// ```
/// use demotic::{losses, tensor};
///
/// assert_eq!(losses::squared_hinge(&tensor![0.5], &tensor![-1.0])?.item()?, 2.25);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn squared_hinge(scores: &Tensor, target: &Tensor) -> Result<Tensor> {
    SquaredHinge::new().loss(scores, target)
}

/// The mean of `log(1 + exp(−y s))` over scores `s` and labels `y` of the same shape, as for [`hinge`]: a hinge without its kink, and
/// the cross-entropy of yes and no under another name.
///
/// # Errors
/// As for [`hinge`].
///
/// ```
/// use demotic::{losses, tensor};
///
/// assert!((losses::soft_margin(&tensor![0.0], &tensor![1.0])?.item()? - 2f64.ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "logistic")]
#[track_caller]
pub fn soft_margin(scores: &Tensor, target: &Tensor) -> Result<Tensor> {
    SoftMargin::new().loss(scores, target)
}

/// The mean hinge loss of distances `d` between pairs, and labels of the same shape: `d` itself where the label is 1, `max(0, 1 − d)`
/// where it is −1. PyTorch's `hinge_embedding_loss`.
///
/// # Errors
/// If shapes or types do not fit, a label is not 1 or −1 (for which 0 will do), or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::hinge_embedding(&tensor![0.25, 0.25], &tensor![1.0, -1.0])?;
/// assert_eq!(loss.item()?, (0.25 + 0.75) / 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn hinge_embedding(distances: &Tensor, target: &Tensor) -> Result<Tensor> {
    HingeEmbedding::new().loss(distances, target)
}

/// The mean over all examples of `max(0, 1 + n − p)`, where `p` is the score of the class that it is, and `n` the highest of all others, or
/// 0 if they are all lower, as in Keras.
///
/// Scores have shape `[.., classes]`. Targets are one-hot rows of that shape, or class numbers (`I64`, `[..]`).
///
/// # Errors
/// If shapes or types do not fit, a class number is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let loss = losses::categorical_hinge(&tensor![[2.0, 1.5, -1.0]], &Tensor::from_nested([0i64])?)?;
/// assert_eq!(loss.item()?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn categorical_hinge(scores: &Tensor, target: &Tensor) -> Result<Tensor> {
    CategoricalHinge::new().loss(scores, target)
}

/// The mean over all examples of `Σ max(0, 1 − sₜ + sᵢ) / classes`, over all classes `i` but that of the target, `t` (Crammer and
/// Singer, 2001). Scores have shape `[n, classes]`, targets `[n]` (`I64`); a single example has no `n`.
///
/// # Errors
/// If shapes or types do not fit, a class number is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let loss = losses::multi_margin(&tensor![[0.5, 0.0, 1.0, -2.0]], &Tensor::from_nested([0i64])?)?;
/// assert_eq!(loss.item()?, (0.5 + 1.5 + 0.0) / 4.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn multi_margin(scores: &Tensor, target: &Tensor) -> Result<Tensor> {
    MultiMargin::new().loss(scores, target)
}

/// [`hinge`] with options.
#[derive(Debug, Clone, Default)]
pub struct Hinge {
    weighting: Weighting,
}

impl Loss for Hinge {
    #[track_caller]
    fn loss(&self, scores: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (scores, signs) = signed_pair("hinge", scores, target)?;
        self.weighting.finish("hinge", &signs.mul(&scores)?.rsub_scalar(1.0).relu())
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`squared_hinge`] with options.
#[derive(Debug, Clone, Default)]
pub struct SquaredHinge {
    weighting: Weighting,
}

impl Loss for SquaredHinge {
    #[track_caller]
    fn loss(&self, scores: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (scores, signs) = signed_pair("squared_hinge", scores, target)?;
        self.weighting.finish("squared_hinge", &signs.mul(&scores)?.rsub_scalar(1.0).relu().square())
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`soft_margin`] with options.
#[derive(Debug, Clone, Default)]
pub struct SoftMargin {
    weighting: Weighting,
}

impl Loss for SoftMargin {
    #[track_caller]
    fn loss(&self, scores: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (scores, signs) = signed_pair("soft_margin", scores, target)?;
        self.weighting.finish("soft_margin", &signs.mul(&scores)?.log_sigmoid().neg())
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`hinge_embedding`] with options.
#[derive(Debug, Clone)]
pub struct HingeEmbedding {
    margin: f64,
    weighting: Weighting,
}

impl Default for HingeEmbedding {
    fn default() -> Self {
        Self { margin: 1.0, weighting: Weighting::default() }
    }
}

impl HingeEmbedding {
    /// The distance from which on pairs that are not alike cost nothing. Default 1.
    ///
    /// # Errors
    /// If it is not finite.
    #[track_caller]
    pub fn margin(mut self, margin: f64) -> Result<Self> {
        self.margin = option("hinge_embedding", "the margin", margin, margin.is_finite(), "a number")?;
        Ok(self)
    }
}

impl Loss for HingeEmbedding {
    #[track_caller]
    fn loss(&self, distances: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (distances, signs) = signed_pair("hinge_embedding", distances, target)?;
        let losses = signs.gt_scalar(0.0).where_(&distances, &distances.rsub_scalar(self.margin).relu())?;
        self.weighting.finish("hinge_embedding", &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`categorical_hinge`] with options.
#[derive(Debug, Clone, Default)]
pub struct CategoricalHinge {
    weighting: Weighting,
}

impl Loss for CategoricalHinge {
    #[track_caller]
    fn loss(&self, scores: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "categorical_hinge";
        let scores = single(scores);
        let one_hot = one_hot_like(name, &scores, target)?;
        let (scores, one_hot) = pair(name, &scores, &one_hot)?;
        let own = one_hot.mul(&scores)?.sum_dims(&[-1], false)?;
        let others = one_hot.rsub_scalar(1.0).mul(&scores)?.amax(&[-1], false)?;
        self.weighting.finish(name, &others.sub(&own)?.add_scalar(1.0).relu())
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// Class numbers as one-hot rows like the prediction `[.., classes]`. What is no class number stays as it is.
#[track_caller]
pub(super) fn one_hot_like(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    let Some((&classes, rest)) = prediction.shape().split_last() else {
        return Err(Error::shape(name, "the prediction is a scalar, expected [.., classes]"));
    };
    if target.dtype() != DType::I64 {
        return Ok(single(target));
    }
    if target.shape() != rest {
        let (given, whole) = (target.shape(), prediction.shape());
        let message = format!("targets of shape {given:?} for a prediction of shape {whole:?}, expected {rest:?}");
        return Err(Error::shape(name, message));
    }
    super::classes::class_numbers(name, target, classes, None)?;
    Ok(target.one_hot(classes)?.to_dtype(prediction.dtype()))
}

/// [`multi_margin`] with options.
#[derive(Debug, Clone)]
pub struct MultiMargin {
    squared: bool,
    margin: f64,
    weight: Option<Tensor>,
    reduction: Reduction,
}

impl Default for MultiMargin {
    fn default() -> Self {
        Self { squared: false, margin: 1.0, weight: None, reduction: Reduction::Mean }
    }
}

impl MultiMargin {
    /// The squares of what exceeds the margin: PyTorch's `p = 2`.
    #[must_use]
    pub fn squared(mut self) -> Self {
        self.squared = true;
        self
    }

    /// By how much the score of the target has to exceed the others. Default 1.
    ///
    /// # Errors
    /// If it is not finite.
    #[track_caller]
    pub fn margin(mut self, margin: f64) -> Result<Self> {
        self.margin = option("multi_margin", "the margin", margin, margin.is_finite(), "a number")?;
        Ok(self)
    }

    /// How much each class counts as a target: a tensor `[classes]` of the type of the scores. The mean is divided by the number of
    /// examples all the same.
    #[must_use]
    pub fn weight(mut self, weight: &Tensor) -> Self {
        self.weight = Some(weight.detach());
        self
    }
}

impl Loss for MultiMargin {
    #[track_caller]
    fn loss(&self, scores: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (name, x) = ("multi_margin", single(scores));
        if x.rank() > 2 {
            return Err(Error::shape(name, format!("scores of shape {:?}, expected [n, classes]", x.shape())));
        }
        let classes = Classes::of(name, &x, target, None)?;
        let mut excess = classes.pick(&x)?.rsub_scalar(self.margin).add(&x)?;
        excess = if self.squared { excess.relu().square() } else { excess.relu() };
        // The target itself, of which the margin alone is left, is none of the others.
        let own = target.unsqueeze(-1)?;
        let others = excess.full_like(1.0).scatter(-1, &own, &Tensor::full_dtype(own.shape(), 0.0, x.dtype())?)?;
        let mut losses = excess.mul(&others)?.mean_dims(&[-1], false)?;
        if let Some(weight) = &self.weight {
            expect_class_weights(name, weight, &x, x.rank() - 1)?;
            let weights = classes.weights(name, Some(weight), &x)?;
            losses = losses.mul(&classes.tensor(weights, &x)?)?;
        }
        Ok(self.reduction.apply(&losses))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
    }
}
