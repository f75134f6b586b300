//! A recurrent language model.

mod config;
mod decode;

pub use config::{RecurrentCell, RecurrentLmConfig};
pub use decode::RecurrentLmState;

use crate::error::Result;
use crate::layers::{
    Dropout, Embedding, Init, Layer, LayerExt, Mode, Param, RecurrentState, RunOptions, Stack, Weight,
};
use crate::models::options::architecture;
use crate::models::text::sequences::check_ids;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The name of the operation in messages.
const NAME: &str = "recurrent_lm";

/// Predicts the next token from those before it: token vectors go through recurrent layers, and the output of the last one
/// at each step through an output layer.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`
/// - output: logits `[batch, time, vocab]`
/// - `embedding.weight`: `[vocab, embedding]`; `rnn.weight_ih_l0` … as in [`Lstm`](crate::layers::Lstm); `head.weight`:
///   `[vocab, hidden]`, unless it is that of the embedding, and `head.bias`: `[vocab]`
///
/// Parameters start out as those of PyTorch's layers do; a tied embedding starts out like an output layer, evenly
/// distributed in `±1/√hidden`.
///
/// ```
/// use demotic::models::{RecurrentLm, RecurrentLmConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let config = RecurrentLmConfig::new(5).embedding_size(8).hidden_size(16);
/// let mut model = RecurrentLm::new(config, &mut rng)?;
/// let mut opt = Adam::new(0.05);
///
/// let text = Tensor::from_nested([[1i64, 2, 3, 4, 1, 2, 3, 4, 1]])?;
/// let (inputs, targets) = (text.narrow(1, 0, 8)?, text.narrow(1, 1, 8)?.reshape([8])?);
/// for _step in 0..60 {
///     let logits = model.forward(&inputs, &mut Mode::train(&mut rng))?.reshape([8, 5])?;
///     let loss = losses::cross_entropy(&logits, &targets)?;
///     opt.step(&mut model, &loss.backward()?)?;
/// }
/// let next = model.predict(&Tensor::from_nested([[1i64, 2]])?)?.select(1, -1)?.argmax_dim(-1, false)?;
/// assert_eq!(next.to_vec::<i64>()?, [3]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RecurrentLm {
    embedding: Embedding,
    rnn: Stack,
    head: Head,
    dropout: Dropout,
    config: RecurrentLmConfig,
}

crate::module!(RecurrentLm { embedding, rnn, head }, plain { dropout, config });
architecture!(RecurrentLm, RecurrentLmConfig);

/// The output layer. Without a weight of its own it uses that of the embedding.
#[derive(Debug, Clone)]
struct Head {
    weight: Option<Weight>,
    bias: Param,
}

crate::module!(Head { weight, bias });

impl RecurrentLm {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the sizes do not fit each other, the dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: RecurrentLmConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let RecurrentLmConfig { vocab_size, embedding_size, hidden_size, dropout, tied, .. } = config;
        let init = Init::pytorch_default(hidden_size);
        let mut embedding = Embedding::new(vocab_size, embedding_size, rng)?;
        if tied {
            embedding = embedding.with_init(init, rng)?;
        }
        let rnn = Stack::new("RecurrentLm::new", config.unit(), config.recurrent(), rng)?;
        let weight = match tied {
            true => None,
            false => Some(Weight::new(init.tensor(&[vocab_size, hidden_size], rng)?)?),
        };
        let head = Head { weight, bias: Param::new(init.tensor(&[vocab_size], rng)?)? };
        Ok(Self { embedding, rnn, head, dropout: Dropout::new(dropout)?, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &RecurrentLmConfig {
        &self.config
    }

    /// The logits for `[batch, time]` and the state after the last step, with which a later call goes on: for training on
    /// a long text piece by piece. Detach the state in between, so that the graph ends there.
    ///
    /// # Errors
    /// If ids, state or lengths do not fit, or there are no steps.
    #[track_caller]
    pub fn run(&self, ids: &Tensor, options: RunOptions<'_>, mode: &mut Mode<'_>) -> Result<(Tensor, RecurrentState)> {
        let (hidden, state) = self.hidden(ids, options, mode)?;
        Ok((self.logits(&hidden, mode)?, state))
    }

    /// What the recurrent layers give, `[batch, time, hidden]`.
    #[track_caller]
    fn hidden(&self, ids: &Tensor, run: RunOptions<'_>, mode: &mut Mode<'_>) -> Result<(Tensor, RecurrentState)> {
        check_ids(NAME, "token", ids, None)?;
        let vectors = self.embedding.at("embedding", ids, mode)?;
        let vectors = self.dropout.at("dropout", &vectors, mode)?;
        let result = mode.call("rnn", &self.rnn, |rnn, mode| rnn.run(&vectors, run, mode))?;
        Ok((self.dropout.at("dropout", &result.output, mode)?, result.state))
    }

    /// From outputs of the recurrent layers `[.., hidden]` to logits.
    #[track_caller]
    fn logits(&self, hidden: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.call("head", &self.head, |Head { weight, bias }, mode| {
            weight.as_ref().unwrap_or(&self.embedding.weight).linear(hidden, Some(bias), mode)
        })
    }
}

impl Layer for RecurrentLm {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        Ok(self.run(ids, RunOptions::default(), mode)?.0)
    }
}
