//! What may be written next: the rules that the published models were trained for.

use super::{Whisper, WhisperConfig};
use crate::error::Result;
use crate::models::{CausalLm, Encoded, EncoderDecoderState, LmState};
use crate::tensor::{DType, Tensor};

/// See [`Rules::apply`].
#[derive(Debug, Clone)]
pub(super) struct Rules {
    suppressed: Vec<i64>,
    begin_suppressed: Vec<i64>,
    end: usize,
    /// Where times are to be written: the token that says that they are not, and the latest that may come first.
    times: Option<(usize, Option<usize>)>,
}

impl Rules {
    /// Token ids of a configuration are in its vocabulary.
    pub(super) fn new(config: &WhisperConfig, timestamps: bool) -> Self {
        let special = &config.special;
        let times = special.no_timestamps.filter(|_| timestamps).map(|id| (id as usize, special.max_initial_timestamp));
        Self {
            suppressed: special.suppressed.clone(),
            begin_suppressed: special.begin_suppressed.clone(),
            end: config.tokens.end_id as usize,
            times,
        }
    }

    /// Takes away the scores of tokens that may not follow upon those that were written.
    fn apply(&self, written: &[i64], scores: &mut [f64]) {
        const NEVER: f64 = f64::NEG_INFINITY;
        let first: &[i64] = if written.is_empty() { &self.begin_suppressed } else { &[] };
        for id in self.suppressed.iter().chain(first) {
            scores[*id as usize] = NEVER;
        }
        let Some((no_times, latest)) = self.times else { return };
        let begin = no_times + 1;
        scores[no_times] = NEVER;
        let is_time = |id: &i64| *id >= begin as i64;
        let last = written.last().is_some_and(is_time);
        let before = written.len() < 2 || is_time(&written[written.len() - 2]);
        if last {
            // Times come in pairs: behind the end of a stretch stands the begin of the next.
            if before { scores[begin..].fill(NEVER) } else { scores[..self.end].fill(NEVER) }
        }
        if let Some(time) = written.iter().rev().find(|id| is_time(id)) {
            // Time does not run backwards, and no stretch is empty.
            let from = *time as usize + usize::from(!last || before);
            let from = from.min(scores.len());
            scores[begin.min(from)..from].fill(NEVER);
        }
        if written.is_empty() {
            scores[..begin].fill(NEVER);
            if let Some(latest) = latest {
                let from = begin.saturating_add(latest).saturating_add(1).min(scores.len());
                scores[from..].fill(NEVER);
            }
        }
        // If it is likelier that there is a time than any single token, there is one.
        let begin = begin.min(scores.len());
        let most = scores.iter().copied().fold(NEVER, f64::max);
        let all: f64 = scores[begin..].iter().map(|score| (score - most).exp()).sum();
        let token = scores[..begin].iter().copied().fold(NEVER, f64::max);
        if most > NEVER && all.ln() + most > token {
            scores[..begin].fill(NEVER);
        }
    }
}

/// A language model of what was said in a window that keeps to the rules. The tokens that it is fed first say what to do.
pub(super) struct Guided<'m> {
    pub(super) model: Encoded<'m, Whisper>,
    pub(super) rules: Rules,
}

/// The state of the model, and what was written.
#[derive(Debug, Clone)]
pub(super) struct GuidedState {
    inner: EncoderDecoderState,
    /// Nothing before the first tokens.
    written: Option<Vec<Vec<i64>>>,
}

impl LmState for GuidedState {
    fn rows(&self) -> usize {
        self.inner.rows()
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        self.inner.reorder(rows)?;
        if let Some(written) = &mut self.written {
            *written = rows.iter().map(|row| written[*row].clone()).collect();
        }
        Ok(())
    }
}

impl CausalLm for Guided<'_> {
    type State = GuidedState;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn context_length(&self) -> Option<usize> {
        self.model.context_length()
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<GuidedState> {
        Ok(GuidedState { inner: self.model.start(padding)?, written: None })
    }

    /// The rules are about what comes after the last of the tokens.
    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut GuidedState) -> Result<Tensor> {
        let logits = self.model.extend(ids, &mut state.inner)?;
        let (rows, new, vocab) = (logits.shape()[0], logits.shape()[1], logits.shape()[2]);
        let written = match state.written.take() {
            None => vec![Vec::new(); rows],
            Some(mut written) => {
                for (row, ids) in written.iter_mut().zip(ids.to_vec::<i64>()?.chunks(new)) {
                    row.extend_from_slice(ids);
                }
                written
            }
        };
        let mut scores = logits.to_dtype(DType::F64).to_vec::<f64>()?;
        for (row, written) in scores.chunks_exact_mut(new * vocab).zip(&written) {
            self.rules.apply(written, &mut row[(new - 1) * vocab..]);
        }
        state.written = Some(written);
        Tensor::from_vec(scores, [rows, new, vocab])
    }
}
