//! Tokens as they come.

use std::fmt;
use std::panic::Location;

use super::Token;
use super::engine::Engine;
use super::options::FinishReason;
use crate::error::Result;
use crate::models::CausalLm;

/// A continuation, token by token: the iterator that [`Generate::stream`](super::Generate::stream) returns.
///
/// A token comes when it is certain to belong to the continuation: those that may be the beginning of a stop sequence are
/// held back until that is known. After an error, the iterator ends.
pub struct Generator<'m, M: CausalLm> {
    engine: Engine<'m, M>,
    returned: usize,
    failed: bool,
}

impl<'m, M: CausalLm> Generator<'m, M> {
    pub(super) fn new(engine: Engine<'m, M>) -> Self {
        Self { engine, returned: 0, failed: false }
    }

    /// Where it was asked for.
    pub(super) fn line(&self) -> &'static Location<'static> {
        self.engine.line
    }

    /// Why the continuation ended, once it has.
    #[must_use]
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.engine.sequences[0].finish
    }
}

impl<M: CausalLm> Iterator for Generator<'_, M> {
    type Item = Result<Token>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let sequence = &self.engine.sequences[0];
            if self.returned < sequence.certain() {
                self.returned += 1;
                return Some(Ok(sequence.token(self.returned - 1)));
            }
            if self.failed || sequence.finish.is_some() {
                return None;
            }
            if let Err(e) = self.engine.step() {
                self.failed = true;
                return Some(Err(e.outside(self.engine.line)));
            }
        }
    }
}

impl<M: CausalLm> std::iter::FusedIterator for Generator<'_, M> {}

impl<M: CausalLm> fmt::Debug for Generator<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finish = self.finish_reason();
        f.debug_struct("Generator").field("returned", &self.returned).field("finish", &finish).finish_non_exhaustive()
    }
}
