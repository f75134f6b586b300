//! Which labels something has.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Which of several labels something has, and how sure the model is of each.
///
/// Printed, it is the labels that are more probable than not: `red (98.3 %), round (51.0 %)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPrediction {
    names: Arc<[String]>,
    probabilities: Vec<f64>,
}

impl LabelPrediction {
    /// The labels that are more probable than not.
    #[must_use]
    pub fn labels(&self) -> Vec<&str> {
        self.labels_above(0.5)
    }

    /// The labels that are more probable than this.
    #[must_use]
    pub fn labels_above(&self, probability: f64) -> Vec<&str> {
        self.probabilities().filter(|(_, p)| *p > probability).map(|(name, _)| name).collect()
    }

    /// All labels in their order, each with its probability from 0 to 1. They do not depend on each other.
    pub fn probabilities(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.names.iter().map(String::as_str).zip(self.probabilities.iter().copied())
    }

    /// The probability of a label; `None` if there is none of that name.
    #[must_use]
    pub fn probability_of(&self, label: &str) -> Option<f64> {
        self.probabilities().find(|(name, _)| *name == label).map(|(_, p)| p)
    }

    /// From logits `[n, labels]`.
    #[track_caller]
    pub(super) fn from_logits(op: &'static str, names: &Arc<[String]>, logits: &Tensor) -> Result<Vec<Self>> {
        let width = names.len();
        if !matches!(logits.shape(), [_, own] if *own == width) {
            let message =
                format!("the model gives {:?}, expected [n, {width}]: a logit for each label", logits.shape());
            return Err(Error::shape(op, message));
        }
        let mut found = Vec::with_capacity(logits.shape()[0]);
        for (row, logits) in logits.to_f64_vec().chunks(width.max(1)).enumerate() {
            let probabilities: Vec<f64> = logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
            if probabilities.iter().any(|p| p.is_nan()) {
                return Err(Error::numeric(op, format!("the model's outputs for row {row} are not numbers")));
            }
            found.push(Self { names: Arc::clone(names), probabilities });
        }
        Ok(found)
    }
}

impl fmt::Display for LabelPrediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (name, p) in self.probabilities().filter(|(_, p)| *p > 0.5) {
            let comma = if first { "" } else { ", " };
            write!(f, "{comma}{name} ({:.1} %)", 100.0 * p)?;
            first = false;
        }
        if first { f.write_str("none") } else { Ok(()) }
    }
}
