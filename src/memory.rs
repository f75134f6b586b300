//! How much memory tensors use.
//!
//! Tensor memory is recycled through a pool (see `docs/ARCHITECTURE.md`), so what the operating system shows
//! is what the pool holds, not what tensors use; this module tells the two apart.
//!
//! ```
//! use demotic::{memory, Tensor};
//!
//! let before = memory::stats().current_bytes;
//! let x = Tensor::zeros([1000])?;
//! assert!(memory::stats().current_bytes >= before + 4000);
//! # drop(x);
//! # Ok::<(), demotic::Error>(())
//! ```

use crate::tensor::storage;

/// The state of tensor memory, over all threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of blocks that tensors use now (rounded up to their size classes).
    pub current_bytes: usize,
    /// The largest `current_bytes` since the program began, or since [`reset_peak`].
    pub peak_bytes: usize,
    /// Bytes of unused blocks that wait for the next tensor.
    pub pooled_bytes: usize,
    /// How many blocks tensors have taken so far, new or recycled.
    pub blocks_taken: u64,
    /// How many of them had to come from the operating system.
    pub blocks_allocated: u64,
}

/// Reads the counters.
#[must_use]
pub fn stats() -> Stats {
    storage::stats()
}

/// Starts a new measurement of the peak.
pub fn reset_peak() {
    storage::reset_peak();
}

/// Returns the unused blocks to the operating system: all large ones, and the small ones of this thread.
pub fn release() {
    storage::release();
}
