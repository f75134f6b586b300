//! Memory from the system: small blocks from the allocator, large ones as pages of their own.
//!
//! On Linux, large blocks are mapped directly and ask for pages of 2 MiB instead of 4 KiB: their first touch costs a fifth,
//! and reading them is up to twice as fast, because addresses are translated less often. Only pages that are filled
//! completely are asked for, and what lies behind the used part of a block is never touched, so it takes no memory.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// Blocks from this size on have pages of their own.
const PAGED_BYTES: usize = 1 << 20;

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, super::ALIGN).ok()
}

/// `size` zeroed bytes, of which `used` will be used at first; or `None` if there is not enough memory.
pub(super) fn zeroed(size: usize, used: usize) -> Option<NonNull<u8>> {
    if size >= PAGED_BYTES && pages::AVAILABLE {
        return pages::zeroed(size, used);
    }
    // SAFETY: blocks have a header, so the size is not zero.
    NonNull::new(unsafe { alloc::alloc_zeroed(layout(size)?) })
}

/// Gives a block back.
///
/// # Safety
/// `block` must come from [`zeroed`] with the same size, and not be used any more.
pub(super) unsafe fn free(block: NonNull<u8>, size: usize) {
    if size >= PAGED_BYTES && pages::AVAILABLE {
        // SAFETY: passed on.
        return unsafe { pages::free(block, size) };
    }
    if let Some(layout) = layout(size) {
        // SAFETY: allocated in `zeroed` with this same layout.
        unsafe { alloc::dealloc(block.as_ptr(), layout) };
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod pages {
    use std::ptr::{self, NonNull};
    use std::sync::Once;

    pub(super) const AVAILABLE: bool = true;

    /// A huge page of most processors. Where it is another size, blocks are just aligned to more, or less, than they need.
    const HUGE: usize = 2 << 20;

    /// glibc returns freed memory to the system as soon as 128 KiB of it lie together, and a graph of a few hundred nodes
    /// would be fetched page by page in every step. It learns from the largest block that it has mapped and been given
    /// back (`M_MMAP_THRESHOLD` in mallopt(3)) to keep twice as much; but large blocks do not come from it here, so it is
    /// shown one of this size.
    const EXAMPLE: usize = 4 << 20;

    static SHOW_EXAMPLE: Once = Once::new();

    /// The mapped length of a block: whole huge pages, so that it ends on a page of whatever size.
    fn mapped(size: usize) -> Option<usize> {
        size.checked_next_multiple_of(HUGE)
    }

    pub(super) fn zeroed(size: usize, used: usize) -> Option<NonNull<u8>> {
        SHOW_EXAMPLE.call_once(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(EXAMPLE))));
        let len = mapped(size)?;
        // One huge page more, so that the block can begin at a multiple of it.
        let reserved = len.checked_add(HUGE)?;
        // SAFETY: a new mapping, at an address that the system chooses, touches nothing that exists.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                reserved,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        let base = base.cast::<u8>();
        let before = base.align_offset(HUGE).min(HUGE);
        // SAFETY: `before` is at most the page that was added.
        let start = unsafe { base.add(before) };
        // SAFETY: both ranges belong to the mapping just made, and nobody uses them. That unmapping them could fail is no
        // reason to worry: they would only stay reserved.
        unsafe {
            if before > 0 {
                libc::munmap(base.cast(), before);
            }
            if before < HUGE {
                libc::munmap(start.add(len).cast(), HUGE - before);
            }
        }
        let whole = used.min(len) / HUGE * HUGE;
        if whole > 0 {
            // SAFETY: the range lies in the mapping, and the advice changes no contents. The system may refuse it.
            unsafe { libc::madvise(start.cast(), whole, libc::MADV_HUGEPAGE) };
        }
        NonNull::new(start)
    }

    pub(super) unsafe fn free(block: NonNull<u8>, size: usize) {
        if let Some(len) = mapped(size) {
            // SAFETY: by the caller's promise the range is one that `zeroed` mapped, and unused.
            unsafe { libc::munmap(block.as_ptr().cast(), len) };
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod pages {
    use std::ptr::NonNull;

    pub(super) const AVAILABLE: bool = false;

    pub(super) fn zeroed(_: usize, _: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) unsafe fn free(_: NonNull<u8>, _: usize) {}
}

#[cfg(test)]
mod tests;
