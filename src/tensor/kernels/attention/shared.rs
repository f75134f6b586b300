//! Results that several threads write.
//!
//! The rows of different heads lie interleaved, so that the result of a head is no slice. Each row belongs to one thread.

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
}
