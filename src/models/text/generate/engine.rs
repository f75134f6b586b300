//! The loop of generation: several sequences, each of which gets a token at a time.

use super::Token;
use super::options::{FinishReason, GenerateOptions};
use super::stop::{Progress, StopSet};
use crate::autograd::pause_recording;
use crate::error::{Error, Result};
use crate::losses::{CrossEntropy, Loss, Reduction};
use crate::models::{CausalLm, LmState};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};
use crate::text::{Scratch, TokenHistory};

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
    pub(super) finish: Option<FinishReason>,
}

impl Sequence {
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
    model: &'m M,
    options: GenerateOptions,
    context: Option<usize>,
    stops: StopSet<i64>,
    pub(super) sequences: Vec<Sequence>,
    /// Which sequence each row of the state is of.
    rows: Vec<usize>,
    state: M::State,
    /// For the next token of each row, until they are used.
    logits: Option<Tensor>,
    scratch: Scratch,
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
        let _unrecorded = pause_recording();
        let (ids, padding) = padded(windows.iter().copied())?;
        let mut state = model.start(&padding)?;
        let mut logits = model.extend_last(&ids, &mut state)?;
        check_shape(&logits, windows.len(), vocab)?;
        if options.samples > 1 {
            let rows: Vec<usize> = (0..windows.len()).flat_map(|i| std::iter::repeat_n(i, options.samples)).collect();
            state.reorder(&rows)?;
            let index: Vec<i64> = rows.iter().map(|i| *i as i64).collect();
            logits = logits.index_select(0, &Tensor::from_vec(index, [rows.len()])?)?;
        }
        let sequences: Vec<Sequence> = windows
            .iter()
            .flat_map(|prompt| std::iter::repeat_n(prompt, options.samples))
            .map(|prompt| Sequence {
                tokens: prompt.to_vec(),
                prompt: prompt.len(),
                window: 0,
                log_probs: Vec::new(),
                history: if options.sampler.uses_history() {
                    TokenHistory::of_prompt(prompt)
                } else {
                    TokenHistory::default()
                },
                stop: stops.start(),
                rng: rng.split(),
                finish: None,
            })
            .collect();
        let rows = (0..sequences.len()).collect();
        let (options, logits, scratch) = (options.clone(), Some(logits), Scratch::default());
        Ok(Self { model, options, context, stops, sequences, rows, state, logits, scratch })
    }

    /// Whether all sequences are finished.
    pub(super) fn is_finished(&self) -> bool {
        self.sequences.iter().all(|s| s.finish.is_some())
    }

    /// Gives each unfinished sequence a token. The latest ones are fed only now, because after the last nobody asks.
    #[track_caller]
    pub(super) fn step(&mut self) -> Result<()> {
        let _unrecorded = pause_recording();
        let logits = match self.logits.take() {
            Some(logits) => logits,
            None => self.feed()?,
        };
        let logits = if logits.dtype().is_differentiable() { logits } else { logits.to_dtype(DType::F32) }.contiguous();
        let (vocab, scores) = (logits.shape()[1], logits.to_dtype(DType::F64));
        let mut chosen = Vec::with_capacity(self.rows.len());
        for (row, sequence) in self.rows.iter().enumerate() {
            let sequence = &mut self.sequences[*sequence];
            let early = sequence.new_tokens() < self.options.min_new_tokens;
            let suppressed: &[i64] = if early { &self.options.end_tokens } else { &[] };
            let (sampler, scratch) = (&self.options.sampler, &mut self.scratch);
            let scores = &scores.as_slice()?[row * vocab..][..vocab];
            sampler.candidates(scores, &sequence.history, suppressed, scratch)?;
            chosen.push(scratch.draw(&mut sequence.rng));
        }
        let targets = Tensor::from_slice(&chosen, [chosen.len()])?;
        let surprises = CrossEntropy::new().reduction(Reduction::None).loss(&logits, &targets)?.to_f64_vec();
        for (row, (token, surprise)) in chosen.into_iter().zip(surprises).enumerate() {
            self.push(self.rows[row], token, -surprise);
        }
        Ok(())
    }

    /// Appends a token to a sequence, and finishes it if that was its last.
    fn push(&mut self, sequence: usize, token: i64, log_prob: f64) {
        let (sequence, options) = (&mut self.sequences[sequence], &self.options);
        if options.end_tokens.contains(&token) {
            sequence.finish = Some(FinishReason::EndToken(token));
            return;
        }
        sequence.tokens.push(token);
        sequence.log_probs.push(log_prob);
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
        self.model.extend_last(&ids, &mut self.state)
    }
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
