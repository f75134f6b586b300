//! The sizes of a transformer that classifies.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::layers::{Count, TransformerActivation, check_memory, layer_parameters, layer_tensors};
use crate::models::PositionKind;
use crate::models::options::options;
use crate::models::text::sequences::{check_heads, check_sizes};

/// How the vectors of all tokens become one vector of the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean, without padding.
    #[default]
    Mean,
    /// The largest value of each element, without padding.
    Max,
    /// The vector of the first token, which is often a special one (`[CLS]` of BERT).
    First,
}

/// The sizes and options of a [`TransformerClassifier`](super::TransformerClassifier). Written to files, so that a model can
/// be made anew from them.
///
/// ```
/// use demotic::models::{Pooling, TransformerClassifierConfig};
///
/// let config = TransformerClassifierConfig::new(1000, 4, 64).layers(2).heads(4).hidden_size(64).pooling(Pooling::Max);
/// assert_eq!(config.num_parameters(), 164_356);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TransformerClassifierConfig {
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// How many classes there are.
    pub num_classes: usize,
    /// The most tokens of a sequence.
    pub max_length: usize,
    /// The size of the vector that stands for a token.
    pub hidden_size: usize,
    /// How many encoder layers there are.
    pub num_layers: usize,
    /// Into how many heads attention is split; `hidden_size` is a multiple of it.
    pub num_heads: usize,
    /// The inner size of a layer's feed-forward part; usually four times `hidden_size`.
    pub intermediate_size: usize,
    /// The dropout probability of embeddings, inside of the layers, and of the vector that is classified.
    pub dropout: f64,
    /// The function inside of the feed-forward parts.
    pub activation: TransformerActivation,
    /// Whether parts of a layer are normalised before they act, and not after.
    pub norm_first: bool,
    /// How the model knows where a token stands.
    pub positions: PositionKind,
    /// How the vectors of all tokens become one.
    pub pooling: Pooling,
    /// The id that pads short sequences, if there is one. The model does not see such positions.
    pub padding_id: Option<i64>,
}

impl TransformerClassifierConfig {
    /// A small model: 2 layers of 4 heads, 64 wide, normalised first, with a dropout of 0.1, sinusoidal positions, GELU, the
    /// mean as pooling, and 0 as the id of padding.
    #[must_use]
    pub fn new(vocab_size: usize, num_classes: usize, max_length: usize) -> Self {
        Self {
            vocab_size,
            num_classes,
            max_length,
            hidden_size: 64,
            num_layers: 2,
            num_heads: 4,
            intermediate_size: 256,
            dropout: 0.1,
            activation: TransformerActivation::Gelu,
            norm_first: true,
            positions: PositionKind::Sinusoidal,
            pooling: Pooling::Mean,
            padding_id: Some(0),
        }
    }

    options!(layers, heads, width, intermediate_size, dropout, layer_options);

    /// Another pooling.
    #[must_use]
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = pooling;
        self
    }

    /// Another id of padding; with `None`, every token counts.
    #[must_use]
    pub fn padding_id(mut self, id: impl Into<Option<i64>>) -> Self {
        self.padding_id = id.into();
        self
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn parameters(&self) -> Count {
        let c = Count::new(self.hidden_size);
        let learned = if self.positions == PositionKind::Learned { self.max_length } else { 0 };
        let norm = if self.norm_first { c * 2 } else { Count::new(0) };
        let layers = layer_parameters(self.hidden_size, self.intermediate_size, 1) * self.num_layers;
        (Count::new(self.vocab_size) + learned) * c + layers + norm + (c + 1) * self.num_classes
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let op = "TransformerClassifier::new";
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("num_classes", self.num_classes),
            ("max_length", self.max_length),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("intermediate_size", self.intermediate_size),
        ];
        check_sizes(op, &sizes)?;
        check_heads(op, self.hidden_size, self.num_heads)?;
        check_memory(op, self.parameters(), layer_tensors(1) * self.num_layers + 6)
    }
}
