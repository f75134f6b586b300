//! Whether operations on this thread are recorded.

use std::cell::{Cell, RefCell};

use super::gradients::NodeMap;
use super::node::{NodeId, id_of};
use crate::tensor::Tensor;

/// What happens to operations on tracked tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recording {
    On,
    Off,
    /// They are not recorded, but the tracked tensors that they work on are [noted](Met).
    Collect,
}

/// Tracked tensors that operations have met, in this order, each once.
struct Met {
    /// Tensors with this number and later ones are no news.
    before: NodeId,
    seen: NodeMap<()>,
    tensors: Vec<Tensor>,
}

thread_local! {
    static RECORDING: Cell<Recording> = const { Cell::new(Recording::On) };
    static MET: RefCell<Option<Met>> = const { RefCell::new(None) };
}

/// Whether operations on tracked tensors are being recorded on this thread.
#[must_use]
#[inline]
pub fn is_enabled() -> bool {
    RECORDING.get() == Recording::On
}

/// Whether tracked tensors make no difference at all: operations on them are neither recorded nor noted.
pub(super) fn is_off() -> bool {
    RECORDING.get() == Recording::Off
}

/// Whether an operation on tensors, some of which are tracked, has to be recorded. Notes them while they are collected.
#[inline]
pub(super) fn admits(inputs: &[&Tensor]) -> bool {
    match RECORDING.get() {
        Recording::On => true,
        Recording::Off => false,
        Recording::Collect => {
            note(inputs);
            false
        }
    }
}

/// Adds to the tensors that are being collected.
pub(super) fn note(inputs: &[&Tensor]) {
    MET.with_borrow_mut(|met| {
        let Some(met) = met else { return };
        for input in inputs {
            if let Some(id) = id_of(input).filter(|id| *id < met.before)
                && met.seen.insert(id, ()).is_none()
            {
                met.tensors.push((*input).clone());
            }
        }
    });
}

/// Restores the former state when it is dropped.
pub(crate) struct Restore(Recording);

impl Drop for Restore {
    fn drop(&mut self) {
        RECORDING.set(self.0);
    }
}

/// Switches recording off until the returned guard is dropped. Unlike [`no_grad`], it leaves the caller's line visible
/// to errors.
pub(crate) fn pause() -> Restore {
    Restore(RECORDING.replace(Recording::Off))
}

/// Runs `f` with recording switched on or off, and restores the former state afterwards.
pub(crate) fn with<R>(enabled: bool, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(RECORDING.replace(if enabled { Recording::On } else { Recording::Off }));
    f()
}

/// Runs `f` without recording, and returns with its result the tracked tensors from outside that it used.
pub(super) fn collect<R>(f: impl FnOnce() -> R) -> (R, Vec<Tensor>) {
    /// Gives an outer collection its list back.
    struct Outer(Option<Met>);
    impl Drop for Outer {
        fn drop(&mut self) {
            MET.set(self.0.take());
        }
    }
    let met = Met { before: NodeId::next(), seen: NodeMap::default(), tensors: Vec::new() };
    let _outer = Outer(MET.replace(Some(met)));
    let _restore = Restore(RECORDING.replace(Recording::Collect));
    let result = f();
    (result, MET.take().map(|met| met.tensors).unwrap_or_default())
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
