//! The inverse error function, and the derivatives of the logarithm of the gamma function: in double precision, one number at a
//! time, which is rounded for `f32`. They are rare, and would cost more to compile for registers than they gain.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// The `x` of which [`erf`](libm::erf) is `y`, within a few units in the last place.
pub(crate) fn erfinv(y: f64) -> f64 {
    let size = y.abs();
    if size.is_nan() || size >= 1.0 {
        return if size == 1.0 { y * f64::INFINITY } else { f64::NAN };
    }
    if size < 1e-10 {
        // The next term, π/12 y² of it, is lost.
        return y / FRAC_2_SQRT_PI;
    }
    // Two parts in a thousand (Winitzki, 2008); each step of Halley's method cubes that.
    let log = (-size * size).ln_1p();
    let half = 2.0 / (PI * 0.147) + log / 2.0;
    let mut x = ((half * half - log / 0.147).sqrt() - half).sqrt();
    for _step in 0..3 {
        // 1 - y is exact from a half on.
        let excess = if size < 0.5 { libm::erf(x) - size } else { (1.0 - size) - libm::erfc(x) };
        let step = excess / (FRAC_2_SQRT_PI * (-x * x).exp());
        x -= step / (1.0 + x * step);
    }
    x.copysign(y)
}

/// Numbers of Bernoulli with even indices, from the second on, each divided by the factorial of its index.
const BERNOULLI: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30_240.0,
    -1.0 / 1_209_600.0,
    1.0 / 47_900_160.0,
    -691.0 / 1_307_674_368_000.0,
    1.0 / 74_724_249_600.0,
    -3_617.0 / 10_670_622_842_880_000.0,
];

/// From here on, the series of the digamma function in powers of 1/x has all digits; those of its derivatives need more.
const FAR: f64 = 12.0;

/// `Σ (q + k)⁻ˢ` over `k` from 0 on (Hurwitz), for `q > 0` and `s > 1`: a few terms, and the formula of Euler and Maclaurin for
/// the rest.
fn zeta(s: f64, q: f64) -> f64 {
    let (mut sum, mut a) = (0.0, q);
    while a < FAR + s {
        sum += a.powf(-s);
        a += 1.0;
    }
    let term = a.powf(-s);
    sum += a.powf(1.0 - s) / (s - 1.0) + term / 2.0;
    let mut factor = term * s / a;
    for (j, bernoulli) in BERNOULLI.iter().enumerate() {
        sum += bernoulli * factor;
        let k = s + 2.0 * j as f64;
        factor *= (k + 1.0) / a * ((k + 2.0) / a);
    }
    sum
}

/// The digamma function, for `x > 0`.
fn digamma(x: f64) -> f64 {
    let (mut sum, mut a) = (0.0, x);
    while a < FAR {
        sum -= 1.0 / a;
        a += 1.0;
    }
    let mut factor = 1.0 / (a * a);
    let square = factor;
    sum += a.ln() - 0.5 / a;
    for (j, bernoulli) in BERNOULLI.iter().enumerate() {
        // (2j + 1)! of what the coefficients were divided by.
        sum -= bernoulli * factor;
        factor *= square * ((2 * j + 2) * (2 * j + 3)) as f64;
    }
    sum
}

/// The derivative of order `n` of the digamma function; at its poles, NaN or infinity as PyTorch has it.
pub(crate) fn polygamma(n: f64, x: f64) -> f64 {
    if n == 0.0 {
        if x == 0.0 {
            return -(1.0 / x);
        }
        if x > 0.0 {
            return digamma(x);
        }
        let part = x - x.floor();
        // Its poles are at the whole numbers.
        return if part == 0.0 || x == f64::NEG_INFINITY {
            f64::NAN
        } else {
            digamma(1.0 - x) - PI / (PI * part).tan()
        };
    }
    let s = n + 1.0;
    let even = (0.5 * s).floor() == 0.5 * s;
    let sign = if even { 1.0 } else { -1.0 };
    let factorial = libm::tgamma(s);
    let sum = if x > 0.0 {
        zeta(s, x)
    } else {
        let part = x - x.floor();
        if part == 0.0 {
            return f64::INFINITY * sign;
        }
        // The sum over all whole numbers has the period 1; what is below zero is taken off again.
        zeta(s, part) + sign * zeta(s, 1.0 - part) - sign * zeta(s, 1.0 - x)
    };
    sign * factorial * sum
}

#[cfg(test)]
mod tests;
