//! What the layers of a transformer have in common.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::core::{Count, LayerConfig, LayerExt, Mode};
use crate::layers::{LayerNorm, Linear, MultiHeadAttention};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The function between the two linear maps of a transformer layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransformerActivation {
    /// [`Tensor::relu`].
    #[default]
    Relu,
    /// [`Tensor::gelu`].
    Gelu,
    /// [`Tensor::gelu_tanh`].
    GeluTanh,
}

/// The sizes and options of the layers of a transformer. The defaults are PyTorch's.
///
/// ```
/// use demotic::prelude::*;
///
/// let options = TransformerOptions::new(32, 4).feedforward(64).activation(TransformerActivation::Gelu).norm_first();
/// let layer = TransformerEncoderLayer::new(&options, &mut Rng::seed(0))?;
/// assert_eq!(layer.predict(&Tensor::zeros([2, 10, 32])?)?.shape(), [2, 10, 32]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformerOptions {
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) feedforward: usize,
    pub(super) dropout: f64,
    pub(super) activation: TransformerActivation,
    pub(super) eps: f64,
    pub(super) norm_first: bool,
    pub(super) bias: bool,
}

impl TransformerOptions {
    /// Layers for `d_model` features and `num_heads` heads, with 2048 features in between, dropout of 0.1, ReLU, and
    /// normalisation after each part.
    #[must_use]
    pub fn new(d_model: usize, num_heads: usize) -> Self {
        Self {
            width: d_model,
            heads: num_heads,
            feedforward: 2048,
            dropout: 0.1,
            activation: TransformerActivation::Relu,
            eps: 1e-5,
            norm_first: false,
            bias: true,
        }
    }

    /// The number of features between the two linear maps. PyTorch's `dim_feedforward`.
    #[must_use]
    pub fn feedforward(mut self, features: usize) -> Self {
        self.feedforward = features;
        self
    }

    /// The probability of dropout: of attention weights, of the features in between, and of what each part adds.
    #[must_use]
    pub fn dropout(mut self, p: f64) -> Self {
        self.dropout = p;
        self
    }

    /// The function between the two linear maps.
    #[must_use]
    pub fn activation(mut self, activation: TransformerActivation) -> Self {
        self.activation = activation;
        self
    }

    /// What the layer norms add to the variance. PyTorch's `layer_norm_eps`.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// Normalises the input of each part, and not the sum after it. Deep models are easier to train this way (Xiong et
    /// al., *On layer normalization in the transformer architecture*, 2020).
    #[must_use]
    pub fn norm_first(mut self) -> Self {
        self.norm_first = true;
        self
    }

    /// No biases anywhere.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    #[track_caller]
    pub(super) fn attention(&self, rng: &mut Rng) -> Result<MultiHeadAttention> {
        let attention = MultiHeadAttention::new(self.width, self.heads, rng)?.dropout(self.dropout)?;
        Ok(if self.bias { attention } else { attention.without_bias() })
    }

    #[track_caller]
    pub(super) fn linear(&self, inputs: usize, outputs: usize, rng: &mut Rng) -> Result<Linear> {
        let linear = Linear::new(inputs, outputs, rng)?;
        Ok(if self.bias { linear } else { linear.without_bias() })
    }

    #[track_caller]
    pub(super) fn norm(&self) -> Result<LayerNorm> {
        if !(self.eps >= 0.0 && self.eps.is_finite()) {
            let message = format!("eps is {}, expected a number from 0 on", self.eps);
            return Err(Error::argument("TransformerOptions", message));
        }
        let norm = LayerNorm::new(self.width)?.eps(self.eps);
        Ok(if self.bias { norm } else { norm.without_bias() })
    }

    /// The options in a file.
    #[track_caller]
    pub(super) fn from_described(mut config: LayerConfig) -> Result<Self> {
        let options = Self {
            width: config.take("d_model")?,
            heads: config.take("num_heads")?,
            feedforward: config.take("feedforward")?,
            dropout: config.take("dropout")?,
            activation: config.take("activation")?,
            eps: config.take("eps")?,
            norm_first: config.take("norm_first")?,
            bias: config.take("bias")?,
        };
        config.done()?;
        Ok(options)
    }

    pub(super) fn rules(&self) -> Rules {
        Rules { dropout: self.dropout, activation: self.activation, norm_first: self.norm_first }
    }
}

/// How a layer uses one of its attentions. Not a type parameter: the layer would be compiled for each way.
pub(super) type Attend<'f> = &'f mut dyn FnMut(&MultiHeadAttention, &Tensor, &mut Mode<'_>) -> Result<Tensor>;

/// What a layer does beside its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    dropout: f64,
    activation: TransformerActivation,
    norm_first: bool,
}

impl Rules {
    /// What files say of them.
    pub(super) fn described(&self) -> LayerConfig {
        let activation = match self.activation {
            TransformerActivation::Relu => "relu",
            TransformerActivation::Gelu => "gelu",
            TransformerActivation::GeluTanh => "gelu_tanh",
        };
        let config = LayerConfig::new().with("dropout", self.dropout).with("activation", activation);
        config.with("norm_first", self.norm_first)
    }

    #[track_caller]
    fn drop(&self, x: Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match mode.rng() {
            Some(rng) if self.dropout > 0.0 => x.dropout(self.dropout, rng),
            _ => Ok(x),
        }
    }

    /// Adds what `part` makes of `x` to it, with the norm before or after.
    #[track_caller]
    pub(super) fn add(
        &self,
        x: &Tensor,
        (name, norm): (&'static str, &LayerNorm),
        part: &mut dyn FnMut(&Tensor, &mut Mode<'_>) -> Result<Tensor>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        if self.norm_first {
            let y = part(&norm.at(name, x, mode)?, mode)?;
            x.add(&self.drop(y, mode)?)
        } else {
            let y = part(x, mode)?;
            norm.at(name, &x.add(&self.drop(y, mode)?)?, mode)
        }
    }

    /// The activation and dropout between the two linear maps.
    #[track_caller]
    pub(super) fn between(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = match self.activation {
            TransformerActivation::Relu => x.relu(),
            TransformerActivation::Gelu => x.gelu(),
            TransformerActivation::GeluTanh => x.gelu_tanh(),
        };
        self.drop(y, mode)
    }
}

/// The parameters of a transformer layer with so many attentions (each behind a norm) and a feed-forward part.
pub(crate) fn layer_parameters(width: usize, feedforward: usize, attentions: usize) -> Count {
    let (c, inner) = (Count::new(width), Count::new(feedforward));
    let attention = (c + 1) * c * 4 + c * 2;
    let feed_forward = c * inner * 2 + inner + c * 3;
    attention * attentions + feed_forward
}

/// In how many tensors they are.
pub(crate) fn layer_tensors(attentions: usize) -> Count {
    Count::new(6) * attentions + 6
}
