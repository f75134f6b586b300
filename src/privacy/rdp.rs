//! Rényi differential privacy of the Gaussian mechanism on a Poisson sample (Mironov, Talwar and Zhang, *Rényi differential privacy of
//! the sampled Gaussian mechanism*, 2019).

use std::f64::consts::SQRT_2;

use super::accountant::Spending;
use crate::stats::normal::ln_cdf;

/// More terms of a series are never needed where it converges.
const MAX_TERMS: usize = 100_000;

/// By how much a sum of probabilities may be wrong.
const ROUNDING: f64 = 1e-14;

/// The orders that are tried: 1.1 to 10.9 by tenths, and 12 to 63.
pub(super) fn orders() -> impl Iterator<Item = f64> {
    (1..100).map(|i| 1.0 + f64::from(i) / 10.0).chain((12..64).map(f64::from))
}

/// The smallest ε over all orders, and the order that it belongs to; infinite without one. By Theorem 21 of Balle et al., *Hypothesis
/// testing interpretations and Rényi differential privacy* (2020).
pub(super) fn epsilon(history: &[Spending], delta: f64) -> (f64, f64) {
    let mut best = (f64::INFINITY, f64::NAN);
    for order in orders() {
        let spent: f64 = history.iter().map(|of| of.steps as f64 * divergence(of.rate, of.noise, order)).sum();
        let epsilon = spent - (delta.ln() + order.ln()) / (order - 1.0) + ((order - 1.0) / order).ln();
        if epsilon < best.0 {
            best = (epsilon, order);
        }
    }
    // A bound below 0 says nothing more than 0.
    (best.0.max(0.0), best.1)
}

/// The divergence of one step at an order above 1.
fn divergence(rate: f64, noise: f64, order: f64) -> f64 {
    if rate == 0.0 {
        return 0.0;
    }
    if noise == 0.0 {
        return f64::INFINITY;
    }
    if rate == 1.0 {
        return order / (2.0 * noise * noise);
    }
    let moment = if order.fract() == 0.0 { whole(rate, noise, order) } else { fractional(rate, noise, order) };
    moment / (order - 1.0)
}

/// `log(eᵃ + eᵇ)`.
fn ln_add(a: f64, b: f64) -> f64 {
    let (low, high) = (a.min(b), a.max(b));
    if low == f64::NEG_INFINITY || high == f64::INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// The logarithm of the moment of a whole order: a sum of binomial terms. What each has above its probability is added up, so that
/// moments close to 1 are not lost.
fn whole(rate: f64, noise: f64, order: f64) -> f64 {
    let (mut sum, mut ln_binomial) = (f64::NEG_INFINITY, 0.0);
    for i in 0..=order as usize {
        let i = i as f64;
        let grown = (i * i - i) / (2.0 * noise * noise);
        if i > 1.0 {
            let above = if grown > 30.0 { grown + (-(-grown).exp()).ln_1p() } else { grown.exp_m1().ln() };
            sum = ln_add(sum, ln_binomial + i * rate.ln() + (order - i) * (-rate).ln_1p() + above);
        }
        ln_binomial += ((order - i) / (i + 1.0)).ln();
    }
    ln_add(0.0, sum)
}

/// The same of an order between two: two series, one for each side of the point where both densities are equal.
fn fractional(rate: f64, noise: f64, order: f64) -> f64 {
    let ln_half_erfc = |x: f64| ln_cdf(-x * SQRT_2);
    let middle = noise * noise * (1.0 / rate - 1.0).ln() + 0.5;
    let two = 2.0 * noise * noise;
    let (mut sums, mut binomial) = ([(f64::NEG_INFINITY, f64::NEG_INFINITY); 2], (0.0f64, true));
    for i in 0..MAX_TERMS {
        let i = i as f64;
        let j = order - i;
        let terms = [
            (i, j, ln_half_erfc((i - middle) / (SQRT_2 * noise))),
            (j, i, ln_half_erfc((middle - j) / (SQRT_2 * noise))),
        ];
        let mut largest = f64::NEG_INFINITY;
        for (sum, (with, without, tail)) in sums.iter_mut().zip(terms) {
            let term = binomial.0 + with * rate.ln() + without * (-rate).ln_1p() + (with * with - with) / two + tail;
            if term.is_nan() || term == f64::INFINITY {
                return f64::INFINITY;
            }
            largest = largest.max(term);
            // What is taken away is added up by itself.
            let part = if binomial.1 { &mut sum.0 } else { &mut sum.1 };
            *part = ln_add(*part, term);
        }
        if largest < -30.0 {
            // What rounding leaves of a difference that is no number above 0 is no bound.
            let [a, b] = sums.map(|(plus, minus)| match minus < plus {
                true => plus + (-(minus - plus).exp()).ln_1p(),
                false => f64::INFINITY,
            });
            // Nor may rounding take anything away, which many steps would add up.
            return ln_add(a, b).max(0.0) + ROUNDING;
        }
        binomial = (binomial.0 + (j / (i + 1.0)).abs().ln(), binomial.1 == (j > 0.0));
    }
    // Without an end there is no bound.
    f64::INFINITY
}
