//! The Gaussian mechanism, exactly.

use super::{check_delta, check_epsilon};
use crate::error::Result;
use crate::optimizers::options::positive;
use crate::stats::normal::{cdf, ln_cdf};

/// The δ of adding normal noise with a deviation of `noise` times the sensitivity, for a given ε from 0 on:
/// `Φ(1/2σ − εσ) − e^ε · Φ(−1/2σ − εσ)` (Balle and Wang, *Improving the Gaussian mechanism for differential privacy*, 2018).
///
/// # Errors
/// If `noise` is not a positive number, or `epsilon` is negative.
#[track_caller]
pub fn gaussian_delta(noise: f64, epsilon: f64) -> Result<f64> {
    positive("gaussian_delta", "the noise", noise)?;
    crate::optimizers::options::not_negative("gaussian_delta", "epsilon", epsilon)?;
    Ok(delta(noise, epsilon))
}

/// The smallest ε of normal noise with a deviation of `noise` times the sensitivity, for a given δ: no mechanism that adds such noise
/// once has a smaller one.
///
/// ```
/// use demotic::privacy::{gaussian_epsilon, gaussian_noise};
///
/// let noise = gaussian_noise(1.0, 1e-5)?;
/// assert!((noise - 3.7304).abs() < 1e-3);
/// assert!((gaussian_epsilon(noise, 1e-5)? - 1.0).abs() < 1e-9);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If `noise` is not a positive number, or `delta` does not lie between 0 and 1.
#[track_caller]
pub fn gaussian_epsilon(noise: f64, target: f64) -> Result<f64> {
    positive("gaussian_epsilon", "the noise", noise)?;
    check_delta("gaussian_epsilon", target)?;
    Ok(smallest(0.0, 1.0, &|epsilon| delta(noise, epsilon) <= target))
}

/// The smallest noise, in units of the sensitivity, that gives ε and δ to a mechanism that adds it once.
///
/// # Errors
/// If ε is not a positive number, or δ does not lie between 0 and 1.
#[track_caller]
pub fn gaussian_noise(epsilon: f64, target: f64) -> Result<f64> {
    check_epsilon("gaussian_noise", epsilon)?;
    check_delta("gaussian_noise", target)?;
    Ok(smallest(0.0, 1.0, &|noise| noise > 0.0 && delta(noise, epsilon) <= target))
}

fn delta(noise: f64, epsilon: f64) -> f64 {
    let (half, shift) = (0.5 / noise, epsilon * noise);
    (cdf(half - shift) - (epsilon + ln_cdf(-half - shift)).exp()).max(0.0)
}

/// The smallest number from `low` on for which something holds that holds for all larger ones.
fn smallest(mut low: f64, mut high: f64, holds: &dyn Fn(f64) -> bool) -> f64 {
    if holds(low) {
        return low;
    }
    while !holds(high) {
        if high > 1e300 {
            return f64::INFINITY;
        }
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) { high = middle } else { low = middle }
    }
    high
}
