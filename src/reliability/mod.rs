//! Whether a model knows what it does not know: calibration, sets and intervals that hold the truth as often as they say, uncertainty of its
//! weights, strange inputs, and attacks.
//!
//! | question | answer |
//! |---|---|
//! | are probabilities as often right as they say? | [`Calibrator`]: temperature, Platt, isotonic, beta; [`reliability_intervals`] |
//! | which values are possible? | [`SplitConformal`], [`QuantileConformal`], [`jackknife_plus`], [`ConformalSets`]; [`coverage`] |
//! | how much depends on chance in training? | [`Spread`] of ensembles, [`mc_dropout`], [`Swag`], [`Laplace`] |
//! | is this like what it learnt from? | [`max_softmax`], [`energy`], [`Mahalanobis`], [`NearestNeighbours`] |
//! | does a small change mislead it? | [`Attack`], [`adversarial_step`], [`Smoothing`], [`Corruption`] |
//!
//! What is fitted here is fitted on rows that the model did not learn from, and measured on others again.

mod attack;
mod calibration;
mod conformal;
mod corruption;
mod smoothing;
mod strange;
mod uncertainty;
mod weights;

pub use attack::{Attack, Norm, adversarial_step};
pub use calibration::{Calibration, Calibrator, reliability_intervals};
pub use conformal::{ConformalSets, Coverage, QuantileConformal, SplitConformal, coverage, jackknife_plus};
pub use corruption::Corruption;
pub use smoothing::{Certificate, Smoothing};
pub use strange::{Mahalanobis, NearestNeighbours, energy, max_softmax};
pub use uncertainty::{Outputs, Spread, mc_dropout};
pub use weights::{Laplace, Swag};

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Finite numbers of a tensor `[n, width]` (or `[n]`), with both sizes; at least one row.
#[track_caller]
fn rows(op: &'static str, what: &str, x: &Tensor) -> Result<(Vec<f64>, usize, usize)> {
    let (n, width) = match *x.shape() {
        [n] => (n, 1),
        [n, width] => (n, width),
        _ => return Err(Error::shape(op, format!("{what} of shape {:?}, expected [n, width]", x.shape()))),
    };
    if n == 0 || width == 0 {
        return Err(Error::shape(op, format!("{what} of shape {:?}, expected at least one number", x.shape())));
    }
    x.expect_finite(op, what)?;
    Ok((x.to_f64_vec(), n, width))
}

/// Class numbers `[n]` or `[n, 1]` below `classes`.
#[track_caller]
fn classes(op: &'static str, y: &Tensor, n: usize, classes: usize) -> Result<Vec<usize>> {
    if y.numel() != n {
        return Err(Error::shape(op, format!("targets of shape {:?} for {n} rows", y.shape())));
    }
    let values = y.to_f64_vec();
    match values.iter().position(|y| !(0.0..classes as f64).contains(y) || y.fract() != 0.0) {
        Some(i) => {
            let message = format!(
                "the target of row {i} is {}, expected a class from 0 to {}",
                values[i],
                classes.saturating_sub(1)
            );
            Err(Error::argument(op, message))
        }
        None => Ok(values.into_iter().map(|y| y as usize).collect()),
    }
}

/// A level of error between 0 and 1.
#[track_caller]
fn level(op: &'static str, alpha: f64) -> Result<()> {
    match alpha > 0.0 && alpha < 1.0 {
        true => Ok(()),
        false => Err(Error::argument(op, format!("alpha is {alpha}, expected a number between 0 and 1"))
            .with_help("0.1 makes sets that hold the truth in 90 % of cases")),
    }
}
