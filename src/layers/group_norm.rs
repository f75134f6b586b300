//! Norms of channels that keep no statistics: of groups, and of neighbours.

use std::fmt;

use super::core::{Layer, LayerConfig, Mode, Param, described};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Splits the channels of each example into groups, brings each group to mean 0 and variance 1, then scales and moves every channel by
/// learned amounts (Wu and He, *Group Normalization*, 2018). See [`Tensor::group_norm`].
///
/// # Shapes
/// - input and output: `[batch, channels, ..]`
/// - `weight`, `bias`: `[channels]`; they start as ones and zeros
///
/// ```
/// use demotic::prelude::*;
///
/// let norm = GroupNorm::new(2, 4)?;
/// let y = norm.predict(&tensor![[1.0, 3.0, 10.0, 30.0]])?;
/// assert!(y.sub(&tensor![[-1.0, 1.0, -1.0, 1.0]])?.abs().max()?.item()? < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct GroupNorm {
    /// `[channels]`, starts with ones.
    pub weight: Option<Param>,
    /// `[channels]`, starts with zeros.
    pub bias: Option<Param>,
    groups: usize,
    channels: usize,
    eps: f64,
}

crate::module!(GroupNorm { weight, bias }, plain { groups, channels, eps });

impl GroupNorm {
    /// A layer for inputs with this number of channels, in groups of equal size. `eps` is 1e-5.
    ///
    /// # Errors
    /// If there are no channels, or the number of groups does not divide theirs.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> Result<Self> {
        let bare = Self::bare(groups, channels)?;
        let weight = Some(Param::new(Tensor::ones([channels])?)?);
        let bias = Some(Param::new(Tensor::zeros([channels])?)?);
        Ok(Self { weight, bias, ..bare })
    }

    /// Without parameters.
    #[track_caller]
    fn bare(groups: usize, channels: usize) -> Result<Self> {
        if channels == 0 || groups == 0 || !channels.is_multiple_of(groups) {
            let message = format!("{groups} groups of {channels} channels, expected a divisor");
            return Err(Error::argument("GroupNorm::new", message));
        }
        Ok(Self { weight: None, bias: None, groups, channels, eps: 1e-5 })
    }

    /// What is added to the variance.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// The same layer without weight and bias: it only normalises.
    #[must_use]
    pub fn without_affine(mut self) -> Self {
        (self.weight, self.bias) = (None, None);
        self
    }
}

described! {
    GroupNorm,
    |layer| {
        let sizes = LayerConfig::new().with("groups", layer.groups).with("channels", layer.channels);
        sizes.with("eps", layer.eps).with("weight", layer.weight.is_some()).with("bias", layer.bias.is_some())
    },
    |options, _| {
        let (groups, channels) = (options.take("groups")?, options.take("channels")?);
        let (weight, bias) = (options.take::<bool>("weight")?, options.take::<bool>("bias")?);
        let mut layer = if weight || bias { Self::new(groups, channels)? } else { Self::bare(groups, channels)? };
        (layer.weight, layer.bias) = (layer.weight.filter(|_| weight), layer.bias.filter(|_| bias));
        layer.eps(options.take("eps")?)
    },
    |sizes| sizes.size("channels") * ["weight", "bias"].into_iter().filter(|part| sizes.flag(part)).count()
}

impl Layer for GroupNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        if x.shape().get(1) != Some(&self.channels) {
            let message = format!("the input has shape {:?}, expected [batch, {}, ..]", x.shape(), self.channels);
            return mode.here(Err(Error::shape("GroupNorm", message)));
        }
        mode.here(x.group_norm(self.groups, self.weight.as_deref(), self.bias.as_deref(), self.eps))
    }
}

impl fmt::Debug for GroupNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let affine = if self.weight.is_none() { ", no weight, no bias" } else { "" };
        write!(f, "GroupNorm({} groups of {}, eps {:e}{affine})", self.groups, self.channels, self.eps)
    }
}

/// Divides each number by what the channels around it have: `x / (k + alpha/size · Σ x²)^beta`, with the sum over `size` channels
/// (Krizhevsky et al., *ImageNet Classification with Deep Convolutional Neural Networks*, 2012). See
/// [`Tensor::local_response_norm`].
///
/// # Shapes
/// - input and output: `[batch, channels, ..]`
///
/// ```
/// use demotic::prelude::*;
///
/// let norm = LocalResponseNorm::new(5).alpha(1e-3);
/// assert_eq!(norm.predict(&Tensor::ones([2, 8, 4, 4])?)?.shape(), [2, 8, 4, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalResponseNorm {
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
}

crate::module!(LocalResponseNorm {}, plain { size, alpha, beta, k });

impl LocalResponseNorm {
    /// A layer that looks at this many channels, with `alpha` 1e-4, `beta` 0.75 and `k` 1.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }

    /// What the mean of squares is multiplied by.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// The exponent.
    #[must_use]
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    /// What is added to the mean of squares.
    #[must_use]
    pub fn k(mut self, k: f64) -> Self {
        self.k = k;
        self
    }
}

described! {
    LocalResponseNorm,
    |layer| {
        let options = LayerConfig::new().with("size", layer.size).with("alpha", layer.alpha);
        options.with("beta", layer.beta).with("k", layer.k)
    },
    |options, _| {
        let layer = Self::new(options.take("size")?).alpha(options.take("alpha")?);
        layer.beta(options.take("beta")?).k(options.take("k")?)
    },
}

impl Layer for LocalResponseNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.local_response_norm(self.size, self.alpha, self.beta, self.k))
    }
}
