//! How far predicted and actual classes agree.

use super::super::confusion::ConfusionMatrix;
use super::tally::{Tally, ratio};
use super::{Average, Classification, mean};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Classification {
    /// As the function [`accuracy`], with these options.
    ///
    /// # Errors
    /// If shapes do not fit, no example counts, there are NaN, or targets are no class numbers. This holds for all metrics of
    /// classes.
    #[track_caller]
    pub fn accuracy(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let pairs = self.pairs("accuracy", prediction, target)?;
        let hits = pairs.predicted.iter().zip(&pairs.actual).map(|(p, y)| f64::from(u8::from(p == y)));
        Ok(mean(hits, pairs.weights.as_deref()))
    }

    /// The mean of the recall of each class that occurs among the targets: 1 / classes for guessing, however rare some are.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy).
    #[track_caller]
    pub fn balanced_accuracy(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let name = "balanced_accuracy";
        let all = Self { labels: None, names: None, ..self.clone() };
        let tally = all.tally(name, &all.pairs(name, prediction, target)?)?;
        Ok(all.averaged(&tally, Average::Macro, &|hits, _, actual| ratio(hits, actual, f64::NAN)))
    }

    /// Matthews' correlation coefficient between predicted and actual classes (Gorodkin, 2004, for several): 1 is perfect, 0 no
    /// better than chance. 0 too where only one class was predicted, or is right.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy).
    #[track_caller]
    #[doc(alias = "mcc")]
    pub fn matthews_correlation(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let Agreement { total, hits, both, predicted_squared, actual_squared } =
            self.agreement("matthews_correlation", prediction, target)?;
        let covariance = hits * total - both;
        let variances = [total * total - predicted_squared, total * total - actual_squared];
        // Each root alone, since the product of four numbers of examples is large.
        Ok(ratio(covariance, variances[0].max(0.0).sqrt() * variances[1].max(0.0).sqrt(), 0.0))
    }

    /// Cohen's kappa: how far predictions agree with targets beyond what two people would who throw dice with the same shares
    /// of classes. 1 is perfect, 0 no better than chance.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy), and if only one class occurs: there is nothing to agree on.
    #[track_caller]
    pub fn cohen_kappa(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let Agreement { total, hits, both, .. } = self.agreement("cohen_kappa", prediction, target)?;
        let expected = both / (total * total);
        if both == total * total {
            return Err(one_class());
        }
        Ok((hits / total - expected) / (1.0 - expected))
    }

    /// [Cohen's kappa](Self::cohen_kappa) of classes that have an order: a mistake counts by how far apart the classes are
    /// (Cohen, 1968). Their order is that of the [labels](Self::labels), by default that of their numbers; examples of classes
    /// that are not among the labels are left out.
    ///
    /// # Errors
    /// As for [`cohen_kappa`](Self::cohen_kappa).
    ///
    /// ```
    /// use demotic::prelude::*;
    /// use demotic::train::metrics::{Classification, KappaWeights};
    ///
    /// let predicted = Tensor::from_nested([0i64, 1, 2, 2])?;
    /// let target = Tensor::from_nested([0i64, 1, 1, 2])?;
    /// let kappa = Classification::new().cohen_kappa_weighted(&predicted, &target, KappaWeights::Quadratic)?;
    /// assert!((kappa - 0.8).abs() < 1e-12);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn cohen_kappa_weighted(&self, prediction: &Tensor, target: &Tensor, weights: KappaWeights) -> Result<f64> {
        let name = "cohen_kappa";
        let pairs = self.pairs(name, prediction, target)?;
        let labels = self.known_labels(name, &pairs)?;
        let values = ConfusionMatrix::new(labels, None, &pairs)?.values();
        let n = values.len();
        let (mut predicted, mut actual, mut total) = (vec![0.0; n], vec![0.0; n], 0.0);
        for (y, row) in values.iter().enumerate() {
            for (p, value) in row.iter().enumerate() {
                predicted[p] += value;
                actual[y] += value;
                total += value;
            }
        }
        let (mut observed, mut expected) = (0.0, 0.0);
        for y in 0..n {
            for p in 0..n {
                let apart = y.abs_diff(p) as f64;
                let weight = if weights == KappaWeights::Linear { apart } else { apart * apart };
                observed += weight * values[y][p];
                expected += weight * actual[y] * (predicted[p] / total);
            }
        }
        if total == 0.0 || expected == 0.0 {
            return Err(one_class());
        }
        Ok(1.0 - observed / expected)
    }

    #[track_caller]
    fn agreement(&self, name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Agreement> {
        let all = Self { labels: None, names: None, ..self.clone() };
        let Tally { hits, predicted, actual, .. } = all.tally(name, &all.pairs(name, prediction, target)?)?;
        let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        Ok(Agreement {
            total: actual.iter().sum(),
            hits: hits.iter().sum(),
            both: product(&predicted, &actual),
            predicted_squared: product(&predicted, &predicted),
            actual_squared: product(&actual, &actual),
        })
    }
}

/// How a mistake counts in [`Classification::cohen_kappa_weighted`], by the distance of the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KappaWeights {
    /// By the distance.
    Linear,
    /// By its square.
    Quadratic,
}

#[track_caller]
fn one_class() -> Error {
    Error::argument("cohen_kappa", "only one class occurs, so that it is not defined")
        .with_help("it compares with the agreement by chance, which is complete then; accuracy is defined")
}

/// Sums over classes, from which coefficients of agreement are made.
struct Agreement {
    total: f64,
    hits: f64,
    both: f64,
    predicted_squared: f64,
    actual_squared: f64,
}

/// The share of examples whose class is predicted correctly.
///
/// The prediction holds logits or probabilities `[.., classes]`, a single logit for each example `[n, 1]` (positive
/// means class 1; another [threshold](Classification::threshold) is an option), or class numbers. The target holds class
/// numbers, or rows of probabilities; −100 does not count. See the [page of metrics](crate::train::metrics).
///
/// # Errors
/// If shapes do not fit, no example counts, there are NaN, or targets are no class numbers. This holds for all metrics of
/// classes.
///
/// ```
/// use demotic::prelude::*;
///
/// let logits = tensor![[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]];
/// let target = Tensor::from_nested([0i64, 1, 1])?;
/// assert!((metrics::accuracy(&logits, &target)? - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn accuracy(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().accuracy(prediction, target)
}

/// The mean of the recall of each class, as [`Classification::balanced_accuracy`].
///
/// # Errors
/// As for [`accuracy`].
///
/// ```
/// use demotic::prelude::*;
///
/// // Nine of ten are right, but only half of the classes are ever found.
/// let y = Tensor::from_nested([0i64, 0, 0, 0, 0, 0, 0, 0, 0, 1])?;
/// assert_eq!(metrics::balanced_accuracy(&Tensor::full_dtype([10], 0.0, DType::I64)?, &y)?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn balanced_accuracy(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().balanced_accuracy(prediction, target)
}

/// Matthews' correlation coefficient, as [`Classification::matthews_correlation`].
///
/// # Errors
/// As for [`accuracy`].
#[track_caller]
pub fn matthews_correlation(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().matthews_correlation(prediction, target)
}

/// Cohen's kappa, as [`Classification::cohen_kappa`].
///
/// # Errors
/// As for [`accuracy`].
#[track_caller]
pub fn cohen_kappa(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().cohen_kappa(prediction, target)
}
