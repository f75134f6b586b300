//! An encoder-decoder transformer.

mod config;
mod decode;

pub use config::Seq2SeqTransformerConfig;
pub use decode::Seq2SeqTransformerState;

use super::check_pairs;
use crate::error::Result;
use crate::layers::{AttentionMasks, LayerExt, Linear, Mode, Transformer, TransformerMasks};
use crate::models::options::architecture;
use crate::models::text::sequences::without;
use crate::models::{Seq2SeqTokens, TokenEmbedding};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The transformer of Vaswani et al., *Attention is all you need* (2017): an encoder whose tokens look at each other, and a
/// decoder whose tokens look at those before them and at the encoder's output. See [`Seq2Seq`](super::Seq2Seq) for how it is
/// trained and used.
///
/// The parameters are `source_embedding.tokens.weight`, `target_embedding.tokens.weight`, `transformer.encoder.layers.0.…` and
/// `transformer.decoder.layers.0.…` as in PyTorch's `nn.Transformer`, and `head.weight` and `head.bias` unless the output layer
/// is tied.
///
/// ```
/// use demotic::models::{Seq2Seq, Seq2SeqTokens, Seq2SeqTransformer, Seq2SeqTransformerConfig};
/// use demotic::prelude::*;
///
/// let tokens = Seq2SeqTokens::new(20, 10);
/// let sources = tokens.sources(&[vec![3, 4, 5, 6], vec![7]])?;
/// let (inputs, labels) = tokens.teacher_forcing(&[vec![3, 4], vec![5]])?;
///
/// let mut rng = Rng::seed(0);
/// let config = Seq2SeqTransformerConfig::new(tokens, 16).layers(1).heads(2).hidden_size(8);
/// let model = Seq2SeqTransformer::new(config, &mut rng)?;
/// let logits = model.forward(&sources, &inputs, &mut Mode::train(&mut rng))?;
/// assert_eq!(logits.shape(), [2, 3, 10]);
/// let grads = losses::token_cross_entropy(&logits, &labels)?.backward()?;
/// # let _ = grads;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Seq2SeqTransformer {
    /// Vectors of the source's tokens, and positions.
    pub source_embedding: TokenEmbedding,
    /// Vectors of the target's tokens, and positions.
    pub target_embedding: TokenEmbedding,
    /// Encoder and decoder.
    pub transformer: Transformer,
    /// The output layer, unless it shares the weights of the target embedding.
    pub head: Option<Linear>,
    config: Seq2SeqTransformerConfig,
}

crate::module!(Seq2SeqTransformer { source_embedding, target_embedding, transformer, head }, plain { config });
architecture!(Seq2SeqTransformer, Seq2SeqTransformerConfig);

impl Seq2SeqTransformer {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the sizes do not fit each other, the dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: Seq2SeqTransformerConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let width = config.hidden_size;
        let mut embedding = |vocab_size: usize| {
            TokenEmbedding::new(vocab_size, config.max_length, width, config.positions, config.dropout, rng)
        };
        let source_embedding = embedding(config.tokens.source_vocab_size)?;
        let target_embedding = embedding(config.tokens.target_vocab_size)?;
        let options = config.layer_options();
        let transformer = Transformer::new(&options, config.num_encoder_layers, config.num_decoder_layers, rng)?;
        let head = match config.tied {
            true => None,
            false => Some(Linear::new(width, config.tokens.target_vocab_size, rng)?),
        };
        Ok(Self { source_embedding, target_embedding, transformer, head, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &Seq2SeqTransformerConfig {
        &self.config
    }

    /// From the vectors behind the decoder to logits.
    #[track_caller]
    fn logits(&self, hidden: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match &self.head {
            Some(head) => head.at("head", hidden, mode),
            None => self.target_embedding.tokens.weight.linear(hidden, None, mode),
        }
    }
}

impl super::Seq2Seq for Seq2SeqTransformer {
    type State = Seq2SeqTransformerState;

    fn tokens(&self) -> &Seq2SeqTokens {
        &self.config.tokens
    }

    fn target_limit(&self) -> Option<usize> {
        Some(self.config.max_length)
    }

    #[track_caller]
    fn forward(&self, source: &Tensor, target: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let limit = Some(self.config.max_length);
        let sources = check_pairs(&self.config.tokens, source, target, [limit, limit])?;
        let seen = without(sources.padding()?.as_ref());
        let x = self.source_embedding.at("source_embedding", &sources.ids, mode)?;
        let y = self.target_embedding.at("target_embedding", target, mode)?;
        // Padding behind a target is later than all of its tokens, so the causal mask hides it too.
        let masks = TransformerMasks::new().source(seen.clone()).target(AttentionMasks::new().causal()).memory(seen);
        let hidden =
            mode.call("transformer", &self.transformer, |transformer, mode| transformer.forward(&x, &y, &masks, mode))?;
        self.logits(&hidden, mode)
    }

    #[track_caller]
    fn read(&self, source: &Tensor) -> Result<Self::State> {
        self.read_source(source)
    }

    #[track_caller]
    fn rewind(&self, state: &mut Self::State, padding: &[usize]) -> Result<()> {
        state.rewind(padding, self.config.max_length)
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        self.extend_state(ids, state)
    }
}
