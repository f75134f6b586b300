//! An LSTM that reads, and one that writes with attention to what was read.

mod config;
mod decode;

pub use config::Seq2SeqLstmConfig;
pub use decode::Seq2SeqLstmState;

use std::panic::Location;

use super::{check_pairs, check_sources};
use crate::autograd::AttentionOptions;
use crate::error::Result;
use crate::layers::{Dropout, Embedding, LayerExt, Linear, Lstm, Mode, RecurrentState, RunOptions};
use crate::models::Seq2SeqTokens;
use crate::models::options::architecture;
use crate::models::text::sequences::Sequences;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// An encoder-decoder LSTM with attention (Luong, Pham and Manning, *Effective approaches to attention-based neural machine
/// translation*, 2015). See [`Seq2Seq`](super::Seq2Seq) for how it is trained and used.
///
/// An LSTM reads the source in both directions. Where it ends, another one begins, which reads the target. Its output `h` at
/// each step is compared with what the encoder gave at each place of the source, `hᵀ W sᵢ`; the softmax of that weighs the
/// `sᵢ`, and from their sum `c` and `h` come `tanh(V [c; h])` and the logits. What was attended to is not fed to the next step,
/// so that a whole target goes through the decoder in one run.
///
/// The parameters are `source_embedding.weight`, `target_embedding.weight`, `encoder.weight_ih_l0` … and `decoder.weight_ih_l0`
/// … as in PyTorch's `nn.LSTM`, `attention.weight` (W), `combine.weight` (V), `head.weight` and `head.bias`.
///
/// ```
/// use demotic::models::{Seq2Seq, Seq2SeqLstm, Seq2SeqLstmConfig, Seq2SeqTokens};
/// use demotic::prelude::*;
///
/// let tokens = Seq2SeqTokens::new(20, 10);
/// let sources = tokens.sources(&[vec![3, 4, 5, 6], vec![7]])?;
/// let (inputs, _labels) = tokens.teacher_forcing(&[vec![3, 4], vec![5]])?;
///
/// let mut rng = Rng::seed(0);
/// let model = Seq2SeqLstm::new(Seq2SeqLstmConfig::new(tokens).hidden_size(16), &mut rng)?;
/// assert_eq!(model.forward(&sources, &inputs, &mut Mode::eval())?.shape(), [2, 3, 10]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Seq2SeqLstm {
    /// Vectors of the source's tokens.
    pub source_embedding: Embedding,
    /// Vectors of the target's tokens.
    pub target_embedding: Embedding,
    /// Reads the source in both directions, each with half of the hidden units.
    pub encoder: Lstm,
    /// Reads the target, from where the encoder ended.
    pub decoder: Lstm,
    /// How the decoder's output is compared with the encoder's, `[hidden, hidden]`.
    pub attention: Linear,
    /// From what was attended to and the decoder's output to one vector, `[hidden, 2 · hidden]`.
    pub combine: Linear,
    /// From that to logits.
    pub head: Linear,
    dropout: Dropout,
    config: Seq2SeqLstmConfig,
}

crate::module!(
    Seq2SeqLstm { source_embedding, target_embedding, encoder, decoder, attention, combine, head },
    plain { dropout, config }
);
architecture!(Seq2SeqLstm, Seq2SeqLstmConfig);

/// What the encoder makes of a batch of sources.
#[derive(Debug, Clone)]
struct Memory {
    /// Its outputs, `[batch, source time, hidden]`.
    outputs: Tensor,
    /// `[batch, 1, source time]`, `false` for padding; `None` if there is none.
    present: Option<Tensor>,
    /// Where the decoder begins.
    state: RecurrentState,
}

impl Seq2SeqLstm {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0, `hidden_size` is odd, the dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: Seq2SeqLstmConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let (embedding, hidden) = (config.embedding_size, config.hidden_size);
        let [encoder, decoder] = config.recurrent();
        Ok(Self {
            dropout: Dropout::new(config.dropout)?,
            source_embedding: Embedding::new(config.tokens.source_vocab_size, embedding, rng)?,
            target_embedding: Embedding::new(config.tokens.target_vocab_size, embedding, rng)?,
            encoder: Lstm::with(encoder, rng)?,
            decoder: Lstm::with(decoder, rng)?,
            attention: Linear::new(hidden, hidden, rng)?.without_bias(),
            combine: Linear::new(2 * hidden, hidden, rng)?.without_bias(),
            head: Linear::new(hidden, config.tokens.target_vocab_size, rng)?,
            config,
        })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &Seq2SeqLstmConfig {
        &self.config
    }

    #[track_caller]
    fn read_sequences(&self, sources: &Sequences, mode: &mut Mode<'_>) -> Result<Memory> {
        let x = self.source_embedding.at("source_embedding", &sources.ids, mode)?;
        let x = self.dropout.at("dropout", &x, mode)?;
        let run = RunOptions { lengths: sources.lengths.as_deref(), ..RunOptions::new() };
        let read = mode.call("encoder", &self.encoder, |encoder, mode| encoder.run(&x, run, mode))?;
        let present = match sources.padding()? {
            Some(padding) => Some(padding.logical_not()?.unsqueeze(1)?),
            None => None,
        };
        // Both directions of a layer together are the state of the decoder's layer.
        let join = |state: &Tensor| {
            let directions = state.unflatten(0, [self.config.num_layers, 2])?.transpose(1, 2)?;
            directions.flatten(2, 3)
        };
        Ok(Memory { outputs: read.output, present, state: read.state.map(join)? })
    }

    /// The decoder's outputs for target tokens that follow upon `state`, and the state behind them.
    #[track_caller]
    fn write(&self, target: &Tensor, state: &RecurrentState, mode: &mut Mode<'_>) -> Result<(Tensor, RecurrentState)> {
        let y = self.target_embedding.at("target_embedding", target, mode)?;
        let y = self.dropout.at("dropout", &y, mode)?;
        let run = RunOptions::new().state(state);
        let written = mode.call("decoder", &self.decoder, |decoder, mode| decoder.run(&y, run, mode))?;
        Ok((written.output, written.state))
    }

    /// From the decoder's outputs, `[batch, target time, hidden]`, to logits, with attention to the encoder's.
    #[track_caller]
    fn logits(&self, written: &Tensor, memory: &Memory, mode: &mut Mode<'_>) -> Result<Tensor> {
        let queries = self.attention.at("attention", written, mode)?;
        let mut options = AttentionOptions::new().scale(1.0);
        if let Some(present) = &memory.present {
            options = options.mask(present);
        }
        let context = queries.attention(&memory.outputs, &memory.outputs, &options)?;
        let joined = Tensor::cat(&[&context, written], -1)?;
        let combined = self.combine.at("combine", &joined, mode)?.tanh();
        self.head.at("head", &self.dropout.at("dropout", &combined, mode)?, mode)
    }
}

impl super::Seq2Seq for Seq2SeqLstm {
    type State = Seq2SeqLstmState;

    fn tokens(&self) -> &Seq2SeqTokens {
        &self.config.tokens
    }

    fn target_limit(&self) -> Option<usize> {
        None
    }

    #[track_caller]
    fn forward(&self, source: &Tensor, target: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let sources = check_pairs(&self.config.tokens, source, target, [None, None])?;
        let memory = self.read_sequences(&sources, mode)?;
        let (written, _) = self.write(target, &memory.state, mode)?;
        self.logits(&written, &memory, mode)
    }

    #[track_caller]
    fn read(&self, source: &Tensor) -> Result<Self::State> {
        let _unrecorded = crate::autograd::pause_recording();
        let sources = check_sources(&self.config.tokens, source, None)?;
        let memory = self.read_sequences(&sources, &mut Mode::eval().called_at(Location::caller()))?;
        Ok(Seq2SeqLstmState::new(memory, sources.count()))
    }

    #[track_caller]
    fn rewind(&self, state: &mut Self::State, padding: &[usize]) -> Result<()> {
        state.rewind(padding)
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        self.extend_state(ids, state)
    }
}
