//! The normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// How likely a standard normal number is at most `x`.
pub(crate) fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// Its logarithm, exact where the probability itself is too small for a number.
pub(crate) fn ln_cdf(x: f64) -> f64 {
    if x > -30.0 {
        return if x > 5.0 { (-cdf(-x)).ln_1p() } else { cdf(x).ln() };
    }
    // Abramowitz and Stegun, 26.2.12.
    let y = 1.0 / (x * x);
    let series = -y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y * (1.0 - 9.0 * y))));
    -0.5 * x * x - (-x).ln() - 0.5 * (2.0 * PI).ln() + series.ln_1p()
}

/// The number below which a standard normal number lies with probability `p`.
pub(crate) fn quantile(p: f64) -> f64 {
    if !(p > 0.0 && p < 1.0) {
        return if p == 0.0 {
            f64::NEG_INFINITY
        } else if p == 1.0 {
            f64::INFINITY
        } else {
            f64::NAN
        };
    }
    // In the lower tail, where probabilities are exact.
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    // Within 4.5e-4 (Abramowitz and Stegun, 26.2.23); steps of Halley's method bring the other digits.
    let t = (-2.0 * p.ln()).sqrt();
    let mut x =
        -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    for _ in 0..4 {
        let step = (cdf(x) - p) * (2.0 * PI).sqrt() * (x * x / 2.0).exp();
        // Beyond 37 the factor is infinite, and the approximation as good as it gets.
        if !step.is_finite() {
            break;
        }
        x -= step / (1.0 + x * step / 2.0);
    }
    x
}

#[cfg(test)]
mod tests;
