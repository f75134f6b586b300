//! Beam search.

use std::panic::Location;

use super::engine::check_shape;
use super::options::{FinishReason, GenerateOptions, MAX_ROWS};
use crate::autograd::pause_recording;
use crate::error::{Error, Result};
use crate::models::{CausalLm, LmState};
use crate::tensor::{DType, Tensor};
use crate::text::{TokenHistory, check_logits, kth_largest};

/// When a beam search ends, besides at the greatest length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BeamStop {
    /// When there are as many finished continuations as beams (`early_stopping=True` in `transformers`).
    Full,
    /// When the best unfinished one, scored as if it ended now, is worse than all finished ones (`False`). Right for length
    /// penalties of at most 0, an approximation for others.
    #[default]
    Likely,
    /// When no unfinished one can become better than the worst finished one at any length (`"never"`).
    Certain,
}

/// Search for the most likely continuation: the best few are followed side by side (Lowerre, 1976).
///
/// The rules are those of `transformers`. A continuation of `n` tokens, its end included, is scored with its log-probability
/// divided by `n ^ length_penalty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamSearch {
    num_beams: usize,
    length_penalty: f64,
    stop: BeamStop,
}

impl BeamSearch {
    /// A search that follows `num_beams` continuations, with a length penalty of 1 and [`BeamStop::Likely`].
    ///
    /// # Errors
    /// If there are no beams, or more than 65,536.
    #[track_caller]
    pub fn new(num_beams: usize) -> Result<Self> {
        if num_beams == 0 || num_beams > MAX_ROWS {
            let message = format!("num_beams is {num_beams}, expected 1 to {MAX_ROWS}");
            return Err(Error::argument("BeamSearch", message));
        }
        Ok(Self { num_beams, length_penalty: 1.0, stop: BeamStop::default() })
    }

    /// With 0, continuations are compared by their log-probability; with 1, by that per token. Above 0, longer ones gain.
    ///
    /// # Errors
    /// If the penalty is not finite.
    #[track_caller]
    pub fn length_penalty(mut self, penalty: f64) -> Result<Self> {
        if !penalty.is_finite() {
            let message = format!("length_penalty is {penalty}, expected a finite number");
            return Err(Error::argument("BeamSearch", message));
        }
        self.length_penalty = penalty;
        Ok(self)
    }

    /// When the search ends.
    #[must_use]
    #[doc(alias = "early_stopping")]
    pub fn stop(mut self, stop: BeamStop) -> Self {
        self.stop = stop;
        self
    }

    /// A score of a log-probability of `length` tokens.
    fn score(&self, log_prob: f64, length: usize) -> f64 {
        log_prob / (length as f64).powf(self.length_penalty)
    }
}

/// A continuation that a [`BeamSearch`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Beam {
    /// The new tokens, without the end token or stop sequence.
    pub tokens: Vec<i64>,
    /// The log-probability of all of them and the end, with the length penalty.
    pub score: f64,
    /// Why the continuation ended.
    pub finish: FinishReason,
}

/// A continuation that is still being followed.
struct Running {
    tokens: Vec<i64>,
    log_prob: f64,
    history: TokenHistory,
}

struct Candidate {
    row: usize,
    token: i64,
    log_prob: f64,
}

#[track_caller]
pub(super) fn search<M: CausalLm>(
    model: &M,
    prompt: &[i64],
    beams: &BeamSearch,
    options: &GenerateOptions,
) -> Result<Vec<Beam>> {
    let (vocab, context) = (model.vocab_size(), model.context_length());
    check_options(options, vocab)?;
    let prompt = options.checked_prompt(prompt, vocab, context)?;
    let (longest, at_longest) = match context.map(|context| context - prompt.len() + 1) {
        Some(room) if room < options.max_new_tokens => (room, FinishReason::Context),
        _ => (options.max_new_tokens, FinishReason::MaxNewTokens),
    };
    options.check_memory(model, beams.num_beams, prompt.len())?;
    let _unrecorded = pause_recording();
    let mut state = model.start(&[0])?;
    state.store_as(options.precision)?;
    let mut logits = model.extend_last(&Tensor::from_slice(prompt, [1, prompt.len()])?, &mut state)?;
    let history =
        if options.sampler.uses_history() { TokenHistory::of_prompt(prompt) } else { TokenHistory::default() };
    let mut running = vec![Running { tokens: Vec::new(), log_prob: 0.0, history }];
    let mut finished: Vec<Beam> = Vec::new();
    // Enough candidates that as many as there are beams go on, even if each ends in every way that it can.
    let kept = beams.num_beams.saturating_mul(options.end_tokens.len().saturating_add(1).max(2));
    let (mut scores, mut buffer) = (Vec::new(), Vec::new());
    for length in 1..=longest {
        if options.is_cancelled() {
            finished.extend(running.into_iter().map(|Running { tokens, log_prob, .. }| {
                let score = beams.score(log_prob, tokens.len().max(1));
                Beam { tokens, score, finish: FinishReason::Cancelled }
            }));
            crate::order::sort_by(&mut finished, |a, b| b.score.total_cmp(&a.score));
            finished.truncate(beams.num_beams);
            break;
        }
        check_shape(&logits, running.len(), vocab)?;
        fill_scores(&logits, &running, options, length, &mut scores)?;
        let candidates = best(&scores, vocab, kept, &mut buffer)?;

        let (mut next, mut rows) = (Vec::new(), Vec::new());
        for (rank, Candidate { row, token, log_prob }) in candidates.into_iter().enumerate() {
            let from = &running[row];
            let mut tokens = from.tokens.clone();
            tokens.push(token);
            let end = ending(&tokens, options);
            let end = end.or((length == longest).then_some((0, at_longest)));
            match end {
                // Those behind the first few are there only to be gone on with.
                Some((dropped, finish)) if rank < beams.num_beams => {
                    tokens.truncate(tokens.len() - dropped);
                    finished.push(Beam { tokens, score: beams.score(log_prob, length), finish });
                }
                None if next.len() < beams.num_beams => {
                    let mut history = from.history.clone();
                    if options.sampler.uses_history() {
                        history.push(token);
                    }
                    next.push(Running { tokens, log_prob, history });
                    rows.push(row);
                }
                _ => {}
            }
        }
        crate::order::sort_by(&mut finished, |a, b| b.score.total_cmp(&a.score));
        finished.truncate(beams.num_beams);
        running = next;
        let Some(first) = running.first() else { break };
        if let Some(worst) = finished.get(beams.num_beams - 1) {
            let at = if beams.stop == BeamStop::Certain && beams.length_penalty > 0.0 { longest } else { length };
            if beams.stop == BeamStop::Full || beams.score(first.log_prob, at) <= worst.score {
                break;
            }
        }
        // Often every beam is continued where it is.
        if !rows.iter().copied().eq(0..state.rows()) {
            state.reorder(&rows)?;
        }
        let ids: Vec<i64> = running.iter().filter_map(|r| r.tokens.last().copied()).collect();
        logits = model.extend_last(&Tensor::from_vec(ids, [running.len(), 1])?, &mut state)?;
    }
    Ok(finished)
}

#[track_caller]
fn check_options(options: &GenerateOptions, vocab: usize) -> Result<()> {
    options.check(vocab)?;
    options.token_stops()?;
    let caller = Location::caller();
    let refused = |what: &str, why: &str| Err(Error::argument("beam_search", what).at(caller).with_help(why));
    if !options.sampler.is_unfiltered() {
        let what = "the sampler has a temperature, top_k, top_p or min_p, but beam search draws nothing";
        return refused(what, "of the sampler's options, penalties, biases and forbidden tokens apply");
    }
    if options.samples > 1 {
        return refused("samples is above 1", "a search returns as many continuations as it has beams");
    }
    if options.constraint.is_some() {
        return refused("there is a constraint, but beams do not follow it", "generate and stream do");
    }
    if !options.stop_texts.is_empty() {
        return refused("stop texts need a tokenizer", "stop_sequence(&[..]) takes tokens");
    }
    Ok(())
}

/// The log-probability of every continuation by one token: `[beams, vocab]`.
#[track_caller]
fn fill_scores(
    logits: &Tensor,
    running: &[Running],
    options: &GenerateOptions,
    length: usize,
    scores: &mut Vec<f64>,
) -> Result<()> {
    let vocab = logits.shape()[1];
    let logits = if logits.dtype().is_differentiable() { logits.clone() } else { logits.to_dtype(DType::F32) };
    let logits = logits.contiguous();
    let log_probs = logits.log_softmax(-1)?;
    scores.clear();
    check_logits(logits.to_dtype(DType::F64).as_slice()?)?;
    scores.extend(log_probs.to_dtype(DType::F64).as_slice::<f64>()?);
    let suppressed: &[i64] = if length <= options.min_new_tokens { &options.end_tokens } else { &[] };
    for (scores, beam) in scores.chunks_exact_mut(vocab).zip(running) {
        options.sampler.adjust(scores, &beam.history, suppressed)?;
        scores.iter_mut().for_each(|score| *score += beam.log_prob);
    }
    Ok(())
}

/// The `kept` most likely continuations, best first.
#[track_caller]
fn best(scores: &[f64], vocab: usize, kept: usize, buffer: &mut Vec<u64>) -> Result<Vec<Candidate>> {
    let threshold = kth_largest(scores, kept.min(scores.len()), buffer);
    let likely = scores.iter().enumerate().filter(|(_, s)| **s >= threshold && **s > f64::NEG_INFINITY);
    let mut candidates: Vec<Candidate> =
        likely.map(|(i, s)| Candidate { row: i / vocab, token: (i % vocab) as i64, log_prob: *s }).collect();
    if candidates.is_empty() {
        let message = format!("no token is possible: each of {vocab} is forbidden or has a logit of −∞");
        return Err(Error::numeric("beam_search", message));
    }
    // Stable: of equal ones, the earlier beam and the smaller id come first.
    crate::order::sort_by(&mut candidates, |a, b| b.log_prob.total_cmp(&a.log_prob));
    candidates.truncate(kept);
    Ok(candidates)
}

/// Whether a continuation ends with its last token: how many tokens of the end are not part of it, and why.
fn ending(tokens: &[i64], options: &GenerateOptions) -> Option<(usize, FinishReason)> {
    let last = tokens.last()?;
    if options.end_tokens.contains(last) {
        return Some((1, FinishReason::EndToken(*last)));
    }
    let stops = options.stop_sequences.iter().enumerate().filter(|(_, stop)| tokens.ends_with(stop));
    let (which, stop) = stops.max_by_key(|(_, stop)| stop.len())?;
    Some((stop.len(), FinishReason::StopSequence(which)))
}
