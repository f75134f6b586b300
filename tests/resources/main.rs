//! Memory and allocations. The counters are those of the whole process, so the tests take turns.

mod allocations;
mod memory;
mod soak;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps the other tests away while it lives.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
