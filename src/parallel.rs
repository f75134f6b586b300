//! Work on several cores, with results that do not depend on how many there are.
//!
//! Every helper here splits work into **fixed blocks**: the block boundaries depend on the size of the
//! problem, never on the number of threads, and partial results are combined in block order. The same
//! program therefore produces the same bits on one core and on sixty-four.
//!
//! Work of a single block runs on the calling thread without touching the thread pool, so small models
//! never pay for a hand-over.

mod crew;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use crate::error::{Error, Result};

pub(crate) use crew::{Board, Crew, said, with_crew};

/// More threads than this are a mistake.
const MAX_THREADS: usize = 1024;

/// The number of threads that a large operation started here may use.
///
/// Outside of [`with_threads`] they are the global rayon pool, whose size follows `RAYON_NUM_THREADS`, or else the number of cores. If
/// the program has not made that pool when its main thread first does something large, the main thread becomes one of it, and
/// works instead of waiting. Work that another thread hands to all of the pool at once (`rayon::broadcast`) then waits until the main
/// thread takes part.
#[must_use]
pub fn threads() -> usize {
    static ENLISTED: Once = Once::new();
    ENLISTED.call_once(enlist);
    rayon::current_num_threads()
}

/// Makes the program's main thread one of the global pool's, if it is the first to ask for work and there is no pool yet. It would else hand
/// each operation to a thread that has to wake up, sleep until that one wakes it, and come to nothing where the cores are busy with
/// something else; as one of the pool it begins at once, and does alone what nobody takes from it.
///
/// Not where it would be the only one: what other threads ask of the pool would then wait for it.
fn enlist() {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    let n = asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    if n > 1 && rayon::current_thread_index().is_none() && std::thread::current().name() == Some("main") {
        // An error says that there is a pool.
        drop(rayon::ThreadPoolBuilder::new().num_threads(n).use_current_thread().build_global());
    }
}

/// Runs `f` with a pool of exactly `n` threads.
///
/// The results are the same for every `n`; only the time differs. Inside a pool of `n` threads, that pool is used. Outside such a scope
/// it is the one of [`threads`].
///
/// # Errors
/// If `n` is 0 or above 1024, or the operating system refuses to start the threads.
///
/// ```
/// let n = demotic::parallel::with_threads(2, demotic::parallel::threads)?;
/// assert_eq!(n, 2);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn with_threads<R: Send>(n: usize, f: impl FnOnce() -> R + Send) -> Result<R> {
    if n == 0 {
        return Err(Error::argument("with_threads", "the number of threads is 0, expected at least 1"));
    }
    // All of them are started at once, and each takes memory and time, also those that will have nothing to do.
    if n > MAX_THREADS {
        let message = format!("the number of threads is {n}, at most {MAX_THREADS} are started");
        return Err(Error::argument("with_threads", message));
    }
    if threads() == n && is_of_a_pool() {
        return Ok(f());
    }
    match rayon::ThreadPoolBuilder::new().num_threads(n).build() {
        Ok(pool) => Ok(pool.install(f)),
        Err(e) => Err(Error::state("with_threads", format!("cannot start {n} threads: {e}"))),
    }
}

/// Calls `f(start, block)` for each block of `block` elements of `out` (the last may be shorter).
pub(crate) fn for_blocks<T: Send>(out: &mut [T], block: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    if !out.is_empty() && out.len() <= block {
        f(0, out);
    } else {
        for_many_blocks(out, block.max(1), &f);
    }
}

/// What happens to a block. Not `dyn Fn`, which is three functions for each closure.
trait OnBlock<T>: Sync {
    fn run(&self, start: usize, block: &mut [T]);
}

impl<T, F: Fn(usize, &mut [T]) + Sync> OnBlock<T> for F {
    fn run(&self, start: usize, block: &mut [T]) {
        self(start, block);
    }
}

/// The rest of [`for_blocks`], compiled once for a type of elements and not for each `f`: one call in a block costs
/// nothing beside the block.
fn for_many_blocks<T: Send>(out: &mut [T], block: usize, f: &dyn OnBlock<T>) {
    let count = out.len().div_ceil(block);
    if count == 0 || threads() == 1 {
        for (i, chunk) in out.chunks_mut(block).enumerate() {
            f.run(i * block, chunk);
        }
    } else if is_of_a_pool() {
        halve(0, out, block, f);
    } else {
        take_turns(count, out.chunks_mut(block).enumerate(), &|(i, chunk)| f.run(i * block, chunk));
    }
}

/// Whether this thread can be asked for work while it waits. One that cannot takes pieces one after the other, as all others then do:
/// with halves it would be left with the smallest of them.
fn is_of_a_pool() -> bool {
    rayon::current_thread_index().is_some()
}

/// Calls `f` for each piece on the calling thread and on those that are free, each of which takes the next one.
fn take_turns<W: Send>(count: usize, pieces: impl Iterator<Item = W> + Send, f: &(dyn Fn(W) + Sync)) {
    let pieces = Mutex::new(pieces);
    // A function, so that nothing is locked while a piece is worked on.
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    together(count, &|| {
        while let Some(piece) = next() {
            f(piece);
        }
    });
}

fn halve<T: Send>(start: usize, out: &mut [T], block: usize, f: &dyn OnBlock<T>) {
    if out.len() <= block {
        return f.run(start, out);
    }
    let middle = out.len().div_ceil(block) / 2 * block;
    let (a, b) = out.split_at_mut(middle);
    join(&mut || halve(start, a, block, f), &mut || halve(start + middle, b, block, f));
}

/// What works on two blocks of one number.
type OnTwo<'f, A, B> = &'f (dyn Fn(usize, &mut [A], &mut [B]) + Sync);

/// The same for two outputs that are cut into as many blocks: `f(i, block of a, block of b)` with the number of the block.
pub(crate) fn for_blocks_of_two<A: Send, B: Send>(
    (a, a_block): (&mut [A], usize),
    (b, b_block): (&mut [B], usize),
    f: OnTwo<'_, A, B>,
) {
    let blocks = a.chunks_mut(a_block.max(1)).zip(b.chunks_mut(b_block.max(1))).enumerate();
    for_each(blocks.collect(), &|(i, (a, b))| f(i, a, b));
}

/// Calls `f` for ranges of about `block` that make up `0..len`. Where they end is not fixed: what is done for one place must not
/// depend on any other.
pub(crate) fn for_ranges(len: usize, block: usize, f: &(dyn Fn(Range<usize>) + Sync)) {
    fn halves(range: Range<usize>, block: usize, f: &(dyn Fn(Range<usize>) + Sync)) {
        if range.len() <= block {
            return f(range);
        }
        let middle = range.start + (range.len() / 2).next_multiple_of(block);
        join(&mut || halves(range.start..middle, block, f), &mut || halves(middle..range.end, block, f));
    }
    if len <= block || threads() == 1 {
        f(0..len);
    } else if is_of_a_pool() {
        halves(0..len, block.max(1), f);
    } else {
        let block = block.max(1);
        share(len.div_ceil(block), &|i| f(i * block..len.min((i + 1) * block)));
    }
}

/// Calls `f` for each piece of work. The pieces must not depend on each other.
pub(crate) fn for_each<W: Send>(mut work: Vec<W>, f: &(dyn Fn(W) + Sync)) {
    if work.len() <= 1 || threads() == 1 {
        return work.into_iter().for_each(f);
    }
    if !is_of_a_pool() {
        return take_turns(work.len(), work.into_iter(), f);
    }
    let mut rest = work.split_off(work.len() / 2);
    join(&mut || for_each(std::mem::take(&mut work), f), &mut || for_each(std::mem::take(&mut rest), f));
}

/// Calls both, on two threads if another one is free. Not generic: the thread pool is compiled once, and not for each of
/// the two.
fn join(a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
    rayon::join(a, b);
}

/// Calls `f(i)` for every `i < n` on so many threads of its own, each with a share of the pool's threads for what happens inside: for
/// pieces that are programs of their own, such as the training of a model. A thread of the pool that waits within one piece would begin
/// another in its midst, and find what the first has set for the thread.
pub(crate) fn apart(workers: usize, n: usize, f: &(dyn Fn(usize) + Sync)) -> Result<()> {
    if workers <= 1 {
        (0..n).for_each(f);
        return Ok(());
    }
    let each = (threads() / workers).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        with_threads(each, || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= n {
                    break;
                }
                f(i);
            }
        })
    };
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(workers);
        for _ in 0..workers.min(MAX_THREADS) {
            threads.push(scope.spawn(work));
        }
        let mut result = Ok(());
        for thread in threads {
            match thread.join() {
                Ok(ended) => result = result.and(ended),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        result
    })
}

/// Calls `f(i)` for every `i < n`, in any order. The caller begins at once; threads that wake up take what is left.
pub(crate) fn share(n: usize, f: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    together(n, &|| {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                break;
            }
            f(i);
        }
    });
}

/// Calls `work` on the calling thread and, for so many pieces, on those of the pool.
fn together(pieces: usize, work: &(dyn Fn() + Sync)) {
    let helpers = threads().min(pieces).saturating_sub(1);
    if helpers == 0 {
        return work();
    }
    rayon::in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| work());
        }
        work();
    });
}
