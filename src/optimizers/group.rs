//! Options for some of the parameters.

use crate::config::configurable;

/// Parameters that are treated differently, chosen by path.
///
/// If several groups match a parameter, each setting is taken from the last one that has it.
///
/// ```
/// use demotic::optimizers::{AdamW, Group};
///
/// // Fine-tuning: a tenth of the rate for the encoder, and no decay of biases, the encoder's included.
/// let opt = AdamW::new(1e-3)
///     .group(Group::new("encoder.*").learning_rate_scale(0.1))
///     .group(Group::new("*.bias").weight_decay(0.0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub(super) pattern: String,
    pub(super) learning_rate_scale: Option<f64>,
    pub(super) weight_decay: Option<f64>,
    pub(super) betas: Option<(f64, f64)>,
    pub(super) eps: Option<f64>,
}

configurable!(Group { pattern: required, learning_rate_scale, weight_decay, betas, eps } = Self::new(""));

impl Group {
    /// The parameters whose path matches `pattern`, in which `*` stands for any text: `encoder.*`, `*.bias`.
    /// A pattern that matches none is an error at the first step.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), learning_rate_scale: None, weight_decay: None, betas: None, eps: None }
    }

    /// The group's learning rate, as a multiple of the optimizer's. So it follows every schedule.
    #[must_use]
    pub fn learning_rate_scale(mut self, scale: f64) -> Self {
        self.learning_rate_scale = Some(scale);
        self
    }

    /// The group's weight decay, instead of the optimizer's.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = Some(weight_decay);
        self
    }

    /// The group's betas, instead of those of [`Adam`](super::Adam) or [`AdamW`](super::AdamW).
    ///
    /// ```
    /// use demotic::optimizers::{AdamW, Group};
    ///
    /// // Embeddings of rare words: their squares are averaged over a longer time.
    /// let opt = AdamW::new(1e-3).betas(0.9, 0.95).group(Group::new("embedding.*").betas(0.9, 0.999));
    /// ```
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.betas = Some((beta1, beta2));
        self
    }

    /// The group's `eps`, instead of that of `Adam`, `AdamW`, [`RmsProp`](super::RmsProp) or [`AdaGrad`](super::AdaGrad).
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = Some(eps);
        self
    }
}
