//! The sizes and options of the Llama family.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use super::rope::{RopeConfig, RopeScaling};
use crate::error::{Error, Result};
use crate::layers::{Activation, Count, Module, check_memory};
use crate::models::options::options;
use crate::models::text::sequences::check_sizes;

const OP: &str = "Llama::new";

/// The sizes and options of a [`Llama`](super::Llama). Written to files, so that a model can be made anew from them.
///
/// ```
/// use demotic::models::LlamaConfig;
///
/// let config = LlamaConfig::new(65, 256).layers(2).hidden_size(64).intermediate_size(192).heads(4).kv_heads(2);
/// assert_eq!(config.num_parameters(), 106_944);
/// assert_eq!(LlamaConfig::smollm2_135m().num_parameters(), 134_515_008);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LlamaConfig {
    /// As which of the published families a folder is written. It changes nothing of what is computed.
    #[serde(default)]
    pub family: LlamaFamily,
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// The most tokens that the model looks at. Nothing in the model is as large.
    pub context_length: usize,
    /// The size of the vector that stands for a token.
    pub hidden_size: usize,
    /// The inner size of a block's feed-forward part.
    pub intermediate_size: usize,
    /// How many blocks there are.
    pub num_layers: usize,
    /// Into how many heads the queries are split.
    pub num_heads: usize,
    /// How many heads of keys and values there are, each for as many neighbouring heads of queries; one for each, if nothing is said.
    #[serde(default)]
    pub num_kv_heads: Option<usize>,
    /// The size of a head; `hidden_size / num_heads`, if nothing is said.
    #[serde(default)]
    pub head_dim: Option<usize>,
    /// The function of the gate in feed-forward parts: [`Silu`](crate::layers::Silu) (SwiGLU) or
    /// [`GeluTanh`](crate::layers::GeluTanh) (GeGLU).
    pub activation: Activation,
    /// Added to the mean square by normalisations.
    pub rms_norm_eps: f64,
    /// How queries and keys are turned by their positions.
    pub rope: RopeConfig,
    /// The same in blocks that look only at a window, if it is otherwise there (Gemma 3).
    #[serde(default)]
    pub local_rope: Option<RopeConfig>,
    /// Blocks whose queries and keys are not turned, counted from 0 (SmolLM3).
    #[serde(default)]
    pub layers_without_rope: Vec<usize>,
    /// How many tokens each one looks at, itself among them; all before it, if nothing is said.
    #[serde(default)]
    pub sliding_window: Option<usize>,
    /// Blocks that look at all tokens though there is a window, counted from 0.
    #[serde(default)]
    pub full_layers: Vec<usize>,
    /// Whether the output layer uses the weights of the token embedding.
    pub tied: bool,
    /// Whether the projections of queries, keys and values have biases.
    #[serde(default)]
    pub qkv_bias: bool,
    /// Whether the projection of the joined heads has a bias.
    #[serde(default)]
    pub output_bias: bool,
    /// Whether the feed-forward parts have biases.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Whether the heads of queries and keys are normalised (Qwen3, Gemma 3).
    #[serde(default)]
    pub qk_norm: bool,
    /// Whether normalisations multiply by `1 + weight`, and not by `weight` (Gemma).
    #[serde(default)]
    pub unit_offset: bool,
    /// Whether both parts of a block are normalised before and behind (Gemma 2 and 3).
    #[serde(default)]
    pub post_norms: bool,
    /// By what token vectors are multiplied (Gemma).
    #[serde(default)]
    pub embedding_scale: Option<f64>,
    /// By what the products of queries and keys are multiplied, instead of `1/√head_dim`.
    #[serde(default)]
    pub attention_scale: Option<f64>,
    /// Below what the scores of attention stay; see [`AttentionOptions::softcap`](crate::AttentionOptions::softcap).
    #[serde(default)]
    pub attention_softcap: Option<f64>,
    /// The same of logits.
    #[serde(default)]
    pub logit_softcap: Option<f64>,
    /// The dropout probability of the outputs of both parts of a block.
    #[serde(default)]
    pub dropout: f64,
    /// The dropout probability of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Whether training computes each block a second time in the backward pass instead of keeping what is inside.
    #[serde(default)]
    pub checkpointing: bool,
}

/// The families of published models that a [`Llama`](super::Llama) can be, by their `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LlamaFamily {
    /// Llama 1 to 3, SmolLM and SmolLM2, and others of this architecture.
    #[default]
    Llama,
    /// Mistral: a sliding window.
    Mistral,
    /// Qwen2 and Qwen2.5: biases of queries, keys and values.
    Qwen2,
    /// Qwen3: normalised heads.
    Qwen3,
    /// Phi-3 and Phi-4: fused projections in files, LongRoPE.
    Phi3,
    /// SmolLM3: some blocks without positions.
    Smollm3,
    /// Gemma: scaled embeddings, normalisations by `1 + weight`.
    Gemma,
    /// Gemma 2: normalised before and behind, alternating windows, soft caps.
    Gemma2,
    /// Gemma 3, its part for text: normalised heads, two kinds of positions.
    Gemma3,
}

impl LlamaConfig {
    /// A small model as Llama is built: 4 layers of 4 heads, 128 wide, 384 inside, SwiGLU, not tied, without biases and dropout.
    #[must_use]
    pub fn new(vocab_size: usize, context_length: usize) -> Self {
        Self {
            family: LlamaFamily::Llama,
            vocab_size,
            context_length,
            hidden_size: 128,
            intermediate_size: 384,
            num_layers: 4,
            num_heads: 4,
            num_kv_heads: None,
            head_dim: None,
            activation: Activation::Silu,
            rms_norm_eps: 1e-5,
            rope: RopeConfig::new(10_000.0),
            local_rope: None,
            layers_without_rope: Vec::new(),
            sliding_window: None,
            full_layers: Vec::new(),
            tied: false,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            qk_norm: false,
            unit_offset: false,
            post_norms: false,
            embedding_scale: None,
            attention_scale: None,
            attention_softcap: None,
            logit_softcap: None,
            dropout: 0.0,
            attention_dropout: 0.0,
            checkpointing: false,
        }
    }

    /// SmolLM2 with 135 million parameters (Ben Allal et al., *SmolLM2*, 2025).
    #[must_use]
    pub fn smollm2_135m() -> Self {
        let sizes = Self::new(49_152, 8192).layers(30).heads(9).kv_heads(3).hidden_size(576).intermediate_size(1536);
        sizes.rope(RopeConfig::new(100_000.0)).tied()
    }

    /// Llama 3.2 with 1.2 billion parameters (Grattafiori et al., *The Llama 3 herd of models*, 2024).
    #[must_use]
    pub fn llama3_2_1b() -> Self {
        let sizes = Self::new(128_256, 131_072).layers(16).heads(32).kv_heads(8).hidden_size(2048);
        let scaling =
            RopeScaling::Llama3 { factor: 32.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 8192 };
        sizes.intermediate_size(8192).head_dim(64).rope(RopeConfig::new(500_000.0).scaling(scaling)).tied()
    }

    options!(layers, heads, width, intermediate_size, dropout);

    /// Keys and values with fewer heads than queries.
    #[must_use]
    pub fn kv_heads(mut self, num_kv_heads: usize) -> Self {
        self.num_kv_heads = Some(num_kv_heads);
        self
    }

    /// Heads of another size than `hidden_size / num_heads`.
    #[must_use]
    pub fn head_dim(mut self, head_dim: usize) -> Self {
        self.head_dim = Some(head_dim);
        self
    }

    /// Other positions.
    #[must_use]
    pub fn rope(mut self, rope: RopeConfig) -> Self {
        self.rope = rope;
        self
    }

    /// Each token looks at so many tokens only, itself among them.
    #[must_use]
    pub fn sliding_window(mut self, tokens: usize) -> Self {
        self.sliding_window = Some(tokens);
        self
    }

    /// The output layer uses the weights of the token embedding.
    #[must_use]
    pub fn tied(mut self) -> Self {
        self.tied = true;
        self
    }

    /// Another function of the gate in feed-forward parts: a layer such as [`GeluTanh`](crate::layers::GeluTanh), or an
    /// [`Activation`].
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Activation>) -> Self {
        self.activation = activation.into();
        self
    }

    /// The dropout probability of attention weights.
    #[must_use]
    pub fn attention_dropout(mut self, p: f64) -> Self {
        self.attention_dropout = p;
        self
    }

    /// Trades time for memory: see [`checkpointing`](Self::checkpointing).
    #[must_use]
    pub fn with_checkpointing(mut self) -> Self {
        self.checkpointing = true;
        self
    }

    /// The size of a head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        self.head_dim.unwrap_or_else(|| self.hidden_size / self.num_heads.max(1))
    }

    /// The number of heads of keys and values.
    #[must_use]
    pub fn key_heads(&self) -> usize {
        self.num_kv_heads.unwrap_or(self.num_heads)
    }

    /// Whether a block looks at a window only.
    #[must_use]
    pub fn is_sliding(&self, layer: usize) -> bool {
        self.sliding_window.is_some() && !self.full_layers.contains(&layer)
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn parameters(&self) -> Count {
        let size = Count::new;
        let (c, inner) = (size(self.hidden_size), size(self.intermediate_size));
        let (wide, narrow) = (size(self.num_heads) * self.head_size(), size(self.key_heads()) * self.head_size());
        let tables = size(self.vocab_size) * if self.tied { 1 } else { 2 } + 1;
        let mut layer = c * (wide + narrow) * 2 + c * inner * 3 + c * if self.post_norms { 4 } else { 2 };
        if self.qkv_bias {
            layer = layer + wide + narrow * 2;
        }
        if self.output_bias {
            layer = layer + c;
        }
        if self.mlp_bias {
            layer = layer + inner * 2 + c;
        }
        if self.qk_norm {
            layer = layer + size(self.head_size()) * 2;
        }
        tables * c + layer * self.num_layers
    }

    /// Whether a piece of such a model with so many blocks can be made.
    #[track_caller]
    pub(super) fn check(&self, blocks: usize) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument(OP, message).at(caller));
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("context_length", self.context_length),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("num_kv_heads", self.key_heads()),
            ("sliding_window", self.sliding_window.unwrap_or(1)),
        ];
        check_sizes(OP, &sizes)?;
        if self.head_dim.is_none() {
            crate::models::text::sequences::check_heads(OP, self.hidden_size, self.num_heads)?;
        }
        if !self.num_heads.is_multiple_of(self.key_heads()) {
            return wrong(format!(
                "num_heads {} is not a multiple of num_kv_heads {}",
                self.num_heads,
                self.key_heads()
            ));
        }
        self.rope.check(OP, self.head_size())?;
        if let Some(rope) = &self.local_rope {
            rope.check(OP, self.head_size())?;
        }
        let numbers = [
            ("rms_norm_eps", Some(self.rms_norm_eps)),
            ("embedding_scale", self.embedding_scale),
            ("attention_scale", self.attention_scale),
            ("attention_softcap", self.attention_softcap),
            ("logit_softcap", self.logit_softcap),
        ];
        let bad = |number: &f64| !(*number > 0.0 && number.is_finite());
        if let Some((name, number)) = numbers.iter().find_map(|(name, number)| Some((name, (*number).filter(bad)?))) {
            return wrong(format!("{name} is {number}, expected a positive number"));
        }
        for (name, layers) in [("full_layers", &self.full_layers), ("layers_without_rope", &self.layers_without_rope)] {
            if let Some(layer) = layers.iter().find(|layer| **layer >= self.num_layers) {
                return wrong(format!("{name} has layer {layer} of {}, counted from 0", self.num_layers));
            }
        }
        if let Some(what) = self.activation.shortening() {
            let e = Error::argument(OP, format!("the activation is a {}, which {what}", self.activation.kind()));
            return Err(e.with_help("take one that keeps their number, such as Silu: the gate is a layer of its own"));
        }
        check_memory(OP, self.clone().layers(blocks).parameters(), Count::new(blocks) * 18 + 3)
    }
}
