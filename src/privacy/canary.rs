//! Texts that were put into the data to see whether the model says them again.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::stats::normal::ln_cdf;
use crate::tensor::Tensor;

/// How much a model has learnt a canary by heart, in bits: `log₂` of how many candidates there are, less `log₂` of the canary's place
/// among them in ascending order of loss (Carlini et al., *The secret sharer*, 2019). One that was never seen has about 1, the first
/// of a million about 20.
///
/// `others` are the losses of candidates of the same form, drawn at random, that were *not* in the data. Their number limits what can
/// be found: see [`estimated_exposure`].
///
/// ```
/// use demotic::privacy::exposure;
/// use demotic::{DType, Tensor};
///
/// let others = Tensor::arange(1023)?.to_dtype(DType::F32);
/// assert_eq!(exposure(-1.0, &others)?, 10.0);
/// assert_eq!(exposure(510.5, &others)?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there are no others, or a loss is NaN.
#[track_caller]
pub fn exposure(canary: f64, others: &Tensor) -> Result<f64> {
    let others = losses(canary, others, 1)?;
    let rank = 1 + others.iter().filter(|loss| **loss <= canary).count();
    Ok(((others.len() + 1) as f64 / rank as f64).log2())
}

/// The same by a distribution that is fitted to the losses of others: how unlikely a loss as low as the canary's is, in bits. That has
/// no limit, and is as good as the distribution fits: a skew normal one, by its first three moments, as the paper has it.
///
/// # Errors
/// If there are fewer than ten others, they are all alike, or a loss is NaN or infinite.
#[track_caller]
pub fn estimated_exposure(canary: f64, others: &Tensor) -> Result<f64> {
    let others = losses(canary, others, 10)?;
    let n = others.len() as f64;
    let mean = others.iter().sum::<f64>() / n;
    let moment = |k: i32| others.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
    let deviation = moment(2).sqrt();
    if !(deviation > 0.0 && deviation.is_finite() && canary.is_finite()) {
        let message = format!("losses of others with a deviation of {deviation}, and a canary's of {canary}");
        return Err(Error::numeric("estimated_exposure", message));
    }
    // No skew normal distribution has more.
    let skew = (moment(3) / deviation.powi(3)).clamp(-0.99, 0.99);
    let part = skew.abs().powf(2.0 / 3.0);
    let delta = skew.signum() * (PI / 2.0 * part / (part + ((4.0 - PI) / 2.0).powf(2.0 / 3.0))).sqrt();
    let (shape, scale) = (delta / (1.0 - delta * delta).sqrt(), deviation / (1.0 - 2.0 * delta * delta / PI).sqrt());
    let z = (canary - (mean - scale * delta * (2.0 / PI).sqrt())) / scale;
    Ok((-ln_below(z, shape) / std::f64::consts::LN_2).max(0.0))
}

/// The logarithm of how likely a skew normal number is below `z`: of the integral of `2 φ(t) Φ(shape · t)`, by Simpson's rule.
fn ln_below(z: f64, shape: f64) -> f64 {
    const STEPS: usize = 4000;
    let ln_density = |t: f64| (2.0 / PI).sqrt().ln() - 0.5 * t * t + ln_cdf(shape * t);
    // Downwards from `z`, or from above all that counts, until 40 below: the density falls at least as `e^(−k t²/2)`.
    let (top, k) = (z.min(12.0), 1.0 + shape.max(0.0).powi(2));
    let below = (-top).max(0.0);
    // What a root has above `below`, without the difference of two numbers that are nearly the same.
    let reach = (80.0 / k) / (below.hypot((80.0 / k).sqrt()) + below);
    let step = (top.max(0.0) + reach) / STEPS as f64;
    let peak = (0..=STEPS).map(|i| ln_density(top - step * i as f64)).fold(f64::NEG_INFINITY, f64::max);
    if peak == f64::NEG_INFINITY {
        return peak;
    }
    let mut sum = 0.0;
    for i in 0..=STEPS {
        let weight = if i == 0 || i == STEPS { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
        sum += weight * (ln_density(top - step * i as f64) - peak).exp();
    }
    peak + (sum * step / 3.0).ln()
}

#[track_caller]
fn losses(canary: f64, others: &Tensor, least: usize) -> Result<Vec<f64>> {
    let others = others.to_f64_vec();
    if others.len() < least {
        let message = format!("the losses of {} others, expected at least {least}", others.len());
        return Err(Error::argument("exposure", message));
    }
    if canary.is_nan() || others.iter().any(|loss| loss.is_nan()) {
        return Err(Error::numeric("exposure", "a loss is NaN"));
    }
    Ok(others)
}
