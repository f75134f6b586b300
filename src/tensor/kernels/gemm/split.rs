//! Whether and how a product is divided among threads. None of it shows in the result.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::parallel::threads;

use super::few::{Columns, Few};
use super::product::{Part, Product};
use super::unit::{self, Gemm};

/// Multiplications and additions that one thread does in a nanosecond, of four bytes each.
const BLOCKED_SPEED: usize = 100;
/// Bytes that one thread reads in a nanosecond.
const FEW_SPEED: usize = 25;

/// The shortest part, in nanoseconds, that is worth a thread which is awake.
const AWAKE: usize = 5_000;
/// The shortest product, in nanoseconds, for which threads are woken. That takes 30 to 40 µs, and 12 µs of it are the
/// caller's time.
const WAKE: usize = 80_000;
/// For how many nanoseconds the pool's threads look for more work before they fall asleep.
const LINGER: u64 = 10_000;
/// Products for which each thread gets several parts, so that it does not matter if one is held up.
const LONG: usize = 2_000_000;

/// The heights and widths of parts are multiples of these, so that the tiles within are full ones.
const ROWS: usize = 12;
const COLS: usize = 32;

/// From so many multiplications on, the library is better than arrays as vectors.
const LIBRARY: usize = 1 << 15;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// When threads last shared work, in nanoseconds since `START`.
static LAST: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// Into how many parts to divide work that takes one thread `time` nanoseconds.
fn parts(time: usize) -> usize {
    let threads = threads();
    if threads == 1 || time < 2 * AWAKE {
        return 1;
    }
    let last = LAST.load(Ordering::Relaxed);
    let awake = last > 0 && now().saturating_sub(last) < LINGER;
    match () {
        () if time >= LONG => 4 * threads,
        () if awake => threads.min(time / AWAKE),
        // Small parts: the caller does as many as it can until the others have come.
        () if time >= WAKE => (4 * threads).min(time / AWAKE),
        () => 1,
    }
}

/// Calls `f(i)` for every `i < n`. The caller begins at once; threads that wake up take what is left.
fn share(n: usize, f: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                break;
            }
            f(i);
        }
    };
    let helpers = threads().min(n).saturating_sub(1);
    if helpers == 0 {
        return work();
    }
    rayon::in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| work());
        }
        work();
    });
    LAST.store(now(), Ordering::Relaxed);
}

/// How long one thread takes for a product of these sizes, in nanoseconds.
fn blocked_time<T>(m: usize, k: usize, n: usize) -> usize {
    m.saturating_mul(n).saturating_mul(k).saturating_mul(size_of::<T>() / 4) / BLOCKED_SPEED
}

/// Computes the whole product.
///
/// # Safety
/// As for [`Product`].
pub(super) unsafe fn blocked<T: Gemm>(p: &Product<'_, T>) {
    let (m, k, n) = (p.a.rows, p.a.cols, p.b.cols);
    let parts = parts(blocked_time::<T>(m, k, n));
    // The part with the smallest perimeter reads the least. Columns count twice, for `b` is always packed.
    let strips =
        (1..=parts).min_by_key(|&r| r.saturating_mul(2 * n).saturating_add(parts.div_ceil(r).saturating_mul(m)));
    let strips = strips.unwrap_or(1);
    let height = m.div_ceil(strips).next_multiple_of(ROWS);
    let width = n.div_ceil(parts.div_ceil(strips)).next_multiple_of(COLS);
    let strips = m.div_ceil(height);
    let library = !unit::detected() && !cfg!(miri) && m.saturating_mul(n).saturating_mul(k) >= LIBRARY;
    share(strips * n.div_ceil(width), |i| {
        let (row, col) = (i % strips * height, i / strips * width);
        let part = Part { product: p, rows: row..m.min(row + height), cols: col..n.min(col + width) };
        // SAFETY: the caller vouches for the product; the parts do not overlap.
        unsafe { if library { part.by_library() } else { T::on_best_unit(part) } }
    });
}

/// Computes the whole product.
///
/// # Safety
/// As for [`Product`].
pub(super) unsafe fn few<T: Gemm>(few: &Few<'_, T>) {
    let parts = parts(few.n.saturating_mul(few.k).saturating_mul(size_of::<T>()) / FEW_SPEED);
    let width = few.n.div_ceil(parts.min(threads())).next_multiple_of(COLS);
    share(few.n.div_ceil(width), |i| {
        let cols = i * width..few.n.min((i + 1) * width);
        // SAFETY: as above.
        unsafe { T::on_best_unit(Columns { few, cols }) };
    });
}

/// How many products of these sizes to do in one go, when there are many.
pub(super) fn batch_grain<T>(m: usize, k: usize, n: usize) -> usize {
    (WAKE / 4).div_ceil(blocked_time::<T>(m, k, n).max(1))
}
