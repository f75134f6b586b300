//! Statistics that several parts of the crate need: distributions, intervals of shares, logistic regression in double precision.

mod distributions;
mod logistic;
pub(crate) mod normal;

pub(crate) use distributions::{chi_square_tail, clopper_pearson, kolmogorov_smirnov, wilson};
pub(crate) use logistic::{cholesky, logistic, sigmoid, solve_lower};

use crate::error::{Error, Result};

/// Numbers of rows, if all of them are some.
#[track_caller]
pub(crate) fn finite(op: &'static str, what: &str, values: Vec<f64>) -> Result<Vec<f64>> {
    match values.iter().position(|x| !x.is_finite()) {
        Some(i) => Err(Error::numeric(op, format!("{what} of row {i} is beyond the range of numbers"))),
        None => Ok(values),
    }
}

/// The length of a vector, whose squares may be too large for numbers.
pub(crate) fn length(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let square: f64 = x.clone().map(|x| x * x).sum();
    if square.is_finite() {
        return square.sqrt();
    }
    let most = x.clone().fold(0.0, |most: f64, x| most.max(x.abs()));
    most * x.map(|x| (x / most) * (x / most)).sum::<f64>().sqrt()
}

/// A number between the sorted ones, `share` of the way from the first to the last (NumPy's `linear`); NaN if there are none.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let value = |i: f64| sorted.get(i as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (value(at.floor()), value(at.ceil()));
    if low == high { low } else { low + (high - low) * at.fract() }
}

/// The mean, and the standard deviation of a whole population.
pub(crate) fn moments(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = numbers.clone().count() as f64;
    let mean = numbers.clone().map(|x| x / n).sum::<f64>();
    (mean, numbers.map(|x| (x - mean) * (x - mean) / n).sum::<f64>().sqrt())
}

/// The numbers in ascending order.
pub(crate) fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    crate::order::sort_by_key(&mut numbers, |x| crate::order::key(*x + 0.0));
    numbers
}
