//! What a language model must be able to do so that text can be generated with it.

use crate::error::{Error, Result};
use crate::layers::KvPrecision;
use crate::tensor::Tensor;

/// A model that predicts the next token from those before it.
///
/// Tokens are fed once each: what the model has to know of earlier ones (the keys and values of attention, the state of
/// a recurrence) is kept in its [`State`](CausalLm::State). The same logits come out whether tokens are fed one by one or
/// all at once.
///
/// The methods use the model as in [`Mode::eval`](crate::layers::Mode::eval), without dropout. Generation calls them without
/// recording, so that states hold no graph; a caller of its own does so with [`no_grad`](crate::autograd::no_grad).
///
/// This one has a table of logits for each pair of neighbouring tokens, so it has nothing to remember but how many
/// tokens there were:
///
/// ```
/// use demotic::models::{CausalLm, LmState};
/// use demotic::prelude::*;
///
/// struct Bigram {
///     logits: Tensor, // [vocab, vocab]
/// }
///
/// #[derive(Clone)]
/// struct Count {
///     rows: usize,
///     len: usize,
/// }
///
/// impl LmState for Count {
///     fn rows(&self) -> usize {
///         self.rows
///     }
///     fn len(&self) -> usize {
///         self.len
///     }
///     fn reorder(&mut self, rows: &[usize]) -> Result<()> {
///         self.rows = rows.len();
///         Ok(())
///     }
/// }
///
/// impl CausalLm for Bigram {
///     type State = Count;
///     fn vocab_size(&self) -> usize {
///         self.logits.shape()[0]
///     }
///     fn context_length(&self) -> Option<usize> {
///         None
///     }
///     fn start(&self, padding: &[usize]) -> Result<Count> {
///         Ok(Count { rows: padding.len(), len: 0 })
///     }
///     fn extend(&self, ids: &Tensor, state: &mut Count) -> Result<Tensor> {
///         let (batch, n) = (ids.shape()[0], ids.shape()[1]);
///         state.len += n;
///         self.logits.index_select(0, &ids.reshape([batch * n])?)?.reshape([batch, n, self.vocab_size()])
///     }
/// }
///
/// let model = Bigram { logits: tensor![[0.0, 1.0], [2.0, 0.0]] };
/// let mut state = model.start(&[0])?;
/// let logits = model.extend_last(&Tensor::from_nested([[0i64, 1]])?, &mut state)?;
/// assert_eq!((logits.to_vec::<f32>()?, state.len()), (vec![2.0, 0.0], 2));
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait CausalLm {
    /// What the model remembers of the tokens so far, for each sequence of a batch.
    type State: LmState;

    /// The number of different tokens; ids are below it.
    fn vocab_size(&self) -> usize;

    /// The most tokens that the model can look at, prompt and continuation together; `None` if there is no limit.
    fn context_length(&self) -> Option<usize>;

    /// An empty state for `padding.len()` sequences.
    ///
    /// Sequences of different lengths are padded on the left, so that their ends are in line: the first `padding[i]`
    /// tokens of row `i` count as absent. They are not seen by later tokens, do not change a recurrent state and do
    /// not advance positions, so that each row gets the logits that it would get alone. The logits after padding
    /// itself are finite and mean nothing.
    ///
    /// # Errors
    /// If there are no sequences, or a padding is not below the [context length](CausalLm::context_length).
    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<Self::State>;

    /// Forgets all tokens and begins anew with the same rows, and the paddings of [`start`](CausalLm::start).
    ///
    /// By default this makes a fresh state. A model whose state also holds what does not depend on the tokens (the
    /// encoder's output in a translation) keeps that, row by row; `padding.len()` is the state's number of rows.
    ///
    /// # Errors
    /// As for [`start`](CausalLm::start).
    #[track_caller]
    fn restart(&self, state: &mut Self::State, padding: &[usize]) -> Result<()> {
        *state = self.start(padding)?;
        Ok(())
    }

    /// Feeds `n` tokens to each sequence and returns the logits for what comes after each of them.
    ///
    /// # Shapes
    /// - `ids`: `[rows, n]`, `I64`, n at least 1; where there is padding, any valid id
    /// - returns `[rows, n, vocab_size]`, `F32` or `F64`
    ///
    /// # Errors
    /// If `ids` has another shape or type, an id is not in the vocabulary, or the state would hold more tokens (padding
    /// included) than the [context length](CausalLm::context_length). The state is then as before.
    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor>;

    /// Feeds `n` tokens to each sequence and returns the logits after the last one only: `[rows, vocab_size]`.
    ///
    /// By default these are the last ones of [`extend`](CausalLm::extend). Models override it, because after a prompt of a
    /// thousand tokens a thousand rows of logits are much work for nothing.
    ///
    /// # Errors
    /// As for [`extend`](CausalLm::extend).
    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        self.extend(ids, state)?.select(1, -1)
    }

    /// The most bytes that tensors take, besides the model's own, while so much is generated: the state, logits, and what is
    /// computed on the way. `None`, as by default, if that is not known.
    fn memory_needed(&self, need: &MemoryNeed) -> Option<u128> {
        let _ = need;
        None
    }
}

/// How much is to be generated, of which [`CausalLm::memory_needed`] tells the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryNeed {
    /// The number of sequences.
    pub rows: usize,
    /// The tokens of the longest prompt, which are fed at once.
    pub prompt: usize,
    /// The most tokens of a sequence, prompt and continuation together.
    pub tokens: usize,
    /// How keys and values are kept.
    pub precision: KvPrecision,
}

/// What a [`CausalLm`] remembers of the tokens that it was fed: one row for each sequence of the batch.
pub trait LmState: Clone + Send {
    /// The number of sequences.
    fn rows(&self) -> usize;

    /// The number of tokens that each sequence was fed, padding included.
    fn len(&self) -> usize;

    /// Whether no tokens were fed yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row `i` becomes what row `rows[i]` was. Rows may repeat (several continuations of one prompt, beams that part) or
    /// be missing (finished sequences), so the number of rows may change.
    ///
    /// # Errors
    /// If there is no such row. The state is then as before.
    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()>;

    /// Forgets all but the first `len` tokens of each row, padding included; nothing happens if there are no more. Returns whether
    /// it can: a recurrent state cannot, and does not by default.
    fn truncate(&mut self, len: usize) -> bool {
        let _ = len;
        false
    }

    /// A state that was fed only the first `len` tokens, in no more memory than it needs. `None`, as by default, if that is not kept
    /// apart from what came later, or there are not so many.
    fn prefix(&self, len: usize) -> Option<Self> {
        let _ = len;
        None
    }

    /// The memory that it takes in bytes; `None`, as by default, if that is not known.
    fn bytes(&self) -> Option<usize> {
        None
    }

    /// The rows of several states as one state. Shorter ones count as padded on the left. `None`, as by default, if that cannot be.
    fn join(states: &[Self]) -> Option<Self> {
        let _ = states;
        None
    }

    /// How keys and values are kept.
    fn precision(&self) -> KvPrecision {
        KvPrecision::Full
    }

    /// Keeps keys and values in another form. The state must be empty.
    ///
    /// # Errors
    /// If the state keeps no keys and values that could have it, or has tokens already.
    #[track_caller]
    fn store_as(&mut self, precision: KvPrecision) -> Result<()> {
        if precision == self.precision() {
            return Ok(());
        }
        let message = format!("the state of this model cannot be kept as {precision:?}");
        Err(Error::argument("store_as", message).with_help("only keys and values of attention can"))
    }
}

/// A borrowed model is a model.
impl<M: CausalLm + ?Sized> CausalLm for &M {
    type State = M::State;

    fn vocab_size(&self) -> usize {
        (**self).vocab_size()
    }

    fn context_length(&self) -> Option<usize> {
        (**self).context_length()
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<Self::State> {
        (**self).start(padding)
    }

    #[track_caller]
    fn restart(&self, state: &mut Self::State, padding: &[usize]) -> Result<()> {
        (**self).restart(state, padding)
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        (**self).extend(ids, state)
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        (**self).extend_last(ids, state)
    }

    fn memory_needed(&self, need: &MemoryNeed) -> Option<u128> {
        (**self).memory_needed(need)
    }
}
