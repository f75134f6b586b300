//! Batches that are made before they are asked for.

use std::sync::{Mutex, PoisonError};

use super::cursor::{Cursor, Pick};
use crate::error::{Error, Result};
use crate::parallel::{Board, Crew, with_crew};

/// How many batches may wait for each thread that makes them.
const DEPTH: usize = 2;

/// What makes a batch.
type Make<'scope, B> = &'scope (dyn Fn(&Pick<'_>) -> Result<B> + Sync);

/// What was made, by the numbers of the batches.
type Made<B> = Mutex<Vec<(usize, Result<B>)>>;

/// The batches of an epoch that were asked for in advance.
pub(crate) struct Ahead<'p, 'scope, B> {
    crew: &'p Crew<'p, 'scope>,
    make: Make<'scope, B>,
    made: &'scope Made<B>,
    /// How many may be in hand.
    depth: usize,
    /// The batches before this one were asked for, apart from those before the first.
    asked: Option<usize>,
}

impl<'scope, B: Send> Ahead<'_, 'scope, B> {
    /// Forgets what was asked for.
    pub(crate) fn begin(&mut self) {
        self.crew.settle();
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.asked = None;
    }

    /// Asks for the next batches of an epoch, as far as they are `wanted`.
    pub(crate) fn ask(&mut self, cursor: &Cursor, wanted: &dyn Fn(usize) -> bool) {
        let next = cursor.position();
        let from = self.asked.unwrap_or(next).max(next);
        let mut ahead = (next..from).filter(|batch| wanted(*batch)).count();
        for batch in from.. {
            if ahead >= self.depth {
                break;
            }
            let Some(pick) = cursor.later(batch) else { break };
            if !wanted(batch) {
                continue;
            }
            ahead += 1;
            let (pick, make, made) = (pick.owned(), self.make, self.made);
            self.crew.ask(
                batch,
                Box::new(move || {
                    let result = make(&pick);
                    made.lock().unwrap_or_else(PoisonError::into_inner).push((batch, result));
                }),
            );
            self.asked = Some(batch + 1);
        }
    }

    /// A batch that was asked for, once.
    #[track_caller]
    pub(crate) fn take(&mut self, batch: usize) -> Result<B> {
        if let Some(said) = self.crew.wait(batch) {
            let message = format!("a thread panicked while it made batch {}: {said}", batch + 1);
            return Err(Error::state("prefetch", message));
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        match made.iter().position(|(own, _)| *own == batch) {
            Some(at) => made.swap_remove(at).1,
            None => Err(crate::error::bug!("prefetch", "batch {batch} was made and is not there")),
        }
    }
}

/// Calls `body` with batches that so many threads make in advance.
#[track_caller]
pub(crate) fn prefetched<B: Send>(
    threads: usize,
    make: &(dyn Fn(&Pick<'_>) -> Result<B> + Sync),
    body: &mut dyn FnMut(&mut Ahead<'_, '_, B>),
) -> Result<()> {
    let (board, made) = (Board::default(), Mutex::new(Vec::new()));
    let (made, depth) = (&made, threads.saturating_mul(DEPTH));
    with_crew(threads, &board, &mut |crew| body(&mut Ahead { crew, make, made, depth, asked: None }))
}
