//! Memory for packed operands. Each thread keeps some, so that a product does not touch fresh pages.

use std::cell::Cell;
use std::marker::PhantomData;

use num_traits::Float;

/// A cache line, which is also the widest vector.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read as elements")] [u8; 64]);

thread_local! {
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// A buffer of `f32` or `f64`, aligned to 64 bytes, with any values. It goes back to the thread when it is dropped.
pub(super) struct Scratch<T> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Float> Scratch<T> {
    /// A buffer of `len` elements. Whoever asks again before this one is dropped gets a new one.
    pub(super) fn new(len: usize) -> Self {
        // Without thread-local storage, as the thread ends, nothing is kept.
        let mut lines = KEPT.try_with(Cell::take).unwrap_or_default();
        let needed = len.saturating_mul(size_of::<T>()).div_ceil(size_of::<Line>());
        if lines.len() < needed {
            lines.resize(needed, Line([0; 64]));
        }
        Self { lines, len, element: PhantomData }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: the lines are initialised and at least as long; any bytes are a float; a line is better aligned.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let _ = KEPT.try_with(|kept| kept.set(lines));
    }
}
