//! The loop of generation: several sequences, each of which gets a token at a time.

use std::panic::Location;

use super::Token;
use super::constraint::Constrained;
use super::options::{FinishReason, GenerateOptions};
use super::speculate::Proposal;
use super::stop::{Progress, StopSet};
use crate::autograd::pause_recording;
use crate::error::{Error, Result};
use crate::losses::{CrossEntropy, Loss, Reduction};
use crate::models::{CausalLm, LmState};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};
use crate::text::{Scratch, TokenHistory, drawn};

/// A prompt with its continuation so far.
pub(super) struct Sequence {
    tokens: Vec<i64>,
    prompt: usize,
    /// The first token that the model still sees.
    window: usize,
    log_probs: Vec<f64>,
    history: TokenHistory,
    stop: Progress,
    rng: Rng,
    /// Where the constraint is.
    place: u64,
    /// The log-probability of the end token, once it came.
    pub(super) end: Option<f64>,
    pub(super) finish: Option<FinishReason>,
}

impl Sequence {
    fn new(prompt: &[i64], options: &GenerateOptions, stops: &StopSet<i64>, rng: &mut Rng) -> Self {
        Self {
            tokens: prompt.to_vec(),
            prompt: prompt.len(),
            window: 0,
            log_probs: Vec::new(),
            history: match options.sampler.uses_history() {
                true => TokenHistory::of_prompt(prompt),
                false => TokenHistory::default(),
            },
            stop: stops.start(),
            rng: rng.split(),
            place: options.constraint.as_ref().map_or(0, |constraint| constraint.0.start()),
            end: None,
            finish: None,
        }
    }

    fn new_tokens(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// What the model sees, and the latest token, which it has not been fed yet.
    fn window(&self) -> &[i64] {
        &self.tokens[self.window..]
    }

    /// How many new tokens are certain to belong to the continuation: not those that may begin a stop sequence.
    pub(super) fn certain(&self) -> usize {
        let held = if self.finish.is_some() { 0 } else { self.stop.held() };
        self.new_tokens() - held
    }

    /// The latest token, which the model has not been fed yet, and where it stands.
    pub(super) fn latest(&self) -> (i64, usize) {
        (self.tokens.last().copied().unwrap_or(0), self.tokens.len() - 1)
    }

    pub(super) fn tokens(&self) -> &[i64] {
        &self.tokens
    }

    pub(super) fn history(&self) -> &TokenHistory {
        &self.history
    }

    pub(super) fn has_slid(&self) -> bool {
        self.window > 0
    }

    /// New token `i`.
    pub(super) fn token(&self, i: usize) -> Token {
        Token { id: self.tokens[self.prompt + i], log_prob: self.log_probs[i] }
    }

    pub(super) fn into_continuation(mut self) -> (Vec<i64>, Vec<f64>) {
        self.tokens.drain(..self.prompt);
        (self.tokens, self.log_probs)
    }
}

/// See the [module page](self).
pub(super) struct Engine<'m, M: CausalLm> {
    pub(super) model: &'m M,
    options: GenerateOptions,
    pub(super) context: Option<usize>,
    stops: StopSet<i64>,
    pub(super) sequences: Vec<Sequence>,
    /// Which sequence each row of the state is of.
    rows: Vec<usize>,
    pub(super) state: M::State,
    /// For the next token of each row, until they are used.
    logits: Option<Tensor>,
    scratch: Scratch,
    /// Tokens that the next one cannot be.
    suppressed: Vec<i64>,
    /// Where it was made, for errors of tokens that are asked for by an adapter of iterators.
    pub(super) line: &'static Location<'static>,
}

impl<'m, M: CausalLm> Engine<'m, M> {
    /// Reads the prompts. Each sequence gets a generator of its own, split off `rng` in their order, so that it is the same
    /// whatever is generated beside it.
    #[track_caller]
    pub(super) fn new<P: AsRef<[i64]>>(
        model: &'m M,
        prompts: &[P],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<Self> {
        let (vocab, context) = (model.vocab_size(), model.context_length());
        options.check(vocab)?;
        let stops = options.token_stops()?;
        let mut windows = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            windows.push(options.checked_prompt(prompt.as_ref(), vocab, context)?);
        }
        let longest = windows.iter().map(|window| window.len()).max().unwrap_or(0);
        options.check_memory(model, windows.len().saturating_mul(options.samples), longest)?;
        let _unrecorded = pause_recording();
        let (ids, padding) = padded(windows.iter().copied())?;
        let mut state = model.start(&padding)?;
        state.store_as(options.precision)?;
        let mut logits = feed_prompt(model, &ids, &mut state, options)?;
        check_shape(&logits, windows.len(), vocab)?;
        logits = repeated(&mut state, logits, options.samples)?;
        let sequences: Vec<Sequence> = windows
            .iter()
            .flat_map(|prompt| std::iter::repeat_n(prompt, options.samples))
            .map(|prompt| Sequence::new(prompt, options, &stops, rng))
            .collect();
        let rows = (0..sequences.len()).collect();
        let (options, logits, scratch, line) = (options.clone(), Some(logits), Scratch::default(), Location::caller());
        let suppressed = Vec::new();
        Ok(Self { model, options, context, stops, sequences, rows, state, logits, scratch, suppressed, line })
    }

    /// Another prompt goes on beside the sequences that are not finished. It is read by itself, as if it were alone, and its state is joined
    /// with theirs; where states cannot be joined, all that the model is to see is read anew.
    #[track_caller]
    pub(super) fn join(&mut self, prompt: &[i64], rng: &mut Rng) -> Result<()> {
        let (model, samples) = (self.model, self.options.samples);
        let prompt = self.options.checked_prompt(prompt, model.vocab_size(), self.context)?;
        let open: Vec<usize> = (0..self.sequences.len()).filter(|i| self.sequences[*i].finish.is_none()).collect();
        let longest = open.iter().map(|i| self.sequences[*i].window().len()).fold(prompt.len(), usize::max);
        // While states are joined, there are the old ones too.
        self.options.check_memory(model, (open.len() + samples).saturating_mul(2), longest)?;
        let _unrecorded = pause_recording();
        let (ids, padding) = padded([prompt].into_iter())?;
        let mut state = model.start(&padding)?;
        state.store_as(self.options.precision)?;
        let mut logits = feed_prompt(model, &ids, &mut state, &self.options)?;
        check_shape(&logits, 1, model.vocab_size())?;
        logits = repeated(&mut state, logits, samples)?;
        let new = (0..samples).map(|_| Sequence::new(prompt, &self.options, &self.stops, rng)).collect::<Vec<_>>();
        if open.is_empty() {
            self.rows.clear();
            self.state = state;
        } else {
            let running = match self.logits.take() {
                Some(logits) => logits,
                None => self.feed()?,
            };
            (self.state, logits) = match M::State::join(&[self.state.clone(), state]) {
                Some(joined) => (joined, Tensor::cat(&[&running, &logits], 0)?),
                None => {
                    let running = self.rows.iter().map(|i| self.sequences[*i].window());
                    let (ids, padding) = padded(running.chain(new.iter().map(Sequence::window)))?;
                    let mut state = model.start(&padding)?;
                    state.store_as(self.options.precision)?;
                    let logits = feed_prompt(model, &ids, &mut state, &self.options)?;
                    (state, logits)
                }
            };
        }
        self.logits = Some(logits);
        self.rows.extend(self.sequences.len()..self.sequences.len() + samples);
        self.sequences.extend(new);
        Ok(())
    }

    /// Whether all sequences are finished.
    pub(super) fn is_finished(&self) -> bool {
        self.sequences.iter().all(|s| s.finish.is_some())
    }

    /// Gives each unfinished sequence a token. The latest ones are fed only now, because after the last nobody asks.
    #[track_caller]
    pub(super) fn step(&mut self) -> Result<()> {
        if self.end_all_if_cancelled() {
            return Ok(());
        }
        let _unrecorded = pause_recording();
        let logits = match self.logits.take() {
            Some(logits) => logits,
            None => self.feed()?,
        };
        let logits = as_numbers(&logits);
        let scores = logits.to_dtype(DType::F64);
        let mut chosen = Vec::with_capacity(self.rows.len());
        for row in 0..self.rows.len() {
            let (sequence, vocab) = (self.rows[row], logits.shape()[1]);
            let is_possible = self.candidates(sequence, &scores.as_slice()?[row * vocab..][..vocab])?;
            chosen.push(is_possible.then(|| self.scratch.draw(&mut self.sequences[sequence].rng)));
        }
        let log_probs = log_probs(&logits, &chosen)?;
        for (row, (token, log_prob)) in chosen.into_iter().zip(log_probs).enumerate() {
            match token {
                Some(token) => self.push(self.rows[row], token, log_prob),
                None => self.sequences[self.rows[row]].finish = Some(FinishReason::Complete),
            }
        }
        Ok(())
    }

    /// Ends all sequences if another thread has asked for it.
    pub(super) fn end_all_if_cancelled(&mut self) -> bool {
        let is_cancelled = self.options.is_cancelled();
        if is_cancelled {
            let open = self.sequences.iter_mut().filter(|sequence| sequence.finish.is_none());
            open.for_each(|sequence| sequence.finish = Some(FinishReason::Cancelled));
        }
        is_cancelled
    }

    /// Leaves what a sequence's next token can be in `scratch`; returns whether there is any, and not only the end.
    #[track_caller]
    fn candidates(&mut self, sequence: usize, scores: &[f64]) -> Result<bool> {
        let Self { sequences, options, scratch, suppressed, .. } = self;
        let sequence = &sequences[sequence];
        let early = sequence.new_tokens() < options.min_new_tokens;
        let ends = &options.end_tokens;
        suppressed.clear();
        let mut can_end = true;
        if let Some(Constrained(constraint)) = &options.constraint {
            constraint.forbidden(sequence.place, scores.len(), suppressed);
            can_end = constraint.may_end(sequence.place);
            suppressed.retain(|token| !ends.contains(token));
            let distinct = (0..ends.len()).filter(|i| !ends[..*i].contains(&ends[*i])).count();
            if suppressed.len() + distinct >= scores.len() {
                if can_end {
                    return Ok(false);
                }
                let message =
                    format!("after {} tokens, no token goes on as the constraint wants it", sequence.new_tokens());
                let help = "the vocabulary has no tokens for the characters that may come";
                return Err(Error::state("generate", message).with_help(help));
            }
        }
        if early || !can_end {
            suppressed.extend(ends);
        }
        options.sampler.candidates(scores, &sequence.history, suppressed, scratch)?;
        Ok(true)
    }

    /// Whether the logits for the next token are there already.
    pub(super) fn has_logits(&self) -> bool {
        self.logits.is_some()
    }

    /// Feeds tokens to a draft, and returns what the sampler would choose from, with probabilities.
    #[track_caller]
    pub(super) fn chances_of<D: CausalLm>(
        &mut self,
        draft: &D,
        ids: &[i64],
        state: &mut D::State,
        history: &TokenHistory,
    ) -> Result<Vec<(i64, f64)>> {
        let _unrecorded = pause_recording();
        let logits = draft.extend_last(&Tensor::from_slice(ids, [1, ids.len()])?, state)?;
        check_shape(&logits, 1, draft.vocab_size())?;
        let history = if self.options.sampler.uses_history() { history } else { &TokenHistory::default() };
        let scores = as_numbers(&logits).to_dtype(DType::F64);
        self.options.sampler.candidates(scores.as_slice()?, history, &[], &mut self.scratch)?;
        Ok(self.scratch.chances().collect())
    }

    /// Feeds the latest token of the only sequence with what a draft proposes behind it, each with the probabilities it was drawn
    /// with. Takes proposals as long as the model would choose them, and one token more; returns how many were taken. By the rule of
    /// rejection (Leviathan et al., 2023; Chen et al., 2023) what comes out is distributed as if there were no draft.
    #[track_caller]
    pub(super) fn check(&mut self, proposals: &[Proposal], rng: &mut Rng) -> Result<u64> {
        let _unrecorded = pause_recording();
        let (latest, place) = self.sequences[0].latest();
        let ids: Vec<i64> = [latest].into_iter().chain(proposals.iter().map(|(token, _)| *token)).collect();
        let logits = self.model.extend(&Tensor::from_slice(&ids, [1, ids.len()])?, &mut self.state)?.squeeze(0)?;
        let vocab = self.model.vocab_size();
        check_shape(&logits, ids.len(), vocab)?;
        let logits = as_numbers(&logits);
        let scores = logits.to_dtype(DType::F64);
        let mut accepted = 0;
        for row in 0..ids.len() {
            if !self.candidates(0, &scores.as_slice()?[row * vocab..][..vocab])? {
                self.sequences[0].finish = Some(FinishReason::Complete);
                break;
            }
            let proposal = proposals.get(row);
            let token = match proposal {
                Some((token, drafted)) => self.scratch.accept(*token, drafted, rng),
                None => drawn(&self.scratch.chances().collect::<Vec<_>>(), rng),
            };
            let log_prob = log_probs(&logits.narrow(0, row, 1)?, &[Some(token)])?[0];
            self.push(0, token, log_prob);
            let is_taken = proposal.is_some_and(|(proposed, _)| *proposed == token);
            accepted += u64::from(is_taken);
            if !is_taken || self.sequences[0].finish.is_some() {
                break;
            }
        }
        // All but the latest token stay fed; of an ended sequence nobody asks.
        let fed = self.sequences[0].latest().1.clamp(place + 1, place + ids.len());
        self.state.truncate(fed);
        Ok(accepted)
    }

    /// Appends a token to a sequence, and finishes it if that was its last.
    fn push(&mut self, sequence: usize, token: i64, log_prob: f64) {
        let (sequence, options) = (&mut self.sequences[sequence], &self.options);
        if options.end_tokens.contains(&token) {
            (sequence.finish, sequence.end) = (Some(FinishReason::EndToken(token)), Some(log_prob));
            return;
        }
        sequence.tokens.push(token);
        sequence.log_probs.push(log_prob);
        if let Some(Constrained(constraint)) = &options.constraint {
            sequence.place = constraint.advance(sequence.place, token);
        }
        if options.sampler.uses_history() {
            sequence.history.push(token);
        }
        let full = self.context.is_some_and(|context| sequence.window().len() > context);
        if let Some((which, length)) = self.stops.push(&mut sequence.stop, &token) {
            sequence.tokens.truncate(sequence.tokens.len() - length);
            sequence.log_probs.truncate(sequence.log_probs.len() - length);
            sequence.finish = Some(FinishReason::StopSequence(which));
        } else if sequence.new_tokens() >= options.max_new_tokens {
            sequence.finish = Some(FinishReason::MaxNewTokens);
        } else if full && !options.sliding_window {
            sequence.finish = Some(FinishReason::Context);
        }
    }

    /// Feeds the latest tokens of the unfinished sequences, of which there must be some, and returns the logits.
    #[track_caller]
    fn feed(&mut self) -> Result<Tensor> {
        let sequences = &self.sequences;
        let kept: Vec<usize> = (0..self.rows.len()).filter(|row| sequences[self.rows[*row]].finish.is_none()).collect();
        if kept.len() < self.rows.len() {
            self.state.reorder(&kept)?;
            self.rows = kept.into_iter().map(|row| self.rows[row]).collect();
        }
        let logits = match self.context {
            Some(context) if self.state.len() >= context => self.restart(context)?,
            _ => {
                let ids: Vec<i64> =
                    self.rows.iter().filter_map(|i| self.sequences[*i].tokens.last().copied()).collect();
                let ids = Tensor::from_vec(ids, [self.rows.len(), 1])?;
                self.model.extend_last(&ids, &mut self.state)?
            }
        };
        check_shape(&logits, self.rows.len(), self.model.vocab_size())?;
        Ok(logits)
    }

    /// Feeds all that the model is to see anew: sequences that fill the context keep the last half of it; the others, which
    /// had been padded, all that they have.
    #[track_caller]
    fn restart(&mut self, context: usize) -> Result<Tensor> {
        for i in &self.rows {
            let sequence = &mut self.sequences[*i];
            if sequence.window().len() > context {
                sequence.window = sequence.tokens.len() - (context / 2).max(1);
            }
        }
        let (ids, padding) = padded(self.rows.iter().map(|i| self.sequences[*i].window()))?;
        self.model.restart(&mut self.state, &padding)?;
        self.state.store_as(self.options.precision)?;
        feed_prompt(self.model, &ids, &mut self.state, &self.options)
    }
}

/// Each row so many times, and its logits.
#[track_caller]
fn repeated<S: LmState>(state: &mut S, logits: Tensor, times: usize) -> Result<Tensor> {
    if times == 1 {
        return Ok(logits);
    }
    let rows: Vec<usize> = (0..state.rows()).flat_map(|row| std::iter::repeat_n(row, times)).collect();
    state.reorder(&rows)?;
    let index: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    logits.index_select(0, &Tensor::from_vec(index, [rows.len()])?)
}

/// A prompt that could be cancelled is fed in pieces of so many tokens.
const PIECE: usize = 256;

/// The shortest piece. Few rows may be multiplied by other means than many (quantised weights are), and whether a prompt is
/// fed in pieces must not make a difference.
pub(super) const SHORTEST_PIECE: usize = 16;

/// Feeds prompts, and returns the logits after their last tokens.
#[track_caller]
fn feed_prompt<M: CausalLm>(
    model: &M,
    ids: &Tensor,
    state: &mut M::State,
    options: &GenerateOptions,
) -> Result<Tensor> {
    let (mut at, time) = (0, ids.shape()[1]);
    while options.cancel.is_some() && time - at >= PIECE + SHORTEST_PIECE && !options.is_cancelled() {
        model.extend_last(&ids.narrow(1, at, PIECE)?, state)?;
        at += PIECE;
    }
    if options.is_cancelled() {
        // Nobody looks at them.
        return Tensor::zeros([ids.shape()[0], model.vocab_size()]);
    }
    model.extend_last(&ids.narrow(1, at, time - at)?, state)
}

/// Logits of a type that has gradients, one after the other.
pub(super) fn as_numbers(logits: &Tensor) -> Tensor {
    let is_wide = logits.dtype().is_differentiable();
    if is_wide { logits.contiguous() } else { logits.to_dtype(DType::F32).contiguous() }
}

/// The logarithms of the probabilities of what was chosen in each row.
#[track_caller]
pub(super) fn log_probs(logits: &Tensor, chosen: &[Option<i64>]) -> Result<Vec<f64>> {
    let targets = Tensor::from_vec(chosen.iter().map(|token| token.unwrap_or(0)).collect(), [chosen.len()])?;
    let surprises = CrossEntropy::new().reduction(Reduction::None).loss(logits, &targets)?.to_f64_vec();
    Ok(surprises.into_iter().map(|surprise| -surprise).collect())
}

/// Rows of different lengths as one tensor, padded on the left, and the paddings.
#[track_caller]
fn padded<'a>(rows: impl Iterator<Item = &'a [i64]> + Clone) -> Result<(Tensor, Vec<usize>)> {
    let (count, longest) = rows.clone().fold((0, 0), |(count, longest), row| (count + 1, row.len().max(longest)));
    if count == 0 {
        return Err(Error::argument("generate", "there are no prompts"));
    }
    let mut ids = Vec::new();
    let mut padding = Vec::with_capacity(count);
    for row in rows {
        padding.push(longest - row.len());
        ids.extend(std::iter::repeat_n(0, longest - row.len()));
        ids.extend_from_slice(row);
    }
    Ok((Tensor::from_vec(ids, [count, longest])?, padding))
}

/// Checks what a model returns, which may be anybody's.
#[track_caller]
pub(super) fn check_shape(logits: &Tensor, rows: usize, vocab: usize) -> Result<()> {
    if logits.shape() == [rows, vocab] && logits.dtype().is_float() {
        return Ok(());
    }
    let message = format!(
        "the model returned logits of shape {:?} ({}), expected [{rows}, {vocab}] of a float type",
        logits.shape(),
        logits.dtype()
    );
    Err(Error::shape("generate", message))
}
