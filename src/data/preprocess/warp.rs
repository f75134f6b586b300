//! Functions that bend numbers before they are scaled, and their inverses.

use serde::{Deserialize, Serialize};

use crate::data::wide::{Wide, quantile, sorted};
use crate::error::Result;
use crate::tensor::Tensor;

/// How many quantiles a column has at most.
const QUANTILES: usize = 1000;
/// The share that nothing lies below, for the normal distribution: as scikit-learn has it.
const TAIL: f64 = 1e-7;

/// A function that grows with its argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Warp {
    Log,
    Log1p,
    /// Of `x / unit`, so that powers of large numbers have digits left.
    BoxCox {
        power: f64,
        unit: f64,
    },
    /// Of `x`, where the positive part is in another unit as well: the function of before, stretched and moved.
    YeoJohnson {
        power: f64,
        unit: f64,
    },
    /// These are equally many rows apart, from the smallest to the largest number.
    Quantile {
        quantiles: Vec<f64>,
        normal: bool,
    },
}

impl Warp {
    pub(super) fn box_cox(x: &[f64]) -> Self {
        // The geometric mean. Which power it is does not depend on it.
        let unit = (x.iter().map(|x| x.ln()).sum::<f64>() / x.len() as f64).exp();
        Self::BoxCox { power: likeliest(x, &|power| Self::BoxCox { power, unit }), unit }
    }

    pub(super) fn yeo_johnson(x: &[f64]) -> Self {
        // With negative numbers, the two halves would not fit each other in any other unit.
        let positive = x.iter().all(|x| *x >= 0.0);
        let unit = if positive { (x.iter().map(|x| x.ln_1p()).sum::<f64>() / x.len() as f64).exp() } else { 1.0 };
        Self::YeoJohnson { power: likeliest(x, &|power| Self::YeoJohnson { power, unit }), unit }
    }

    pub(super) fn quantile(x: Vec<Wide>, normal: bool) -> Self {
        let sorted = sorted(x);
        let count = sorted.len().min(QUANTILES);
        let last = count.saturating_sub(1).max(1) as f64;
        // Of as many as there are rows, each is one of them, without a rounding error that would part equal ones.
        let one = |i: usize| if count == sorted.len() { sorted[i] } else { quantile(&sorted, i as f64 / last) };
        let mut quantiles: Vec<f64> = (0..count).map(|i| one(i).to_f64()).collect();
        // Rounding must not turn the order round.
        (1..count).for_each(|i| quantiles[i] = quantiles[i].max(quantiles[i - 1]));
        Self::Quantile { quantiles, normal }
    }

    /// What numbers it takes, for a message about one that it does not.
    pub(super) fn domain(&self) -> &'static str {
        match self {
            Self::Log => "only positive numbers have a logarithm",
            Self::Log1p => "only numbers above -1 have a logarithm of 1 + x",
            Self::BoxCox { .. } => "the powers of Box and Cox are of positive numbers; Scaling::YeoJohnson takes all",
            Self::YeoJohnson { .. } | Self::Quantile { .. } => "beyond the range of numbers",
        }
    }

    /// NaN where a number is outside of its domain.
    #[track_caller]
    pub(super) fn apply(&self, x: &mut [f64]) -> Result<()> {
        match self {
            Self::Log => x.iter_mut().for_each(|x| *x = log(*x)),
            Self::Log1p => x.iter_mut().for_each(|x| *x = if *x > -1.0 { x.ln_1p() } else { f64::NAN }),
            Self::BoxCox { power, unit } => x.iter_mut().for_each(|x| *x = power_of(log(*x / unit), *power)),
            Self::YeoJohnson { power, unit } => {
                let zero = power_of(-unit.ln(), *power);
                let stretch = (-power * unit.ln()).exp();
                x.iter_mut().for_each(|x| {
                    *x = match *x < 0.0 {
                        true => zero - stretch * power_of((-*x).ln_1p(), 2.0 - power),
                        false => power_of(x.ln_1p() - unit.ln(), *power),
                    };
                });
            }
            Self::Quantile { quantiles, normal } => {
                let share = |x: f64| match *normal {
                    true => share(quantiles, x, TAIL),
                    false => share(quantiles, x, 0.0),
                };
                x.iter_mut().for_each(|x| *x = share(*x));
                if *normal {
                    normal_quantiles(x)?;
                }
            }
        }
        Ok(())
    }

    /// The number that became this one.
    pub(super) fn invert(&self, y: f64) -> f64 {
        match self {
            Self::Log => y.exp(),
            Self::Log1p => y.exp_m1(),
            Self::BoxCox { power, unit } => root_of(y, *power).exp() * unit,
            Self::YeoJohnson { power, unit } => {
                let zero = power_of(-unit.ln(), *power);
                match y < zero {
                    true => -root_of((zero - y) * (power * unit.ln()).exp(), 2.0 - power).exp_m1(),
                    false => (root_of(y, *power) + unit.ln()).exp_m1(),
                }
            }
            Self::Quantile { quantiles, normal } => {
                let share = if *normal { 0.5 * libm::erfc(-y / std::f64::consts::SQRT_2) } else { y };
                let Some(last) = quantiles.len().checked_sub(1) else { return f64::NAN };
                let at = (share * last as f64).clamp(0.0, last as f64);
                let (low, high) = (quantiles[at as usize], quantiles[(at as usize + 1).min(last)]);
                low + (high - low) * at.fract()
            }
        }
    }
}

fn log(x: f64) -> f64 {
    if x > 0.0 { x.ln() } else { f64::NAN }
}

/// `(b^power − 1) / power` of `b = exp(log)`.
fn power_of(log: f64, power: f64) -> f64 {
    if power == 0.0 { log } else { (power * log).exp_m1() / power }
}

/// The logarithm of which this is the power.
fn root_of(y: f64, power: f64) -> f64 {
    if power == 0.0 { y } else { (y * power).ln_1p() / power }
}

/// The power under which some numbers are likeliest to be normal.
fn likeliest(x: &[f64], warp: &dyn Fn(f64) -> Warp) -> f64 {
    let n = x.len() as f64;
    let slope: f64 = match warp(1.0) {
        Warp::BoxCox { unit, .. } => x.iter().map(|x| (x / unit).ln()).sum(),
        Warp::YeoJohnson { unit, .. } => x.iter().map(|x| x.abs().ln_1p().copysign(*x) - unit.ln()).sum(),
        _ => 0.0,
    };
    let cost = |power: f64| {
        let mut y = x.to_vec();
        if warp(power).apply(&mut y).is_err() {
            return f64::INFINITY;
        }
        let mean = y.iter().sum::<f64>() / n;
        let variance = y.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
        let cost = 0.5 * n * variance.ln() - (power - 1.0) * slope;
        // Powers that leave no difference between the numbers are none.
        if cost.is_finite() { cost } else { f64::INFINITY }
    };
    least(&cost)
}

/// Where a function of one valley is least: steps that grow until it is between three points, then by the golden section.
fn least(cost: &dyn Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    const FARTHEST: f64 = 1e3;
    let (mut a, mut b) = if cost(0.0) < cost(1.0) { (1.0, 0.0) } else { (0.0, 1.0) };
    let mut at_b = cost(b);
    let mut c = b + (b - a) / GOLDEN;
    let mut at_c = cost(c);
    while at_c < at_b && c.abs() < FARTHEST {
        (a, b, at_b) = (b, c, at_c);
        c = b + (b - a) / GOLDEN;
        at_c = cost(c);
    }
    let (mut low, mut high) = (a.min(c), a.max(c));
    let inner = |low: f64, high: f64| (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut x, mut y) = inner(low, high);
    let (mut at_x, mut at_y) = (cost(x), cost(y));
    while high - low > 1e-9 * (1.0 + low.abs()) {
        match at_x <= at_y {
            true => {
                (high, y, at_y) = (y, x, at_x);
                x = inner(low, high).0;
                at_x = cost(x);
            }
            false => {
                (low, x, at_x) = (x, y, at_y);
                y = inner(low, high).1;
                at_y = cost(y);
            }
        }
    }
    0.5 * (low + high)
}

/// Which share of the rows is smaller than a number: in the middle, if several quantiles are equal to it.
fn share(quantiles: &[f64], x: f64, tail: f64) -> f64 {
    let (Some(first), Some(last)) = (quantiles.first(), quantiles.last()) else { return f64::NAN };
    if x.is_nan() {
        return x;
    }
    if x - tail < *first || x == *first {
        return 0.0;
    }
    if x + tail > *last || x == *last {
        return 1.0;
    }
    let step = 1.0 / (quantiles.len() - 1) as f64;
    // The last quantile that is not larger, and the first that is not smaller.
    let below = quantiles.partition_point(|q| *q <= x).saturating_sub(1);
    let above = quantiles.partition_point(|q| *q < x);
    let part = |from: usize, to: usize| match (quantiles.get(from), quantiles.get(to)) {
        (Some(from), Some(to)) => (x - from) / (to - from),
        // There are such neighbours, unless the quantiles are in no order.
        _ => f64::NAN,
    };
    let from_above = above.checked_sub(1).map_or(f64::NAN, |before| before as f64 + part(before, above));
    0.5 * step * (below as f64 + part(below, below + 1) + from_above)
}

/// The numbers below which these shares of a normal distribution lie, between bounds that are as far out as scikit-learn's.
#[track_caller]
fn normal_quantiles(shares: &mut [f64]) -> Result<()> {
    let least = TAIL - f64::EPSILON;
    let twice: Vec<f64> = shares.iter().map(|p| 2.0 * p.clamp(least, 1.0 - least) - 1.0).collect();
    let quantiles = Tensor::from_vec(twice, [shares.len()])?.erfinv().to_f64_vec();
    shares.iter_mut().zip(quantiles).for_each(|(share, x)| {
        if !share.is_nan() {
            *share = std::f64::consts::SQRT_2 * x;
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests;
