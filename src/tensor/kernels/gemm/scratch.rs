//! Memory for packed operands and blocks of results. Each thread keeps some, so that a product does not touch fresh
//! pages.

use std::cell::Cell;
use std::marker::PhantomData;

use num_traits::Float;

/// A cache line, which is also the widest vector.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read as elements")] [u8; 64]);

thread_local! {
    /// The buffers that are not in use, the one that was given back last on top.
    static KEPT: Cell<Vec<Vec<Line>>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with the thread's buffers, if there still are any.
fn with_kept<R>(f: impl FnOnce(&mut Vec<Vec<Line>>) -> R) -> Option<R> {
    let mut kept = KEPT.try_with(Cell::take).ok()?;
    let result = f(&mut kept);
    let _ = KEPT.try_with(|cell| cell.set(kept));
    Some(result)
}

/// A buffer of `f32` or `f64`, aligned to 64 bytes, with any values. It goes back to the thread when it is dropped.
pub(in crate::tensor::kernels) struct Scratch<T> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Float> Scratch<T> {
    /// A buffer of `len` elements. Whoever asks again before this one is dropped gets another one.
    pub(in crate::tensor::kernels) fn new(len: usize) -> Self {
        // Without thread-local storage, as the thread ends, nothing is kept.
        let mut lines = with_kept(Vec::pop).flatten().unwrap_or_default();
        let needed = len.saturating_mul(size_of::<T>()).div_ceil(size_of::<Line>());
        if lines.len() < needed {
            lines.resize(needed, Line([0; 64]));
        }
        Self { lines, len, element: PhantomData }
    }

    pub(in crate::tensor::kernels) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: the lines are initialised and at least as long; any bytes are a float; a line is better aligned.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        with_kept(|kept| kept.push(lines));
    }
}
