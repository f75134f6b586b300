//! Whether operations on this thread are recorded.

use std::cell::Cell;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on tracked tensors are being recorded on this thread.
#[must_use]
#[inline]
pub fn is_enabled() -> bool {
    ENABLED.get()
}

/// Restores the former state when it is dropped.
pub(crate) struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        ENABLED.set(self.0);
    }
}

/// Switches recording off until the returned guard is dropped. Unlike [`no_grad`], it leaves the caller's line visible
/// to errors.
pub(crate) fn pause() -> Restore {
    Restore(ENABLED.replace(false))
}

/// Runs `f` with recording switched on or off, and restores the former state afterwards.
pub(crate) fn with<R>(enabled: bool, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(ENABLED.replace(enabled));
    f()
}

/// Runs `f` without recording: its results carry no gradients and keep no memory for them.
///
/// ```
/// use demotic::{autograd, tensor};
///
/// let w = tensor![2.0].tracked()?;
/// let y = autograd::no_grad(|| &w * 3.0);
/// assert!(!y.is_tracked());
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    with(false, f)
}
