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

use std::sync::OnceLock;

use crate::tensor::storage;

/// What a machine is taken to have if its system does not say: 64 GiB, or all that it can address.
const ASSUMED_BYTES: usize = if usize::BITS > 36 { usize::MAX >> (usize::BITS - 36) } else { usize::MAX };

/// The state of tensor memory, over all threads. The peak may miss up to 64 KiB of small blocks for each thread but the one that asks.
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

/// What a function needs, of which [`measure`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// How many bytes more than at the beginning were in use at the most.
    pub peak_bytes: usize,
    /// How many bytes more than at the beginning are in use at the end; less than nothing, if the function has let go of others.
    pub kept_bytes: isize,
}

/// Runs a function, and tells how much memory the tensors took that this thread made meanwhile. What other threads do does not count.
///
/// ```
/// use demotic::{Tensor, memory};
///
/// let (sum, usage) = memory::measure(|| Tensor::ones([1 << 20])?.add_scalar(1.0).sum().item());
/// assert_eq!(sum?, f64::from(1 << 21));
/// assert!(usage.peak_bytes >= 4 << 20 && usage.kept_bytes < 1 << 20);
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn measure<R>(f: impl FnOnce() -> R) -> (R, Usage) {
    let before = storage::thread_bytes();
    let (result, peak) = storage::measure(f);
    let kept_bytes = storage::thread_bytes() - before;
    (result, Usage { peak_bytes: peak.max(0) as usize, kept_bytes })
}

/// What this thread has taken and not given back.
pub(crate) fn thread_bytes() -> isize {
    storage::thread_bytes()
}

/// The memory of the machine in bytes, or what its control group or a limit of the process (`ulimit -v`) leaves to the
/// program. `None` if the system does not say: only Linux does. It is asked once, at the first need.
///
/// No single tensor can be larger: asking for one is an error, even where the system would promise the memory first and
/// end the program once it is used.
#[must_use]
pub fn machine_bytes() -> Option<usize> {
    static BYTES: OnceLock<Option<usize>> = OnceLock::new();
    *BYTES.get_or_init(|| {
        if cfg!(miri) {
            return None;
        }
        let installed = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text));
        let granted =
            std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
        let allowed = std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| limit_of(&text));
        installed.into_iter().chain(granted).chain(allowed).min()
    })
}

/// The smaller one of the limits of a process's address space and of its data, in bytes, from lines such as
/// `Max address space   unlimited   unlimited   bytes`: the first of the two numbers is in force.
fn limit_of(limits: &str) -> Option<usize> {
    let in_force = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<usize>().ok()
    };
    ["Max address space", "Max data size"].into_iter().filter_map(in_force).min()
}

/// The line `MemTotal:  16384000 kB` of a system's account of its memory, in bytes.
fn total_of(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// Whether so many bytes could ever be had at once.
pub(crate) fn holds(bytes: u128) -> bool {
    bytes <= machine_bytes().unwrap_or(ASSUMED_BYTES) as u128
}

/// How many elements a broadcast view may present. Operations on it may have to lay them out in memory one by one, up
/// to 8 bytes each, and return as many: with this limit both take half of the machine at most.
pub(crate) fn largest_view() -> usize {
    machine_bytes().unwrap_or(ASSUMED_BYTES) / 32
}

/// Returns the unused blocks to the operating system: all large ones, and the small ones of this thread.
pub fn release() {
    storage::release();
}

#[cfg(test)]
mod tests;
