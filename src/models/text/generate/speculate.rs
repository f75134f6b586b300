//! A small model drafts, the model itself checks.

use std::fmt;
use std::panic::Location;

use super::engine::Engine;
use super::options::{FinishReason, GenerateOptions};
use super::{Token, refuse_samples, refuse_stop_texts};
use crate::error::{Error, Result};
use crate::models::{CausalLm, LmState};
use crate::rng::Rng;
use crate::text::drawn;

/// The most tokens that are drafted at a time: with the one before them they are the most rows that quantised weights are multiplied with as
/// a single one is.
const MOST: usize = 7;

/// A token with the probabilities of all that could have been drawn, by id.
pub(super) type Proposal = (i64, Vec<(i64, f64)>);

/// A continuation that a smaller model drafts some tokens ahead: the iterator that
/// [`Generate::speculate`](super::Generate::speculate) returns.
pub struct Speculation<'m, M: CausalLm, D: CausalLm> {
    engine: Engine<'m, M>,
    draft: &'m D,
    state: D::State,
    /// How many tokens are drafted at a time.
    ahead: usize,
    rng: Rng,
    returned: usize,
    drafted: u64,
    accepted: u64,
    failed: bool,
}

impl<'m, M: CausalLm, D: CausalLm> Speculation<'m, M, D> {
    #[track_caller]
    pub(super) fn new(
        model: &'m M,
        draft: &'m D,
        ahead: usize,
        prompt: &[i64],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<Self> {
        let caller = Location::caller();
        let wrong = |message: String, help: &str| Err(Error::argument("speculate", message).at(caller).with_help(help));
        refuse_stop_texts(options)?;
        refuse_samples(options)?;
        if !(1..=MOST).contains(&ahead) {
            return wrong(format!("{ahead} tokens ahead, expected 1 to {MOST}"), "4 is usual");
        }
        let (vocab, drafts) = (model.vocab_size(), draft.vocab_size());
        if vocab != drafts {
            let message = format!("the draft has a vocabulary of {drafts}, the model one of {vocab}");
            return wrong(message, "both models need the same tokenizer");
        }
        let mut engine = Engine::new(model, &[prompt], options, rng)?;
        let mut state = draft.start(&[0])?;
        let all = engine.state.len();
        for (can, whose) in [(engine.state.truncate(all), "model"), (state.truncate(0), "draft")] {
            if !can {
                return wrong(format!("the state of the {whose} cannot go back"), "models with attention can");
            }
        }
        let rng = rng.split();
        Ok(Self { engine, draft, state, ahead, rng, returned: 0, drafted: 0, accepted: 0, failed: false })
    }

    /// Why the continuation ended, once it has.
    #[must_use]
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.engine.sequences[0].finish
    }

    /// How many tokens the draft has proposed so far.
    #[must_use]
    pub fn drafted(&self) -> u64 {
        self.drafted
    }

    /// How many of them the model has taken.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// At least one more token, or the end.
    #[track_caller]
    fn step(&mut self) -> Result<()> {
        let (_, place) = self.engine.sequences[0].latest();
        let room = |context: Option<usize>| context.map_or(MOST, |context| context.saturating_sub(place + 1));
        let ahead = self.ahead.min(room(self.engine.context)).min(room(self.draft.context_length()));
        // The first token comes with the prompt. Where there is no room to look ahead, and in a window that slides, there is no draft.
        if self.engine.has_logits() || ahead == 0 || self.engine.sequences[0].has_slid() {
            return self.engine.step();
        }
        if self.engine.end_all_if_cancelled() {
            return Ok(());
        }
        let proposals = self.propose(ahead)?;
        self.drafted += proposals.len() as u64;
        self.accepted += self.engine.check(&proposals, &mut self.rng)?;
        // What was not taken has to be forgotten.
        let known = self.engine.sequences[0].latest().1;
        self.state.truncate(known.min(self.state.len()));
        Ok(())
    }

    /// Tokens that the draft would choose, each with the probabilities that it chose from.
    #[track_caller]
    fn propose(&mut self, ahead: usize) -> Result<Vec<Proposal>> {
        let mut tokens = self.engine.sequences[0].tokens().to_vec();
        let mut history = self.engine.sequences[0].history().clone();
        let mut proposals = Vec::with_capacity(ahead);
        for _ in 0..ahead {
            let chances = self.engine.chances_of(self.draft, &tokens[self.state.len()..], &mut self.state, &history)?;
            let token = drawn(&chances, &mut self.rng);
            tokens.push(token);
            history.push(token);
            proposals.push((token, chances));
        }
        Ok(proposals)
    }
}

impl<M: CausalLm, D: CausalLm> Iterator for Speculation<'_, M, D> {
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
            if let Err(e) = self.step() {
                self.failed = true;
                return Some(Err(e.outside(self.engine.line)));
            }
        }
    }
}

impl<M: CausalLm, D: CausalLm> std::iter::FusedIterator for Speculation<'_, M, D> {}

impl<M: CausalLm, D: CausalLm> fmt::Debug for Speculation<'_, M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (drafted, accepted) = (self.drafted, self.accepted);
        f.debug_struct("Speculation").field("drafted", &drafted).field("accepted", &accepted).finish_non_exhaustive()
    }
}
