//! Rotary positions of models that are used for longer texts than those they were first trained on.

use std::f64::consts::PI;
use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// How queries and keys are turned by their positions: pair `i` at position `p` by `p · theta^(−2i/dims)` (Su et al., *RoFormer*,
/// 2021), unless a [scaling](RopeScaling) says otherwise.
///
/// ```
/// use demotic::models::{RopeConfig, RopeScaling};
///
/// let rope = RopeConfig::new(500_000.0).scaling(RopeScaling::Linear { factor: 4.0 });
/// assert_eq!(rope.theta, 500_000.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RopeConfig {
    /// The base: the larger, the slower the slow pairs turn.
    pub theta: f64,
    /// How many features of a head turn; all of them, if nothing is said.
    #[serde(default)]
    pub dims: Option<usize>,
    /// How the angles are changed for longer texts.
    #[serde(default)]
    pub scaling: Option<RopeScaling>,
    /// Whether pairs are neighbours, features `2i` and `2i + 1`, and not features `i` and `i + dims/2`.
    #[serde(default)]
    pub interleaved: bool,
}

/// How rotary positions are changed for texts that are longer than those a model was first trained on. The names are those of
/// `transformers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RopeScaling {
    /// All angles are divided by the factor (Chen et al., *Extending context window of large language models via positional
    /// interpolation*, 2023).
    Linear {
        /// By what angles are divided.
        factor: f64,
    },
    /// In texts of more than `original_context` tokens, the base grows with their length `n`: by
    /// `(factor · n / original_context − factor + 1)^(dims / (dims − 2))` (NTK-aware scaling). While a text is generated, tokens
    /// stay turned as they were when they were new, so that logits are not quite those of the whole text at once.
    Dynamic {
        /// How fast the base grows.
        factor: f64,
        /// The longest texts before.
        original_context: usize,
    },
    /// Pairs whose waves are longer than `original_context / low_freq_factor` are slowed by the factor, those that are shorter than
    /// `original_context / high_freq_factor` are not, and those in between in part (Llama 3.1).
    Llama3 {
        /// By what the angles of slow pairs are divided.
        factor: f64,
        /// See above.
        low_freq_factor: f64,
        /// See above.
        high_freq_factor: f64,
        /// The longest texts before.
        original_context: usize,
    },
    /// Pairs that turn less than `beta_slow` times in `original_context` tokens are slowed by the factor, those that turn more than
    /// `beta_fast` times are not, those in between in part; and scores become larger (Peng et al., *YaRN*, 2023).
    Yarn {
        /// By what the angles of slow pairs are divided.
        factor: f64,
        /// The longest texts before.
        original_context: usize,
        /// See above; usually 32.
        beta_fast: f64,
        /// See above; usually 1.
        beta_slow: f64,
        /// By what queries and keys are multiplied; `0.1 ln factor + 1`, if nothing is said.
        attention_factor: Option<f64>,
        /// Whether the limits between the kinds of pairs are whole numbers.
        truncate: bool,
    },
    /// A factor for each pair that its angles are divided by: one for texts of up to `original_context` tokens, one for longer ones
    /// (Ding et al., *LongRoPE*, 2024). A text that becomes longer while it is generated is read once more.
    Longrope {
        /// For texts of up to `original_context` tokens: one number for each pair.
        short_factor: Vec<f64>,
        /// For longer ones.
        long_factor: Vec<f64>,
        /// The longest texts before.
        original_context: usize,
        /// By what queries and keys are multiplied.
        attention_factor: f64,
    },
}

impl RopeConfig {
    /// All features turn, in two halves, without scaling.
    #[must_use]
    pub fn new(theta: f64) -> Self {
        Self { theta, dims: None, scaling: None, interleaved: false }
    }

    /// Another scaling.
    #[must_use]
    pub fn scaling(mut self, scaling: RopeScaling) -> Self {
        self.scaling = Some(scaling);
        self
    }

    /// Only the first features of a head turn.
    #[must_use]
    pub fn dims(mut self, dims: usize) -> Self {
        self.dims = Some(dims);
        self
    }

    /// Pairs are neighbours; see [the field](Self::interleaved).
    #[must_use]
    pub fn interleaved(mut self) -> Self {
        self.interleaved = true;
        self
    }

    /// The length of a text beyond which all of its tokens are turned otherwise.
    pub(super) fn changes_at(&self) -> Option<usize> {
        match &self.scaling {
            Some(RopeScaling::Longrope { original_context, .. }) => Some(*original_context),
            _ => None,
        }
    }

    /// Whether heads of this size can be turned so.
    #[track_caller]
    pub(super) fn check(&self, op: &'static str, head_dim: usize) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument(op, message).at(caller));
        let dims = self.dims.unwrap_or(head_dim);
        if dims == 0 || !dims.is_multiple_of(2) || dims > head_dim {
            return wrong(format!("{dims} of {head_dim} features turn, expected an even number of them"));
        }
        let Some(scaling) = &self.scaling else {
            return positive(op, &[("theta", self.theta)]);
        };
        let (numbers, context): (Vec<(&str, f64)>, usize) = match scaling {
            RopeScaling::Linear { factor } => (vec![("factor", *factor)], 1),
            RopeScaling::Dynamic { factor, original_context } => {
                if dims <= 2 {
                    return wrong(format!("dynamic scaling of {dims} features, expected more than 2"));
                }
                (vec![("factor", *factor)], *original_context)
            }
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                if low_freq_factor >= high_freq_factor {
                    let message =
                        format!("low_freq_factor {low_freq_factor} is not below high_freq_factor {high_freq_factor}");
                    return wrong(message);
                }
                (vec![("factor", *factor), ("low_freq_factor", *low_freq_factor)], *original_context)
            }
            RopeScaling::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor, .. } => {
                let named = [("factor", *factor), ("beta_fast", *beta_fast), ("beta_slow", *beta_slow)];
                let attention = ("attention_factor", attention_factor.unwrap_or(1.0));
                (named.into_iter().chain([attention]).collect(), *original_context)
            }
            RopeScaling::Longrope { short_factor, long_factor, original_context, attention_factor } => {
                for (name, factors) in [("short_factor", short_factor), ("long_factor", long_factor)] {
                    if factors.len() != dims / 2 {
                        return wrong(format!("{name} has {} numbers for {} pairs", factors.len(), dims / 2));
                    }
                    if let Some(factor) = factors.iter().find(|factor| !(factor.is_finite() && **factor > 0.0)) {
                        return wrong(format!("{factor} in {name}, expected positive numbers"));
                    }
                }
                (vec![("attention_factor", *attention_factor)], *original_context)
            }
        };
        if context == 0 {
            return wrong("original_context is 0, expected at least 1".into());
        }
        positive(op, &[("theta", self.theta)])?;
        positive(op, &numbers)
    }

    /// How far each pair turns from one position to the next in texts of so many tokens, and by what queries and keys are
    /// multiplied.
    fn rates(&self, dims: usize, length: usize) -> (Vec<f64>, f64) {
        let rates = |theta: f64| (0..dims / 2).map(move |i| theta.powf(-((2 * i) as f64) / dims as f64));
        let plain = rates(self.theta);
        match &self.scaling {
            None => (plain.collect(), 1.0),
            Some(RopeScaling::Linear { factor }) => (plain.map(|rate| rate / factor).collect(), 1.0),
            Some(RopeScaling::Dynamic { factor, original_context }) => {
                let (original, n) = (*original_context as f64, dims as f64);
                let growth = factor * (length as f64).max(original) / original - (factor - 1.0);
                (rates(self.theta * growth.powf(n / (n - 2.0))).collect(), 1.0)
            }
            Some(RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context }) => {
                let slowed = |rate: f64| {
                    // How often the pair turns in a text of the original length.
                    let turns = *original_context as f64 * rate / (2.0 * PI);
                    let kept = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                    (1.0 - kept) * rate / factor + kept * rate
                };
                (plain.map(slowed).collect(), 1.0)
            }
            Some(RopeScaling::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor, truncate }) => {
                let original = *original_context as f64;
                // The number of the pair that turns so often, as a fraction.
                let pair = |turns: &f64| (dims as f64 * (original / (turns * 2.0 * PI)).ln()) / (2.0 * self.theta.ln());
                let (mut low, mut high) = (pair(beta_fast), pair(beta_slow));
                if *truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                (low, high) = (low.max(0.0), high.min(dims as f64 - 1.0));
                if low == high {
                    high += 0.001;
                }
                let slowed = |(i, rate): (usize, f64)| {
                    let kept = 1.0 - ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    rate / factor * (1.0 - kept) + rate * kept
                };
                let default = if *factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
                (plain.enumerate().map(slowed).collect(), attention_factor.unwrap_or(default))
            }
            Some(RopeScaling::Longrope { short_factor, long_factor, original_context, attention_factor }) => {
                let factors = if length > *original_context { long_factor } else { short_factor };
                (plain.zip(factors).map(|(rate, factor)| rate / factor).collect(), *attention_factor)
            }
        }
    }

    /// Cosines and sines for positions `[T]`, or `[rows, T]` in rows that each have their own.
    #[track_caller]
    pub(super) fn turn(&self, head_dim: usize, positions: &Tensor, lengths: &[usize], dtype: DType) -> Result<Turn> {
        let dims = self.dims.unwrap_or(head_dim);
        let positions = positions.to_vec::<i64>()?;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        let (mut rates, mut scale, mut before) = (Vec::new(), 1.0, None);
        for (row, length) in positions.chunks((positions.len() / lengths.len().max(1)).max(1)).zip(lengths) {
            if before != Some(*length) {
                (rates, scale) = self.rates(dims, *length);
                before = Some(*length);
            }
            for (position, rate) in row.iter().flat_map(|position| rates.iter().map(move |rate| (*position, rate))) {
                let (s, c) = (position as f64 * rate).sin_cos();
                cos.push(c * scale);
                sin.push(s * scale);
            }
        }
        let table = |values: Vec<f64>| Ok(Tensor::from_vec(values, [positions.len(), dims / 2])?.to_dtype(dtype));
        Ok(Turn { cos: table(cos)?, sin: table(sin)?, interleaved: self.interleaved })
    }
}

#[track_caller]
fn positive(op: &'static str, numbers: &[(&str, f64)]) -> Result<()> {
    match numbers.iter().find(|(_, number)| !(number.is_finite() && *number > 0.0)) {
        Some((name, number)) => Err(Error::argument(op, format!("{name} is {number}, expected a positive number"))),
        None => Ok(()),
    }
}

/// By what the heads of tokens are turned.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// `[T, pairs]`, or `[rows · T, pairs]`.
    cos: Tensor,
    sin: Tensor,
    interleaved: bool,
}

impl Turn {
    /// `[rows, heads, T, head_dim]`, turned.
    #[track_caller]
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let &[rows, heads, time, head_dim] = x.shape() else {
            return Err(Error::shape("rotary", format!("the heads have shape {:?}", x.shape())));
        };
        if self.cos.shape()[0] == time {
            return x.rotary(&self.cos, &self.sin, self.interleaved);
        }
        // All tokens of the batch, one after the other.
        let flat = x.transpose(0, 1)?.reshape([heads, rows * time, head_dim])?;
        let turned = flat.rotary(&self.cos, &self.sin, self.interleaved)?;
        turned.reshape([heads, rows, time, head_dim])?.transpose(0, 1)
    }
}
