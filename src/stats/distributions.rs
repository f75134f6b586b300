//! Distributions, and intervals of shares.

use std::f64::consts::PI;

/// The interval of a share of which `k` of `n` were counted, at a quantile of the normal distribution (Wilson, 1927).
pub(crate) fn wilson(k: f64, n: f64, level: f64) -> [f64; 2] {
    let z = super::normal::quantile(0.5 + level / 2.0);
    let p = k / n;
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let low = if k <= 0.0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if k >= n { 1.0 } else { (middle + half).min(1.0) };
    [low, high]
}

/// The exact interval of the same (Clopper and Pearson, 1934): ends that are passed with a probability of `alpha` in all, both
/// sides alike.
pub(crate) fn clopper_pearson(k: f64, n: f64, alpha: f64) -> [f64; 2] {
    let low = if k <= 0.0 { 0.0 } else { beta_quantile(k, n - k + 1.0, alpha / 2.0) };
    let high = if k >= n { 1.0 } else { beta_quantile(k + 1.0, n - k, 1.0 - alpha / 2.0) };
    [low, high]
}

/// The number that one of a beta distribution falls below with probability `p`, by bisection.
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if beta_cdf(middle, a, b) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// How likely a number of a beta distribution is at most `x`: the regularised incomplete beta function, by its continued fraction
/// (Lentz's method).
pub(crate) fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x >= 1.0 { 1.0 } else { 0.0 };
    }
    // On the side where it converges.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(1.0 - x, b, a);
    }
    let front = (libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let (mut c, mut d) = (1.0, 1.0 / near(1.0 - (a + b) * x / (a + 1.0)));
    let mut f = d;
    for m in 1..5000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a - 1.0 + 2.0 * m) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 1.0 + 2.0 * m));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / near(1.0 + term * d);
            c = near(1.0 + term / c);
            change = c * d;
            f *= change;
        }
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front * f).clamp(0.0, 1.0)
}

/// Away from zero, by which the fraction would divide.
fn near(x: f64) -> f64 {
    if x.abs() < 1e-300 { 1e-300 } else { x }
}

/// How likely a number of a χ² distribution is more than `x`: the regularised upper incomplete gamma function.
pub(crate) fn chi_square_tail(x: f64, freedom: f64) -> f64 {
    let (a, x) = (freedom / 2.0, x / 2.0);
    if x <= 0.0 || a <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for i in 1..10_000 {
            term *= x / (a + f64::from(i));
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut f = d;
    for i in 1..10_000 {
        let i = f64::from(i);
        let term = -i * (i - a);
        b += 2.0;
        d = 1.0 / near(term * d + b);
        c = near(b + term / c);
        f *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front * f).clamp(0.0, 1.0)
}

/// How likely two samples of one distribution, of `n` and `m` numbers, lie as far apart as `distance` (Kolmogorov and Smirnov): exactly, as
/// the share of the ways from (0, 0) to (n, m) that leave a band, where there are not too many places on them.
pub(crate) fn kolmogorov_smirnov(n: usize, m: usize, distance: f64) -> f64 {
    const PLACES: u64 = 10_000_000;
    let (wide, high) = (n as u64, m as u64);
    if wide.saturating_mul(high) > PLACES {
        return kolmogorov_tail((wide as f64 * high as f64 / (wide + high) as f64).sqrt() * distance);
    }
    // In units of 1 / nm, in which distances are whole.
    let limit = (distance * (wide * high) as f64).round() as u64;
    let is_out = |i: u64, j: u64| (i * high).abs_diff(j * wide) >= limit;
    // How likely a way to (i, j) was outside of the band: its last step was along one side as likely as that is long.
    let mut row: Vec<f64> = Vec::with_capacity(m + 1);
    for i in 0..=wide {
        for j in 0..=high {
            let left = j.checked_sub(1).map_or(0.0, |before| row[before as usize]);
            let below = row.get(j as usize).copied().unwrap_or(0.0);
            let share = match (is_out(i, j), i + j) {
                (true, _) => 1.0,
                (false, 0) => 0.0,
                (false, steps) => (i as f64 * below + j as f64 * left) / steps as f64,
            };
            match row.get_mut(j as usize) {
                Some(place) => *place = share,
                None => row.push(share),
            }
        }
    }
    row.last().copied().unwrap_or(1.0)
}

/// How likely the largest distance of an empirical distribution from the true one, times √n, is more than `x`, for large `n`
/// (Kolmogorov, 1933).
fn kolmogorov_tail(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 0.5 {
        // The form that converges for small distances.
        let sum: f64 = (1..20).map(|k| (-(f64::from(2 * k - 1) * PI / x).powi(2) / 8.0).exp()).sum();
        return (1.0 - (2.0 * PI).sqrt() / x * sum).clamp(0.0, 1.0);
    }
    let term = |k: i32| if k % 2 == 1 { 2.0 } else { -2.0 } * (-2.0 * f64::from(k * k) * x * x).exp();
    (1..100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
