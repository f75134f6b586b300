//! What a decoder remembers: keys and values.

use crate::error::{Error, Result};
use crate::layers::KvCache;
use crate::models::LmState;
use crate::models::text::sequences::{check_rows, row_index};
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
    pub(super) fn positions(&self, n: usize) -> Result<Tensor> {
        let from = |padding: usize| (self.len..self.len + n).map(move |i| i.saturating_sub(padding) as i64);
        if self.padding.iter().all(|padding| *padding == 0) {
            return Tensor::from_vec(from(0).collect(), [n]);
        }
        Tensor::from_vec(self.padding.iter().flat_map(|padding| from(*padding)).collect(), [self.rows(), n])
    }

    /// Which of the tokens so far and the next `n` are no padding: `[rows, 1, 1, tokens]`; `None` if all are.
    pub(super) fn mask(&self, n: usize) -> Result<Option<Tensor>> {
        if self.padding.iter().all(|padding| *padding == 0) {
            return Ok(None);
        }
        let keys = self.len + n;
        let mask = self.padding.iter().flat_map(|padding| (0..keys).map(move |i| i >= *padding)).collect();
        Ok(Some(Tensor::from_vec::<bool>(mask, [self.rows(), 1, 1, keys])?))
    }
}
