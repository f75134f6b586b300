//! Which tokens have occurred, for penalties.

/// The tokens of a prompt and of its continuation so far, without their order, as the penalties of a
/// [`Sampler`](super::Sampler) need them.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::text::{TokenHistory, Sampler};
///
/// let sampler = Sampler::greedy().repetition_penalty(2.0)?;
/// let (logits, mut rng) = (tensor![1.0, 0.9, 0.2], Rng::seed(0));
/// let mut history = TokenHistory::of_prompt(&[0]);
/// let token = sampler.sample(&logits, &history, &mut rng)?;
/// assert_eq!(token, 1);
///
/// history.push(token);
/// assert_eq!(sampler.sample(&logits, &history, &mut rng)?, 0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenHistory {
    /// Each token with how often it was generated, 0 for those that are only in the prompt; by their ids.
    generated: Vec<(i64, u32)>,
}

impl TokenHistory {
    /// A prompt without a continuation.
    #[must_use]
    pub fn of_prompt(prompt: &[i64]) -> Self {
        let mut generated: Vec<(i64, u32)> = prompt.iter().map(|token| (*token, 0)).collect();
        crate::order::sort_by_key(&mut generated, |(token, _)| crate::order::whole_key(*token));
        generated.dedup();
        Self { generated }
    }

    /// Adds a token of the continuation.
    pub fn push(&mut self, token: i64) {
        match self.generated.binary_search_by_key(&token, |(token, _)| *token) {
            Ok(at) => self.generated[at].1 = self.generated[at].1.saturating_add(1),
            Err(at) => self.generated.insert(at, (token, 1)),
        }
    }

    /// Each token that has occurred, with how often it was generated.
    pub(super) fn counts(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        self.generated.iter().copied()
    }
}
