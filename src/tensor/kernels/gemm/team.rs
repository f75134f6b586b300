//! When it is worth to call other threads for a product, and calling them. None of it shows in the result.
//!
//! A thread of the pool falls asleep soon after its last work. One that is asleep comes 30 to 40 µs after it was called,
//! and calling it takes the caller 12 µs; one that is still awake comes within 1 µs. So what decides, besides the time
//! that a product takes, is how the product before it ended, and how long ago.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::parallel::{share, threads};

// Times in nanoseconds.

/// The shortest part that is worth a thread which is awake.
const PART: usize = 5_000;
/// For how long threads stay awake without work.
const LINGER: u64 = 8_000;
/// Products for which each thread gets several parts, so that it does not matter if one is held up.
const LONG: usize = 2_000_000;

/// How the last product that took [`PART`] or longer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Just now, and threads shared it: they are awake.
    Shared,
    /// Just now, on one thread: this is a series of products, the next of which will find awake whom this one wakes.
    Alone,
    /// Longer ago than threads stay awake.
    LongAgo,
}

impl Last {
    /// The shortest product that is divided.
    fn least(self) -> usize {
        match self {
            Self::Shared => 2 * PART,
            Self::Alone => 20_000,
            Self::LongAgo => 80_000,
        }
    }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// When the last product that took [`PART`] or longer ended, in nanoseconds since `START`, and in the lowest bit whether
/// threads shared it; 0 before the first.
static LAST: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}

fn last() -> Last {
    let last = LAST.load(Ordering::Relaxed);
    if last == 0 || now().saturating_sub(last) >= LINGER {
        Last::LongAgo
    } else if last & 1 == 1 {
        Last::Shared
    } else {
        Last::Alone
    }
}

/// Into how many parts to divide work that takes one thread `time`.
pub(super) fn parts(time: usize) -> usize {
    let threads = threads();
    // Time is only looked at if it can matter.
    if threads == 1 || time < Last::Shared.least() { 1 } else { parts_after(last(), time, threads) }
}

fn parts_after(last: Last, time: usize, threads: usize) -> usize {
    if time < last.least() {
        1
    } else if time >= LONG {
        4 * threads
    } else if last == Last::Shared {
        threads.min(time / PART)
    } else {
        // Small parts: the caller does as many as it can until the others have come.
        (4 * threads).min(time / PART)
    }
}

/// Calls `f(i)` for every `i < n`, in any order, on several threads if it is worth it: `time` is what one thread takes
/// for all of it, in nanoseconds.
pub(in crate::tensor::kernels) fn units(time: usize, n: usize, f: impl Fn(usize) + Sync) {
    if parts(time) == 1 {
        run(time, 1, |_| (0..n).for_each(&f));
    } else {
        run(time, n, f);
    }
}

/// Does work that takes one thread `time` in `n` parts.
pub(super) fn run(time: usize, n: usize, f: impl Fn(usize) + Sync) {
    if n > 1 {
        share(n, &f);
    } else {
        (0..n).for_each(f);
    }
    if time >= PART && threads() > 1 {
        LAST.store(now() & !1 | u64::from(n > 1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A row for each time, and in it the parts for each thing that may have come before, on two threads.
    #[test]
    fn the_less_awake_threads_are_the_longer_must_work_be() {
        for (time, expected) in [
            (9_999, [1, 1, 1]),
            (10_000, [2, 1, 1]),
            (19_999, [2, 1, 1]),
            (20_000, [2, 4, 1]),
            (79_999, [2, 8, 1]),
            (80_000, [2, 8, 8]),
            (1_999_999, [2, 8, 8]),
            (2_000_000, [8, 8, 8]),
            (usize::MAX, [8, 8, 8]),
        ] {
            let found = [Last::Shared, Last::Alone, Last::LongAgo].map(|last| parts_after(last, time, 2));
            assert_eq!(found, expected, "{time} ns");
        }
    }

    #[test]
    fn every_part_is_done_once() {
        for n in [0, 1, 2, 7, 100] {
            let done: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            run(0, n, |i| {
                done[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{n} parts");
        }
    }
}
