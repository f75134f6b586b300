//! How text is continued.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::constraint::{Constrained, TokenConstraint};
use super::stop::StopSet;
use crate::error::{Error, Result};
use crate::layers::KvPrecision;
use crate::models::{CausalLm, MemoryNeed};
use crate::text::Sampler;

/// Most sequences that are generated at once from one prompt.
pub(super) const MAX_ROWS: usize = 1 << 16;

/// How a prompt is continued, and where the continuation ends.
///
/// ```
/// use demotic::models::GenerateOptions;
/// use demotic::text::Sampler;
///
/// let options = GenerateOptions::new()
///     .sampler(Sampler::new().temperature(0.8)?.top_k(40)?)
///     .max_new_tokens(200)
///     .end_tokens(&[50256])
///     .stop_text("\n\n");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    pub(super) sampler: Sampler,
    pub(super) max_new_tokens: usize,
    pub(super) min_new_tokens: usize,
    pub(super) end_tokens: Vec<i64>,
    pub(super) stop_sequences: Vec<Vec<i64>>,
    pub(super) stop_texts: Vec<String>,
    pub(super) samples: usize,
    pub(super) truncate_prompt: bool,
    pub(super) sliding_window: bool,
    pub(super) constraint: Option<Constrained>,
    pub(super) cancel: Option<CancelHandle>,
    pub(super) precision: KvPrecision,
    pub(super) memory_limit: Option<usize>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            sampler: Sampler::new(),
            max_new_tokens: 128,
            min_new_tokens: 0,
            end_tokens: Vec::new(),
            stop_sequences: Vec::new(),
            stop_texts: Vec::new(),
            samples: 1,
            truncate_prompt: false,
            sliding_window: false,
            constraint: None,
            cancel: None,
            precision: KvPrecision::Full,
            memory_limit: None,
        }
    }
}

impl GenerateOptions {
    /// 128 tokens at most, drawn from the model's distribution.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How each token is chosen.
    #[must_use]
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// The most tokens of a continuation, at least 1. By default 128.
    #[must_use]
    pub fn max_new_tokens(mut self, tokens: usize) -> Self {
        self.max_new_tokens = tokens;
        self
    }

    /// End tokens are impossible before there are this many new tokens. By default 0.
    #[must_use]
    pub fn min_new_tokens(mut self, tokens: usize) -> Self {
        self.min_new_tokens = tokens;
        self
    }

    /// Tokens that end a continuation, besides those that were named before. They are not part of it.
    #[must_use]
    #[doc(alias = "eos_token_id")]
    pub fn end_tokens(mut self, tokens: &[i64]) -> Self {
        self.end_tokens.extend_from_slice(tokens);
        self
    }

    /// A sequence of tokens that ends a continuation, besides those that were named before. It is not part of it.
    #[must_use]
    pub fn stop_sequence(mut self, tokens: &[i64]) -> Self {
        self.stop_sequences.push(tokens.to_vec());
        self
    }

    /// A text that ends a continuation, besides those that were named before, wherever its tokens begin and end. It is not
    /// part of the continuation. Only where text is generated.
    #[must_use]
    #[doc(alias = "stop_strings")]
    pub fn stop_text(mut self, text: impl Into<String>) -> Self {
        self.stop_texts.push(text.into());
        self
    }

    /// The number of continuations of each prompt, which is read only once for all of them. By default 1.
    #[must_use]
    #[doc(alias = "num_return_sequences")]
    pub fn samples(mut self, samples: usize) -> Self {
        self.samples = samples;
        self
    }

    /// Of a prompt longer than the model's context, takes the last tokens. By default such a prompt is an error.
    #[must_use]
    pub fn truncate_prompt(mut self) -> Self {
        self.truncate_prompt = true;
        self
    }

    /// When the context is full, goes on from the last half of it. By default the continuation ends there with
    /// [`FinishReason::Context`].
    ///
    /// The half is read anew, once for every half context of new tokens, so that the cost of a token stays the same.
    #[must_use]
    pub fn sliding_window(mut self) -> Self {
        self.sliding_window = true;
        self
    }

    /// Only continuations that the constraint allows: a regular expression, a JSON schema, or a grammar of your own. What counts is
    /// the continuation alone, from its first token on. It ends with [`FinishReason::Complete`] when nothing can follow; where more may
    /// follow, the model's end token decides, which is impossible before the text is complete.
    #[must_use]
    #[doc(alias = "grammar", alias = "guided")]
    pub fn constraint(mut self, constraint: impl TokenConstraint + 'static) -> Self {
        self.constraint = Some(Constrained(Arc::new(constraint)));
        self
    }

    /// Ends continuations with [`FinishReason::Cancelled`] when another thread says so.
    #[must_use]
    pub fn cancel(mut self, handle: &CancelHandle) -> Self {
        self.cancel = Some(handle.clone());
        self
    }

    /// How the keys and values of earlier tokens are kept. By default as they are computed. The forms say by how much they round.
    #[must_use]
    pub fn kv_cache(mut self, precision: KvPrecision) -> Self {
        self.precision = precision;
        self
    }

    /// The most bytes that tensors may take beside the model's own. What could need more is an error before it begins: it is
    /// reckoned for the longest continuations that the other options allow, as an upper bound.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Checks whether so much memory would be enough.
    #[track_caller]
    pub(super) fn check_memory<M: CausalLm>(&self, model: &M, rows: usize, prompt: usize) -> Result<()> {
        let Some(limit) = self.memory_limit else { return Ok(()) };
        let tokens = prompt.saturating_add(self.max_new_tokens);
        let tokens = model.context_length().map_or(tokens, |context| tokens.min(context));
        let need = model.memory_needed(&MemoryNeed { rows, prompt, tokens, precision: self.precision });
        not_above(need, limit, &format!("{rows} × {tokens} tokens"))
    }

    /// Whether another thread has asked for the end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelHandle::is_cancelled)
    }

    /// Checks all that does not depend on a prompt.
    #[track_caller]
    pub(super) fn check(&self, vocab: usize) -> Result<()> {
        let caller = Location::caller();
        let at_least_one =
            |name: &str| Error::argument("generate", format!("{name} is 0, expected at least 1")).at(caller);
        if self.max_new_tokens == 0 {
            return Err(at_least_one("max_new_tokens"));
        }
        if self.samples == 0 {
            return Err(at_least_one("samples"));
        }
        if self.samples > MAX_ROWS {
            let message = format!("samples is {}, expected at most {MAX_ROWS}", self.samples);
            return Err(Error::argument("generate", message));
        }
        check_ids("generate", "end token", &self.end_tokens, vocab)
    }

    #[track_caller]
    pub(super) fn token_stops(&self) -> Result<StopSet<i64>> {
        StopSet::new("stop sequence", self.stop_sequences.iter().map(Vec::as_slice))
    }

    /// The part of a prompt that is fed, which is all of it unless it may be truncated.
    #[track_caller]
    pub(super) fn checked_prompt<'p>(
        &self,
        prompt: &'p [i64],
        vocab: usize,
        context: Option<usize>,
    ) -> Result<&'p [i64]> {
        if prompt.is_empty() {
            return Err(Error::argument("generate", "the prompt is empty")
                .with_help("begin with a token, for example the one that separates texts"));
        }
        check_ids("generate", "prompt token", prompt, vocab)?;
        match context {
            Some(context) if prompt.len() > context && self.truncate_prompt => Ok(&prompt[prompt.len() - context..]),
            Some(context) if prompt.len() > context => {
                let message = format!("the prompt has {} tokens, the model's context {context}", prompt.len());
                let e = Error::argument("generate", message);
                Err(e.with_help("GenerateOptions::truncate_prompt() keeps its last tokens"))
            }
            _ => Ok(prompt),
        }
    }
}

#[track_caller]
fn not_above(need: Option<u128>, limit: usize, what: &str) -> Result<()> {
    match need {
        Some(need) if need <= limit as u128 => Ok(()),
        Some(need) => {
            let message = format!("{what} may need {need} bytes, the memory limit is {limit}");
            let help = "fewer prompts, samples or max_new_tokens, or kv_cache(KvPrecision::Int8)";
            Err(Error::argument("generate", message).with_help(help))
        }
        None => {
            let message = "there is a memory limit, but the model does not say how much it needs";
            Err(Error::argument("generate", message).with_help("CausalLm::memory_needed is for that"))
        }
    }
}

/// Ends continuations from another thread: a flag that clones share.
///
/// ```
/// use demotic::models::{CancelHandle, GenerateOptions};
///
/// let handle = CancelHandle::new();
/// let options = GenerateOptions::new().cancel(&handle);
/// std::thread::spawn(move || handle.cancel());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelHandle(Arc<AtomicBool>);

impl CancelHandle {
    /// A handle with which nothing is cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends every continuation that has the handle, before its next token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Handles are equal if they are one.
impl PartialEq for CancelHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Checks that token ids are in the vocabulary.
#[track_caller]
pub(super) fn check_ids(op: &'static str, what: &str, ids: &[i64], vocab: usize) -> Result<()> {
    let inside = |id: &i64| usize::try_from(*id).is_ok_and(|id| id < vocab);
    let Some(at) = ids.iter().position(|id| !inside(id)) else { return Ok(()) };
    let message = format!("{what} {at} is {}, which is not in the vocabulary of {vocab}", ids[at]);
    Err(Error::index(op, message).with_help("tokenizer and model belong together"))
}

/// Why a continuation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model chose this end token.
    EndToken(i64),
    /// The stop sequence of this number was generated, counting from 0.
    StopSequence(usize),
    /// The stop text of this number was generated, counting from 0.
    StopText(usize),
    /// There are as many tokens as were asked for.
    MaxNewTokens,
    /// The model's context is full.
    Context,
    /// The text is complete by the [constraint](GenerateOptions::constraint), and nothing can follow.
    Complete,
    /// Another thread [asked for it](CancelHandle).
    Cancelled,
}
