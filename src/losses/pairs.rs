//! Losses of pairs: what is alike is to be close, or what is better to be higher.

use super::Reduction;
use super::weighting::{Weighting, expect_alike, option, signs, single};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(@new CosineEmbedding, MarginRanking, Contrastive);
reducible!(@weighted CosineEmbedding, MarginRanking, Contrastive);
configurable!(CosineEmbedding { margin: set, weighting: weighting });
configurable!(MarginRanking { margin: set, weighting: weighting });
configurable!(Contrastive { margin: set, weighting: weighting });

/// The mean over pairs of vectors of 1 less the cosine of their angle where the label is 1, `1 − cos(a, b)`, and of `max(0, cos(a, b))` where it
/// is −1.
///
/// `a` and `b` have shape `[n, features]`, the labels `[n]`; a single pair has no `n`. Labels are floats, integers or truth values; 0
/// stands for −1.
///
/// # Errors
/// If shapes or types do not fit, a label is another number, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let (a, b) = (tensor![[1.0, 0.0], [1.0, 0.0]], tensor![[0.0, 1.0], [2.0, 0.0]]);
/// let loss = losses::cosine_embedding(&a, &b, &tensor![1.0, -1.0])?;
/// assert_eq!(loss.item()?, (1.0 + 1.0) / 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn cosine_embedding(a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
    CosineEmbedding::new().loss(a, b, target)
}

/// The mean of `max(0, −y (a − b))` over two tensors of scores and labels of the same shape: `a` is to be higher where the label `y` is
/// 1, `b` where it is −1. [`MarginRanking::margin`] says by how much.
///
/// # Errors
/// If shapes or types do not fit, a label is not 1 or −1 (for which 0 will do), or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::margin_ranking(&tensor![3.0, 1.0], &tensor![1.0, 3.0], &tensor![1.0, 1.0])?;
/// assert_eq!(loss.item()?, (0.0 + 2.0) / 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn margin_ranking(a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
    MarginRanking::new().loss(a, b, target)
}

/// The mean contrastive loss of pairs of vectors with the distance `d` (Hadsell, Chopra and LeCun, 2006): `½ d²` where the label is 1,
/// for those that are alike, and `½ max(0, 1 − d)²` where it is 0 or −1.
///
/// `a` and `b` have shape `[n, features]`, the labels `[n]`; a single pair has no `n`. The distance is Euclidean, of the difference
/// with 10⁻⁶ added to each element, as in PyTorch's `pairwise_distance`. (The paper's labels are the other way round.)
///
/// # Errors
/// If shapes or types do not fit, a label is another number, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let (a, b) = (tensor![[0.0, 0.0], [0.0, 0.0]], tensor![[3.0, 4.0], [0.3, 0.4]]);
/// let loss = losses::contrastive(&a, &b, &tensor![1.0, 0.0])?;
/// assert!((loss.item()? - (12.5 + 0.125) / 2.0).abs() < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn contrastive(a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
    Contrastive::new().loss(a, b, target)
}

/// What PyTorch adds to squared lengths and to differences.
const COSINE_EPS: f64 = 1e-12;
pub(super) const DISTANCE_EPS: f64 = 1e-6;

/// Two tensors `[n, features]` or `[features]` of one type, and a label for each pair: 1, or −1.
#[track_caller]
fn labelled_pairs(name: &'static str, a: &Tensor, b: &Tensor, target: &Tensor) -> Result<[Tensor; 3]> {
    let (a, b) = (single(a), single(b));
    expect_alike(name, ["the first of the pairs", "the second"], &a, &b)?;
    if !matches!(a.rank(), 1 | 2) {
        return Err(Error::shape(name, format!("pairs of shape {:?}, expected [n, features]", a.shape())));
    }
    let labels = labels(name, &a.shape()[..a.rank() - 1], target, &a)?;
    Ok([a, b, labels])
}

/// Labels of this shape as 1 and −1 of the type of `like`.
#[track_caller]
fn labels(name: &'static str, shape: &[usize], target: &Tensor, like: &Tensor) -> Result<Tensor> {
    let target = if target.dtype().is_float() { single(target) } else { target.to_dtype(like.dtype()) };
    target.expect_dtype(name, "the target", like.dtype())?;
    if target.shape() != shape {
        let message = format!("targets of shape {:?} for pairs of shape {:?}", target.shape(), like.shape());
        return Err(
            Error::shape(name, message).with_help(format!("there is one for each pair: reshape them to {shape:?}"))
        );
    }
    signs(name, &target, true)
}

/// `‖a − b + ε‖ₚ` over the last dimension.
#[track_caller]
pub(super) fn distance(a: &Tensor, b: &Tensor, p: f64, eps: f64) -> Result<Tensor> {
    a.sub(b)?.add_scalar(eps).norm_dims(p, &[-1], false)
}

/// [`cosine_embedding`] with options.
#[derive(Debug, Clone, Default)]
pub struct CosineEmbedding {
    margin: f64,
    weighting: Weighting,
}

impl CosineEmbedding {
    /// The cosine up to which pairs that are not alike cost nothing, from −1 to 1. Default 0; 0 to 0.5 is usual.
    ///
    /// # Errors
    /// If there is no such cosine.
    #[track_caller]
    pub fn margin(mut self, margin: f64) -> Result<Self> {
        let allowed = (-1.0..=1.0).contains(&margin);
        self.margin = option("cosine_embedding", "the margin", margin, allowed, "a number from -1 to 1")?;
        Ok(self)
    }

    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// As for [`cosine_embedding`].
    #[track_caller]
    pub fn loss(&self, a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
        let [a, b, signs] = labelled_pairs("cosine_embedding", a, b, target)?;
        let length = |x: &Tensor| Ok(x.square().sum_dims(&[-1], false)?.add_scalar(COSINE_EPS).sqrt());
        let cosine = a.mul(&b)?.sum_dims(&[-1], false)?.div(&length(&a)?)?.div(&length(&b)?)?;
        let apart = cosine.add_scalar(-self.margin).relu();
        let losses = signs.gt_scalar(0.0).where_(&cosine.rsub_scalar(1.0), &apart)?;
        self.weighting.finish("cosine_embedding", &losses)
    }
}

/// [`margin_ranking`] with options.
#[derive(Debug, Clone, Default)]
pub struct MarginRanking {
    margin: f64,
    weighting: Weighting,
}

impl MarginRanking {
    /// By how much the higher score is to be above the other. Default 0.
    ///
    /// # Errors
    /// If it is not finite.
    #[track_caller]
    pub fn margin(mut self, margin: f64) -> Result<Self> {
        self.margin = option("margin_ranking", "the margin", margin, margin.is_finite(), "a number")?;
        Ok(self)
    }

    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// As for [`margin_ranking`].
    #[track_caller]
    pub fn loss(&self, a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "margin_ranking";
        let (a, b) = (single(a), single(b));
        expect_alike(name, ["the first of the pairs", "the second"], &a, &b)?;
        let signs = labels(name, a.shape(), target, &a)?;
        let losses = signs.mul(&b.sub(&a)?)?.add_scalar(self.margin).relu();
        self.weighting.finish(name, &losses)
    }
}

/// [`contrastive`] with options.
#[derive(Debug, Clone)]
pub struct Contrastive {
    margin: f64,
    weighting: Weighting,
}

impl Default for Contrastive {
    fn default() -> Self {
        Self { margin: 1.0, weighting: Weighting::default() }
    }
}

impl Contrastive {
    /// The distance from which on pairs that are not alike cost nothing. Default 1.
    ///
    /// # Errors
    /// If it is not positive.
    #[track_caller]
    pub fn margin(mut self, margin: f64) -> Result<Self> {
        let allowed = margin > 0.0 && margin.is_finite();
        self.margin = option("contrastive", "the margin", margin, allowed, "a positive number")?;
        Ok(self)
    }

    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// As for [`contrastive`].
    #[track_caller]
    pub fn loss(&self, a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
        let [a, b, signs] = labelled_pairs("contrastive", a, b, target)?;
        let d = distance(&a, &b, 2.0, DISTANCE_EPS)?;
        let apart = d.rsub_scalar(self.margin).relu();
        let losses = signs.gt_scalar(0.0).where_(&d, &apart)?.square().mul_scalar(0.5);
        self.weighting.finish("contrastive", &losses)
    }
}
