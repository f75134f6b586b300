//! Metrics of language models.

use super::classification::Classification;
use crate::error::{Error, Result};
use crate::losses::{self, CrossEntropy, Loss};
use crate::tensor::Tensor;

/// The perplexity of a language model: the exponential of the mean cross-entropy of the next tokens. As good a guess as
/// picking one of so many tokens at random; 1 is perfect.
///
/// The logits have shape `[.., classes]`, the targets (`I64`) the same without the last dimension. Targets of −100 do not count.
///
/// # Errors
/// If the shapes or types do not fit, a target is out of range, none counts, or the logits are NaN.
///
/// ```
/// use demotic::prelude::*;
///
/// // As likely as not, among four.
/// let logits = Tensor::zeros([2, 3, 4])?;
/// let targets = Tensor::from_nested([[0i64, 1, 2], [3, 0, -100]])?;
/// assert!((metrics::perplexity(&logits, &targets)? - 4.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn perplexity(logits: &Tensor, targets: &Tensor) -> Result<f64> {
    let Some((&classes, rest)) = logits.shape().split_last().filter(|(_, rest)| *rest == targets.shape()) else {
        let (logits, targets) = (logits.shape(), targets.shape());
        let message =
            format!("logits of shape {logits:?} and targets of shape {targets:?}, expected [.., classes] and [..]");
        return Err(Error::shape("perplexity", message));
    };
    let rows: usize = rest.iter().product();
    let _unrecorded = crate::autograd::pause_recording();
    let (logits, targets) = (logits.reshape([rows, classes])?, targets.reshape([rows])?);
    let loss = losses::cross_entropy(&logits, &targets)?.item()?;
    if CrossEntropy::new().count(&targets) == 0.0 {
        return Err(Error::argument("perplexity", "no target counts: all are -100"));
    }
    if loss.is_nan() {
        return Err(Error::numeric("perplexity", "the logits contain NaN, or only infinities in a row"));
    }
    Ok(loss.exp())
}

/// The share of sequences all of whose tokens are right. Predictions and targets are as for [`accuracy`](super::accuracy), one
/// sequence along the first dimension; targets of −100 do not count, and sequences of nothing else neither.
///
/// # Errors
/// As for [`accuracy`](super::accuracy).
///
/// ```
/// use demotic::prelude::*;
///
/// let predicted = Tensor::from_nested([[3i64, 1, 4], [1, 5, 9]])?;
/// let target = Tensor::from_nested([[3i64, 1, -100], [1, 5, 8]])?;
/// assert_eq!(metrics::exact_match(&predicted, &target)?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn exact_match(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    let (right, all) = matches(prediction, target)?;
    Ok(right as f64 / all as f64)
}

/// How many sequences are right, and how many count.
#[track_caller]
pub(in super::super) fn matches(prediction: &Tensor, target: &Tensor) -> Result<(usize, usize)> {
    let (options, name) = (Classification::new(), "exact_match");
    let (predicted, actual, shape) = options.reading().classes(name, prediction, target)?;
    let counts = options.reading().counting(name, &actual)?;
    let width = actual.len() / shape.first().copied().unwrap_or(1).max(1);
    let (mut right, mut all) = (0, 0);
    for start in (0..actual.len()).step_by(width.max(1)) {
        let places = || (start..start + width).filter(|i| counts[*i]);
        all += usize::from(places().next().is_some());
        right += usize::from(places().next().is_some() && places().all(|i| predicted[i] == actual[i]));
    }
    Ok((right, all))
}

/// A cross-entropy per token, which is in nats, in bits.
#[must_use]
pub fn bits_per_token(loss: f64) -> f64 {
    loss / std::f64::consts::LN_2
}

/// The bits that a language model needs for each character of a text, from its mean cross-entropy per token. Unlike the
/// perplexity, it compares models with different tokenizers. With the number of bytes instead, it is the bits per byte.
///
/// # Errors
/// If there are no characters.
///
/// ```
/// use demotic::train::metrics;
///
/// // 250 tokens of 2 bits, for 1000 characters.
/// let loss = 2.0 * std::f64::consts::LN_2;
/// assert_eq!(metrics::bits_per_character(loss, 250, 1000)?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn bits_per_character(loss: f64, tokens: usize, characters: usize) -> Result<f64> {
    if characters == 0 {
        return Err(Error::argument("bits_per_character", "the text has no characters"));
    }
    Ok(bits_per_token(loss) * tokens as f64 / characters as f64)
}

#[cfg(test)]
mod tests;
