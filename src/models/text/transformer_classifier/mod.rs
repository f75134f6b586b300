//! A transformer encoder that tells to which class a sequence belongs.

mod config;

pub use config::{Pooling, TransformerClassifierConfig};

use crate::error::Result;
use crate::layers::{Dropout, Layer, LayerExt, LayerNorm, Linear, Mode, TransformerEncoder};
use crate::models::TokenEmbedding;
use crate::models::options::architecture;
use crate::models::text::pooling::pool;
use crate::models::text::sequences::{Sequences, without};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Classifies sequences of tokens: their vectors attend to each other in the layers of a transformer encoder, become one
/// vector, and that becomes logits.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`, short sequences padded with the padding id on either side
/// - output: logits `[batch, classes]`
///
/// The parameters are `embedding.tokens.weight`, `encoder.layers.0.self_attn.in_proj_weight` … as in PyTorch's
/// `nn.TransformerEncoder`, `head.weight` and `head.bias`.
///
/// ```
/// use demotic::models::{TransformerClassifier, TransformerClassifierConfig};
/// use demotic::prelude::*;
///
/// // Which of the two sentences has a 3 in it? 0 is padding.
/// let (sentences, classes) = (Tensor::from_nested([[1i64, 2, 3, 1], [2, 1, 2, 0]])?, Tensor::from_nested([1i64, 0])?);
/// let mut rng = Rng::seed(0);
/// let config = TransformerClassifierConfig::new(4, 2, 8).layers(1).heads(2).hidden_size(16);
/// let mut model = TransformerClassifier::new(config, &mut rng)?;
/// let mut opt = Adam::new(0.01);
/// for _step in 0..20 {
///     let logits = model.forward(&sentences, &mut Mode::train(&mut rng))?;
///     opt.step(&mut model, &losses::cross_entropy(&logits, &classes)?.backward()?)?;
/// }
/// assert_eq!(metrics::accuracy(&model.predict(&sentences)?, &classes)?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformerClassifier {
    /// Token vectors and positions.
    pub embedding: TokenEmbedding,
    /// The layers, and a norm behind them if their parts are normalised first.
    pub encoder: TransformerEncoder,
    /// From the vector of a sequence to logits.
    pub head: Linear,
    dropout: Dropout,
    config: TransformerClassifierConfig,
}

crate::module!(TransformerClassifier { embedding, encoder, head }, plain { dropout, config });
architecture!(TransformerClassifier, TransformerClassifierConfig);

/// The name of the operation in messages.
const NAME: &str = "transformer_classifier";

impl TransformerClassifier {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the sizes do not fit each other, the dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: TransformerClassifierConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let width = config.hidden_size;
        let embedding =
            TokenEmbedding::new(config.vocab_size, config.max_length, width, config.positions, config.dropout, rng)?;
        let mut encoder = TransformerEncoder::new(&config.layer_options(), config.num_layers, rng)?;
        if config.norm_first {
            encoder = encoder.with_norm(LayerNorm::new(width)?);
        }
        let head = Linear::new(width, config.num_classes, rng)?;
        Ok(Self { embedding, encoder, head, dropout: Dropout::new(config.dropout)?, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &TransformerClassifierConfig {
        &self.config
    }

    /// The vectors of the sequences, from which the last layer makes logits: `[batch, hidden]`.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward): if the ids are not `[batch, time]` with 1 to `max_length` tokens, a sequence is
    /// nothing but padding or has padding between its tokens, or an id is not in the vocabulary.
    #[track_caller]
    pub fn hidden(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (vectors, padding) = self.encode(ids, mode)?;
        pool(&vectors, padding.as_ref(), self.config.pooling)
    }

    /// The vectors of all tokens, and which of these are padding.
    #[track_caller]
    fn encode(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<(Tensor, Option<Tensor>)> {
        let config = &self.config;
        let sequences = Sequences::new(NAME, "sequence", ids, config.padding_id, Some(config.max_length))?;
        let padding = sequences.padding()?;
        let masks = without(padding.as_ref());
        let x = self.embedding.at("embedding", &sequences.ids, mode)?;
        let vectors = mode.call("encoder", &self.encoder, |encoder, mode| encoder.encode(&x, &masks, mode))?;
        Ok((vectors, padding))
    }
}

impl Layer for TransformerClassifier {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let hidden = self.hidden(ids, mode)?;
        self.head.at("head", &self.dropout.at("dropout", &hidden, mode)?, mode)
    }
}
