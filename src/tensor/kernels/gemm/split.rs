//! How a product is divided among threads, if it is. None of it shows in the result.

use std::sync::{Mutex, PoisonError};

use crate::parallel::{share, threads};
#[cfg(target_arch = "x86_64")]
use crate::tensor::kernels::simd::{Avx2, Avx512};
use crate::tensor::kernels::simd::{Level, Portable, dispatch, level};

use super::element::Gemm;
use super::few::{Columns, Few, ROW_PARTS, Rows};
use super::product::{Part, Product};
use super::scratch::Scratch;

// Times in nanoseconds.

/// The shortest work that is divided. A thread of the pool that is asleep comes 30 to 40 µs after it was called, and calling
/// it takes the caller 12 µs; one that has worked until a few µs ago comes at once.
const LEAST: usize = 40_000;
/// The shortest part.
const PART: usize = 5_000;

/// Multiplications and additions that one thread does in a nanosecond, of four bytes each.
const BLOCKED_SPEED: usize = 100;
/// Bytes that one thread reads in a nanosecond.
const FEW_SPEED: usize = 25;

/// The heights and widths of parts are multiples of these, so that the tiles within are full ones.
const ROWS: usize = 12;
const COLS: usize = 32;

/// From so many multiplications on, the library is better than arrays as vectors.
const LIBRARY: usize = 1 << 15;
/// The parts that are left to the library. Their borders may show in the result, and so follow from nothing else.
const LIBRARY_ROWS: usize = 192;
const LIBRARY_COLS: usize = 512;

/// Into how many parts to divide work that takes one thread `time`.
fn parts(time: usize) -> usize {
    // Several for each thread: the caller does as many as it can until the others have come, and it does not matter if one is
    // held up.
    if time < LEAST || threads() == 1 { 1 } else { (4 * threads()).min(time / PART) }
}

/// Calls `f(i)` for every `i < n`, in any order, on several threads if it is worth it: `time` is what one thread takes
/// for all of it, in nanoseconds.
pub(in crate::tensor::kernels) fn units(time: usize, n: usize, f: impl Fn(usize) + Sync) {
    if parts(time) == 1 { (0..n).for_each(f) } else { share(n, &f) }
}

/// How long one thread takes for a product of these sizes.
fn blocked_time<T>((m, k, n): (usize, usize, usize)) -> usize {
    m.saturating_mul(n).saturating_mul(k).saturating_mul(size_of::<T>() / 4) / BLOCKED_SPEED
}

/// Computes the whole product, on several threads if `divide` and it is worth it.
///
/// # Safety
/// As for [`Product`].
pub(super) unsafe fn blocked(p: &Product<'_, f32>, divide: bool) {
    let (m, _, n) = p.sizes();
    let parts = if divide { parts(blocked_time::<f32>(p.sizes())) } else { 1 };
    if parts == 1 {
        // SAFETY: the caller vouches for the product.
        return unsafe { part(Part { product: p, rows: 0..m, cols: 0..n }) };
    }
    // The parts with the smallest perimeter read the least. Columns count twice, for `b` is always packed.
    let perimeter = |strips: usize| 2 * n * strips + parts.div_ceil(strips) * m;
    let strips = (1..=parts).min_by_key(|&strips| perimeter(strips)).unwrap_or(1);
    let height = m.div_ceil(strips).next_multiple_of(ROWS);
    let width = n.div_ceil(parts.div_ceil(strips)).next_multiple_of(COLS);
    // SAFETY: the caller vouches for the product; the parts do not overlap.
    for_parts(p, height, width, true, &|p| unsafe { part(p) });
}

/// Calls `f` for all parts of a product, of at most this height and width.
fn for_parts<T: Gemm>(p: &Product<'_, T>, height: usize, width: usize, divide: bool, f: &(dyn Fn(Part<'_, T>) + Sync)) {
    let (m, _, n) = p.sizes();
    let strips = m.div_ceil(height);
    let each = |i: usize| {
        let (row, col) = (i % strips * height, i / strips * width);
        f(Part { product: p, rows: row..m.min(row + height), cols: col..n.min(col + width) });
    };
    let count = strips * n.div_ceil(width);
    if divide { share(count, &each) } else { (0..count).for_each(each) }
}

/// Computes a part of a product, in the way that the whole product is due.
///
/// # Safety
/// As for [`Product`], and nobody else may use this part of `c`.
unsafe fn part(part: Part<'_, f32>) {
    // SAFETY: the processor has what `level` reports; the caller vouches for the part.
    unsafe {
        match level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => part.by_tiles::<Avx512>(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => part.by_tiles::<Avx2>(),
            Level::Portable => {
                let (m, k, n) = part.product.sizes();
                let large = m.saturating_mul(n).saturating_mul(k) >= LIBRARY;
                if large && !cfg!(miri) { part.by_library() } else { part.by_tiles::<Portable>() }
            }
        }
    }
}

/// Leaves a product to the library, part by part, on several threads if `divide` and it is worth it.
///
/// # Safety
/// As for [`Product`].
pub(super) unsafe fn library<T: Gemm>(p: &Product<'_, T>, divide: bool) {
    let divide = divide && parts(4 * blocked_time::<T>(p.sizes())) > 1;
    // SAFETY: the caller vouches for the product; the parts do not overlap.
    for_parts(p, LIBRARY_ROWS, LIBRARY_COLS, divide, &|part| unsafe { part.by_library() });
}

/// Computes the whole product, on several threads if `divide` and it is worth it.
///
/// # Safety
/// As for [`Product`].
pub(super) unsafe fn few(few: &Few<'_>, divide: bool) {
    let time = few.n.saturating_mul(few.k).saturating_mul(size_of::<f32>()) / FEW_SPEED;
    if few.by_rows() {
        // SAFETY: passed on.
        return unsafe { few_by_rows(few, time, divide) };
    }
    let parts = if divide { parts(time) } else { 1 };
    // What is read in order anyway may be taken in small pieces; otherwise long runs of memory are read faster.
    let parts = if few.is_far() { parts } else { parts.min(threads()) };
    let width = few.n.div_ceil(parts).next_multiple_of(COLS);
    let each = |i| Columns { few, cols: i * width..few.n.min((i + 1) * width) }.compute();
    let count = few.n.div_ceil(width);
    if count > 1 { share(count, &each) } else { (0..count).for_each(each) }
}

/// The same by parts of the rows, each with sums of its own.
///
/// # Safety
/// As for [`Product`].
unsafe fn few_by_rows(few: &Few<'_>, time: usize, divide: bool) {
    let len = few.sums_len();
    let mut scratch = Scratch::new(ROW_PARTS * len);
    let queue = Mutex::new(scratch.as_mut_slice().chunks_mut(len).enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let each = |_| {
        if let Some((part, sums)) = next() {
            dispatch(Rows { few, part, sums });
        }
    };
    units(if divide { time } else { 0 }, ROW_PARTS, each);
    // SAFETY: the caller's promise, and all parts are done.
    unsafe { few.finish_parts(scratch.as_mut_slice()) };
}

/// Calls `f(i, c[i], divide)` for each product of a batch, of the sizes `(m, k, n)` and `stride` elements apart in `c`.
/// Either the products of several threads are computed at the same time, or one after the other, and `divide` says
/// that each may use all threads.
pub(super) fn batch<T: Gemm>(
    c: &mut [T],
    stride: usize,
    sizes: (usize, usize, usize),
    f: &(dyn Fn(usize, &mut [T], bool) + Sync),
) {
    let count = c.len().div_ceil(stride);
    let parts = parts(blocked_time::<T>(sizes).saturating_mul(count));
    if parts == 1 || count < parts.min(threads()) {
        return c.chunks_mut(stride).enumerate().for_each(|(i, c)| f(i, c, true));
    }
    let each = count.div_ceil(parts);
    let queue = Mutex::new(c.chunks_mut(stride.saturating_mul(each)).enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    share(count.div_ceil(each), &|_| {
        if let Some((part, chunk)) = next() {
            for (i, c) in chunk.chunks_mut(stride).enumerate() {
                f(part * each + i, c, false);
            }
        }
    });
}
