//! Tokens of several prompts as they come.

use std::fmt;

use super::engine::Engine;
use super::options::FinishReason;
use super::{Continuation, Token, collect};
use crate::error::Result;
use crate::models::CausalLm;

/// Several continuations at once, token by token: the iterator that [`Generate::stream_batch`](super::Generate::stream_batch) returns.
///
/// Each item is the number of a continuation (those of the first prompt come first) and its next token, which comes when it is
/// certain to belong to it. After an error, the iterator ends.
pub struct BatchGenerator<'m, M: CausalLm> {
    engine: Engine<'m, M>,
    /// How many tokens of each sequence were returned.
    returned: Vec<usize>,
    /// Which sequence is looked at.
    at: usize,
    failed: bool,
}

impl<'m, M: CausalLm> BatchGenerator<'m, M> {
    pub(super) fn new(engine: Engine<'m, M>) -> Self {
        Self { returned: vec![0; engine.sequences.len()], engine, at: 0, failed: false }
    }

    /// Why a continuation ended, once it has; `None` too if there is no continuation of that number.
    #[must_use]
    pub fn finish_reason(&self, continuation: usize) -> Option<FinishReason> {
        self.engine.sequences.get(continuation)?.finish
    }

    /// All continuations that have ended.
    #[must_use]
    pub fn into_continuations(self) -> Vec<Continuation> {
        collect(self.engine)
    }
}

impl<M: CausalLm> Iterator for BatchGenerator<'_, M> {
    type Item = Result<(usize, Token)>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(sequence) = self.engine.sequences.get(self.at) {
                let returned = &mut self.returned[self.at];
                if *returned < sequence.certain() {
                    *returned += 1;
                    return Some(Ok((self.at, sequence.token(*returned - 1))));
                }
                self.at += 1;
            }
            if self.failed || self.engine.is_finished() {
                return None;
            }
            self.at = 0;
            if let Err(e) = self.engine.step() {
                self.failed = true;
                return Some(Err(e));
            }
        }
    }
}

impl<M: CausalLm> std::iter::FusedIterator for BatchGenerator<'_, M> {}

impl<M: CausalLm> fmt::Debug for BatchGenerator<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGenerator").field("returned", &self.returned).finish_non_exhaustive()
    }
}
