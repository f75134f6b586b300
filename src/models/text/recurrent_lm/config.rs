//! The sizes of a recurrent language model.

use serde::{Deserialize, Serialize};

use crate::autograd::RecurrentUnit;
use crate::error::{Error, Result};
use crate::layers::{Count, Recurrent, check_memory};
use crate::models::options::options;
use crate::models::text::sequences::check_sizes;

/// Which recurrent layers a [`RecurrentLm`](super::RecurrentLm) is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecurrentCell {
    /// [`Rnn`](crate::layers::Rnn) with tanh.
    Rnn,
    /// [`Lstm`](crate::layers::Lstm).
    Lstm,
    /// [`Gru`](crate::layers::Gru).
    Gru,
}

/// The sizes and options of a [`RecurrentLm`](super::RecurrentLm). Written to files, so that a model can be made anew from
/// them.
///
/// ```
/// use demotic::models::{RecurrentCell, RecurrentLmConfig};
///
/// let config = RecurrentLmConfig::new(65).cell(RecurrentCell::Gru).embedding_size(128).hidden_size(128).layers(2).tied();
/// assert_eq!(config.num_parameters(), 65 * 128 + 65 + 2 * (6 * 128 * 128 + 6 * 128));
/// assert_eq!(RecurrentLmConfig::default().num_parameters(), 4_047_632);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RecurrentLmConfig {
    /// Which recurrent layers.
    pub cell: RecurrentCell,
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// The size of the vector that stands for a token.
    pub embedding_size: usize,
    /// The number of hidden units of each recurrent layer.
    pub hidden_size: usize,
    /// How many recurrent layers there are.
    pub num_layers: usize,
    /// The dropout probability of token vectors and of the outputs of each recurrent layer.
    pub dropout: f64,
    /// Whether the output layer uses the weights of the embedding (Press and Wolf, 2017), which must then have as many
    /// elements as there are hidden units.
    pub tied: bool,
}

/// One LSTM of 128 hidden units over 10,000 tokens of 256 elements, without dropout, with an output layer of its own.
impl Default for RecurrentLmConfig {
    fn default() -> Self {
        Self {
            cell: RecurrentCell::Lstm,
            vocab_size: 10_000,
            embedding_size: 256,
            hidden_size: 128,
            num_layers: 1,
            dropout: 0.0,
            tied: false,
        }
    }
}

impl RecurrentLmConfig {
    /// The default for another number of tokens.
    #[must_use]
    pub fn new(vocab_size: usize) -> Self {
        Self { vocab_size, ..Self::default() }
    }

    options!(embedding_size, hidden_units, layers, dropout);

    /// Other recurrent layers.
    #[must_use]
    pub fn cell(mut self, cell: RecurrentCell) -> Self {
        self.cell = cell;
        self
    }

    /// An output layer that uses the weights of the embedding.
    #[must_use]
    pub fn tied(mut self) -> Self {
        self.tied = true;
        self
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.size().0.get()
    }

    /// What the recurrent layers are made of.
    pub(super) fn unit(&self) -> RecurrentUnit {
        match self.cell {
            RecurrentCell::Rnn => RecurrentUnit::Tanh,
            RecurrentCell::Lstm => RecurrentUnit::Lstm,
            RecurrentCell::Gru => RecurrentUnit::Gru,
        }
    }

    /// The options of the recurrent layers.
    pub(super) fn recurrent(&self) -> Recurrent {
        Recurrent::new(self.embedding_size, self.hidden_size).layers(self.num_layers).dropout(self.dropout)
    }

    /// The numbers of parameters and of tensors.
    fn size(&self) -> (Count, Count) {
        let vocab = Count::new(self.vocab_size);
        let head = if self.tied { vocab } else { (Count::new(self.hidden_size) + 1) * vocab };
        let (layers, tensors) = self.recurrent().parameters(self.unit());
        (vocab * self.embedding_size + head + layers, tensors + 3)
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
        ];
        check_sizes("RecurrentLm::new", &sizes)?;
        if self.tied && self.embedding_size != self.hidden_size {
            let (embedding, hidden) = (self.embedding_size, self.hidden_size);
            let message = format!("a tied output layer, but embedding_size is {embedding} and hidden_size is {hidden}");
            return Err(Error::argument("RecurrentLm::new", message).with_help(
                "the output layer compares the hidden state with the vectors of all tokens: make them equal",
            ));
        }
        let (parameters, tensors) = self.size();
        check_memory("RecurrentLm::new", parameters, tensors)
    }
}
