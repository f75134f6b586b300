//! Work that is done before somebody asks for it, on threads of its own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::MAX_THREADS;
use crate::error::{Error, Result};

/// What is known of the pieces of work, each of which has a number.
#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Pieces that are done, with the message of a panic.
    done: Vec<(usize, Option<String>)>,
    /// Pieces that wait or are being worked on.
    in_hand: usize,
    /// What waits is dropped.
    is_closed: bool,
}

impl Board {
    /// A panic while the lock is held is none of the work's, and leaves the numbers whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some threads, and the work that they were given.
pub(crate) struct Crew<'p, 'scope> {
    scope: &'p rayon::Scope<'scope>,
    board: &'scope Board,
}

/// One piece of work.
pub(crate) type Work<'scope> = Box<dyn FnOnce() + Send + 'scope>;

impl<'scope> Crew<'_, 'scope> {
    /// Hands over a piece of work.
    pub(crate) fn ask(&self, number: usize, work: Work<'scope>) {
        let board = self.board;
        board.lock().in_hand += 1;
        self.scope.spawn(move |_| {
            // In a `match`, the lock would be held while the work runs.
            let is_closed = board.lock().is_closed;
            let outcome = if is_closed { Ok(()) } else { catch_unwind(AssertUnwindSafe(work)) };
            let mut state = board.lock();
            state.in_hand -= 1;
            state.done.push((number, outcome.err().map(|panic| said(&*panic))));
            board.changed.notify_all();
        });
    }

    /// Waits for a piece that was asked for, once; the message, if it panicked.
    pub(crate) fn wait(&self, number: usize) -> Option<String> {
        let mut state = self.board.lock();
        loop {
            if let Some(at) = state.done.iter().position(|(own, _)| *own == number) {
                return state.done.swap_remove(at).1;
            }
            if state.in_hand == 0 {
                return Some("it was never begun".into());
            }
            state = self.board.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Drops what waits, and waits for what is being worked on.
    pub(crate) fn settle(&self) {
        let mut state = self.board.lock();
        state.is_closed = true;
        while state.in_hand > 0 {
            state = self.board.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.done.clear();
        state.is_closed = false;
    }
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_string(),
        (None, Some(text)) => text.clone(),
        (None, None) => "it did not say why".to_string(),
    }
}

/// Drops what waits when the one who asked is gone, after a panic too.
struct Closing<'b>(&'b Board);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
    }
}

/// What is called with the threads.
pub(crate) type OnCrew<'b, 'scope> = &'b mut dyn FnMut(&Crew<'_, 'scope>);

/// Calls `body` with `threads` threads that work for it. They are a pool of their own: that of the caller may have no thread to
/// spare, because the one who waits is in it.
#[track_caller]
pub(crate) fn with_crew<'scope>(threads: usize, board: &'scope Board, body: OnCrew<'_, 'scope>) -> Result<()> {
    if threads == 0 || threads > MAX_THREADS {
        let message = format!("{threads} threads to prefetch on, expected 1 to {MAX_THREADS}");
        return Err(Error::argument("prefetch", message));
    }
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool,
        Err(e) => return Err(Error::state("prefetch", format!("cannot start {threads} threads: {e}"))),
    };
    pool.in_place_scope(|scope| {
        let _closing = Closing(board);
        body(&Crew { scope, board });
    });
    Ok(())
}
