//! Results that several threads write, each its own parts of them.

use std::marker::PhantomData;
use std::ops::Range;

/// A slice that threads write different parts of.
pub(super) struct Shared<'a, T> {
    data: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: threads get different parts of a slice of `Send` elements.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { data: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// Nobody else may hold a part that overlaps this one for as long as it is in use.
    #[expect(clippy::mut_from_ref, reason = "what the type is for")]
    pub(super) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a part beyond the end");
        // SAFETY: the range lies within the slice, which is borrowed for 'a; the caller vouches that the part is free.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(range.start), range.len()) }
    }

    /// The same, or nothing if the slice is empty: what is optional.
    ///
    /// # Safety
    /// As for [`part`](Self::part).
    #[expect(clippy::mut_from_ref, reason = "what the type is for")]
    pub(super) unsafe fn part_or_nothing(&self, range: Range<usize>) -> &mut [T] {
        // SAFETY: as the caller vouches.
        unsafe { self.part(if self.len == 0 { 0..0 } else { range }) }
    }
}
