//! Measures of how good predictions are, for people to read. Unlike a loss, a metric needs no gradient.
//!
//! | task | metrics |
//! |---|---|
//! | numbers | [`rmse`], [`mae`], [`r2`], [`mse`], [`mape`], [`msle`], [`median_absolute_error`], [`max_error`], [`explained_variance`], [`pinball`] |
//! | classes | [`accuracy`], [`balanced_accuracy`], [`precision`], [`recall`], [`f1`], [`f_beta`], [`jaccard`], [`matthews_correlation`], [`cohen_kappa`] |
//! | where the mistakes are | [`confusion_matrix`], [`classification_report`] |
//! | scores and probabilities of classes | [`roc_auc`], [`average_precision`], [`top_k_accuracy`], [`log_loss`], [`brier_score`] |
//! | text | [`perplexity`], [`bits_per_token`], [`bits_per_character`] |
//!
//! The functions have no options. [`Classification`] and [`Regression`] have the same metrics as methods, with weights of
//! examples, and for classes with labels, names, a threshold, a class that is ignored and what to say where there is nothing to
//! divide by. Definitions are scikit-learn's, and the numbers are compared with its.
//!
//! ```
//! use demotic::prelude::*;
//! use demotic::train::metrics::{Average, Classification};
//!
//! let logits = tensor![[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [0.0, 1.0]];
//! let target = Tensor::from_nested([0i64, 1, 1, 1])?;
//! assert_eq!(metrics::accuracy(&logits, &target)?, 0.75);
//! let named = Classification::new().names(["cat", "dog"]);
//! assert_eq!(named.precision(&logits, &target, Average::Macro)?, 0.75);
//! println!("{}", named.confusion_matrix(&logits, &target)?);
//! println!("{}", named.report(&logits, &target)?);
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! # What predictions and targets of classes may be
//!
//! Predictions are logits or probabilities `[.., classes]`, a single score for each example `[n, 1]`, or class numbers of an
//! integer type. Targets are class numbers (also as floats, if they are whole), or, for `[.., classes]`, one-hot rows or
//! probabilities, of which the largest counts. Targets of −100 are left out, as they are by
//! [`cross_entropy`](crate::losses::cross_entropy()). Metrics of no example at all are errors, and so are NaN.

mod classification;
mod confusion;
mod examples;
mod language;
mod ranking;
mod regression;
mod report;

pub use classification::{
    Average, ClassScores, Classification, accuracy, balanced_accuracy, cohen_kappa, f_beta, f1, jaccard,
    matthews_correlation, precision, recall,
};
pub use confusion::{ConfusionMatrix, Normalize, confusion_matrix};
pub use language::{bits_per_character, bits_per_token, perplexity};
pub use ranking::{average_precision, brier_score, log_loss, roc_auc, top_k_accuracy};
pub use regression::{
    Regression, explained_variance, mae, mape, max_error, median_absolute_error, mse, msle, pinball, r2, rmse,
};
pub use report::{ClassificationReport, classification_report};

use crate::error::Result;
use crate::tensor::Tensor;

/// The predicted and the actual classes of the examples that count.
#[track_caller]
pub(super) fn class_pairs(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<(Vec<i64>, Vec<i64>)> {
    let pairs = Classification::new().pairs(name, prediction, target)?;
    Ok((pairs.predicted, pairs.actual))
}

/// The mean of values that are weighted, or count the same. It does not overflow where the values do not.
fn mean(values: impl Iterator<Item = f64> + Clone, weights: Option<&[f64]>) -> f64 {
    let weighted = |scale: f64| -> f64 {
        match weights {
            Some(weights) => values.clone().zip(weights).map(|(x, w)| x * (w / scale)).sum(),
            None => values.clone().map(|x| x / scale).sum(),
        }
    };
    let total = match weights {
        Some(weights) => weights.iter().sum(),
        None => values.clone().count() as f64,
    };
    let sum = weighted(1.0);
    if sum.is_finite() { sum / total } else { weighted(total) }
}
