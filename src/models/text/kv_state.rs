//! What a decoder remembers: keys and values.

use crate::error::{Error, Here, Result};
use crate::layers::{KvCache, KvPrecision};
use crate::models::text::sequences::{check_rows, row_index};
use crate::models::{LmState, MemoryNeed};
use crate::tensor::Tensor;

/// The keys and values of the tokens that a decoder ([`Gpt`](super::Gpt), [`Llama`](super::Llama)) was fed, in each of its blocks.
#[derive(Debug, Clone)]
pub struct KvState {
    pub(super) caches: Vec<KvCache>,
    /// How many tokens of each row are padding.
    pub(super) padding: Vec<usize>,
    pub(super) len: usize,
    /// The tokens `[rows, len]`, of models that may have to read a text once more.
    pub(super) ids: Option<Tensor>,
}

impl LmState for KvState {
    fn rows(&self) -> usize {
        self.padding.len()
    }

    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        check_rows(rows, self.rows())?;
        for cache in &mut self.caches {
            cache.reorder(rows)?;
        }
        if let Some(ids) = &self.ids {
            self.ids = Some(ids.index_select(0, &row_index(rows, self.rows())?)?);
        }
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        Ok(())
    }

    fn truncate(&mut self, len: usize) -> bool {
        if len >= self.len {
            return true;
        }
        let ids = self.ids.as_ref().map(|ids| ids.narrow(1, 0, len)).transpose();
        let Ok(ids) = ids else { return false };
        self.caches.iter_mut().for_each(|cache| cache.truncate(len));
        (self.ids, self.len) = (ids, len);
        true
    }

    fn prefix(&self, len: usize) -> Option<Self> {
        let ids = self.ids.as_ref().map(|ids| ids.narrow(1, 0, len)).transpose().ok()?;
        let caches = self.caches.iter().map(|cache| cache.prefix(len)).collect::<Result<_>>().ok()?;
        Some(Self { caches, padding: self.padding.clone(), len, ids })
    }

    fn bytes(&self) -> Option<usize> {
        Some(self.caches.iter().map(KvCache::bytes).sum())
    }

    fn join(states: &[Self]) -> Option<Self> {
        let len = states.iter().map(|state| state.len).max()?;
        // Models that may read a text once more do so from their tokens.
        if states.iter().any(|state| state.ids.is_some()) {
            return None;
        }
        let caches = (0..states[0].caches.len()).map(|block| {
            let rows: Option<Vec<&KvCache>> = states.iter().map(|state| state.caches.get(block)).collect();
            KvCache::joined(&rows?).ok()
        });
        let padding =
            states.iter().flat_map(|state| state.padding.iter().map(|padding| padding + len - state.len)).collect();
        Some(Self { caches: caches.collect::<Option<_>>()?, padding, len, ids: None })
    }

    fn precision(&self) -> KvPrecision {
        self.caches.first().map_or(KvPrecision::Full, KvCache::precision)
    }

    #[track_caller]
    fn store_as(&mut self, precision: KvPrecision) -> Result<()> {
        if precision != self.precision() {
            let caches = self.caches.drain(..).map(|cache| cache.stored_as(precision));
            self.caches = caches.collect::<Result<_>>().here()?;
        }
        Ok(())
    }
}

/// The sizes of a decoder on which its memory depends.
pub(super) struct DecoderSizes {
    pub(super) blocks: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) vocab: usize,
    pub(super) context: usize,
    /// Whether room for the whole context is taken at the beginning.
    pub(super) at_once: bool,
    /// Bytes of a number.
    pub(super) number: usize,
}

impl DecoderSizes {
    /// An upper bound of what is taken while so much is generated.
    pub(super) fn memory_needed(&self, need: &MemoryNeed) -> u128 {
        let wide = |x: usize| x as u128;
        let (rows, tokens) = (wide(need.rows), need.tokens.min(self.context));
        // A growing cache takes twice as much whenever it is full, from 64 positions on.
        let room = if self.at_once { self.context } else { tokens.max(64).saturating_mul(2).min(self.context) };
        let vectors = |precision: KvPrecision, positions: usize| {
            let bytes = precision.vector_bytes(self.head_dim, self.number);
            2 * rows * wide(self.kv_heads) * wide(positions) * wide(bytes)
        };
        // All blocks; one of them once more while it grows, and as numbers while it is looked at.
        let state = wide(self.blocks + 1) * vectors(need.precision, room) + 2 * vectors(KvPrecision::Full, tokens);
        let fed = rows * wide(need.prompt.max(1));
        let features = wide(self.heads + 2 * self.kv_heads) * wide(self.head_dim);
        let row = 6 * wide(self.hidden) + 3 * wide(self.intermediate) + 4 * features;
        // Scores of attention where they are all kept, a head's at a time.
        let scores = fed * wide(tokens) + rows * wide(tokens) * wide(self.heads);
        let logits = rows * wide(self.vocab) * wide(3 * self.number + 8);
        // Blocks of memory come in sizes, of which there are four for each power of two.
        (state + fed * row * wide(self.number) + scores * wide(self.number) + logits) / 4 * 5 + (1 << 20)
    }
}

impl KvState {
    pub(super) fn new(caches: Vec<KvCache>, padding: &[usize]) -> Self {
        Self { caches, padding: padding.to_vec(), len: 0, ids: None }
    }

    /// Whether it is the state of a model with so many blocks.
    #[track_caller]
    pub(super) fn check(&self, op: &'static str, blocks: usize) -> Result<()> {
        if self.caches.len() == blocks {
            return Ok(());
        }
        let message = format!("a state of {} blocks for a model of {blocks}", self.caches.len());
        Err(Error::argument(op, message).with_help("start(&padding) makes a state for the model it is called on"))
    }

    /// Forgets all tokens, if there are to be as many rows as now.
    pub(super) fn restart(&mut self, padding: &[usize]) -> bool {
        if padding.len() != self.padding.len() {
            return false;
        }
        for cache in &mut self.caches {
            cache.truncate(0);
        }
        (self.padding, self.len, self.ids) = (padding.to_vec(), 0, None);
        true
    }

    /// The positions of the next `n` tokens: `[n]`, or `[rows, n]` where rows have begun at different times.
    #[track_caller]
    pub(super) fn positions(&self, n: usize) -> Result<Tensor> {
        let from = |padding: usize| (self.len..self.len + n).map(move |i| i.saturating_sub(padding) as i64);
        if self.padding.iter().all(|padding| *padding == 0) {
            return Tensor::from_vec(from(0).collect(), [n]);
        }
        Tensor::from_vec(self.padding.iter().flat_map(|padding| from(*padding)).collect(), [self.rows(), n])
    }

    /// Which of the tokens so far and the next `n` are no padding: `[rows, 1, 1, tokens]`; `None` if all are.
    #[track_caller]
    pub(super) fn mask(&self, n: usize) -> Result<Option<Tensor>> {
        if self.padding.iter().all(|padding| *padding == 0) {
            return Ok(None);
        }
        let keys = self.len + n;
        let mask = self.padding.iter().flat_map(|padding| (0..keys).map(move |i| i >= *padding)).collect();
        Ok(Some(Tensor::from_vec::<bool>(mask, [self.rows(), 1, 1, keys])?))
    }
}
