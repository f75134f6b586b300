//! Whether a model treats groups of people alike, and what can be done if it does not.
//!
//! | | |
//! |---|---|
//! | who is compared | [`Groups`] of a table, also intersections; [`bands`] of numbers |
//! | what happens to them | [`Fairness`]: rates of each group with intervals, their differences and ratios |
//! | before training | [`reweighing`] |
//! | during training | [`ParityConstraint`] with the [`AugmentedLagrangian`](crate::regularizers::AugmentedLagrangian), [`ExponentiatedGradient`], [`Adversary`] |
//! | after training | [`ThresholdOptimizer`] |
//! | what it costs | `tradeoff`, with the feature `plot` |
//!
//! ```
//! use demotic::data::{Column, Table};
//! use demotic::fairness::{Fairness, Groups};
//! use demotic::prelude::*;
//!
//! let loans = Table::from_columns([
//!     ("sex", Column::from(["f", "f", "f", "m", "m", "m"])),
//!     ("approved", Column::from(["no", "yes", "yes", "yes", "no", "yes"])),
//! ])?;
//! let groups = Groups::of(&loans, &["sex"], "approved")?;
//! let actual = Tensor::from_nested([0i64, 1, 1, 1, 0, 1])?;
//! let predicted = tensor![0.2, 0.4, 0.7, 0.9, 0.6, 0.8];
//! let found = Fairness::measure(&predicted, &actual, &groups)?;
//! assert!((found.demographic_parity_difference()? - 2.0 / 3.0).abs() < 1e-12);
//! assert_eq!(found.equal_opportunity_difference()?, 0.5);
//! println!("{found}");
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! No number says that a model is fair. Several of these cannot hold at once where groups differ in what is predicted (Kleinberg, Mullainathan
//! and Raghavan, *Inherent trade-offs in the fair determination of risk scores*, 2016; Chouldechova, 2017): which one matters is a
//! question to those who are concerned. What the labels themselves hold of former decisions, no measure of this page can see.

mod adversary;
mod constraint;
mod groups;
mod rates;
mod reductions;
mod reweigh;
mod threshold;
#[cfg(feature = "plot")]
mod tradeoff;

pub use adversary::Adversary;
pub use constraint::{Parity, ParityConstraint};
pub use groups::{Groups, bands};
pub use rates::{Fairness, GroupRates, Rate};
pub use reductions::{ExponentiatedGradient, Learner, RandomizedClassifier, logistic_learner};
pub use reweigh::reweighing;
pub use threshold::{GroupThreshold, GroupThresholds, ThresholdOptimizer};
#[cfg(feature = "plot")]
pub use tradeoff::{Compromise, by_group, tradeoff};

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// Scores from 0 to 1 of the positive class: `[n]`, `[n, 1]`, or the second of two columns.
#[track_caller]
fn scores(op: &'static str, scores: &Tensor, n: usize) -> Result<Vec<f64>> {
    let values = match *scores.shape() {
        [rows] | [rows, 1] if rows == n => scores.to_f64_vec(),
        [rows, 2] if rows == n => scores.to_f64_vec().into_iter().skip(1).step_by(2).collect(),
        _ => {
            let message = format!("scores of shape {:?} for {n} rows, expected [{n}]", scores.shape());
            return Err(Error::shape(op, message));
        }
    };
    match values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(i) => {
            let message = format!("the score of row {i} is {}, expected a number from 0 to 1", values[i]);
            Err(Error::numeric(op, message).with_help("logits become probabilities with sigmoid(), or softmax(-1)"))
        }
        None => Ok(values),
    }
}

/// What was actually so: 1 for the positive class, 0 for the other one.
#[track_caller]
fn labels(op: &'static str, target: &Tensor, n: usize) -> Result<Vec<bool>> {
    if !matches!(*target.shape(), [rows] | [rows, 1] if rows == n) {
        let message = format!("targets of shape {:?} for {n} rows, expected [{n}]", target.shape());
        return Err(Error::shape(op, message));
    }
    let values = target.to_f64_vec();
    match values.iter().position(|y| *y != 0.0 && *y != 1.0) {
        Some(i) => {
            let message = format!("the target of row {i} is {}, expected 0 or 1", values[i]);
            Err(Error::argument(op, message)
                .with_help("groups are compared by a yes or no; 1 is the outcome that people wish for"))
        }
        None => Ok(values.into_iter().map(|y| y == 1.0).collect()),
    }
}

/// Numbers as a tensor of double precision.
#[track_caller]
fn column(values: Vec<f64>) -> Result<Tensor> {
    let n = values.len();
    Ok(Tensor::from_vec(values, [n])?.to_dtype(DType::F64))
}
