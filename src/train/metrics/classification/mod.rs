//! Metrics of predicted classes, and the options that they share.

mod agreement;
mod scores;
mod tally;

pub use agreement::{KappaWeights, accuracy, balanced_accuracy, cohen_kappa, matthews_correlation};
pub use scores::{ClassScores, f_beta, f1, jaccard, precision, recall};
pub(super) use scores::{defined, f_score};
pub(super) use tally::{Score, Tally, ratio};

use serde::{Deserialize, Serialize};

use super::examples::{Pairs, Reading};
use super::mean;
use crate::error::Result;
use crate::losses::IGNORE_INDEX;
use crate::tensor::Tensor;

/// How the scores of several classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Average {
    /// Their mean: each class counts the same, however rare it is.
    Macro,
    /// Their mean, weighted by how often each class occurs among the targets.
    Weighted,
    /// The score of all decisions together, whatever their class. Over all classes, precision, recall and F1 are then the
    /// accuracy.
    Micro,
    /// Only the score of the [positive](Classification::positive_label) class, of two.
    Binary,
    /// The mean of the scores of each example, for [several labels](super::MultiLabel) of one.
    Samples,
}

/// Metrics of classes with options. See the [page of metrics](super) for what predictions and targets may be.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::{Average, Classification};
///
/// // Probabilities of a yes: it takes 0.8 to be called one.
/// let p = tensor![[0.9], [0.6], [0.85], [0.1]];
/// let y = Tensor::from_nested([1i64, 1, 0, 0])?;
/// let careful = Classification::new().threshold(0.8);
/// assert_eq!(careful.accuracy(&p, &y)?, 0.5);
/// assert_eq!(careful.recall(&p, &y, Average::Binary)?, 0.5);
///
/// // As a metric of a trainer.
/// let trainer = Trainer::new(losses::cross_entropy, Adam::new(1e-3))
///     .metric("F1", |p, y| Classification::new().ignore_index(0).f1(p, y, Average::Weighted));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Classification {
    threshold: Option<f64>,
    ignore_index: i64,
    labels: Option<Vec<i64>>,
    pub(super) names: Option<Vec<String>>,
    pub(super) weights: Option<Tensor>,
    zero_division: f64,
    positive: i64,
}

impl Default for Classification {
    fn default() -> Self {
        Self {
            threshold: None,
            ignore_index: IGNORE_INDEX,
            labels: None,
            names: None,
            weights: None,
            zero_division: 0.0,
            positive: 1,
        }
    }
}

impl Classification {
    /// No weights, labels as they occur, targets of −100 left out.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For a single score for each target, of shape `[n, 1]` or of the shape of the targets (for several labels at once): class
    /// 1 is predicted above this value. 0 for logits, which is the default for `[n, 1]`, or 0.5 for probabilities.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }

    /// Targets of this class number do not count. By default −100.
    #[must_use]
    pub fn ignore_index(mut self, index: i64) -> Self {
        self.ignore_index = index;
        self
    }

    /// The classes that are looked at, in this order. Examples of other classes still count where they were taken for one of
    /// these. By default all that occur.
    #[must_use]
    pub fn labels(mut self, labels: impl IntoIterator<Item = i64>) -> Self {
        self.labels = Some(labels.into_iter().collect());
        self
    }

    /// What the classes are called in tables: the [labels](Self::labels) in their order, or else the classes 0, 1, 2 and so on,
    /// which then are all there are. [`Preprocessor::classes`](crate::data::Preprocessor::classes) has those of a column.
    #[must_use]
    #[doc(alias = "target_names")]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// How much each example counts: of the shape of the targets, numbers of at least 0.
    #[must_use]
    pub fn sample_weights(mut self, weights: &Tensor) -> Self {
        self.weights = Some(weights.detach());
        self
    }

    /// The score of a class where there is nothing to divide by, such as the precision of a class that was never predicted. By
    /// default 0. With NaN, such classes are left out of means.
    #[must_use]
    pub fn zero_division(mut self, score: f64) -> Self {
        self.zero_division = score;
        self
    }

    /// Which of two classes [`Average::Binary`], [`roc_auc`](Self::roc_auc) and [`average_precision`](Self::average_precision)
    /// speak of. By default 1.
    #[must_use]
    #[doc(alias = "pos_label")]
    pub fn positive_label(mut self, label: i64) -> Self {
        self.positive = label;
        self
    }

    pub(in super::super) fn unweighted(mut self) -> Self {
        self.weights = None;
        self
    }

    pub(super) fn zero(&self) -> f64 {
        self.zero_division
    }

    pub(super) fn positive(&self) -> i64 {
        self.positive
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { threshold: self.threshold, ignore_index: self.ignore_index, weights: self.weights.as_ref() }
    }

    #[track_caller]
    pub(in super::super) fn pairs(&self, name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Pairs> {
        self.reading().pairs(name, prediction, target)
    }
}
