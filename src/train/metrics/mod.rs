//! Measures of how good predictions are, for people to read. Unlike a loss, a metric needs no gradient.
//!
//! | task | metrics |
//! |---|---|
//! | numbers | [`rmse`], [`mae`], [`r2`], [`mse`], [`mape`], [`msle`], [`median_absolute_error`], [`max_error`], [`explained_variance`], [`pinball`] |
//! | classes | [`accuracy`], [`balanced_accuracy`], [`precision`], [`recall`], [`f1`], [`f_beta`], [`jaccard`], [`matthews_correlation`], [`cohen_kappa`] |
//! | several labels for each example | [`MultiLabel`] |
//! | where the mistakes are | [`confusion_matrix`], [`classification_report`] |
//! | scores and probabilities of classes | [`roc_auc`], [`average_precision`], [`top_k_accuracy`], [`log_loss`], [`brier_score`], [`expected_calibration_error`], [`maximum_calibration_error`] |
//! | their curves | [`roc_curve`], [`precision_recall_curve`], [`lift_curve`], [`reliability_curve`] |
//! | sequences of tokens | [`perplexity`], [`bits_per_token`], [`bits_per_character`], [`exact_match`] |
//! | texts | [`bleu`], [`chrf`], [`rouge`], [`word_error_rate`], [`character_error_rate`], [`edit_distance`] |
//! | orders of documents | [`ndcg`], [`mean_reciprocal_rank`] |
//! | groups of points | [`silhouette`] |
//! | how sure that is | [`Bootstrap`] |
//! | one model against another | [`mcnemar`], [`Bootstrap::paired`], [`permutation_test`] |
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
//! [`cross_entropy`](crate::losses::cross_entropy()).
//!
//! A metric is a number, or an error that says why it is not defined: there is no example at all, only one class where two are
//! compared, nothing but weights of 0. NaN in predictions are errors. Where scikit-learn has a convention instead (0 for the precision
//! of a class that was never predicted, 1 for the R² of a constant that was met), it is that.
//!
//! # Batch by batch
//!
//! [`running`](super::running) has the metrics of tensors as values that take one batch after the other, and that join with those of
//! other threads or machines. Metrics of texts are such values themselves: [`Bleu`], [`Chrf`], [`Rouge`], [`ErrorRate`].

mod calibration;
mod classification;
mod clusters;
mod compare;
mod confusion;
mod curves;
mod examples;
mod intervals;
mod language;
mod multi_label;
mod ranking;
mod regression;
mod report;
mod retrieval;
mod texts;

pub use calibration::{
    Bins, ReliabilityBin, ReliabilityCurve, expected_calibration_error, maximum_calibration_error, reliability_curve,
};

pub use classification::{
    Average, ClassScores, Classification, KappaWeights, accuracy, balanced_accuracy, cohen_kappa, f_beta, f1, jaccard,
    matthews_correlation, precision, recall,
};
pub use clusters::{silhouette, silhouette_samples};
pub use compare::{McNemar, McNemarTest, PermutationTest, mcnemar, permutation_test};
pub use confusion::{ConfusionMatrix, Normalize, confusion_matrix};
pub use curves::{LiftCurve, PrecisionRecallCurve, RocCurve, lift_curve, precision_recall_curve, roc_curve};
#[cfg(feature = "plot")]
pub(super) use examples::{actual, check_rows};
pub use intervals::{Bootstrap, BootstrapMethod, Difference, Interval, bootstrap_interval};
pub(super) use language::matches;
pub use language::{bits_per_character, bits_per_token, exact_match, perplexity};
pub use multi_label::MultiLabel;
pub use ranking::{average_precision, brier_score, log_loss, roc_auc, top_k_accuracy};
pub use regression::{
    Regression, explained_variance, mae, mape, max_error, median_absolute_error, mse, msle, pinball, r2, rmse,
};
pub use report::{ClassificationReport, classification_report};
pub use retrieval::{mean_reciprocal_rank, ndcg, weighted_ndcg};
pub use texts::{
    Bleu, BleuScore, BleuTokens, Chrf, ErrorRate, Rouge, RougeKind, RougeScore, Smoothing, bleu, character_error_rate,
    chrf, edit_distance, exact_match_texts, rouge, sentence_bleu, word_error_rate,
};

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
