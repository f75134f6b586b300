//! From one sequence to another: translation, answers to questions, summaries.

mod lstm;
mod memory;
mod tokens;
mod transformer;

pub use lstm::{Seq2SeqLstm, Seq2SeqLstmConfig, Seq2SeqLstmState};
pub use memory::EncoderDecoderState;
pub(super) use memory::Seen;
pub use tokens::Seq2SeqTokens;
pub use transformer::{Seq2SeqTransformer, Seq2SeqTransformerConfig, Seq2SeqTransformerState};

use crate::error::{Error, Result};
use crate::layers::{Mode, Module};
use crate::models::text::sequences::{Sequences, check_ids, check_next, check_padding};
use crate::models::{Beam, BeamSearch, CausalLm, Continuation, Generate, GenerateOptions, LmState};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The name of the operation in messages.
const NAME: &str = "seq2seq";

/// A model that reads a source and writes a target: [`Seq2SeqTransformer`], [`Seq2SeqLstm`], [`T5`](crate::models::T5),
/// [`Whisper`](crate::models::Whisper).
///
/// It is trained with *teacher forcing*: [`forward`](Self::forward) gives, for each token of a given target, the logits of the
/// next one. To use it, [`encode`](Self::encode) sources: what comes out is a language model of their targets, with which
/// everything in [`Generate`] works. [`translate`](Self::translate) does both.
///
/// ```
/// use demotic::models::{GenerateOptions, Seq2Seq, Seq2SeqLstm, Seq2SeqLstmConfig, Seq2SeqTokens};
/// use demotic::prelude::*;
/// use demotic::text::Sampler;
///
/// // Read backwards. 0 is padding, 1 and 2 are the start and the end of a target.
/// let tokens = Seq2SeqTokens::new(6, 6);
/// let sources = tokens.sources(&[vec![3, 4, 5], vec![5, 3]])?;
/// let (inputs, labels) = tokens.teacher_forcing(&[vec![5, 4, 3], vec![3, 5]])?;
///
/// let mut rng = Rng::seed(0);
/// let mut model = Seq2SeqLstm::new(Seq2SeqLstmConfig::new(tokens).hidden_size(16), &mut rng)?;
/// let mut opt = Adam::new(0.02);
/// for _step in 0..60 {
///     let logits = model.forward(&sources, &inputs, &mut Mode::train(&mut rng))?;
///     opt.step(&mut model, &losses::token_cross_entropy(&logits, &labels)?.backward()?)?;
/// }
/// let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(10);
/// let found = model.translate(&sources, &options, &mut rng)?;
/// assert_eq!(found[0].tokens, [5, 4, 3]);
/// assert_eq!(found[1].tokens, [3, 5]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait Seq2Seq: Module + Sized {
    /// What the decoder knows: the encoder's output for each row, and what it has written so far.
    type State: LmState;

    /// The vocabularies.
    fn tokens(&self) -> &Seq2SeqTokens;

    /// The most tokens of a target, its start among them; `None` if there is no limit.
    fn target_limit(&self) -> Option<usize>;

    /// Logits for what follows upon each token of a target, given the source and the target up to there.
    ///
    /// # Shapes
    /// - `source`: ids `[batch, source time]` of type `I64`, padded with the padding id on either side; frames of sound for a `Whisper`
    /// - `target`: ids `[batch, target time]`, start token first, padded on the right. What comes out behind the end of a
    ///   target means nothing
    /// - returns `[batch, target time, target vocabulary]`
    ///
    /// # Errors
    /// If the ids have other shapes or types or are not in their vocabulary, a sequence is too long for the model, or a
    /// source is nothing but padding or has padding between its tokens.
    #[track_caller]
    fn forward(&self, source: &Tensor, target: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor>;

    /// Reads sources `[batch, source time]`, without recording, and gives the state before the first target token.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    #[track_caller]
    fn read(&self, source: &Tensor) -> Result<Self::State>;

    /// Forgets all target tokens, but not the sources, and begins anew with so many absent tokens at the beginning of each
    /// row; see [`CausalLm::restart`].
    ///
    /// # Errors
    /// If there is not one number for each row, or one is not below the [limit](Self::target_limit).
    #[track_caller]
    fn rewind(&self, state: &mut Self::State, padding: &[usize]) -> Result<()>;

    /// Feeds target tokens `[rows, n]` and returns the logits after each of them, without recording; see
    /// [`CausalLm::extend`].
    ///
    /// # Errors
    /// As for [`CausalLm::extend`].
    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor>;

    /// Reads sources, and gives a language model of their targets. It has as many rows as there are sources, or any number
    /// of rows for a single source.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    #[track_caller]
    fn encode(&self, source: &Tensor) -> Result<Encoded<'_, Self>> {
        Ok(Encoded { model: self, begun: self.read(source)? })
    }

    /// Writes a target for each source of `[batch, source time]`, up to its end token, or as many as
    /// [`samples`](GenerateOptions::samples) says; those of the first source come first.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward) and [`generate_batch`](Generate::generate_batch).
    #[track_caller]
    fn translate(&self, source: &Tensor, options: &GenerateOptions, rng: &mut Rng) -> Result<Vec<Continuation>> {
        let encoded = self.encode(source)?;
        let start = [self.tokens().start_id];
        let options = options.clone().end_tokens(&[self.tokens().end_id]);
        encoded.generate_batch(&vec![start; encoded.begun.rows()], &options, rng)
    }

    /// Searches for the most likely targets of each source; see [`beam_search`](Generate::beam_search).
    ///
    /// # Errors
    /// As for [`forward`](Self::forward) and [`beam_search`](Generate::beam_search).
    #[track_caller]
    fn translate_beams(
        &self,
        source: &Tensor,
        search: &BeamSearch,
        options: &GenerateOptions,
    ) -> Result<Vec<Vec<Beam>>> {
        let encoded = self.encode(source)?;
        let options = options.clone().end_tokens(&[self.tokens().end_id]);
        let mut found = Vec::with_capacity(encoded.begun.rows());
        for row in 0..encoded.begun.rows() {
            found.push(encoded.row(row)?.beam_search(&[self.tokens().start_id], search, &options)?);
        }
        Ok(found)
    }
}

/// A model that has read its sources: a language model of their targets. See [`Seq2Seq::encode`].
///
/// Prompts are beginnings of targets, the start token first.
#[derive(Debug, Clone)]
pub struct Encoded<'m, M: Seq2Seq> {
    model: &'m M,
    /// The state before the first target token.
    begun: M::State,
}

impl<M: Seq2Seq> Encoded<'_, M> {
    /// The same for one of the sources.
    ///
    /// # Errors
    /// If there is no such source.
    #[track_caller]
    pub fn row(&self, row: usize) -> Result<Self> {
        let mut begun = self.begun.clone();
        begun.reorder(&[row])?;
        Ok(Self { model: self.model, begun })
    }
}

impl<M: Seq2Seq> CausalLm for Encoded<'_, M> {
    type State = M::State;

    fn vocab_size(&self) -> usize {
        self.model.tokens().target_vocab_size
    }

    fn context_length(&self) -> Option<usize> {
        self.model.target_limit()
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<M::State> {
        let mut state = self.begun.clone();
        match (state.rows(), padding.len()) {
            (sources, rows) if sources == rows => {}
            (1, rows) if rows > 0 => state.reorder(&vec![0; rows])?,
            (sources, rows) => {
                let message = format!("{rows} targets for {sources} sources");
                return Err(
                    Error::argument(NAME, message).with_help("one for each source, or any number for one source")
                );
            }
        }
        self.model.rewind(&mut state, padding)?;
        Ok(state)
    }

    #[track_caller]
    fn restart(&self, state: &mut M::State, padding: &[usize]) -> Result<()> {
        self.model.rewind(state, padding)
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut M::State) -> Result<Tensor> {
        self.model.extend(ids, state)
    }
}

/// Checks sources and targets that are fed together.
#[track_caller]
fn check_pairs(
    tokens: &Seq2SeqTokens,
    source: &Tensor,
    target: &Tensor,
    limits: [Option<usize>; 2],
) -> Result<Sequences> {
    let sources = check_sources(tokens, source, limits[0])?;
    let (targets, _) = check_ids(NAME, "target token", target, limits[1])?;
    if targets != sources.count() {
        let message = format!("{targets} targets for {} sources", sources.count());
        return Err(Error::shape(NAME, message));
    }
    Ok(sources)
}

#[track_caller]
fn check_sources(tokens: &Seq2SeqTokens, source: &Tensor, limit: Option<usize>) -> Result<Sequences> {
    Sequences::new(NAME, "source", source, Some(tokens.padding_id), limit)
}

/// Checks target tokens that are fed to a state.
#[track_caller]
fn check_targets(ids: &Tensor, state: &impl LmState, limit: Option<usize>) -> Result<usize> {
    check_next(NAME, "target token", ids, state, limit)
}

/// Checks the numbers of absent tokens with which a state begins anew.
#[track_caller]
fn check_absent(padding: &[usize], rows: usize, limit: Option<usize>) -> Result<()> {
    if padding.len() != rows {
        return Err(Error::argument(NAME, format!("{} paddings for a state of {rows} rows", padding.len())));
    }
    check_padding(NAME, padding, limit)
}
