//! The sizes of an encoder-decoder transformer.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::layers::{Count, TransformerActivation, check_memory, layer_parameters, layer_tensors};
use crate::models::options::options;
use crate::models::text::sequences::{check_heads, check_sizes};
use crate::models::{PositionKind, Seq2SeqTokens};

/// The sizes and options of a [`Seq2SeqTransformer`](super::Seq2SeqTransformer). Written to files, so that a model can be
/// made anew from them.
///
/// ```
/// use demotic::models::{Seq2SeqTokens, Seq2SeqTransformerConfig};
///
/// // The base model of Vaswani et al. (2017), but for its shared vocabulary.
/// let tokens = Seq2SeqTokens::new(37_000, 37_000);
/// let config = Seq2SeqTransformerConfig::new(tokens, 512).layers(6).heads(8).hidden_size(512).norm_last();
/// assert_eq!(config.num_parameters(), 82_028_544);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Seq2SeqTransformerConfig {
    /// The vocabularies.
    pub tokens: Seq2SeqTokens,
    /// The most tokens of a source, and of a target with its start.
    pub max_length: usize,
    /// The size of the vector that stands for a token.
    pub hidden_size: usize,
    /// How many layers the encoder has.
    pub num_encoder_layers: usize,
    /// How many layers the decoder has.
    pub num_decoder_layers: usize,
    /// Into how many heads attention is split; `hidden_size` is a multiple of it.
    pub num_heads: usize,
    /// The inner size of a layer's feed-forward part; usually four times `hidden_size`.
    pub intermediate_size: usize,
    /// The dropout probability of embeddings and inside of the layers.
    pub dropout: f64,
    /// The function inside of the feed-forward parts.
    pub activation: TransformerActivation,
    /// Whether parts of a layer are normalised before they act, and not after.
    pub norm_first: bool,
    /// How the model knows where a token stands.
    pub positions: PositionKind,
    /// Whether the output layer uses the weights of the target embedding (Press and Wolf, 2017).
    pub tied: bool,
}

impl Seq2SeqTransformerConfig {
    /// A small model: 2 layers of 4 heads each in encoder and decoder, 64 wide, normalised first, with a dropout of 0.1,
    /// sinusoidal positions, ReLU and a tied output layer.
    #[must_use]
    pub fn new(tokens: Seq2SeqTokens, max_length: usize) -> Self {
        Self {
            tokens,
            max_length,
            hidden_size: 64,
            num_encoder_layers: 2,
            num_decoder_layers: 2,
            num_heads: 4,
            intermediate_size: 256,
            dropout: 0.1,
            activation: TransformerActivation::Relu,
            norm_first: true,
            positions: PositionKind::Sinusoidal,
            tied: true,
        }
    }

    options!(heads, width, intermediate_size, dropout, untied, layer_options);

    /// Another number of layers, the same in encoder and decoder.
    #[must_use]
    pub fn layers(mut self, num_layers: usize) -> Self {
        self.num_encoder_layers = num_layers;
        self.num_decoder_layers = num_layers;
        self
    }

    /// Another number of layers in the encoder.
    #[must_use]
    pub fn encoder_layers(mut self, num_layers: usize) -> Self {
        self.num_encoder_layers = num_layers;
        self
    }

    /// Another number of layers in the decoder.
    #[must_use]
    pub fn decoder_layers(mut self, num_layers: usize) -> Self {
        self.num_decoder_layers = num_layers;
        self
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn parameters(&self) -> Count {
        let c = Count::new(self.hidden_size);
        let learned =
            if self.positions == PositionKind::Learned { Count::new(self.max_length) * 2 } else { Count::new(0) };
        let vocabularies = Count::new(self.tokens.source_vocab_size) + self.tokens.target_vocab_size;
        let head = if self.tied { Count::new(0) } else { (c + 1) * self.tokens.target_vocab_size };
        let layers = |count: usize, attentions: usize| {
            layer_parameters(self.hidden_size, self.intermediate_size, attentions) * count + c * 2
        };
        (vocabularies + learned) * c + layers(self.num_encoder_layers, 1) + layers(self.num_decoder_layers, 2) + head
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let op = "Seq2SeqTransformer::new";
        self.tokens.check(op)?;
        let sizes = [
            ("max_length", self.max_length),
            ("hidden_size", self.hidden_size),
            ("num_encoder_layers", self.num_encoder_layers),
            ("num_decoder_layers", self.num_decoder_layers),
            ("num_heads", self.num_heads),
            ("intermediate_size", self.intermediate_size),
        ];
        check_sizes(op, &sizes)?;
        check_heads(op, self.hidden_size, self.num_heads)?;
        let tensors = layer_tensors(1) * self.num_encoder_layers + layer_tensors(2) * self.num_decoder_layers + 10;
        check_memory(op, self.parameters(), tensors)
    }
}
