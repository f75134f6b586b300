//! The sizes of a GPT.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{Activation, Count, check_memory, layer_tensors};
use crate::models::options::options;
use crate::models::text::sequences::{block_parameters, check_heads, check_sizes};

/// The sizes and options of a [`Gpt`](super::Gpt). Written to files, so that a model can be made anew from them.
///
/// ```
/// use demotic::models::GptConfig;
///
/// let config = GptConfig::new(65, 64).layers(4).heads(4).hidden_size(128).dropout(0.1);
/// assert_eq!(config.num_parameters(), 809_856);
/// assert_eq!(GptConfig::gpt2().num_parameters(), 124_439_808);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GptConfig {
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// The most tokens that the model looks at: one position vector is learnt for each.
    pub context_length: usize,
    /// The size of the vector that stands for a token.
    pub hidden_size: usize,
    /// How many blocks there are.
    pub num_layers: usize,
    /// Into how many heads attention is split; `hidden_size` is a multiple of it.
    pub num_heads: usize,
    /// The size of a head; `hidden_size / num_heads`, if nothing is said. Another one have models of which heads were taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// The inner size of a block's feed-forward part; usually four times `hidden_size`.
    pub intermediate_size: usize,
    /// The dropout probability of the outputs of both parts of a block, and of embeddings and attention weights unless
    /// they have one of their own.
    pub dropout: f64,
    /// The dropout probability of embeddings, if it is another.
    #[serde(default)]
    pub embedding_dropout: Option<f64>,
    /// The dropout probability of attention weights, if it is another.
    #[serde(default)]
    pub attention_dropout: Option<f64>,
    /// Added to the variance by layer normalisation.
    pub layer_norm_eps: f64,
    /// Whether the output layer uses the weights of the token embedding (Press and Wolf, 2017).
    pub tied: bool,
    /// Whether training computes each block a second time in the backward pass instead of keeping what is inside.
    pub checkpointing: bool,
    /// The function inside of the feed-forward parts. GPT-2's is [`GeluTanh`](crate::layers::GeluTanh) (`gelu_new` of
    /// `transformers`, whose `gelu` is [`Gelu`](crate::layers::Gelu)).
    #[serde(default = "gelu_tanh")]
    pub activation: Activation,
    /// Whether the scores of attention are divided by the root of a head's size: `scale_attn_weights` of `transformers`.
    #[serde(default = "yes")]
    pub attention_scaling: bool,
    /// Whether the scores of attention are divided by the number of their block, counted from 1:
    /// `scale_attn_by_inverse_layer_idx` of `transformers`.
    #[serde(default)]
    pub inverse_layer_scaling: bool,
}

/// What models have whose files say nothing of it.
fn gelu_tanh() -> Activation {
    Activation::GeluTanh
}

fn yes() -> bool {
    true
}

impl GptConfig {
    /// A small model: 4 layers of 4 heads, 128 wide, tied, without dropout.
    #[must_use]
    pub fn new(vocab_size: usize, context_length: usize) -> Self {
        Self {
            vocab_size,
            context_length,
            hidden_size: 128,
            num_layers: 4,
            num_heads: 4,
            head_dim: None,
            intermediate_size: 512,
            dropout: 0.0,
            embedding_dropout: None,
            attention_dropout: None,
            layer_norm_eps: 1e-5,
            tied: true,
            checkpointing: false,
            activation: gelu_tanh(),
            attention_scaling: true,
            inverse_layer_scaling: false,
        }
    }

    /// GPT-2 with 124 million parameters (Radford et al., *Language models are unsupervised multitask learners*, 2019).
    #[must_use]
    pub fn gpt2() -> Self {
        Self::new(50_257, 1024).layers(12).heads(12).hidden_size(768).dropout(0.1)
    }

    /// GPT-2 with 355 million parameters.
    #[must_use]
    pub fn gpt2_medium() -> Self {
        Self::gpt2().layers(24).heads(16).hidden_size(1024)
    }

    /// GPT-2 with 774 million parameters.
    #[must_use]
    pub fn gpt2_large() -> Self {
        Self::gpt2().layers(36).heads(20).hidden_size(1280)
    }

    /// GPT-2 with 1.5 billion parameters.
    #[must_use]
    pub fn gpt2_xl() -> Self {
        Self::gpt2().layers(48).heads(25).hidden_size(1600)
    }

    options!(layers, heads, width, intermediate_size, dropout, untied);

    /// Trades time for memory: see [`checkpointing`](Self::checkpointing).
    #[must_use]
    pub fn with_checkpointing(mut self) -> Self {
        self.checkpointing = true;
        self
    }

    /// Another function inside of the feed-forward parts: a layer such as [`Silu`](crate::layers::Silu), or an
    /// [`Activation`].
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Activation>) -> Self {
        self.activation = activation.into();
        self
    }

    /// Another dropout probability of embeddings than that of everything else.
    #[must_use]
    pub fn embedding_dropout(mut self, p: f64) -> Self {
        self.embedding_dropout = Some(p);
        self
    }

    /// Another dropout probability of attention weights than that of everything else.
    #[must_use]
    pub fn attention_dropout(mut self, p: f64) -> Self {
        self.attention_dropout = Some(p);
        self
    }

    /// Takes the scores of attention as they are; see [the field](Self::attention_scaling).
    #[must_use]
    #[doc(alias = "scale_attn_weights")]
    pub fn without_attention_scaling(mut self) -> Self {
        self.attention_scaling = false;
        self
    }

    /// Divides the scores of attention by the number of their block; see [the field](Self::inverse_layer_scaling).
    #[must_use]
    #[doc(alias = "scale_attn_by_inverse_layer_idx")]
    pub fn with_inverse_layer_scaling(mut self) -> Self {
        self.inverse_layer_scaling = true;
        self
    }

    /// The size of a head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        self.head_dim.unwrap_or_else(|| self.hidden_size / self.num_heads.max(1))
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn parameters(&self) -> Count {
        let c = Count::new(self.hidden_size);
        let tables = Count::new(self.vocab_size) * if self.tied { 1 } else { 2 } + self.context_length;
        let layer = block_parameters(self.hidden_size, self.intermediate_size, self.num_heads, self.head_size());
        tables * c + layer * self.num_layers + c * 2
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("context_length", self.context_length),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("head_dim", self.head_dim.unwrap_or(1)),
            ("intermediate_size", self.intermediate_size),
        ];
        check_sizes("Gpt::new", &sizes)?;
        if self.head_dim.is_none() {
            check_heads("Gpt::new", self.hidden_size, self.num_heads)?;
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps.is_finite()) {
            let message = format!("layer_norm_eps is {}, expected a positive number", self.layer_norm_eps);
            return Err(Error::argument("Gpt::new", message));
        }
        if let Some(what) = self.activation.shortening() {
            let e = Error::argument(
                "Gpt::new",
                format!("the activation is a {}, which {what}", crate::layers::Module::kind(&self.activation)),
            );
            return Err(e.with_help("take one that keeps their number, such as Silu"));
        }
        check_memory("Gpt::new", self.parameters(), layer_tensors(1) * self.num_layers + 5)
    }
}
