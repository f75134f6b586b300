//! The sizes of an encoder-decoder LSTM.

use serde::{Deserialize, Serialize};

use crate::autograd::RecurrentUnit;
use crate::error::{Error, Result};
use crate::layers::{Count, Recurrent, check_memory};
use crate::models::Seq2SeqTokens;
use crate::models::options::options;
use crate::models::text::sequences::check_sizes;

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
        self.size().0.get()
    }

    /// The options of the encoder and of the decoder.
    pub(super) fn recurrent(&self) -> [Recurrent; 2] {
        let layers = |hidden| Recurrent::new(self.embedding_size, hidden).layers(self.num_layers).dropout(self.dropout);
        [layers(self.hidden_size / 2).bidirectional(), layers(self.hidden_size)]
    }

    /// The numbers of parameters and of tensors.
    fn size(&self) -> (Count, Count) {
        let (hidden, target) = (Count::new(self.hidden_size), Count::new(self.tokens.target_vocab_size));
        let [(encoder, in_encoder), (decoder, in_decoder)] =
            self.recurrent().map(|options| options.parameters(RecurrentUnit::Lstm));
        let embeddings = (target + self.tokens.source_vocab_size) * self.embedding_size;
        (embeddings + encoder + decoder + hidden * hidden * 3 + (hidden + 1) * target, in_encoder + in_decoder + 6)
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
        let (parameters, tensors) = self.size();
        check_memory(op, parameters, tensors)
    }
}
