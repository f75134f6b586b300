//! Several labels for each example.

use super::classification::{Average, ClassScores, Classification, Score, Tally, defined, f_score, ratio};
use super::examples::{check_weights, fits, place};
use super::ranking::{Measure, Ranked, area_under_roc, mean_precision, over_columns};
use super::report::ClassificationReport;
use crate::data::shorten;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Metrics of examples that may have several labels, or none.
///
/// Targets are 0 or 1 for each label, `[n, labels]`; predictions of the same shape are logits (a label is predicted above 0),
/// probabilities with a [threshold](Self::threshold) of 0.5, or whole numbers 0 and 1.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::{Average, MultiLabel};
///
/// let p = tensor![[0.9, 0.2, 0.7], [0.4, 0.8, 0.1]];
/// let y = tensor![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
/// let labels = MultiLabel::new().threshold(0.5);
/// assert_eq!(labels.accuracy(&p, &y)?, 0.5);
/// assert!((labels.precision(&p, &y, Average::Micro)? - 2.0 / 3.0).abs() < 1e-12);
/// assert_eq!(labels.recall(&p, &y, Average::Samples)?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MultiLabel {
    threshold: f64,
    options: Classification,
}

/// Which labels were predicted and are right, and how much each example counts.
struct Labels {
    predicted: Vec<bool>,
    actual: Vec<bool>,
    columns: usize,
    weights: Vec<f64>,
}

impl Labels {
    fn rows(&self) -> impl Iterator<Item = (&[bool], &[bool], f64)> {
        let rows = self.predicted.chunks(self.columns).zip(self.actual.chunks(self.columns));
        rows.zip(&self.weights).map(|((p, y), weight)| (p, y, *weight))
    }

    fn tally(&self) -> Tally {
        let zeros = vec![0.0; self.columns];
        let labels = (0..self.columns as i64).collect();
        let mut tally = Tally { labels, hits: zeros.clone(), predicted: zeros.clone(), actual: zeros, complete: false };
        for (p, y, weight) in self.rows() {
            for i in 0..self.columns {
                tally.predicted[i] += if p[i] { weight } else { 0.0 };
                tally.actual[i] += if y[i] { weight } else { 0.0 };
                tally.hits[i] += if p[i] && y[i] { weight } else { 0.0 };
            }
        }
        tally
    }

    /// The mean of a score of each example. NaN are left out.
    fn over_samples(&self, score: Score<'_>) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (p, y, weight) in self.rows() {
            let (mut hits, mut predicted, mut actual) = (0.0, 0.0, 0.0);
            for i in 0..self.columns {
                predicted += f64::from(u8::from(p[i]));
                actual += f64::from(u8::from(y[i]));
                hits += f64::from(u8::from(p[i] && y[i]));
            }
            let score = score(hits, predicted, actual);
            if !score.is_nan() {
                sum += weight * score;
                total += weight;
            }
        }
        sum / total
    }
}

impl MultiLabel {
    /// Logits, and no weights.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A label is predicted above this value: 0 for logits, the default, or 0.5 for probabilities.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// What the labels are called in the report.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options = self.options.names(names);
        self
    }

    /// How much each example counts: `[n]`, numbers of at least 0.
    #[must_use]
    pub fn sample_weights(mut self, weights: &Tensor) -> Self {
        self.options = self.options.sample_weights(weights);
        self
    }

    /// As [`Classification::zero_division`], for labels and for examples.
    #[must_use]
    pub fn zero_division(mut self, score: f64) -> Self {
        self.options = self.options.zero_division(score);
        self
    }

    /// Checks shapes and targets.
    #[track_caller]
    fn targets(&self, name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<(Vec<bool>, Vec<f64>)> {
        let shape = target.shape();
        if prediction.shape() != shape || shape.len() != 2 {
            let message = format!(
                "the prediction has shape {:?}, the target {shape:?}, expected both [n, labels]",
                prediction.shape()
            );
            let help = "class numbers become rows of 0 and 1 with one_hot";
            return Err(Error::shape(name, message).with_help(help));
        }
        if target.is_empty() {
            return Err(Error::shape(name, "there are no examples"));
        }
        let values = target.to_f64_vec();
        if let Some(i) = values.iter().position(|y| *y != 0.0 && *y != 1.0) {
            let message = format!("target {} is {}, expected 0 or 1", place(shape, i), values[i]);
            return Err(Error::argument(name, message));
        }
        let weights = match &self.options.weights {
            None => vec![1.0; shape[0]],
            Some(weights) if fits(weights.shape(), &shape[..1]) => weights.to_f64_vec(),
            Some(weights) => {
                let message = format!("weights of shape {:?} for {} examples", weights.shape(), shape[0]);
                return Err(Error::shape(name, message));
            }
        };
        check_weights(name, &weights)?;
        if weights.iter().sum::<f64>() == 0.0 {
            return Err(Error::argument(name, "the weights of the examples add up to 0"));
        }
        Ok((values.iter().map(|y| *y == 1.0).collect(), weights))
    }

    #[track_caller]
    fn scores(&self, name: &'static str, prediction: &Tensor) -> Result<Vec<f64>> {
        let scores = prediction.to_f64_vec();
        match scores.iter().position(|x| x.is_nan()) {
            Some(i) => {
                let message = format!("the prediction contains NaN at {}", place(prediction.shape(), i));
                Err(Error::numeric(name, message))
            }
            None => Ok(scores),
        }
    }

    #[track_caller]
    fn labels(&self, name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Labels> {
        let (actual, weights) = self.targets(name, prediction, target)?;
        let predicted = self.scores(name, prediction)?.iter().map(|score| *score > self.threshold).collect();
        Ok(Labels { predicted, actual, columns: target.shape()[1], weights })
    }

    #[track_caller]
    fn score(&self, name: &'static str, data: [&Tensor; 2], average: Average, score: Score<'_>) -> Result<f64> {
        let labels = self.labels(name, data[0], data[1])?;
        let value = match average {
            Average::Samples => labels.over_samples(score),
            Average::Binary => {
                return Err(Error::argument(name, "Average::Binary of several labels")
                    .with_help("choose Average::Macro, Weighted, Micro or Samples"));
            }
            _ => self.options.averaged(&labels.tally(), average, score),
        };
        defined(name, value)
    }

    /// The share of examples all labels of which are right (subset accuracy).
    ///
    /// # Errors
    /// If shapes do not fit, there are no examples or NaN, or targets are neither 0 nor 1. This holds for all metrics of several
    /// labels.
    #[track_caller]
    pub fn accuracy(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let labels = self.labels("accuracy", prediction, target)?;
        let (mut sum, mut total) = (0.0, 0.0);
        for (p, y, weight) in labels.rows() {
            sum += if p == y { weight } else { 0.0 };
            total += weight;
        }
        Ok(sum / total)
    }

    /// The share of labels that are wrong.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy).
    #[track_caller]
    pub fn hamming_loss(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let labels = self.labels("hamming_loss", prediction, target)?;
        let (mut sum, mut total) = (0.0, 0.0);
        for (p, y, weight) in labels.rows() {
            let wrong = p.iter().zip(y).filter(|(p, y)| p != y).count();
            sum += weight * wrong as f64 / labels.columns as f64;
            total += weight;
        }
        Ok(sum / total)
    }

    /// Of the labels that were predicted, the share that is right.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy), and for [`Average::Binary`].
    #[track_caller]
    pub fn precision(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        let zero = self.options.zero();
        self.score("precision", [prediction, target], average, &|hits, predicted, _| ratio(hits, predicted, zero))
    }

    /// Of the labels that there are, the share that was predicted.
    ///
    /// # Errors
    /// As for [`precision`](Self::precision).
    #[track_caller]
    pub fn recall(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        let zero = self.options.zero();
        self.score("recall", [prediction, target], average, &|hits, _, actual| ratio(hits, actual, zero))
    }

    /// The harmonic mean of precision and recall.
    ///
    /// # Errors
    /// As for [`precision`](Self::precision).
    #[track_caller]
    pub fn f1(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        self.score("f1", [prediction, target], average, &f_score(1.0, self.options.zero()))
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
        self.score("f_beta", [prediction, target], average, &f_score(beta, self.options.zero()))
    }

    /// The intersection of predicted and right labels over their union.
    ///
    /// # Errors
    /// As for [`precision`](Self::precision).
    #[track_caller]
    pub fn jaccard(&self, prediction: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        let zero = self.options.zero();
        let score: Score<'_> = &|hits, predicted, actual| ratio(hits, predicted + actual - hits, zero);
        self.score("jaccard", [prediction, target], average, score)
    }

    /// Precision, recall, F1 and support of each label.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy).
    #[track_caller]
    pub fn per_label(&self, prediction: &Tensor, target: &Tensor) -> Result<Vec<ClassScores>> {
        Ok(self.options.class_scores(&self.labels("per_label", prediction, target)?.tally()))
    }

    /// The scores of each label and their means, as a table.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy), or if there are not as many names as labels.
    #[track_caller]
    pub fn report(&self, prediction: &Tensor, target: &Tensor) -> Result<ClassificationReport> {
        let labels = self.labels("classification_report", prediction, target)?;
        let tally = labels.tally();
        if let Some(names) = self.options.names.as_ref().filter(|names| names.len() != labels.columns) {
            let message = format!("{} names for {} labels", names.len(), labels.columns);
            return Err(Error::argument("classification_report", message));
        }
        let zero = self.options.zero();
        let samples_average = ClassScores::new(
            labels.over_samples(&|hits, predicted, _| ratio(hits, predicted, zero)),
            labels.over_samples(&|hits, _, actual| ratio(hits, actual, zero)),
            labels.over_samples(&f_score(1.0, zero)),
            tally.actual.iter().sum(),
        );
        Ok(ClassificationReport {
            classes: self.options.class_scores(&tally),
            names: match &self.options.names {
                Some(names) => names.iter().map(|name| shorten(name)).collect(),
                None => (0..labels.columns).map(|i| i.to_string()).collect(),
            },
            accuracy: None,
            micro_average: self.options.averaged_scores(&tally, Average::Micro),
            macro_average: self.options.averaged_scores(&tally, Average::Macro),
            weighted_average: self.options.averaged_scores(&tally, Average::Weighted),
            samples_average: Some(samples_average),
        })
    }

    /// The area under the ROC curve of each label's scores, averaged.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy), and if a label is always or never right.
    #[track_caller]
    pub fn roc_auc(&self, scores: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        self.over_labels("roc_auc", [scores, target], average, area_under_roc)
    }

    /// The average precision of each label's scores, averaged.
    ///
    /// # Errors
    /// As for [`accuracy`](Self::accuracy), and if a label is never right.
    #[track_caller]
    pub fn average_precision(&self, scores: &Tensor, target: &Tensor, average: Average) -> Result<f64> {
        self.over_labels("average_precision", [scores, target], average, mean_precision)
    }

    #[track_caller]
    fn over_labels(&self, name: &'static str, data: [&Tensor; 2], average: Average, measure: Measure) -> Result<f64> {
        let (actual, weights) = self.targets(name, data[0], data[1])?;
        let scores = self.scores(name, data[0])?;
        let columns = data[1].shape()[1];
        let of = |column: usize| -> Vec<Ranked> {
            let one = |row: usize| (scores[row * columns + column], actual[row * columns + column], weights[row]);
            (0..weights.len()).map(one).collect()
        };
        over_columns(name, columns, &of, average, measure)
    }
}
