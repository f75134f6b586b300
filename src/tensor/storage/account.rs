//! How much memory is in use: counted by each thread for itself, because a counter that all of them share takes longer than
//! recycling a small block does.

use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// What a thread has not reported yet. It alone writes, so that a counter is read and written without a lock on its cache line.
/// Sizes are those of blocks, which no address space holds too many of.
#[derive(Default)]
struct Unreported {
    in_use: AtomicIsize,
    pooled: AtomicIsize,
    taken: AtomicU64,
}

/// Of all threads that have tensors.
static THREADS: Mutex<Vec<Arc<Unreported>>> = Mutex::new(Vec::new());

fn threads() -> MutexGuard<'static, Vec<Arc<Unreported>>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The account of a thread.
pub(super) struct Account {
    /// From its first block on.
    unreported: Option<Arc<Unreported>>,
    /// The largest unreported `in_use` since the last report.
    peak: isize,
    /// All that the thread has taken and not given back, and the largest it was since a measurement began.
    net: isize,
    net_peak: isize,
}

impl Account {
    pub(super) const NEW: Self = Self { unreported: None, peak: 0, net: 0, net_peak: 0 };

    fn unreported(&mut self) -> &Unreported {
        self.unreported.get_or_insert_with(|| {
            let new = Arc::<Unreported>::default();
            threads().push(Arc::clone(&new));
            new
        })
    }

    /// A tensor takes a block, new or out of a pool.
    pub(super) fn take(&mut self, capacity: usize, recycled: bool) {
        let capacity = capacity as isize;
        let unreported = self.unreported();
        let in_use = unreported.in_use.load(Ordering::Relaxed) + capacity;
        unreported.in_use.store(in_use, Ordering::Relaxed);
        unreported.taken.store(unreported.taken.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if recycled {
            unreported.pooled.store(unreported.pooled.load(Ordering::Relaxed) - capacity, Ordering::Relaxed);
        } else {
            FRESH.fetch_add(1, Ordering::Relaxed);
        }
        self.peak = self.peak.max(in_use);
        self.net += capacity;
        self.net_peak = self.net_peak.max(self.net);
        if in_use > UNREPORTED_BYTES {
            self.report();
        }
    }

    /// A tensor gives a block back. Whether a pool shall keep it.
    pub(super) fn give(&mut self, capacity: usize) -> bool {
        let capacity = capacity as isize;
        self.net -= capacity;
        let peak = self.peak;
        let unreported = self.unreported();
        let in_use = unreported.in_use.load(Ordering::Relaxed) - capacity;
        unreported.in_use.store(in_use, Ordering::Relaxed);
        let own = unreported.pooled.load(Ordering::Relaxed) + capacity;
        let kept = POOLED.load(Ordering::Relaxed) + own <= PEAK.load(Ordering::Relaxed).max(peak) + SLACK_BYTES;
        if kept {
            unreported.pooled.store(own, Ordering::Relaxed);
        }
        if in_use < -UNREPORTED_BYTES {
            self.report();
        }
        kept
    }

    /// What the thread has taken and not given back.
    pub(super) fn net(&self) -> isize {
        self.net
    }

    /// Begins a measurement; what an outer one has seen so far.
    pub(super) fn begin(&mut self) -> isize {
        std::mem::replace(&mut self.net_peak, self.net)
    }

    /// Ends it: the largest that `net` was. The outer one goes on.
    pub(super) fn end(&mut self, outer: isize) -> isize {
        let peak = self.net_peak;
        self.net_peak = peak.max(outer);
        peak
    }

    /// Adds what is unreported to the counters of all threads.
    pub(super) fn report(&mut self) {
        let Some(unreported) = &self.unreported else { return };
        let before = IN_USE.fetch_add(unreported.in_use.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        PEAK.fetch_max(before + self.peak, Ordering::Relaxed);
        POOLED.fetch_add(unreported.pooled.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        TAKEN.fetch_add(unreported.taken.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        self.peak = 0;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.report();
        if let Some(own) = self.unreported.take() {
            threads().retain(|other| !Arc::ptr_eq(other, &own));
        }
    }
}

/// A block has left the pools for the system.
pub(super) fn released(capacity: usize) {
    POOLED.fetch_sub(capacity as isize, Ordering::Relaxed);
}

/// The counters, with what threads have not reported.
pub(super) fn stats() -> Stats {
    let threads = threads();
    let bytes = |reported: &AtomicIsize, of: fn(&Unreported) -> &AtomicIsize| {
        let own: isize = threads.iter().map(|thread| of(thread).load(Ordering::Relaxed)).sum();
        (reported.load(Ordering::Relaxed) + own).max(0) as usize
    };
    let taken: u64 = threads.iter().map(|thread| thread.taken.load(Ordering::Relaxed)).sum();
    Stats {
        current_bytes: bytes(&IN_USE, |thread| &thread.in_use),
        peak_bytes: PEAK.load(Ordering::Relaxed).max(0) as usize,
        pooled_bytes: bytes(&POOLED, |thread| &thread.pooled),
        blocks_taken: TAKEN.load(Ordering::Relaxed) + taken,
        blocks_allocated: FRESH.load(Ordering::Relaxed),
    }
}

pub(super) fn reset_peak() {
    PEAK.store(stats().current_bytes as isize, Ordering::Relaxed);
}
