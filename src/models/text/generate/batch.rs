//! Tokens of several prompts as they come.

use std::fmt;

use super::engine::Engine;
use super::options::FinishReason;
use super::{Continuation, Token, collect};
use crate::error::{Error, Result};
use crate::models::CausalLm;
use crate::rng::Rng;

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

    /// Lets another prompt join those that are being continued, with the same options; it gets the number of the next continuation, which
    /// is returned (with several [`samples`](super::GenerateOptions::samples), of the first). The tokens are those that it would get alone,
    /// as far as the model's logits do not depend on the size of a batch, whenever it joins; and the iterator goes on where it had ended.
    ///
    /// The prompt is read at once, the others wait so long. Where states cannot be joined (those of recurrent models and of encoders and
    /// decoders, and with positions that change with the length), all that is being continued is read anew.
    ///
    /// # Errors
    /// As for [`Generate::generate`](super::Generate::generate), and if the memory that the options allow is not enough for what runs and the
    /// new one together. Those that run are then as before, unless the model failed.
    ///
    /// ```
    /// use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig};
    /// use demotic::prelude::*;
    /// use demotic::text::Sampler;
    ///
    /// let gpt = Gpt::new(GptConfig::new(20, 32).layers(1).hidden_size(16), &mut Rng::seed(0))?;
    /// let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(5);
    /// let mut rng = Rng::seed(1);
    /// let mut running = gpt.stream_batch(&[[1, 2, 3]], &options, &mut rng)?;
    /// let _first = running.next();
    /// let later = running.join(&[4, 5], &mut rng)?; // while the other one goes on
    /// assert_eq!(later, 1);
    /// assert_eq!(running.by_ref().count(), 4 + 5);
    /// assert_eq!(running.into_continuations()[1], gpt.generate(&[4, 5], &options, &mut rng)?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    #[doc(alias = "continuous batching")]
    pub fn join(&mut self, prompt: &[i64], rng: &mut Rng) -> Result<usize> {
        if self.failed {
            return Err(Error::state("join", "the iterator ended with an error"));
        }
        let first = self.engine.sequences.len();
        self.engine.join(prompt, rng)?;
        self.returned.resize(self.engine.sequences.len(), 0);
        Ok(first)
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
                return Some(Err(e.outside(self.engine.line)));
            }
        }
    }
}

impl<M: CausalLm> fmt::Debug for BatchGenerator<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGenerator").field("returned", &self.returned).finish_non_exhaustive()
    }
}
