//! What is tried again, because what was written of a window is unlikely, and what is left out.

use super::{NAME, TranscribeOptions, WhisperConfig};
use crate::error::{Error, Result};
use crate::models::GenerateOptions;
use crate::text::Sampler;

/// See the options of the same names.
#[derive(Debug, Clone, Default)]
pub(super) struct Fallback {
    temperatures: Vec<f64>,
    log_prob: Option<f64>,
    no_speech: Option<f64>,
    compression_ratio: Option<f64>,
}

/// What is to be done with what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Again,
    Silent,
}

impl TranscribeOptions {
    /// The temperatures that are tried one after the other, until what is written of a window passes the thresholds; what the last one
    /// wrote stays. 0 is the most likely token each time (or the [search](Self::beam_search), if there is one), the others draw. In place
    /// of the [sampler](Self::sampler). The published models were measured with 0, 0.2, 0.4, 0.6, 0.8, 1 (Radford et al., section 4.5).
    ///
    /// ```
    /// use demotic::models::TranscribeOptions;
    ///
    /// let options = TranscribeOptions::new().temperatures(&[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]).log_prob_threshold(-1.0).no_speech_threshold(0.6);
    /// # let _ = options;
    /// ```
    #[must_use]
    pub fn temperatures(mut self, temperatures: &[f64]) -> Self {
        self.fallback.temperatures = temperatures.to_vec();
        self
    }

    /// A window is tried again if the mean log-probability of its tokens, in nats, is below this. Usual: −1.
    #[must_use]
    #[doc(alias = "logprob_threshold")]
    pub fn log_prob_threshold(mut self, nats: f64) -> Self {
        self.fallback.log_prob = Some(nats);
        self
    }

    /// A window is left out as silent if the model says so with a probability above this, and what was written of it is below the
    /// [threshold of log-probability](Self::log_prob_threshold), if there is one. Usual: 0.6.
    #[must_use]
    pub fn no_speech_threshold(mut self, probability: f64) -> Self {
        self.fallback.no_speech = Some(probability);
        self
    }

    /// A window is tried again if its tokens, as bytes, are more than so many times as long as what zlib makes of them: then they repeat
    /// themselves. Usual: 1.35, which is about the 2.4 of texts in the paper. Available with the feature `gzip`.
    #[must_use]
    #[cfg(feature = "gzip")]
    pub fn compression_ratio_threshold(mut self, ratio: f64) -> Self {
        self.fallback.compression_ratio = Some(ratio);
        self
    }
}

impl Fallback {
    #[track_caller]
    pub(super) fn check(&self, config: &WhisperConfig) -> Result<()> {
        let thresholds = [
            ("log_prob_threshold", self.log_prob),
            ("no_speech_threshold", self.no_speech),
            ("compression_ratio_threshold", self.compression_ratio),
        ];
        if let Some((name, _)) = thresholds.iter().find(|(_, value)| value.is_some_and(f64::is_nan)) {
            return Err(Error::argument(NAME, format!("{name} is NaN, expected a number")));
        }
        if self.no_speech.is_some() && self.silent_token(config).is_none() {
            return Err(Error::argument(NAME, "no_speech_threshold is given, but the model has no token for silence"));
        }
        Ok(())
    }

    /// The token that stands for silence, if that is asked for: it is the one before that for no times.
    pub(super) fn silent_token(&self, config: &WhisperConfig) -> Option<i64> {
        self.no_speech.and(config.special.no_timestamps).map(|id| id - 1).filter(|id| *id >= 0)
    }

    /// How a window is written, one attempt after the other, and whether its tokens are drawn.
    #[track_caller]
    pub(super) fn attempts(&self, options: &GenerateOptions) -> Result<Vec<(GenerateOptions, bool)>> {
        if self.temperatures.is_empty() {
            return Ok(vec![(options.clone(), false)]);
        }
        let attempt = |temperature: &f64| -> Result<(GenerateOptions, bool)> {
            let sampler = Sampler::new().temperature(*temperature)?;
            let is_drawn = !sampler.is_greedy();
            Ok((options.clone().sampler(sampler), is_drawn))
        };
        self.temperatures.iter().map(attempt).collect()
    }

    /// What is to be done with tokens, their end among them, by their mean log-probability and the probability of silence.
    pub(super) fn verdict(&self, tokens: &[i64], log_prob: f64, silence: f64, vocab: usize) -> Verdict {
        let is_unlikely = self.log_prob.is_some_and(|least| log_prob < least);
        if self.no_speech.is_some_and(|most| silence > most) && (is_unlikely || self.log_prob.is_none()) {
            return Verdict::Silent;
        }
        let repeats = self.compression_ratio.is_some_and(|most| compression_ratio(tokens, vocab) > most);
        if is_unlikely || repeats { Verdict::Again } else { Verdict::Good }
    }
}

/// How much shorter tokens become by zlib, each as so many bytes as the vocabulary needs.
#[cfg(feature = "gzip")]
fn compression_ratio(tokens: &[i64], vocab: usize) -> f64 {
    let width = vocab.checked_ilog2().unwrap_or(0) as usize / 8 + 1;
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes().into_iter().take(width)).collect();
    let mut packed = flate2::read::ZlibEncoder::new(bytes.as_slice(), flate2::Compression::default());
    let length = std::io::copy(&mut packed, &mut std::io::sink()).unwrap_or(u64::MAX);
    bytes.len() as f64 / length as f64
}

/// Nobody asks without the feature.
#[cfg(not(feature = "gzip"))]
fn compression_ratio(_tokens: &[i64], _vocab: usize) -> f64 {
    0.0
}
