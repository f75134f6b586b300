//! Choosing the next token from a model's logits.

mod history;
mod select;

pub use history::TokenHistory;

use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};
use select::{Candidate, nucleus};

pub(crate) use select::kth_largest;

/// How the next token is chosen from the logits.
///
/// Without options, tokens are drawn with the probabilities that the model gives them. Each option changes the logits or
/// leaves out tokens, always in this order, which is also that of `transformers`:
///
/// 1. [`bias`](Self::bias), [`repetition_penalty`](Self::repetition_penalty),
///    [`frequency_penalty`](Self::frequency_penalty) and [`presence_penalty`](Self::presence_penalty),
///    [`forbid`](Self::forbid)
/// 2. [`temperature`](Self::temperature)
/// 3. [`top_k`](Self::top_k)
/// 4. [`top_p`](Self::top_p), on what is left
/// 5. [`min_p`](Self::min_p), on what is left
///
/// The most likely token always stays.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::text::{TokenHistory, Sampler};
///
/// let logits = tensor![2.0, 1.0, 0.0, -5.0];
/// let mut rng = Rng::seed(1);
///
/// let greedy = Sampler::greedy().sample(&logits, &TokenHistory::default(), &mut rng)?;
/// assert_eq!(greedy, 0);
///
/// let sampler = Sampler::new().temperature(0.8)?.top_k(3)?.top_p(0.9)?;
/// let next = sampler.sample(&logits, &TokenHistory::default(), &mut rng)?;
/// assert!(next < 2); // 0 and 1 together have more than 0.9
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    temperature: f64,
    top_k: Option<usize>,
    top_p: f64,
    min_p: f64,
    repetition_penalty: f64,
    frequency_penalty: f64,
    presence_penalty: f64,
    bias: Vec<(i64, f64)>,
    forbidden: Vec<i64>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            bias: Vec::new(),
            forbidden: Vec::new(),
        }
    }
}

/// An error about an option of the sampler.
#[track_caller]
fn bad_option(name: &str, value: impl std::fmt::Display, expected: &str) -> Error {
    Error::argument("Sampler", format!("{name} is {value}, expected {expected}"))
}

impl Sampler {
    /// Draws tokens with the probabilities that the model gives them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Always takes the most likely token; of equal ones, that with the smallest id.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Divides the logits by `temperature`: below 1, likely tokens become more likely; above 1, less. At 0, by rule, the
    /// most likely token is taken, as by [`greedy`](Self::greedy).
    ///
    /// # Errors
    /// If `temperature` is negative or not finite.
    #[track_caller]
    pub fn temperature(mut self, temperature: f64) -> Result<Self> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            let e = bad_option("temperature", temperature, "a finite number of at least 0");
            return Err(e.with_help("0 takes the most likely token, 1 samples from the model's own distribution"));
        }
        self.temperature = temperature;
        Ok(self)
    }

    /// Keeps the `k` most likely tokens (Fan et al., 2018), and those as likely as the last of them. A `k` above the
    /// vocabulary keeps all.
    ///
    /// # Errors
    /// If `k` is 0.
    #[track_caller]
    pub fn top_k(mut self, k: usize) -> Result<Self> {
        if k == 0 {
            let e = bad_option("top_k", k, "at least 1");
            return Err(e.with_help("leave top_k out to keep all tokens"));
        }
        self.top_k = Some(k);
        Ok(self)
    }

    /// Keeps the most likely tokens until their probabilities add up to `p` (nucleus sampling; Holtzman et al., 2019). Of
    /// equally likely tokens at the border, those with smaller ids stay.
    ///
    /// # Errors
    /// If `p` is not above 0 and at most 1.
    #[track_caller]
    pub fn top_p(mut self, p: f64) -> Result<Self> {
        if !(p > 0.0 && p <= 1.0) {
            return Err(bad_option("top_p", p, "a number above 0 and at most 1"));
        }
        self.top_p = p;
        Ok(self)
    }

    /// Keeps the tokens that are at least `p` times as likely as the most likely one (Nguyen et al., 2024).
    ///
    /// # Errors
    /// If `p` is not between 0 and 1.
    #[track_caller]
    pub fn min_p(mut self, p: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&p) {
            return Err(bad_option("min_p", p, "a number from 0 to 1"));
        }
        self.min_p = p;
        Ok(self)
    }

    /// Makes tokens that were in the prompt or were generated less likely (CTRL; Keskar et al., 2019): positive logits
    /// are divided by `penalty`, negative ones multiplied by it. 1 does nothing, below 1 favours them.
    ///
    /// # Errors
    /// If `penalty` is not a finite number above 0.
    #[track_caller]
    pub fn repetition_penalty(mut self, penalty: f64) -> Result<Self> {
        if !(penalty > 0.0 && penalty.is_finite()) {
            return Err(bad_option("repetition_penalty", penalty, "a finite number above 0"));
        }
        self.repetition_penalty = penalty;
        Ok(self)
    }

    /// Subtracts `penalty` from the logit of a token for each time that it was generated; the prompt does not count.
    ///
    /// # Errors
    /// If `penalty` is not finite.
    #[track_caller]
    pub fn frequency_penalty(mut self, penalty: f64) -> Result<Self> {
        if !penalty.is_finite() {
            return Err(bad_option("frequency_penalty", penalty, "a finite number"));
        }
        self.frequency_penalty = penalty;
        Ok(self)
    }

    /// Subtracts `penalty` from the logit of each token that was generated; the prompt does not count.
    ///
    /// # Errors
    /// If `penalty` is not finite.
    #[track_caller]
    pub fn presence_penalty(mut self, penalty: f64) -> Result<Self> {
        if !penalty.is_finite() {
            return Err(bad_option("presence_penalty", penalty, "a finite number"));
        }
        self.presence_penalty = penalty;
        Ok(self)
    }

    /// Adds `bias` to the logit of a token. Biases of one token add up.
    ///
    /// # Errors
    /// If `bias` is not finite.
    #[track_caller]
    pub fn bias(mut self, token: i64, bias: f64) -> Result<Self> {
        if !bias.is_finite() {
            let e = bad_option(&format!("the bias of token {token}"), bias, "a finite number");
            return Err(e.with_help("forbid(&[token]) makes a token impossible"));
        }
        self.bias.push((token, bias));
        Ok(self)
    }

    /// Makes tokens impossible.
    #[must_use]
    pub fn forbid(mut self, tokens: &[i64]) -> Self {
        self.forbidden.extend_from_slice(tokens);
        self
    }

    /// Whether the most likely token is always taken.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// Whether tokens are drawn from all of the vocabulary, or the most likely one is taken: no step after the first.
    pub(crate) fn is_unfiltered(&self) -> bool {
        matches!(self.temperature, 0.0 | 1.0) && self.top_k.is_none() && self.top_p == 1.0 && self.min_p == 0.0
    }

    /// Whether what was generated before makes a difference.
    pub(crate) fn uses_history(&self) -> bool {
        self.repetition_penalty != 1.0 || self.frequency_penalty != 0.0 || self.presence_penalty != 0.0
    }

    /// A token for logits `[vocab]`. The history matters to the penalties only.
    ///
    /// # Errors
    /// If the logits are not a vector of numbers, one is NaN or +∞ (−∞ is a token that cannot come), a token of the options
    /// is not in the vocabulary, or no token is possible.
    #[track_caller]
    pub fn sample(&self, logits: &Tensor, history: &TokenHistory, rng: &mut Rng) -> Result<i64> {
        let mut scratch = Scratch::default();
        self.candidates_of(logits, history, &mut scratch)?;
        Ok(scratch.draw(rng))
    }

    /// The tokens that may be chosen for logits `[vocab]`, by id, with their probabilities.
    ///
    /// # Errors
    /// As for [`sample`](Self::sample).
    ///
    /// ```
    /// use demotic::tensor;
    /// use demotic::text::{TokenHistory, Sampler};
    ///
    /// let sampler = Sampler::new().top_k(2)?;
    /// assert_eq!(sampler.distribution(&tensor![1.0, 0.0, 1.0], &TokenHistory::default())?, [(0, 0.5), (2, 0.5)]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn distribution(&self, logits: &Tensor, history: &TokenHistory) -> Result<Vec<(i64, f64)>> {
        let mut scratch = Scratch::default();
        self.candidates_of(logits, history, &mut scratch)?;
        let total = scratch.total();
        Ok(scratch.kept.iter().map(|c| (c.token, c.weight / total)).collect())
    }

    #[track_caller]
    fn candidates_of(&self, logits: &Tensor, history: &TokenHistory, scratch: &mut Scratch) -> Result<()> {
        if logits.rank() != 1 {
            let message = format!("logits of shape {:?}, expected [vocab]", logits.shape());
            return Err(Error::shape("sample", message).with_help("select(0, i) takes row i of a batch"));
        }
        if !logits.dtype().is_float() {
            let message = format!("the logits must be numbers of a float type, not {}", logits.dtype());
            return Err(Error::dtype("sample", message));
        }
        let logits = logits.detach().to_dtype(DType::F64).contiguous();
        self.candidates(logits.as_slice()?, history, &[], scratch)
    }

    /// Leaves in `scratch` the tokens that may be chosen, by id. Those of `suppressed` may not, besides the
    /// forbidden ones.
    #[track_caller]
    pub(crate) fn candidates(
        &self,
        logits: &[f64],
        history: &TokenHistory,
        suppressed: &[i64],
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Scratch { scores, kept, values, ranked } = scratch;
        check_logits(logits)?;
        scores.clear();
        scores.extend(logits);
        self.adjust(scores, history, suppressed)?;

        let (best, max) = first_largest(scores);
        if max == f64::NEG_INFINITY {
            let message = format!("no token is possible: each of {} is forbidden or has a logit of −∞", scores.len());
            return Err(Error::numeric("sample", message));
        }
        kept.clear();
        if self.is_greedy() {
            kept.push(Candidate { token: best as i64, weight: 1.0 });
            return Ok(());
        }
        let threshold = match self.top_k {
            Some(k) if k < scores.len() => kth_largest(scores, k, values),
            _ => f64::NEG_INFINITY,
        };
        // Relative to the largest, which therefore has a weight of exactly 1 at any temperature.
        let weight = |score: f64| ((score - max) / self.temperature).exp();
        let possible = |score: f64| score >= threshold && score > f64::NEG_INFINITY;
        kept.extend(
            (0..)
                .zip(scores.iter())
                .filter(|(_, s)| possible(**s))
                .map(|(token, s)| Candidate { token, weight: weight(*s) }),
        );
        if self.top_p < 1.0 {
            nucleus(kept, self.top_p, ranked);
        }
        if self.min_p > 0.0 {
            kept.retain(|c| c.weight >= self.min_p);
        }
        Ok(())
    }

    /// The first step: biases, penalties, and −∞ for what is forbidden or suppressed.
    #[track_caller]
    pub(crate) fn adjust(&self, scores: &mut [f64], history: &TokenHistory, suppressed: &[i64]) -> Result<()> {
        for (token, bias) in &self.bias {
            change(scores, *token, |score| score + bias)?;
        }
        if self.uses_history() {
            for (token, count) in history.counts() {
                change(scores, token, |score| {
                    let penalty = self.repetition_penalty;
                    let score = if score < 0.0 { score * penalty } else { score / penalty };
                    let once = if count > 0 { self.presence_penalty } else { 0.0 };
                    score - self.frequency_penalty * f64::from(count) - once
                })?;
            }
        }
        for token in self.forbidden.iter().chain(suppressed) {
            scores[check_token(*token, scores.len())?] = f64::NEG_INFINITY;
        }
        Ok(())
    }
}

/// The place of a token in the vocabulary.
#[track_caller]
fn check_token(token: i64, vocab: usize) -> Result<usize> {
    let Some(at) = usize::try_from(token).ok().filter(|at| *at < vocab) else {
        let message = format!("token {token} of the sampler's options or history is not in a vocabulary of {vocab}");
        return Err(Error::index("sample", message));
    };
    Ok(at)
}

/// Changes the score of one token.
#[track_caller]
fn change(scores: &mut [f64], token: i64, f: impl FnOnce(f64) -> f64) -> Result<()> {
    let at = check_token(token, scores.len())?;
    let score = f(scores[at]);
    if score.is_nan() || score == f64::INFINITY {
        let message = format!("the biases and penalties make the logit of token {token} {score}");
        return Err(Error::numeric("sample", message));
    }
    scores[at] = score;
    Ok(())
}

/// Refuses logits from which nothing can be chosen.
#[track_caller]
pub(crate) fn check_logits(logits: &[f64]) -> Result<()> {
    let wrong = |x: &f64| x.is_nan() || *x == f64::INFINITY;
    let Some(at) = logits.iter().position(wrong) else { return Ok(()) };
    let value = if logits[at].is_nan() { "NaN" } else { "+∞" };
    let message = format!("the logit of token {at} is {value}");
    Err(Error::numeric("sample", message).with_help("the model's parameters may have diverged in training"))
}

/// The place and value of the largest score, the first of equal ones; −∞ if there are none.
fn first_largest(scores: &[f64]) -> (usize, f64) {
    let mut best = (0, f64::NEG_INFINITY);
    for (i, s) in scores.iter().enumerate() {
        if *s > best.1 {
            best = (i, *s);
        }
    }
    best
}

/// Buffers that are used again for each token.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    scores: Vec<f64>,
    /// What may be chosen, by id.
    kept: Vec<Candidate>,
    /// Keys of scores, and of candidates.
    values: Vec<u64>,
    ranked: Vec<u128>,
}

impl Scratch {
    fn total(&self) -> f64 {
        self.kept.iter().map(|c| c.weight).sum()
    }

    /// The candidates with their probabilities.
    pub(crate) fn chances(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        let total = self.total();
        self.kept.iter().map(move |c| (c.token, c.weight / total))
    }

    /// A token with the probabilities of the candidates, of one that was drawn with others: it is taken with the probability
    /// p / q, and otherwise one is drawn in proportion to what the candidates have more, max(p − q, 0).
    pub(crate) fn accept(&self, token: i64, drawn_with: &[(i64, f64)], rng: &mut Rng) -> i64 {
        // Both lists are in the order of ids.
        let chance =
            |list: &[(i64, f64)]| list.binary_search_by_key(&token, |(token, _)| *token).map_or(0.0, |at| list[at].1);
        let own: Vec<(i64, f64)> = self.chances().collect();
        let (p, q) = (chance(&own), chance(drawn_with));
        if p >= q || rng.uniform() * q < p {
            return token;
        }
        let mut others = drawn_with.iter().peekable();
        let more = own.iter().map(|(token, p)| {
            while others.next_if(|(other, _)| other < token).is_some() {}
            let q = others.peek().filter(|(other, _)| other == token).map_or(0.0, |(_, q)| *q);
            (*token, (p - q).max(0.0))
        });
        let more: Vec<(i64, f64)> = more.collect();
        drawn(&more, rng)
    }

    /// One of the candidates, of which there is at least one.
    pub(crate) fn draw(&self, rng: &mut Rng) -> i64 {
        if let [only] = self.kept[..] {
            return only.token;
        }
        let at = rng.uniform() * self.total();
        let (mut sum, mut chosen) = (0.0, 0);
        for c in &self.kept {
            if c.weight > 0.0 {
                // If rounding leaves `at` beyond the sum, it is the last that can come.
                chosen = c.token;
            }
            sum += c.weight;
            if at < sum {
                break;
            }
        }
        chosen
    }
}

/// One of the tokens, with chances in proportion to these.
pub(crate) fn drawn(chances: &[(i64, f64)], rng: &mut Rng) -> i64 {
    if let [(only, _)] = chances {
        return *only;
    }
    let (mut left, mut chosen) = (rng.uniform() * chances.iter().map(|(_, p)| p).sum::<f64>(), 0);
    for (token, p) in chances.iter().filter(|(_, p)| *p > 0.0) {
        // If rounding leaves something, it is the last that can come.
        (chosen, left) = (*token, left - p);
        if left < 0.0 {
            break;
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
