//! Prompts that begin alike are read once.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::engine::SHORTEST_PIECE;
use crate::error::Result;
use crate::layers::KvPrecision;
use crate::models::{CausalLm, LmState, MemoryNeed};
use crate::tensor::Tensor;

/// Beginnings are kept and reused in whole blocks of so many tokens.
const BLOCK: usize = 32;

/// A model that remembers the beginnings of prompts: what several prompts begin with, such as a long instruction or the turns of a
/// conversation so far, is computed once.
///
/// It is a [`CausalLm`] like the model in it, so whatever generates takes it, from several threads too. Logits are those of the
/// model, bit by bit: only prompts are kept, in blocks of 32 tokens, since tokens that were generated one by one may have been computed
/// by other means. Each prompt of a batch is read by itself. A model whose state cannot be divided (a recurrent one) is used as it is.
///
/// ```
/// use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig, PrefixCached};
/// use demotic::prelude::*;
///
/// let gpt = Gpt::new(GptConfig::new(50, 128).layers(1).hidden_size(32), &mut Rng::seed(0))?;
/// let cached = PrefixCached::new(&gpt, 1 << 20); // at most 1 MiB
/// let prompt: Vec<i64> = (0..90).map(|i| i % 50).collect();
/// let options = GenerateOptions::new().max_new_tokens(8);
/// let first = cached.generate(&prompt, &options, &mut Rng::seed(1))?;
/// assert_eq!(cached.generate(&prompt, &options, &mut Rng::seed(1))?, first);
/// assert_eq!(gpt.generate(&prompt, &options, &mut Rng::seed(1))?, first);
/// assert_eq!(cached.stats().reused_tokens, 64);
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct PrefixCached<M: CausalLm> {
    model: M,
    limit: usize,
    entries: Mutex<Entries<M::State>>,
}

struct Entries<S> {
    all: Vec<Entry<S>>,
    stats: PrefixStats,
    clock: u64,
}

struct Entry<S> {
    tokens: Vec<i64>,
    state: S,
    bytes: usize,
    used: u64,
}

/// What a [`PrefixCached`] holds, and what it has been good for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefixStats {
    /// How many beginnings are kept.
    pub entries: usize,
    /// The memory that they take.
    pub bytes: usize,
    /// Tokens of prompts that did not have to be computed.
    pub reused_tokens: u64,
    /// Tokens of prompts that were computed.
    pub computed_tokens: u64,
}

impl<M: CausalLm> PrefixCached<M> {
    /// The model (or `&model`) with a cache of at most so many bytes; what was not used for the longest time makes room. With 0
    /// nothing is kept.
    #[must_use]
    pub fn new(model: M, max_bytes: usize) -> Self {
        let entries = Entries { all: Vec::new(), stats: PrefixStats::default(), clock: 0 };
        Self { model, limit: max_bytes, entries: Mutex::new(entries) }
    }

    /// What is kept now.
    #[must_use]
    pub fn stats(&self) -> PrefixStats {
        self.lock().stats
    }

    /// Forgets everything that is kept.
    pub fn clear(&self) {
        let mut entries = self.lock();
        entries.all.clear();
        (entries.stats.entries, entries.stats.bytes) = (0, 0);
    }

    /// The model without the cache.
    #[must_use]
    pub fn into_inner(self) -> M {
        self.model
    }

    fn lock(&self) -> MutexGuard<'_, Entries<M::State>> {
        // Whatever a thread that panicked had begun with is whole before and behind each change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds what follows upon `fed` of a single prompt, or takes it from the cache as far as it is there.
    #[track_caller]
    fn feed(&self, new: &[i64], fed: &mut Vec<i64>, state: &mut M::State) -> Result<Tensor> {
        let (from, mut all) = (fed.len(), fed.clone());
        all.extend_from_slice(new);
        let longest = all.len().saturating_sub(SHORTEST_PIECE) / BLOCK * BLOCK;
        let found = if longest > from { self.lock().find(&all[..longest], from, state.precision()) } else { None };
        let (at, logits) = match found {
            Some((at, mut known)) => {
                let logits = self.model.extend_last(&row(&all[at..])?, &mut known)?;
                *state = known;
                (at, logits)
            }
            None => (from, self.model.extend_last(&row(new)?, state)?),
        };
        *fed = all;
        let kept = fed.len() / BLOCK * BLOCK;
        let mut entries = self.lock();
        entries.stats.reused_tokens += (at - from) as u64;
        entries.stats.computed_tokens += (fed.len() - at) as u64;
        if self.limit > 0 && kept > at {
            entries.keep(&fed[..kept], state, self.limit);
        }
        Ok(logits)
    }

    /// Feeds several prompts each by itself; `None` if their states cannot be put together.
    #[track_caller]
    fn feed_each(&self, ids: &Tensor, padding: &[usize], precision: KvPrecision) -> Result<Option<(M::State, Tensor)>> {
        let (ids, time) = (ids.to_vec::<i64>()?, ids.shape()[1]);
        let (mut states, mut logits) = (Vec::new(), Vec::new());
        for (ids, padding) in ids.chunks_exact(time.max(1)).zip(padding) {
            let mut state = self.model.start(&[0])?;
            state.store_as(precision)?;
            logits.push(self.feed(&ids[*padding..], &mut Vec::new(), &mut state)?);
            states.push(state);
        }
        let Some(state) = M::State::join(&states) else { return Ok(None) };
        Ok(Some((state, Tensor::cat(&logits.iter().collect::<Vec<_>>(), 0)?)))
    }
}

#[track_caller]
fn row(ids: &[i64]) -> Result<Tensor> {
    Tensor::from_slice(ids, [1, ids.len()])
}

impl<S: LmState> Entries<S> {
    /// The state after the most tokens that some entry begins with, more than `from` of them.
    fn find(&mut self, tokens: &[i64], from: usize, precision: KvPrecision) -> Option<(usize, S)> {
        let alike = |entry: &Entry<S>| {
            let n = entry.tokens.iter().zip(tokens).take_while(|(a, b)| a == b).count();
            if entry.state.precision() == precision { n / BLOCK * BLOCK } else { 0 }
        };
        let best = (0..self.all.len()).max_by_key(|i| alike(&self.all[*i]))?;
        let at = alike(&self.all[best]);
        if at <= from {
            return None;
        }
        self.clock += 1;
        self.all[best].used = self.clock;
        Some((at, self.all[best].state.prefix(at)?))
    }

    fn keep(&mut self, tokens: &[i64], state: &S, limit: usize) {
        let Some(state) = state.prefix(tokens.len()) else { return };
        let Some(bytes) = state.bytes().map(|bytes| bytes.saturating_add(size_of_val(tokens))) else { return };
        if bytes > limit {
            return;
        }
        // What the new one begins with is in it.
        let is_covered =
            |entry: &Entry<S>| tokens.starts_with(&entry.tokens) && entry.state.precision() == state.precision();
        self.all.retain(|entry| !is_covered(entry));
        let mut all: usize = self.all.iter().map(|entry| entry.bytes).sum();
        while all > limit - bytes {
            let Some(oldest) = (0..self.all.len()).min_by_key(|i| self.all[*i].used) else { break };
            all -= self.all.swap_remove(oldest).bytes;
        }
        self.clock += 1;
        self.all.push(Entry { tokens: tokens.to_vec(), state, bytes, used: self.clock });
        (self.stats.entries, self.stats.bytes) = (self.all.len(), all + bytes);
    }
}

impl<M: CausalLm> fmt::Debug for PrefixCached<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixCached")
            .field("max_bytes", &self.limit)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The state of a [`PrefixCached`] model.
#[derive(Debug, Clone)]
pub struct PrefixState<S> {
    inner: S,
    padding: Vec<usize>,
    /// The tokens so far, as long as they are a prompt.
    fed: Option<Vec<i64>>,
}

impl<S: LmState> LmState for PrefixState<S> {
    fn rows(&self) -> usize {
        self.inner.rows()
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        self.inner.reorder(rows)?;
        self.padding = rows.iter().filter_map(|row| self.padding.get(*row).copied()).collect();
        self.fed = None;
        Ok(())
    }

    fn truncate(&mut self, len: usize) -> bool {
        if len < self.len() {
            self.fed = None;
        }
        self.inner.truncate(len)
    }

    fn prefix(&self, len: usize) -> Option<Self> {
        Some(Self { inner: self.inner.prefix(len)?, padding: self.padding.clone(), fed: None })
    }

    fn bytes(&self) -> Option<usize> {
        self.inner.bytes()
    }

    fn join(states: &[Self]) -> Option<Self> {
        let len = states.iter().map(Self::len).max()?;
        let inner = S::join(&states.iter().map(|state| state.inner.clone()).collect::<Vec<_>>())?;
        let padding =
            states.iter().flat_map(|state| state.padding.iter().map(move |padding| padding + len - state.len()));
        Some(Self { inner, padding: padding.collect(), fed: None })
    }

    fn precision(&self) -> KvPrecision {
        self.inner.precision()
    }

    #[track_caller]
    fn store_as(&mut self, precision: KvPrecision) -> Result<()> {
        self.inner.store_as(precision)
    }
}

impl<M: CausalLm> CausalLm for PrefixCached<M> {
    type State = PrefixState<M::State>;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn context_length(&self) -> Option<usize> {
        self.model.context_length()
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<Self::State> {
        let inner = self.model.start(padding)?;
        Ok(PrefixState { inner, padding: padding.to_vec(), fed: (padding == [0]).then(Vec::new) })
    }

    #[track_caller]
    fn restart(&self, state: &mut Self::State, padding: &[usize]) -> Result<()> {
        self.model.restart(&mut state.inner, padding)?;
        (state.padding, state.fed) = (padding.to_vec(), (padding == [0]).then(Vec::new));
        Ok(())
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        let logits = self.model.extend(ids, &mut state.inner)?;
        state.fed = None;
        Ok(logits)
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        let is_prompt = ids.rank() == 2 && ids.dtype() == crate::DType::I64 && ids.shape()[0] == state.rows();
        let long = is_prompt && ids.shape()[1] >= SHORTEST_PIECE;
        if let (true, [0], Some(mut fed)) = (long, &state.padding[..], state.fed.take()) {
            let logits = self.feed(&ids.to_vec::<i64>()?, &mut fed, &mut state.inner)?;
            state.fed = Some(fed);
            return Ok(logits);
        }
        if long
            && state.is_empty()
            && state.padding.iter().all(|padding| *padding < ids.shape()[1])
            && let Some((inner, logits)) = self.feed_each(ids, &state.padding, state.precision())?
        {
            (state.inner, state.fed) = (inner, None);
            return Ok(logits);
        }
        let logits = self.model.extend_last(ids, &mut state.inner)?;
        state.fed = None;
        Ok(logits)
    }

    fn memory_needed(&self, need: &MemoryNeed) -> Option<u128> {
        // Prompts are read each in a state of its own, and a beginning is copied into the cache before another makes room.
        Some(2 * self.model.memory_needed(need)? + 2 * self.limit as u128)
    }
}
