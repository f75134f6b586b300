//! Memory of tensors: aligned, shared by reference count, copied only on write, recycled through a pool.
//!
//! A block is one allocation: a 64-byte [`Header`] and, behind it, the elements, aligned to 64 bytes. A dropped
//! block goes into a pool of size classes instead of back to the system, because the first touch of fresh
//! memory costs more than most of the arithmetic done on it. Small blocks wait in a list of their thread, so
//! that taking one needs no lock; large ones in a list that all threads share.
//!
//! Blocks are zeroed when the system hands them out and keep old values when they are recycled, so their bytes
//! are always initialised; every element type but `bool` allows any bit pattern, and `bool` blocks are cleared.

#![allow(unsafe_code)]

mod account;
mod system;

use std::alloc;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::dtype::{DType, Element};
use crate::memory::{self, Stats};
use account::Account;

/// The alignment of the elements: a cache line, and a full AVX-512 register.
const ALIGN: usize = 64;

/// Blocks of up to this capacity are kept per thread; larger ones are shared, where the lock does not matter.
const THREAD_LOCAL_BYTES: usize = 1 << 20;

/// Four size classes for each power of two, from 64 bytes up: at most a fifth of a block is unused.
const CLASSES: usize = 4 * (usize::BITS as usize - 6);

fn is_small(capacity: usize) -> bool {
    capacity <= THREAD_LOCAL_BYTES
}

#[repr(C, align(64))]
struct Header {
    refs: AtomicUsize,
    /// Bytes behind the header, a size class.
    capacity: usize,
    /// The index of that class.
    class: usize,
    /// Bytes in use.
    len: usize,
    dtype: DType,
}

const HEADER: usize = size_of::<Header>();
const _: () = assert!(HEADER == ALIGN && align_of::<Header>() == ALIGN);

/// A shared block of elements of one type.
pub(crate) struct Storage(NonNull<Header>);

// SAFETY: like `Arc<[T]>` of plain numbers: the count is atomic, elements are written only through `&mut` while
// the count is one, and all element types are `Send + Sync`.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

/// The index of the smallest size class that holds `bytes`, and its size. `None` if no address space could.
fn size_class(bytes: usize) -> Option<(usize, usize)> {
    let bytes = bytes.max(ALIGN);
    if bytes > isize::MAX as usize / 2 {
        return None;
    }
    // With 2^e the largest power of two below `bytes`, the classes are 2^e · (5, 6, 7, 8) / 4.
    let e = (bytes - 1).ilog2() as usize;
    let quarter = (1usize << e) / 4;
    let step = (bytes - (1 << e)).div_ceil(quarter);
    Some(if bytes == ALIGN { (0, ALIGN) } else { (4 * (e - 6) + step, (1 << e) + step * quarter) })
}

/// An unsigned integer, or `bool`: what elements of its size are moved as, whatever their type, so that one loop serves all.
pub(crate) trait Word: Copy + Default + PartialEq + Send + Sync + 'static {
    /// Whether it is `bool`.
    const TRUTH: bool;
}

macro_rules! words {
    ($($t:ty: $truth:literal),*) => {$(
        impl Word for $t {
            const TRUTH: bool = $truth;
        }
    )*};
}
words!(u8: false, u16: false, u32: false, u64: false, bool: true);

/// Runs `$body` with `$W` standing for the [`Word`] that elements of type `$dtype` are moved as.
macro_rules! with_word {
    ($dtype:expr, $W:ident => $body:expr) => {
        match ($dtype, $dtype.size()) {
            ($crate::tensor::DType::Bool, _) => {
                type $W = bool;
                $body
            }
            (_, 1) => {
                type $W = u8;
                $body
            }
            (_, 2) => {
                type $W = u16;
                $body
            }
            (_, 4) => {
                type $W = u32;
                $body
            }
            _ => {
                type $W = u64;
                $body
            }
        }
    };
}
pub(crate) use with_word;

type Block = NonNull<Header>;

/// Unused blocks by size class.
struct Pool {
    classes: Vec<Vec<Block>>,
}

// SAFETY: a block in a pool has no other owner.
unsafe impl Send for Pool {}

impl Pool {
    const fn new() -> Self {
        Self { classes: Vec::new() }
    }

    fn take(&mut self, class: usize) -> Option<Block> {
        self.classes.get_mut(class)?.pop()
    }

    fn put(&mut self, class: usize, block: Block) {
        if self.classes.is_empty() {
            self.classes.resize_with(CLASSES, Vec::new);
        }
        self.classes[class].push(block);
    }

    fn clear(&mut self) {
        for block in self.classes.drain(..).flatten() {
            // SAFETY: a block in a pool has no other owner.
            account::released(unsafe { block.as_ref() }.capacity);
            free(block);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What belongs to a thread: its small unused blocks, and what it has not told the others.
struct Local {
    // Dropped first, before the pool that it counts.
    account: Account,
    pool: Pool,
}

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local { pool: Pool::new(), account: Account::NEW }) };
}
static SHARED: Mutex<Pool> = Mutex::new(Pool::new());

fn shared_pool() -> MutexGuard<'static, Pool> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` on what belongs to this thread; while the thread ends, on something that lives for this call alone.
fn with_local<R>(f: impl Fn(&mut Local) -> R) -> R {
    let there = LOCAL.try_with(|local| f(&mut local.borrow_mut()));
    there.unwrap_or_else(|_| f(&mut Local { pool: Pool::new(), account: Account::NEW }))
}

/// A zeroed block from the system, of which `bytes` will be used at first, or `None` if it has no memory left.
fn fresh(class: usize, capacity: usize, bytes: usize) -> Option<Block> {
    let block = system::zeroed(HEADER.checked_add(capacity)?, HEADER + bytes)?.cast::<Header>();
    // SAFETY: the block is large enough and aligned for a header, and nobody else knows it yet.
    unsafe { block.write(Header { refs: AtomicUsize::new(1), capacity, class, len: 0, dtype: DType::U8 }) };
    Some(block)
}

/// Returns an unused block to the system.
fn free(block: Block) {
    // SAFETY: blocks come from `fresh`, and the caller owns this one alone.
    let capacity = unsafe { block.as_ref() }.capacity;
    // SAFETY: made in `fresh` with this same size.
    unsafe { system::free(block.cast(), HEADER + capacity) };
}

pub(crate) fn stats() -> Stats {
    with_local(|local| local.account.report());
    account::stats()
}

/// What this thread has taken and not given back: less than nothing, if it gives back what others took.
pub(crate) fn thread_bytes() -> isize {
    with_local(|local| local.account.net())
}

/// Runs a function, and how much more than before this thread had at the most while it ran.
pub(crate) fn measure<R>(f: impl FnOnce() -> R) -> (R, isize) {
    let (before, outer) = with_local(|local| (local.account.net(), local.account.begin()));
    let result = f();
    (result, with_local(|local| local.account.end(outer)) - before)
}

pub(crate) fn reset_peak() {
    with_local(|local| local.account.report());
    account::reset_peak();
}

pub(crate) fn release() {
    with_local(|local| {
        local.account.report();
        local.pool.clear();
    });
    shared_pool().clear();
}

impl Storage {
    /// Room for `len` elements with unspecified (but valid) values, or `None` if there is not enough memory.
    /// The flag tells whether they are known to be zero.
    fn acquire(dtype: DType, len: usize) -> Option<(Self, bool)> {
        let bytes = len.checked_mul(dtype.size())?;
        if bytes > THREAD_LOCAL_BYTES && memory::machine_bytes().is_some_and(|all| bytes > all) {
            return None;
        }
        let (class, capacity) = size_class(bytes)?;
        let found = if is_small(capacity) {
            with_local(|local| local.pool.take(class).inspect(|_| local.account.take(capacity, true)))
        } else {
            let found = shared_pool().take(class);
            found.inspect(|_| with_local(|local| local.account.take(capacity, true)))
        };
        let zero = found.is_none();
        let mut block = match found {
            Some(block) => block,
            None => {
                let block = fresh(class, capacity, bytes)?;
                with_local(|local| local.account.take(capacity, false));
                block
            }
        };
        // SAFETY: a block from the pool or the system has no other owner.
        let header = unsafe { block.as_mut() };
        *header.refs.get_mut() = 1;
        (header.len, header.dtype) = (bytes, dtype);
        let mut storage = Self(block);
        if dtype == DType::Bool && !zero {
            storage.clear();
        }
        Some((storage, zero))
    }

    /// Room for `len` elements whose values do not matter because all of them are about to be written.
    /// Running out of memory ends the program, as it does for a `Vec`: only for sizes that are bounded by what there is
    /// already.
    pub(crate) fn stale(dtype: DType, len: usize) -> Self {
        match Self::try_stale(dtype, len) {
            Some(storage) => storage,
            None => alloc::handle_alloc_error(alloc::Layout::array::<u64>(len).unwrap_or(alloc::Layout::new::<u64>())),
        }
    }

    /// The same, or `None` if there is not enough memory.
    pub(crate) fn try_stale(dtype: DType, len: usize) -> Option<Self> {
        Some(Self::acquire(dtype, len)?.0)
    }

    /// `len` zeros (`false` for `bool`), or `None` if there is not enough memory.
    pub(crate) fn zeroed(dtype: DType, len: usize) -> Option<Self> {
        let (mut storage, zero) = Self::acquire(dtype, len)?;
        if !zero {
            storage.clear();
        }
        Some(storage)
    }

    fn header(&self) -> &Header {
        // SAFETY: a `Storage` keeps its block alive, and only `acquire` and `drop` write to the header, both
        // while nobody else refers to it.
        unsafe { self.0.as_ref() }
    }

    fn elements(&self) -> *mut u8 {
        // SAFETY: every block is HEADER + capacity bytes long.
        unsafe { self.0.as_ptr().cast::<u8>().add(HEADER) }
    }

    fn clear(&mut self) {
        // SAFETY: only called from `acquire` and `zeroed`, before the storage is shared; `len ≤ capacity`.
        unsafe { self.elements().write_bytes(0, self.header().len) };
    }

    pub(crate) fn dtype(&self) -> DType {
        self.header().dtype
    }

    /// The elements. `T` must be the type that the storage was made for.
    #[inline]
    pub(crate) fn slice<T: Element>(&self) -> &[T] {
        assert_eq!(T::DTYPE, self.dtype(), "element type of a storage");
        // SAFETY: the type is checked; `len` bytes behind the header are initialised, aligned to 64 bytes, and not
        // written to while they are shared (`slice_mut` needs a count of one and `&mut self`).
        unsafe { std::slice::from_raw_parts(self.elements().cast::<T>(), self.header().len / size_of::<T>()) }
    }

    /// The elements for writing, if no other tensor shares them.
    #[inline]
    pub(crate) fn slice_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        assert_eq!(T::DTYPE, self.dtype(), "element type of a storage");
        if !self.is_unique() {
            return None;
        }
        let len = self.header().len / size_of::<T>();
        // SAFETY: as in `slice`, and `&mut self` with a count of one means that there is no other way to these bytes.
        Some(unsafe { std::slice::from_raw_parts_mut(self.elements().cast::<T>(), len) })
    }

    /// The elements as words of their size, for what only moves them or looks at their bits. Truth values can be read as bytes.
    pub(crate) fn words<W: Word>(&self) -> &[W] {
        let dtype = self.dtype();
        assert!(dtype.size() == size_of::<W>() && (!W::TRUTH || dtype == DType::Bool), "words of a storage");
        // SAFETY: as in `slice`: the words are as large as the elements and no more strictly aligned. Unsigned integers may have
        // any bits, and `bool` is read only where the elements are `bool`.
        unsafe { std::slice::from_raw_parts(self.elements().cast::<W>(), self.header().len / size_of::<W>()) }
    }

    /// The same for writing, if no other tensor shares them. Truth values are written as such.
    pub(crate) fn words_mut<W: Word>(&mut self) -> Option<&mut [W]> {
        let dtype = self.dtype();
        assert!(dtype.size() == size_of::<W>() && W::TRUTH == (dtype == DType::Bool), "words of a storage");
        if !self.is_unique() {
            return None;
        }
        let len = self.header().len / size_of::<W>();
        // SAFETY: as in `words`, and as in `slice_mut`. Every element type but `bool` allows any bits, and where the elements are
        // `bool`, so are the words.
        Some(unsafe { std::slice::from_raw_parts_mut(self.elements().cast::<W>(), len) })
    }

    /// Whether this is the only handle on the block.
    pub(crate) fn is_unique(&self) -> bool {
        // Acquire: what other handles did before they were dropped has happened before we write.
        self.header().refs.load(Ordering::Acquire) == 1
    }

    /// Whether both are handles on the same block.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Clone for Storage {
    fn clone(&self) -> Self {
        let refs = self.header().refs.fetch_add(1, Ordering::Relaxed);
        // A count that overflows would free memory in use. It takes 2^63 leaked handles to get there.
        if refs > isize::MAX as usize {
            std::process::abort();
        }
        Self(self.0)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // The only handle is the last one: nobody else can make another.
        if !self.is_unique() {
            if self.header().refs.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            fence(Ordering::Acquire);
        }
        let (capacity, class) = (self.header().capacity, self.header().class);
        let kept = if is_small(capacity) {
            with_local(|local| {
                let kept = local.account.give(capacity);
                if kept {
                    local.pool.put(class, self.0);
                }
                kept
            })
        } else {
            let kept = with_local(|local| local.account.give(capacity));
            if kept {
                shared_pool().put(class, self.0);
            }
            kept
        };
        if !kept {
            free(self.0);
        }
    }
}

#[cfg(test)]
mod tests;
