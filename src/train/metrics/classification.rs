//! Metrics of predicted classes, and the options that they share.

use std::collections::HashMap;

use super::examples::{Pairs, Reading};
use super::mean;
use crate::error::{Error, Result};
use crate::losses::IGNORE_INDEX;
use crate::tensor::Tensor;

/// How the scores of several classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// The scores of one class, or of a mean over classes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ClassScores {
    /// The number of the class; 0 for a mean over classes.
    pub label: i64,
    /// Of the examples that were said to be of the class, the share that is.
    pub precision: f64,
    /// Of the examples of the class, the share that was found.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// How many examples are of the class; with weights, how much they weigh.
    pub support: f64,
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
    weights: Option<Tensor>,
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

/// How often each class was predicted, was the right one, and both.
pub(super) struct Tally {
    pub(super) labels: Vec<i64>,
    hits: Vec<f64>,
    predicted: Vec<f64>,
    actual: Vec<f64>,
    /// Whether every class that occurs has a label.
    pub(super) complete: bool,
}

fn ratio(part: f64, whole: f64, otherwise: f64) -> f64 {
    if whole == 0.0 { otherwise } else { part / whole }
}

/// A score of a class from hits, predictions and targets.
type Score<'a> = &'a dyn Fn(f64, f64, f64) -> f64;

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

    pub(super) fn positive(&self) -> i64 {
        self.positive
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { threshold: self.threshold, ignore_index: self.ignore_index, weights: self.weights.as_ref() }
    }

    #[track_caller]
    pub(super) fn pairs(&self, name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Pairs> {
        self.reading().pairs(name, prediction, target)
    }

    /// The labels, which were given, named, or occur.
    #[track_caller]
    pub(super) fn known_labels(&self, name: &'static str, pairs: &Pairs) -> Result<Vec<i64>> {
        let mut found: Vec<i64> = pairs.predicted.iter().chain(&pairs.actual).copied().collect();
        found.sort_unstable();
        found.dedup();
        match (&self.labels, &self.names) {
            (None, None) => Ok(found),
            (None, Some(names)) => {
                let named = |label: i64| usize::try_from(label).is_ok_and(|label| label < names.len());
                match found.into_iter().find(|label| !named(*label)) {
                    Some(label) => {
                        let message = format!("class {label} occurs, there are names for {} classes", names.len());
                        Err(Error::index(name, message))
                    }
                    None => Ok((0..names.len() as i64).collect()),
                }
            }
            (Some(labels), names) => {
                let mut sorted = labels.clone();
                sorted.sort_unstable();
                if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                    return Err(Error::argument(name, format!("the label {} is given twice", pair[0])));
                }
                if labels.is_empty() {
                    return Err(Error::argument(name, "there are no labels"));
                }
                if let Some(names) = names.as_ref().filter(|names| names.len() != labels.len()) {
                    let message = format!("{} names for {} labels", names.len(), labels.len());
                    return Err(Error::argument(name, message));
                }
                Ok(labels.clone())
            }
        }
    }

    #[track_caller]
    pub(super) fn tally(&self, name: &'static str, pairs: &Pairs) -> Result<Tally> {
        let labels = self.known_labels(name, pairs)?;
        let place: HashMap<i64, usize> = labels.iter().enumerate().map(|(i, label)| (*label, i)).collect();
        let zeros = vec![0.0; labels.len()];
        let (mut hits, mut predicted, mut actual) = (zeros.clone(), zeros.clone(), zeros);
        let mut complete = true;
        for (p, y, weight) in pairs.iter() {
            let (p, y) = (place.get(&p), place.get(&y));
            complete &= p.is_some() && y.is_some();
            if let Some(&p) = p {
                predicted[p] += weight;
            }
            if let Some(&y) = y {
                actual[y] += weight;
            }
            if let (Some(&class), true) = (p, p == y) {
                hits[class] += weight;
            }
        }
        Ok(Tally { labels, hits, predicted, actual, complete })
    }

    /// One score over classes.
    pub(super) fn averaged(&self, tally: &Tally, average: Average, score: Score<'_>) -> f64 {
        let Tally { hits, predicted, actual, labels, .. } = tally;
        let each = (0..labels.len()).map(|i| score(hits[i], predicted[i], actual[i]));
        match average {
            Average::Micro => score(hits.iter().sum(), predicted.iter().sum(), actual.iter().sum()),
            Average::Binary => labels.iter().zip(each).find(|(l, _)| **l == self.positive).map_or(f64::NAN, |(_, x)| x),
            Average::Macro | Average::Weighted => {
                let (scores, weights): (Vec<f64>, Vec<f64>) =
                    each.zip(actual.iter().copied()).filter(|(score, _)| !score.is_nan()).unzip();
                let weighted = average == Average::Weighted && weights.iter().sum::<f64>() != 0.0;
                mean(scores.iter().copied(), weighted.then_some(&weights[..]))
            }
        }
    }

    #[track_caller]
    fn score(&self, name: &'static str, data: [&Tensor; 2], average: Average, score: Score<'_>) -> Result<f64> {
        let pairs = self.pairs(name, data[0], data[1])?;
        if average == Average::Binary {
            self.check_binary(name, &pairs)?;
            let only = Self { labels: Some(vec![self.positive]), names: None, ..self.clone() };
            return Ok(self.averaged(&only.tally(name, &pairs)?, average, score));
        }
        Ok(self.averaged(&self.tally(name, &pairs)?, average, score))
    }

    /// Two classes at the most, one of which is the positive one.
    #[track_caller]
    fn check_binary(&self, name: &'static str, pairs: &Pairs) -> Result<()> {
        let mut found: Vec<i64> = pairs.predicted.iter().chain(&pairs.actual).copied().collect();
        found.sort_unstable();
        found.dedup();
        if found.len() > 2 {
            let message = format!("{} classes occur, expected two for Average::Binary", found.len());
            return Err(Error::argument(name, message).with_help("choose Average::Macro, Weighted or Micro"));
        }
        if found.len() == 2 && !found.contains(&self.positive) {
            let message =
                format!("the classes are {} and {}, the positive label is {}", found[0], found[1], self.positive);
            return Err(Error::argument(name, message).with_help("set Classification::positive_label"));
        }
        Ok(())
    }

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

    /// Of the examples that were said to be of a class, the share that is.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy), and for [`Average::Binary`] if there are more than two classes.
    #[track_caller]
    pub fn precision(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        let score: Score<'_> = &|hits, predicted, _| ratio(hits, predicted, self.zero_division);
        self.score("precision", [prediction, target], average, score)
    }

    /// Of the examples of a class, the share that was found.
    ///
    /// # Errors
    /// As for [`precision`](Self::precision).
    #[track_caller]
    pub fn recall(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        let score: Score<'_> = &|hits, _, actual| ratio(hits, actual, self.zero_division);
        self.score("recall", [prediction, target], average, score)
    }

    /// The harmonic mean of precision and recall.
    ///
    /// # Errors
    /// As for [`precision`](Self::precision).
    #[track_caller]
    pub fn f1(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        self.score("f1", [prediction, target], average, &f_score(1.0, self.zero_division))
    }

    /// A harmonic mean of precision and recall in which recall counts `beta` times as much.
    ///
    /// # Errors
    /// As for [`precision`](Self::precision), and if `beta` is negative or NaN.
    #[track_caller]
    pub fn f_beta(&self, prediction: &Tensor, target: &Tensor, beta: f64, average: Average) -> Result<f64> {
        if beta.is_nan() || beta < 0.0 {
            return Err(Error::argument("f_beta", format!("beta is {beta}, expected a number of at least 0")));
        }
        self.score("f_beta", [prediction, target], average, &f_score(beta, self.zero_division))
    }

    /// The overlap of the examples of a class with those that were said to be: their intersection over their union.
    ///
    /// # Errors
    /// As for [`precision`](Self::precision).
    #[track_caller]
    #[doc(alias = "iou")]
    pub fn jaccard(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        let score: Score<'_> = &|hits, predicted, actual| ratio(hits, predicted + actual - hits, self.zero_division);
        self.score("jaccard", [prediction, target], average, score)
    }

    /// Precision, recall, F1 and support of each class, in the order of the labels: what `average=None` gives in scikit-learn.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy).
    #[track_caller]
    pub fn per_class(&self, prediction: &Tensor, target: &Tensor) -> Result<Vec<ClassScores>> {
        Ok(self.class_scores(&self.tally("per_class", &self.pairs("per_class", prediction, target)?)?))
    }

    pub(super) fn class_scores(&self, tally: &Tally) -> Vec<ClassScores> {
        let f1 = f_score(1.0, self.zero_division);
        let scores = |(i, label): (usize, &i64)| {
            let (hits, predicted, actual) = (tally.hits[i], tally.predicted[i], tally.actual[i]);
            ClassScores {
                label: *label,
                precision: ratio(hits, predicted, self.zero_division),
                recall: ratio(hits, actual, self.zero_division),
                f1: f1(hits, predicted, actual),
                support: actual,
            }
        };
        tally.labels.iter().enumerate().map(scores).collect()
    }

    /// The scores of all classes as one.
    pub(super) fn averaged_scores(&self, tally: &Tally, average: Average) -> ClassScores {
        let zero = self.zero_division;
        ClassScores {
            label: 0,
            precision: self.averaged(tally, average, &|hits, predicted, _| ratio(hits, predicted, zero)),
            recall: self.averaged(tally, average, &|hits, _, actual| ratio(hits, actual, zero)),
            f1: self.averaged(tally, average, &f_score(1.0, zero)),
            support: tally.actual.iter().sum(),
        }
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
    /// of classes. 1 is perfect, 0 no better than chance; NaN if only one class occurs.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy).
    #[track_caller]
    pub fn cohen_kappa(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let Agreement { total, hits, both, .. } = self.agreement("cohen_kappa", prediction, target)?;
        let expected = both / (total * total);
        Ok((hits / total - expected) / (1.0 - expected))
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

/// Sums over classes, from which coefficients of agreement are made.
struct Agreement {
    total: f64,
    hits: f64,
    both: f64,
    predicted_squared: f64,
    actual_squared: f64,
}

/// `(1 + β²) hits / (β² actual + predicted)`.
fn f_score(beta: f64, otherwise: f64) -> impl Fn(f64, f64, f64) -> f64 {
    move |hits, predicted, actual| {
        // With the larger of β² and 1 taken out, so that a large β does not overflow.
        let (for_predicted, for_actual) = if beta > 1.0 { (1.0 / (beta * beta), 1.0) } else { (1.0, beta * beta) };
        ratio((for_predicted + for_actual) * hits, for_actual * actual + for_predicted * predicted, otherwise)
    }
}

/// The share of examples whose class is predicted correctly.
///
/// The prediction holds logits or probabilities `[.., classes]`, a single logit for each example `[n, 1]` (positive
/// means class 1; another [threshold](Classification::threshold) is an option), or class numbers. The target holds class
/// numbers, or rows of probabilities; −100 does not count. See the [page of metrics](super).
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

/// Of the examples that were said to be of a class, the share that is, averaged over the classes.
///
/// # Errors
/// As for [`accuracy`], and for [`Average::Binary`] if there are more than two classes.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::Average;
///
/// let predicted = Tensor::from_nested([1i64, 1, 0, 0])?;
/// let target = Tensor::from_nested([1i64, 0, 1, 1])?;
/// assert_eq!(metrics::precision(&predicted, &target, Average::Binary)?, 0.5);
/// assert_eq!(metrics::precision(&predicted, &target, Average::Macro)?, 0.25);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn precision(prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
    Classification::new().precision(prediction, target, average)
}

/// Of the examples of a class, the share that was found, averaged over the classes.
///
/// # Errors
/// As for [`precision`].
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::Average;
///
/// let predicted = Tensor::from_nested([1i64, 1, 0, 0])?;
/// let target = Tensor::from_nested([1i64, 0, 1, 1])?;
/// assert!((metrics::recall(&predicted, &target, Average::Binary)? - 1.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn recall(prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
    Classification::new().recall(prediction, target, average)
}

/// A harmonic mean of precision and recall in which recall counts `beta` times as much, averaged over the classes.
///
/// # Errors
/// As for [`precision`], and if `beta` is negative or NaN.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::Average;
///
/// let predicted = Tensor::from_nested([1i64, 1, 0, 0])?;
/// let target = Tensor::from_nested([1i64, 0, 1, 1])?;
/// let f2 = metrics::f_beta(&predicted, &target, 2.0, Average::Binary)?;
/// assert!((f2 - 5.0 * (0.5 / 3.0) / (4.0 * 0.5 + 1.0 / 3.0)).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn f_beta(prediction: &Tensor, target: &Tensor, beta: f64, average: Average) -> Result<f64> {
    Classification::new().f_beta(prediction, target, beta, average)
}

/// The harmonic mean of precision and recall of each class, averaged over the classes that occur (macro F1). A class
/// that is never predicted and never right counts as 0. [`Classification::f1`] has other averages.
///
/// # Errors
/// As for [`accuracy`].
///
/// ```
/// use demotic::prelude::*;
///
/// let predicted = Tensor::from_nested([0i64, 1, 1])?;
/// assert_eq!(metrics::f1(&predicted, &predicted)?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn f1(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Classification::new().f1(prediction, target, Average::Macro)
}

/// The intersection over the union of the examples of a class and those that were said to be, averaged over the classes.
///
/// # Errors
/// As for [`precision`].
#[track_caller]
pub fn jaccard(prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
    Classification::new().jaccard(prediction, target, average)
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
