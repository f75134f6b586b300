//! The order in which the blocks of a file are read, and those that are kept.

use std::sync::{Arc, Mutex, PoisonError};

use crate::data::loading::{BatchSampler, Order};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// A random order for data in a file: blocks come in a random order, so many of them are in memory at a time, and their rows are
/// mixed. Rows that are far apart in the file meet in a batch, while each block is read once in an epoch. With a buffer as large as the
/// file, any order is as likely as another.
///
/// Datasets in files [use it by themselves](crate::data::Dataset::sampler) when they are shuffled. The order depends on the generator
/// alone, so it is the same with any number of threads, and a run that is resumed reads the blocks that were still to come.
///
/// ```
/// use demotic::data::{Dataset, ShuffleBuffer, TensorDataset};
/// use demotic::{Rng, Tensor};
///
/// let data = TensorDataset::new(Tensor::arange(12)?, Tensor::arange(12)?)?;
/// // Three blocks of four rows, two of which are mixed.
/// let buffer = ShuffleBuffer::new(4, 2);
/// let (x, _) = data.batches(8).sampler(&buffer).shuffle(&mut Rng::seed(0)).next().unwrap()?;
/// let mut blocks: Vec<i64> = x.to_vec::<i64>()?.iter().map(|row| row / 4).collect();
/// blocks.sort();
/// blocks.dedup();
/// assert_eq!(blocks.len(), 2);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "shuffle_buffer")]
pub struct ShuffleBuffer {
    blocks: Blocks,
    buffer: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Blocks {
    /// Of so many rows.
    Even(usize),
    /// The number behind the last row of each.
    Ends(Vec<usize>),
}

impl ShuffleBuffer {
    /// Blocks of `rows` neighbouring rows, `buffer` of which are mixed. Numbers below 1 count as 1.
    #[must_use]
    pub fn new(rows: usize, buffer: usize) -> Self {
        Self { blocks: Blocks::Even(rows.max(1)), buffer: buffer.max(1) }
    }

    /// Blocks that end before these rows.
    pub(super) fn of_blocks(ends: Vec<usize>, buffer: usize) -> Self {
        Self { blocks: Blocks::Ends(ends), buffer: buffer.max(1) }
    }

    pub(super) fn buffer(&self) -> usize {
        self.buffer
    }

    pub(super) fn set_buffer(&mut self, buffer: usize) {
        self.buffer = buffer.max(1);
    }
}

impl BatchSampler for ShuffleBuffer {
    #[track_caller]
    fn order(&self, samples: usize, _: usize, rng: &mut Rng) -> Result<Order> {
        let op = "ShuffleBuffer";
        check_list(op, "row numbers", samples, size_of::<usize>())?;
        let count = match &self.blocks {
            Blocks::Even(rows) => samples.div_ceil(*rows),
            Blocks::Ends(ends) if ends.last().copied().unwrap_or(0) == samples => ends.len(),
            Blocks::Ends(ends) => {
                let known = ends.last().copied().unwrap_or(0);
                return Err(Error::argument(op, format!("blocks of {known} rows for a dataset of {samples} samples")));
            }
        };
        let rows = |block: usize| match &self.blocks {
            Blocks::Even(rows) => block * rows..block.saturating_add(1).saturating_mul(*rows).min(samples),
            Blocks::Ends(ends) => (if block == 0 { 0 } else { ends[block - 1] })..ends[block],
        };
        let mut order = Vec::with_capacity(samples);
        for blocks in rng.permutation(count)?.chunks(self.buffer) {
            let start = order.len();
            blocks.iter().for_each(|block| order.extend(rows(*block)));
            rng.shuffle(&mut order[start..]);
        }
        Ok(Order::new(order))
    }
}

/// The blocks that were used last.
///
/// No lock is held while a block is read: that may run on many threads, and one that waits for them takes other work meanwhile, which may
/// want the same block. So two threads may read a block at the same time, with the same result.
pub(super) struct Cache<T> {
    /// The last used one is the last.
    kept: Mutex<Vec<(usize, Arc<T>)>>,
}

impl<T> Cache<T> {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::new(Vec::new()) }
    }

    /// A block that is kept, or that is read now. At most `most` are kept.
    #[track_caller]
    pub(super) fn get(&self, block: usize, most: usize, read: &dyn Fn() -> Result<T>) -> Result<Arc<T>> {
        if let Some(found) = self.take(block) {
            return Ok(found);
        }
        let made = Arc::new(read()?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.iter().any(|(own, _)| *own == block) {
            kept.push((block, made.clone()));
            let beyond = kept.len().saturating_sub(most.max(1));
            kept.drain(..beyond);
        }
        Ok(made)
    }

    fn take(&self, block: usize) -> Option<Arc<T>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(own, _)| *own == block)?;
        let found = kept.remove(at);
        let block = found.1.clone();
        kept.push(found);
        Some(block)
    }
}
