//! The sizes of an encoder-decoder LSTM.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::Seq2SeqTokens;
use crate::models::options::options;
use crate::models::sequences::{check_memory, check_sizes};

/// The sizes and options of a [`Seq2SeqLstm`](super::Seq2SeqLstm). Written to files, so that a model can be made anew from
/// them.
///
/// ```
/// use demotic::models::{Seq2SeqLstmConfig, Seq2SeqTokens};
///
/// let config = Seq2SeqLstmConfig::new(Seq2SeqTokens::new(100, 80)).embedding_size(32).hidden_size(64).layers(2);
/// assert_eq!(config.num_parameters(), 123_600);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Seq2SeqLstmConfig {
    /// The vocabularies.
    pub tokens: Seq2SeqTokens,
    /// The size of the vectors that stand for tokens.
    pub embedding_size: usize,
    /// The hidden units of each layer of the decoder, and of both directions of the encoder together: an even number.
    pub hidden_size: usize,
    /// How many layers encoder and decoder have.
    pub num_layers: usize,
    /// The dropout probability of token vectors, between layers, and before the output layer.
    pub dropout: f64,
}

impl Seq2SeqLstmConfig {
    /// A small model: one layer of 128 hidden units, token vectors of 64 elements, without dropout.
    #[must_use]
    pub fn new(tokens: Seq2SeqTokens) -> Self {
        Self { tokens, embedding_size: 64, hidden_size: 128, num_layers: 1, dropout: 0.0 }
    }

    options!(embedding_size, hidden_units, layers, dropout);

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        let [embedding, hidden, layers] =
            [self.embedding_size, self.hidden_size, self.num_layers].map(|size| size as u128);
        let [source, target] = [self.tokens.source_vocab_size, self.tokens.target_vocab_size].map(|size| size as u128);
        let lstm = |inputs: u128, hidden: u128| (4 * hidden).saturating_mul(inputs + hidden + 2);
        let layer = |inputs: u128| lstm(inputs, hidden).saturating_add(2 * lstm(inputs, hidden / 2));
        let all = (source + target)
            .saturating_mul(embedding)
            .saturating_add(layer(embedding))
            .saturating_add(layers.saturating_sub(1).saturating_mul(layer(hidden)))
            .saturating_add(hidden.saturating_mul(3 * hidden))
            .saturating_add(target.saturating_mul(hidden + 1));
        usize::try_from(all).unwrap_or(usize::MAX)
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let op = "Seq2SeqLstm::new";
        self.tokens.check(op)?;
        let sizes = [
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
        ];
        check_sizes(op, &sizes)?;
        if !self.hidden_size.is_multiple_of(2) {
            let message = format!("hidden_size is {}, expected an even number", self.hidden_size);
            return Err(Error::argument(op, message).with_help("each direction of the encoder gets half of it"));
        }
        check_memory(op, self.num_parameters())
    }
}
