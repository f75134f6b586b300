//! Precision, recall, and what is made of them: of each class, and averaged over classes.

use super::tally::{Score, Tally, ratio};
use super::{Average, Classification, Pairs};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

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

impl ClassScores {
    /// Of a mean.
    pub(in super::super) fn new(precision: f64, recall: f64, f1: f64, support: f64) -> Self {
        Self { label: 0, precision, recall, f1, support }
    }
}

impl Classification {
    #[track_caller]
    fn score(&self, name: &'static str, data: [&Tensor; 2], average: Average, score: Score<'_>) -> Result<f64> {
        let pairs = self.pairs(name, data[0], data[1])?;
        let tally = match average {
            Average::Samples => {
                return Err(Error::argument(name, "Average::Samples of examples that have one class each")
                    .with_help("MultiLabel has the metrics of several labels"));
            }
            Average::Binary => {
                self.check_binary(name, &pairs)?;
                let only = Self { labels: Some(vec![self.positive]), names: None, ..self.clone() };
                only.tally(name, &pairs)?
            }
            _ => self.tally(name, &pairs)?,
        };
        defined(name, self.averaged(&tally, average, score))
    }

    /// Two classes at the most, one of which is the positive one.
    #[track_caller]
    fn check_binary(&self, name: &'static str, pairs: &Pairs) -> Result<()> {
        let mut found: Vec<i64> = pairs.predicted.iter().chain(&pairs.actual).copied().collect();
        crate::order::sort_by_key(&mut found, |label| crate::order::whole_key(*label));
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

    pub(in super::super) fn class_scores(&self, tally: &Tally) -> Vec<ClassScores> {
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
    pub(in super::super) fn averaged_scores(&self, tally: &Tally, average: Average) -> ClassScores {
        let zero = self.zero_division;
        ClassScores {
            label: 0,
            precision: self.averaged(tally, average, &|hits, predicted, _| ratio(hits, predicted, zero)),
            recall: self.averaged(tally, average, &|hits, _, actual| ratio(hits, actual, zero)),
            f1: self.averaged(tally, average, &f_score(1.0, zero)),
            support: tally.actual.iter().sum(),
        }
    }
}

/// With a [`zero_division`](Classification::zero_division) of NaN nothing may be left to average.
#[track_caller]
pub(in super::super) fn defined(name: &'static str, value: f64) -> Result<f64> {
    match value.is_nan() {
        true => Err(Error::argument(name, "every class would be divided by 0, so that it is not defined")
            .with_help("Classification::zero_division says what such classes count, by default 0")),
        false => Ok(value),
    }
}

/// `(1 + β²) hits / (β² actual + predicted)`.
pub(in super::super) fn f_score(beta: f64, otherwise: f64) -> impl Fn(f64, f64, f64) -> f64 {
    move |hits, predicted, actual| {
        // With the larger of β² and 1 taken out, so that a large β does not overflow.
        let (for_predicted, for_actual) = if beta > 1.0 { (1.0 / (beta * beta), 1.0) } else { (1.0, beta * beta) };
        ratio((for_predicted + for_actual) * hits, for_actual * actual + for_predicted * predicted, otherwise)
    }
}

/// Of the examples that were said to be of a class, the share that is, averaged over the classes.
///
/// # Errors
/// As for [`accuracy`](crate::train::metrics::accuracy), and for [`Average::Binary`] if there are more than two classes.
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
/// As for [`accuracy`](crate::train::metrics::accuracy).
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
