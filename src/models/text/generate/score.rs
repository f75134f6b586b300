//! How likely a given text is.

use super::options::check_ids;
use crate::autograd::pause_recording;
use crate::error::{Error, Result};
use crate::losses::{CrossEntropy, Loss, Reduction};
use crate::models::CausalLm;
use crate::tensor::{DType, Tensor};

/// Logits that are computed at once: 64 MB of them in `F32`.
const LOGITS: usize = 1 << 24;

/// How well a model predicts a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihood {
    /// The sum of the natural logarithms of the probabilities of all predicted tokens.
    pub log_prob: f64,
    /// The number of tokens that were predicted: all but the first.
    pub tokens: usize,
}

impl Likelihood {
    /// The perplexity: `exp` of the mean surprise per token. A model that guesses among n tokens has n.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.nats_per_token().exp()
    }

    /// The mean surprise per token in nats: the cross-entropy loss.
    #[must_use]
    pub fn nats_per_token(&self) -> f64 {
        -self.log_prob / self.tokens as f64
    }

    /// The surprise in bits, spread over `units` of the text, such as its characters or bytes: so models with different
    /// tokenizers compare.
    #[must_use]
    pub fn bits_per(&self, units: usize) -> f64 {
        -self.log_prob / std::f64::consts::LN_2 / units as f64
    }
}

#[track_caller]
pub(super) fn score<M: CausalLm>(model: &M, tokens: &[i64]) -> Result<Vec<f64>> {
    check("score", model, tokens)?;
    if let Some(context) = model.context_length().filter(|context| tokens.len() - 1 > *context) {
        let message = format!("{} tokens to predict, the model's context is {context}", tokens.len() - 1);
        return Err(Error::argument("score", message).with_help("perplexity() moves a window over longer texts"));
    }
    let mut log_probs = Vec::with_capacity(tokens.len() - 1);
    predict(model, tokens, 1, &mut |log_prob| log_probs.push(log_prob))?;
    Ok(log_probs)
}

#[track_caller]
pub(super) fn perplexity<M: CausalLm>(model: &M, tokens: &[i64], stride: usize) -> Result<Likelihood> {
    check("perplexity", model, tokens)?;
    let context = model.context_length().unwrap_or(tokens.len());
    if stride == 0 || stride > context {
        let message = format!("stride is {stride}, expected 1 to the context of {context}");
        return Err(Error::argument("perplexity", message));
    }
    let (mut log_prob, mut predicted, mut from) = (0.0, 1, 0);
    while predicted < tokens.len() {
        // Of `context` tokens that are fed, the last one predicts the token behind them.
        let end = (from + context + 1).min(tokens.len());
        predict(model, &tokens[from..end], predicted - from, &mut |p| log_prob += p)?;
        (predicted, from) = (end, from + stride);
    }
    Ok(Likelihood { log_prob, tokens: tokens.len() - 1 })
}

#[track_caller]
fn check<M: CausalLm>(op: &'static str, model: &M, tokens: &[i64]) -> Result<()> {
    if tokens.len() < 2 {
        let message = format!("a text of {} tokens, expected at least 2", tokens.len());
        return Err(Error::argument(op, message).with_help("the first token is not predicted, only those after it"));
    }
    check_ids(op, "token", tokens, model.vocab_size())
}

/// Calls `each` with the log-probability of every token from `first` (at least 1) on, given all before it.
#[track_caller]
fn predict<M: CausalLm>(model: &M, tokens: &[i64], first: usize, each: &mut impl FnMut(f64)) -> Result<()> {
    let _unrecorded = pause_recording();
    let vocab = model.vocab_size();
    let mut state = model.start(&[0])?;
    if first > 1 {
        let known = &tokens[..first - 1];
        model.extend_last(&Tensor::from_slice(known, [1, known.len()])?, &mut state)?;
    }
    let chunk = (LOGITS / vocab.max(1)).max(1);
    for from in (first - 1..tokens.len() - 1).step_by(chunk) {
        let end = (from + chunk).min(tokens.len() - 1);
        let count = end - from;
        let logits = model.extend(&Tensor::from_slice(&tokens[from..end], [1, count])?, &mut state)?;
        let logits = logits.reshape([count, vocab])?;
        let logits = if logits.dtype().is_differentiable() { logits } else { logits.to_dtype(DType::F32) };
        let targets = Tensor::from_slice(&tokens[from + 1..=end], [count])?;
        let surprises = CrossEntropy::new().reduction(Reduction::None).loss(&logits, &targets)?;
        surprises.to_f64_vec().into_iter().for_each(|surprise| each(-surprise));
    }
    Ok(())
}
