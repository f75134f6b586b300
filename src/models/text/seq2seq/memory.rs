//! What decoders that look at an encoder's output remember.

use super::check_absent;
use crate::error::{Error, Result};
use crate::layers::KvCache;
use crate::models::text::sequences::{check_rows, row_index};
use crate::models::{KvState, LmState};
use crate::tensor::Tensor;

/// What attention looks at.
pub(in crate::models::text) enum Seen<'a> {
    /// The tokens themselves, and those before them that are kept.
    Own(Option<&'a mut KvCache>),
    /// The encoder's output.
    Memory(&'a Tensor),
    /// Its keys and values.
    Kept(&'a KvCache),
}

impl Seen<'_> {
    /// Keys and values, `[batch, heads, positions, head_dim]` both, of which `project` makes new ones.
    #[track_caller]
    pub(in crate::models::text) fn keys(
        self,
        x: &Tensor,
        project: &mut dyn FnMut(&Tensor) -> Result<[Tensor; 2]>,
    ) -> Result<[Tensor; 2]> {
        match self {
            Self::Kept(cache) => Ok([cache.keys(), cache.values()]),
            Self::Memory(memory) => project(memory),
            Self::Own(None) => project(x),
            Self::Own(Some(cache)) => {
                let [keys, values] = project(x)?;
                cache.append(&keys, &values)?;
                Ok([cache.keys(), cache.values()])
            }
        }
    }
}

/// The keys and values of the target tokens so far, and those of what the encoder made of the source, in each block of a decoder
/// ([`T5`](crate::models::T5), [`Whisper`](crate::models::Whisper)). The latter are computed once.
#[derive(Debug, Clone)]
pub struct EncoderDecoderState {
    pub(in crate::models::text) own: KvState,
    pub(in crate::models::text) memory: Vec<KvCache>,
    /// `[rows, 1, 1, source]`, false for padding of the source.
    pub(in crate::models::text) seen: Option<Tensor>,
    /// Which source each row is of.
    sources: Vec<usize>,
}

impl LmState for EncoderDecoderState {
    fn rows(&self) -> usize {
        self.own.rows()
    }

    fn len(&self) -> usize {
        self.own.len()
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        check_rows(rows, self.rows())?;
        let sources: Vec<usize> = rows.iter().map(|row| self.sources[*row]).collect();
        // Beams of one source change places at every token; what they read of it is the same.
        if sources != self.sources {
            if let Some(seen) = &self.seen {
                self.seen = Some(seen.index_select(0, &row_index(rows, self.rows())?)?);
            }
            for cache in &mut self.memory {
                cache.reorder(rows)?;
            }
            self.sources = sources;
        }
        self.own.reorder(rows)
    }
}

impl EncoderDecoderState {
    /// The state before the first token, with empty caches and full ones.
    pub(in crate::models::text) fn new(
        own: Vec<KvCache>,
        memory: Vec<KvCache>,
        seen: Option<Tensor>,
        sources: usize,
    ) -> Self {
        Self { own: KvState::new(own, &vec![0; sources]), memory, seen, sources: (0..sources).collect() }
    }

    /// Whether it is the state of a model with so many blocks.
    #[track_caller]
    pub(in crate::models::text) fn check(&self, op: &'static str, blocks: usize) -> Result<()> {
        self.own.check(op, blocks)?;
        if self.memory.len() != blocks {
            let message = format!("a state of {} blocks for a model of {blocks}", self.memory.len());
            return Err(Error::argument(op, message));
        }
        Ok(())
    }

    /// Forgets all tokens.
    #[track_caller]
    pub(in crate::models::text) fn rewind(&mut self, padding: &[usize], limit: Option<usize>) -> Result<()> {
        check_absent(padding, self.rows(), limit)?;
        self.own.restart(padding);
        Ok(())
    }

    /// What came of feeding `new` tokens: the state is as before, if that failed.
    #[track_caller]
    pub(in crate::models::text) fn fed(&mut self, new: usize, hidden: Result<Tensor>) -> Result<Tensor> {
        match hidden {
            Ok(_) => self.own.len += new,
            // What some blocks have taken already.
            Err(_) => self.own.caches.iter_mut().for_each(|cache| cache.truncate(self.own.len)),
        }
        hidden
    }
}
