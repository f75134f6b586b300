//! The sizes and options of BERT and its kin.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{Activation, Count, Module, check_memory, layer_tensors};
use crate::models::options::options;
use crate::models::text::sequences::{block_parameters, check_heads, check_sizes};

const OP: &str = "Bert::new";

/// The sizes and options of a [`Bert`](super::Bert), and of the models with a head on it. Written to files, so that a model can be
/// made anew from them.
///
/// ```
/// use demotic::models::BertConfig;
///
/// assert_eq!(BertConfig::bert_base(30_522).num_parameters(), 109_482_240);
/// let config = BertConfig::new(1000, 64).layers(2).heads(4).hidden_size(64).labels(&["bad", "good"]);
/// assert_eq!(config.labels.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BertConfig {
    /// As which of the published families a folder is written. It changes nothing of what is computed.
    #[serde(default)]
    pub family: BertFamily,
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// How many position vectors are learnt.
    pub max_positions: usize,
    /// The size of the vector that stands for a token.
    pub hidden_size: usize,
    /// How many layers there are.
    pub num_layers: usize,
    /// Into how many heads attention is split; `hidden_size` is a multiple of it.
    pub num_heads: usize,
    /// The size of a head; `hidden_size / num_heads`, if nothing is said. Another one have models of which heads were taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// The inner size of a layer's feed-forward part; usually four times `hidden_size`.
    pub intermediate_size: usize,
    /// How many kinds of tokens there are, for pairs of texts; 0 if kinds have no vectors (DistilBERT).
    pub token_types: usize,
    /// The position of the first token. Where it is not 0, positions count the tokens that are no padding, and padding stands at
    /// the position before the first (RoBERTa).
    pub first_position: usize,
    /// The id that pads short texts, if there is one. Such tokens are not seen, unless a mask says so.
    pub padding_id: Option<i64>,
    /// The function inside of the feed-forward parts.
    pub activation: Activation,
    /// The dropout probability of embeddings and of the outputs of both parts of a layer.
    pub dropout: f64,
    /// The dropout probability of attention weights.
    pub attention_dropout: f64,
    /// Added to the variance by layer normalisation.
    pub layer_norm_eps: f64,
    /// Whether there is a layer behind the vector of the first token, for what is said of a text as a whole.
    pub pooler: bool,
    /// The function behind that layer.
    pub pooler_activation: Activation,
    /// Whether the vector is dropped out before that layer, too (RoBERTa).
    pub pooler_dropout: bool,
    /// The dropout probability in front of what a head adds.
    pub head_dropout: f64,
    /// Whether a head that predicts tokens uses the weights of the token embedding.
    pub tied: bool,
    /// The names of what a head tells apart.
    pub labels: Vec<String>,
    /// Whether training computes each layer a second time in the backward pass instead of keeping what is inside.
    #[serde(default)]
    pub checkpointing: bool,
}

/// The families of published models that a [`Bert`](super::Bert) can be, by their `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BertFamily {
    /// BERT, MiniLM, and others of this architecture.
    #[default]
    Bert,
    /// RoBERTa: positions that count from behind the padding's.
    Roberta,
    /// XLM-RoBERTa: the same for a hundred languages.
    XlmRoberta,
    /// DistilBERT: half of the layers, no kinds of tokens.
    Distilbert,
}

impl BertConfig {
    /// A small model as BERT is built: 4 layers of 4 heads, 128 wide, with a dropout of 0.1, two kinds of tokens, 0 as the id of
    /// padding, and a pooler.
    #[must_use]
    pub fn new(vocab_size: usize, max_positions: usize) -> Self {
        Self {
            family: BertFamily::Bert,
            vocab_size,
            max_positions,
            hidden_size: 128,
            num_layers: 4,
            num_heads: 4,
            head_dim: None,
            intermediate_size: 512,
            token_types: 2,
            first_position: 0,
            padding_id: Some(0),
            activation: Activation::Gelu,
            dropout: 0.1,
            attention_dropout: 0.1,
            layer_norm_eps: 1e-12,
            pooler: true,
            pooler_activation: Activation::Tanh,
            pooler_dropout: false,
            head_dropout: 0.1,
            tied: true,
            labels: vec!["LABEL_0".into(), "LABEL_1".into()],
            checkpointing: false,
        }
    }

    /// The sizes of BERT-base (Devlin et al., *BERT: pre-training of deep bidirectional transformers for language understanding*,
    /// 2019).
    #[must_use]
    pub fn bert_base(vocab_size: usize) -> Self {
        Self::new(vocab_size, 512).layers(12).heads(12).hidden_size(768)
    }

    options!(layers, heads, width, intermediate_size);

    /// Another dropout probability, everywhere.
    #[must_use]
    pub fn dropout(mut self, p: f64) -> Self {
        (self.dropout, self.attention_dropout, self.head_dropout) = (p, p, p);
        self
    }

    /// The names of what a head tells apart, in the order of their numbers.
    #[must_use]
    pub fn labels<N: AsRef<str>>(mut self, names: &[N]) -> Self {
        self.labels = names.iter().map(|name| name.as_ref().to_string()).collect();
        self
    }

    /// Another id of padding; with `None`, every token is seen.
    #[must_use]
    pub fn padding_id(mut self, id: impl Into<Option<i64>>) -> Self {
        self.padding_id = id.into();
        self
    }

    /// No layer behind the vector of the first token, which vectors of sentences do not need.
    #[must_use]
    pub fn without_pooler(mut self) -> Self {
        self.pooler = false;
        self
    }

    /// Trades time for memory: see [`checkpointing`](Self::checkpointing).
    #[must_use]
    pub fn with_checkpointing(mut self) -> Self {
        self.checkpointing = true;
        self
    }

    /// The most tokens of a text.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.max_positions.saturating_sub(self.first_position)
    }

    /// The size of a head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        self.head_dim.unwrap_or_else(|| self.hidden_size / self.num_heads.max(1))
    }

    /// The number of parameters of such a [`Bert`](super::Bert), without a head.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn parameters(&self) -> Count {
        let c = Count::new(self.hidden_size);
        let tables = Count::new(self.vocab_size) + self.max_positions + self.token_types + 2;
        let pooler = if self.pooler { (c + 1) * c } else { Count::new(0) };
        let layer = block_parameters(self.hidden_size, self.intermediate_size, self.num_heads, self.head_size());
        tables * c + layer * self.num_layers + pooler
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("head_dim", self.head_dim.unwrap_or(1)),
            ("intermediate_size", self.intermediate_size),
            ("the number of labels", self.labels.len()),
        ];
        check_sizes(OP, &sizes)?;
        if self.head_dim.is_none() {
            check_heads(OP, self.hidden_size, self.num_heads)?;
        }
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument(OP, message).at(caller));
        if self.max_length() == 0 {
            let (all, first) = (self.max_positions, self.first_position);
            return wrong(format!("{all} positions, of which the first token has number {first}, counted from 0"));
        }
        if let Some(id) = self.padding_id.filter(|id| usize::try_from(*id).map_or(true, |id| id >= self.vocab_size)) {
            return wrong(format!("padding_id {id} in a vocabulary of {}, counted from 0", self.vocab_size));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps.is_finite()) {
            return wrong(format!("layer_norm_eps is {}, expected a positive number", self.layer_norm_eps));
        }
        if let Some(what) = self.activation.shortening().or(self.pooler_activation.shortening()) {
            return wrong(format!("the activation is a {}, which {what}", self.activation.kind()));
        }
        check_memory(OP, self.parameters(), layer_tensors(1) * self.num_layers + 9)
    }
}
