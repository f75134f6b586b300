//! Losses of an anchor, what is alike, and what is not.

use std::fmt;
use std::sync::Arc;

use super::pairs::{DISTANCE_EPS, distance};
use super::weighting::{Weighting, expect_alike, option, single};
use super::{CrossEntropy, Loss, Reduction};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(@new Triplet, InfoNce);
reducible!(@weighted Triplet);
reducible!(@option InfoNce);
configurable!(Triplet { margin: set, p: set, eps: set, swap, distance: code, weighting: weighting });
configurable!(InfoNce { temperature: set, symmetric, reduction });

/// The mean over triplets of `max(0, d(a, p) − d(a, n) + 1)`: an anchor `a` is to be closer to what is alike, `p`, than to what is not,
/// `n` (Balntas et al., 2016).
///
/// All three have the same shape, `[n, features]`, or any with the features last. The distance is Euclidean, of the difference with
/// 10⁻⁶ added to each element, as in PyTorch's `pairwise_distance`; [`Triplet`] takes others.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let (anchor, positive, negative) = (tensor![[0.0, 0.0]], tensor![[3.0, 4.0]], tensor![[0.0, 2.0]]);
/// assert!((losses::triplet(&anchor, &positive, &negative)?.item()? - (5.0 - 2.0 + 1.0)).abs() < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "triplet_margin_loss")]
#[track_caller]
pub fn triplet(anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
    Triplet::new().loss(anchor, positive, negative)
}

/// The mean InfoNCE loss of queries and keys, both `[n, features]` (van den Oord, Li and Vinyals, 2018): the cross-entropy of finding,
/// by the cosine with each key, the one in the row of the query. The keys of all others in the batch are what it must not find.
///
/// The cosines are divided by a temperature of 0.1 before the softmax.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let (query, key) = (tensor![[1.0, 0.0], [0.0, 1.0]], tensor![[2.0, 0.0], [0.0, 3.0]]);
/// let loss = losses::info_nce(&query, &key)?.item()?;
/// assert!((loss - (1.0 + (-10f64).exp()).ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "ntxent")]
#[track_caller]
pub fn info_nce(query: &Tensor, key: &Tensor) -> Result<Tensor> {
    InfoNce::new().loss(query, key)
}

/// A distance for each example, from two tensors of examples.
type Distance = dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync;

/// [`triplet`] with options.
#[derive(Clone)]
pub struct Triplet {
    margin: f64,
    p: f64,
    eps: f64,
    swap: bool,
    distance: Option<Arc<Distance>>,
    weighting: Weighting,
}

impl Default for Triplet {
    fn default() -> Self {
        Self { margin: 1.0, p: 2.0, eps: DISTANCE_EPS, swap: false, distance: None, weighting: Weighting::default() }
    }
}

impl Triplet {
    /// By how much what is not alike has to be farther away. Default 1.
    ///
    /// # Errors
    /// If it is not positive.
    #[track_caller]
    pub fn margin(mut self, margin: f64) -> Result<Self> {
        let allowed = margin > 0.0 && margin.is_finite();
        self.margin = option("triplet", "the margin", margin, allowed, "a positive number")?;
        Ok(self)
    }

    /// Distances by the `p`-norm. Default 2.
    ///
    /// # Errors
    /// If `p` is not above 0.
    #[track_caller]
    pub fn p(mut self, p: f64) -> Result<Self> {
        self.p = option("triplet", "p", p, p > 0.0, "a number above 0")?;
        Ok(self)
    }

    /// What is added to each difference before its norm is taken, so that there is a slope at 0. Default 10⁻⁶.
    ///
    /// # Errors
    /// If it is negative or not finite.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Result<Self> {
        self.eps = option("triplet", "eps", eps, eps >= 0.0 && eps.is_finite(), "a number of at least 0")?;
        Ok(self)
    }

    /// Where the negative is closer to the positive than to the anchor, that distance counts (Balntas et al., 2016).
    #[must_use]
    pub fn swap(mut self) -> Self {
        self.swap = true;
        self
    }

    /// Another distance: a function of two tensors of examples that gives a number for each example. PyTorch's
    /// `triplet_margin_with_distance_loss`.
    ///
    /// ```
    /// use demotic::losses::Triplet;
    /// use demotic::{tensor, Tensor};
    ///
    /// let squared = |a: &Tensor, b: &Tensor| a.sub(b)?.square().sum_dims(&[-1], false);
    /// let loss = Triplet::new().distance(squared).loss(&tensor![[0.0]], &tensor![[3.0]], &tensor![[1.0]])?;
    /// assert_eq!(loss.item()?, 9.0 - 1.0 + 1.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn distance(mut self, of: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Self {
        self.distance = Some(Arc::new(of));
        self
    }

    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// As for [`triplet`], and those of the distance.
    #[track_caller]
    pub fn loss(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        let name = "triplet";
        let (a, p, n) = (single(anchor), single(positive), single(negative));
        expect_alike(name, ["the anchor", "the positive"], &a, &p)?;
        expect_alike(name, ["the anchor", "the negative"], &a, &n)?;
        if a.rank() == 0 && self.distance.is_none() {
            return Err(Error::shape(name, "the anchor is a scalar, expected [.., features]"));
        }
        let between = |a: &Tensor, b: &Tensor| match &self.distance {
            Some(of) => of(a, b),
            None => distance(a, b, self.p, self.eps),
        };
        let near = between(&a, &p)?;
        let mut far = between(&a, &n)?;
        if self.swap {
            far = far.minimum(&between(&p, &n)?)?;
        }
        self.weighting.finish(name, &near.sub(&far)?.add_scalar(self.margin).relu())
    }
}

impl fmt::Debug for Triplet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let distance = if self.distance.is_some() { "a function".to_string() } else { format!("p = {}", self.p) };
        write!(f, "Triplet(margin {}, {distance}, swap {}, {:?})", self.margin, self.swap, self.weighting.reduction)
    }
}

/// [`info_nce`] with options.
#[derive(Debug, Clone)]
pub struct InfoNce {
    temperature: f64,
    symmetric: bool,
    reduction: Reduction,
}

impl Default for InfoNce {
    fn default() -> Self {
        Self { temperature: 0.1, symmetric: false, reduction: Reduction::Mean }
    }
}

impl InfoNce {
    /// What cosines are divided by: the lower, the more the hardest of the others count. Default 0.1.
    ///
    /// # Errors
    /// If it is not positive.
    #[track_caller]
    pub fn temperature(mut self, temperature: f64) -> Result<Self> {
        let allowed = temperature > 0.0 && temperature.is_finite();
        self.temperature = option("info_nce", "the temperature", temperature, allowed, "a positive number")?;
        Ok(self)
    }

    /// The mean of both directions, from queries to keys and from keys to queries, as for pictures and their texts (Radford et al.,
    /// *CLIP*, 2021).
    #[must_use]
    pub fn symmetric(mut self) -> Self {
        self.symmetric = true;
        self
    }

    /// The same with keys that no query is to find, `[m, features]`, in the place of those of other queries.
    ///
    /// # Errors
    /// As for [`info_nce`]; if both directions are wanted, of which the other has no negatives.
    #[track_caller]
    pub fn loss_with_negatives(&self, query: &Tensor, key: &Tensor, negatives: &Tensor) -> Result<Tensor> {
        let name = "info_nce";
        let (query, key) = unit_rows(name, query, key)?;
        let negatives = single(negatives);
        negatives.expect_dtype(name, "the negatives", query.dtype())?;
        if negatives.rank() != 2 || negatives.shape()[1] != query.shape()[1] || negatives.is_empty() {
            let (given, whole) = (negatives.shape(), query.shape());
            let message =
                format!("negatives of shape {given:?} for queries of shape {whole:?}, expected [m, {}]", whole[1]);
            return Err(Error::shape(name, message));
        }
        if self.symmetric {
            return Err(Error::argument(name, "negatives of queries, and both directions")
                .with_help("only the keys of the batch can be searched in both directions"));
        }
        let own = query.mul(&key)?.sum_dims(&[-1], true)?;
        let others = query.matmul(&normalized(&negatives)?.t())?;
        let first = Tensor::full_dtype([query.shape()[0]], 0.0, crate::tensor::DType::I64)?;
        let logits = Tensor::cat(&[&own, &others], 1)?.div_scalar(self.temperature);
        CrossEntropy::new().reduction(self.reduction).loss(&logits, &first)
    }
}

/// Rows of length 1, or 0 where they are that.
#[track_caller]
fn normalized(x: &Tensor) -> Result<Tensor> {
    // As PyTorch's `normalize`.
    x.div(&x.norm_dims(2.0, &[-1], true)?.clamp_min(1e-12))
}

#[track_caller]
fn unit_rows(name: &'static str, query: &Tensor, key: &Tensor) -> Result<(Tensor, Tensor)> {
    let (query, key) = (single(query), single(key));
    expect_alike(name, ["the query", "the key"], &query, &key)?;
    if query.rank() != 2 {
        return Err(Error::shape(name, format!("queries of shape {:?}, expected [n, features]", query.shape())));
    }
    Ok((normalized(&query)?, normalized(&key)?))
}

impl Loss for InfoNce {
    #[track_caller]
    fn loss(&self, query: &Tensor, key: &Tensor) -> Result<Tensor> {
        let (query, key) = unit_rows("info_nce", query, key)?;
        let logits = query.matmul(&key.t())?.div_scalar(self.temperature);
        let own = Tensor::from_vec((0..query.shape()[0] as i64).collect(), [query.shape()[0]])?;
        let loss = CrossEntropy::new().reduction(self.reduction);
        let there = loss.loss(&logits, &own)?;
        match self.symmetric {
            true => Ok(there.add(&loss.loss(&logits.t(), &own)?)?.mul_scalar(0.5)),
            false => Ok(there),
        }
    }

    fn count(&self, key: &Tensor) -> f64 {
        self.reduction.count(key.shape().first().copied().unwrap_or(1) as f64)
    }
}
