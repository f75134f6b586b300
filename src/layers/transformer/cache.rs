//! What a stack of layers remembers while it decodes.

use crate::error::Result;
use crate::layers::KvCache;

/// The keys and values of all layers of a stack, for decoding position by position.
#[derive(Debug, Clone)]
pub struct TransformerCache {
    /// For each layer those of the positions so far, and those of the memory if it attends to one.
    pub(super) layers: Vec<(KvCache, Option<KvCache>)>,
}

impl TransformerCache {
    /// The number of positions so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, |(own, _)| own.len())
    }

    /// Whether there was no position yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all but the first `len` positions; see [`KvCache::truncate`].
    pub fn truncate(&mut self, len: usize) {
        for (own, _) in &mut self.layers {
            own.truncate(len);
        }
    }

    /// Makes row `i` of the batch what row `rows[i]` was; see [`KvCache::reorder`].
    ///
    /// # Errors
    /// If a row does not exist, or there is not enough memory.
    #[track_caller]
    pub fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        for (own, memory) in &mut self.layers {
            own.reorder(rows)?;
            if let Some(memory) = memory {
                memory.reorder(rows)?;
            }
        }
        Ok(())
    }
}
