//! To which class something belongs.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// To which class something belongs, and how sure the model is.
///
/// Printed, it is the class with its probability: `iris (98.3 %)`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassPrediction {
    names: Arc<[String]>,
    probabilities: Vec<f64>,
    best: usize,
}

impl ClassPrediction {
    /// The name of the most probable class.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.names[self.best]
    }

    /// Its number.
    #[must_use]
    pub fn index(&self) -> usize {
        self.best
    }

    /// How probable it is, from 0 to 1.
    #[must_use]
    pub fn probability(&self) -> f64 {
        self.probabilities[self.best]
    }

    /// All classes in the order of their numbers, with their probabilities, which add up to 1.
    pub fn probabilities(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.names.iter().map(String::as_str).zip(self.probabilities.iter().copied())
    }

    /// The probability of a class; `None` if there is none of that name.
    #[must_use]
    pub fn probability_of(&self, class: &str) -> Option<f64> {
        self.probabilities().find(|(name, _)| *name == class).map(|(_, p)| p)
    }

    /// From logits `[n, classes]`, or `[n, 1]` for the second of two classes.
    #[track_caller]
    pub(super) fn from_logits(op: &'static str, names: &Arc<[String]>, logits: &Tensor) -> Result<Vec<Self>> {
        let classes = names.len();
        let width = match logits.shape() {
            [_, width] if *width == classes && classes > 1 || *width == 1 && classes == 2 => *width,
            shape => {
                let message = format!("the model gives {shape:?}, expected [n, {classes}]: a logit for each class");
                return Err(Error::shape(op, message).with_help(format!(
                    "the last layer has an output for each class: Linear::new(.., {classes}, ..)"
                )));
            }
        };
        let values = logits.to_f64_vec();
        let mut found = Vec::with_capacity(values.len() / width);
        for (row, logits) in values.chunks_exact(width).enumerate() {
            let probabilities = match *logits {
                [logit] => {
                    let odds = |x: f64| 1.0 / (1.0 + (-x).exp());
                    vec![odds(-logit), odds(logit)]
                }
                _ => {
                    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let powers: Vec<f64> = logits.iter().map(|x| (x - largest).exp()).collect();
                    let sum: f64 = powers.iter().sum();
                    powers.into_iter().map(|p| p / sum).collect()
                }
            };
            if probabilities.iter().any(|p| p.is_nan()) {
                return Err(Error::numeric(op, format!("the model's outputs for row {row} are not numbers")));
            }
            let best = probabilities
                .iter()
                .enumerate()
                .fold(0, |best, (i, p)| if *p > probabilities[best] { i } else { best });
            found.push(Self { names: Arc::clone(names), probabilities, best });
        }
        Ok(found)
    }
}

impl fmt::Display for ClassPrediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.1} %)", self.class(), 100.0 * self.probability())
    }
}
