//! How a product is divided among threads, if it is; [`team`](super::team) says whether. None of it shows in the result.

use std::sync::{Mutex, PoisonError};

use crate::parallel::threads;

use super::few::{Columns, Few, ROW_PARTS, Rows};
use super::product::{Part, Product};
use super::scratch::Scratch;
use super::team::{parts, run, units};
use super::unit::{self, Gemm};

/// Multiplications and additions that one thread does in a nanosecond, of four bytes each.
const BLOCKED_SPEED: usize = 100;
/// Bytes that one thread reads in a nanosecond.
const FEW_SPEED: usize = 25;

/// The heights and widths of parts are multiples of these, so that the tiles within are full ones.
const ROWS: usize = 12;
const COLS: usize = 32;

/// From so many multiplications on, the library is better than arrays as vectors.
const LIBRARY: usize = 1 << 15;

/// How long one thread takes for a product of these sizes, in nanoseconds.
fn blocked_time<T>(m: usize, k: usize, n: usize) -> usize {
    m.saturating_mul(n).saturating_mul(k).saturating_mul(size_of::<T>() / 4) / BLOCKED_SPEED
}

/// Computes the whole product, on several threads if `divide` and it is worth it.
///
/// # Safety
/// As for [`Product`].
pub(super) unsafe fn blocked<T: Gemm>(p: &Product<'_, T>, divide: bool) {
    let (m, k, n) = p.sizes();
    let time = blocked_time::<T>(m, k, n);
    let parts = if divide { parts(time) } else { 1 };
    // The parts with the smallest perimeter read the least. Columns count twice, for `b` is always packed.
    let perimeter = |strips: usize| 2 * n * strips + parts.div_ceil(strips) * m;
    let strips = (1..=parts).min_by_key(|&strips| perimeter(strips)).unwrap_or(1);
    let height = m.div_ceil(strips).next_multiple_of(ROWS);
    let width = n.div_ceil(parts.div_ceil(strips)).next_multiple_of(COLS);
    let strips = m.div_ceil(height);
    run(time, strips * n.div_ceil(width), |i| {
        let (row, col) = (i % strips * height, i / strips * width);
        let rows = row..m.min(row + height);
        // SAFETY: the caller vouches for the product; the parts do not overlap.
        unsafe { self::part(Part { product: p, rows, cols: col..n.min(col + width) }) };
    });
}

/// Computes a part of a product, in the way that the whole product is due.
///
/// # Safety
/// As for [`Product`], and nobody else may use this part of `c`.
pub(super) unsafe fn part<T: Gemm>(part: Part<'_, T>) {
    let (m, k, n) = part.product.sizes();
    let library = !unit::detected() && !cfg!(miri) && m.saturating_mul(n).saturating_mul(k) >= LIBRARY;
    // SAFETY: the caller vouches for the part.
    unsafe { if library { part.by_library() } else { T::on_best_unit(part) } }
}

/// Computes the whole product, on several threads if `divide` and it is worth it.
///
/// # Safety
/// As for [`Product`].
pub(super) unsafe fn few<T: Gemm>(few: &Few<'_, T>, divide: bool) {
    let time = few.n.saturating_mul(few.k).saturating_mul(size_of::<T>()) / FEW_SPEED;
    if few.by_rows() {
        // SAFETY: passed on.
        return unsafe { few_by_rows(few, time, divide) };
    }
    let parts = if divide { parts(time) } else { 1 };
    // What is read in order anyway may be taken in small pieces; otherwise long runs of memory are read faster.
    let parts = if few.is_far() { parts } else { parts.min(threads()) };
    let width = few.n.div_ceil(parts).next_multiple_of(COLS);
    run(time, few.n.div_ceil(width), |i| {
        let cols = i * width..few.n.min((i + 1) * width);
        // SAFETY: as above.
        unsafe { T::on_best_unit(Columns { few, cols }) };
    });
}

/// The same by parts of the rows, each with sums of its own.
///
/// # Safety
/// As for [`Product`].
unsafe fn few_by_rows<T: Gemm>(few: &Few<'_, T>, time: usize, divide: bool) {
    let len = few.sums_len();
    let mut scratch = Scratch::new(ROW_PARTS * len);
    let queue = Mutex::new(scratch.as_mut_slice().chunks_mut(len).enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let each = |_| {
        if let Some((part, sums)) = next() {
            // SAFETY: as above.
            unsafe { T::on_best_unit(Rows { few, part, sums }) };
        }
    };
    if divide {
        units(time, ROW_PARTS, each);
    } else {
        (0..ROW_PARTS).for_each(each);
    }
    // SAFETY: the caller's promise, and all parts are done.
    unsafe { few.finish_parts(scratch.as_mut_slice()) };
}

/// Calls `f(i, c[i], divide)` for each product of a batch, of the sizes `(m, k, n)` and `stride` elements apart in `c`.
/// Either the products of several threads are computed at the same time, or one after the other, and `divide` says
/// that each may use all threads.
pub(super) fn batch<T: Gemm>(
    c: &mut [T],
    stride: usize,
    (m, k, n): (usize, usize, usize),
    f: impl Fn(usize, &mut [T], bool) + Sync,
) {
    let count = c.len().div_ceil(stride);
    let time = blocked_time::<T>(m, k, n).saturating_mul(count);
    let parts = parts(time);
    let divide = parts == 1 || count < parts.min(threads());
    let each = if divide { count.max(1) } else { count.div_ceil(parts) };
    let queue = Mutex::new(c.chunks_mut(stride.saturating_mul(each)).enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    run(time, count.div_ceil(each), |_| {
        if let Some((part, chunk)) = next() {
            for (i, c) in chunk.chunks_mut(stride).enumerate() {
                f(part * each + i, c, divide);
            }
        }
    });
}
