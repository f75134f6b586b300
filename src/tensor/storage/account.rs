//! How much memory is in use: counted by each thread for itself, because a counter that all of them share takes longer than
//! recycling a small block does.

use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};

use crate::memory::Stats;

/// How many bytes the pools may keep beyond the largest amount that was ever in use.
const SLACK_BYTES: isize = 64 << 20;

/// A thread tells the others what it has taken or given back as soon as it is more than this.
const UNREPORTED_BYTES: isize = 64 << 10;

// Signed: what one thread takes another may give back, and report first.
static IN_USE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);
static POOLED: AtomicIsize = AtomicIsize::new(0);
static TAKEN: AtomicU64 = AtomicU64::new(0);
static FRESH: AtomicU64 = AtomicU64::new(0);

/// What a thread has not reported yet. Sizes are those of blocks, which no address space holds too many of.
pub(super) struct Account {
    in_use: isize,
    /// The largest `in_use` since the last report.
    peak: isize,
    pooled: isize,
    taken: u64,
}

impl Account {
    pub(super) const NEW: Self = Self { in_use: 0, peak: 0, pooled: 0, taken: 0 };

    /// A tensor takes a block, new or out of a pool.
    pub(super) fn take(&mut self, capacity: usize, recycled: bool) {
        self.in_use += capacity as isize;
        self.peak = self.peak.max(self.in_use);
        self.taken += 1;
        if recycled {
            self.pooled -= capacity as isize;
        } else {
            FRESH.fetch_add(1, Ordering::Relaxed);
        }
        if self.in_use > UNREPORTED_BYTES {
            self.report();
        }
    }

    /// A tensor gives a block back. Whether a pool shall keep it.
    pub(super) fn give(&mut self, capacity: usize) -> bool {
        let capacity = capacity as isize;
        self.in_use -= capacity;
        let pooled = POOLED.load(Ordering::Relaxed) + self.pooled + capacity;
        let kept = pooled <= PEAK.load(Ordering::Relaxed).max(self.peak) + SLACK_BYTES;
        if kept {
            self.pooled += capacity;
        }
        if self.in_use < -UNREPORTED_BYTES {
            self.report();
        }
        kept
    }

    /// Tells the other threads.
    pub(super) fn report(&mut self) {
        let before = IN_USE.fetch_add(self.in_use, Ordering::Relaxed);
        PEAK.fetch_max(before + self.peak, Ordering::Relaxed);
        POOLED.fetch_add(self.pooled, Ordering::Relaxed);
        TAKEN.fetch_add(self.taken, Ordering::Relaxed);
        *self = Self::NEW;
    }
}

/// A block has left the pools for the system.
pub(super) fn released(capacity: usize) {
    POOLED.fetch_sub(capacity as isize, Ordering::Relaxed);
}

/// What all threads have reported.
pub(super) fn stats() -> Stats {
    let bytes = |counter: &AtomicIsize| counter.load(Ordering::Relaxed).max(0) as usize;
    Stats {
        current_bytes: bytes(&IN_USE),
        peak_bytes: bytes(&PEAK),
        pooled_bytes: bytes(&POOLED),
        blocks_taken: TAKEN.load(Ordering::Relaxed),
        blocks_allocated: FRESH.load(Ordering::Relaxed),
    }
}

pub(super) fn reset_peak() {
    PEAK.store(IN_USE.load(Ordering::Relaxed), Ordering::Relaxed);
}
