//! Metrics of classes and of their probabilities, batch by batch.

use std::sync::Arc;

use super::means::{Sum, counted};
use super::{Metric, nothing_counts, other_kind, same_kind};
use crate::error::{Error, Here, Result};
use crate::tensor::Tensor;
use crate::train::metrics::{Classification, ClassificationReport, ConfusionMatrix};

/// A metric of [`Classification`], such as a method of it.
type Score = dyn Fn(&Classification, &Tensor, &Tensor) -> Result<f64> + Send + Sync;

/// Any metric of predicted classes batch by batch. It keeps how often each class was predicted as each, a number for each pair that
/// occurs, however many examples there are.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::Average;
/// use demotic::train::running::{Metric, RunningClasses};
///
/// let mut f2 = RunningClasses::new(|options, p, y| options.f_beta(p, y, 2.0, Average::Macro));
/// f2.update(&tensor![[2.0, 1.0], [0.0, 3.0]], &Tensor::from_nested([0i64, 1])?)?;
/// f2.update(&tensor![[1.0, 0.0]], &Tensor::from_nested([1i64])?)?;
/// assert!(f2.value()? < 1.0);
/// println!("{}", f2.confusion_matrix()?);
/// let trainer = Trainer::new(losses::cross_entropy, Adam::new(1e-3)).running_metric("F2", f2);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct RunningClasses {
    score: Arc<Score>,
    options: Classification,
    /// Predicted and actual class, how often, and with which weight; in ascending order.
    cells: Vec<(i64, i64, usize, f64)>,
    weighted: bool,
}

impl std::fmt::Debug for RunningClasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningClasses").field("cells", &self.cells).finish_non_exhaustive()
    }
}

impl RunningClasses {
    /// A method of [`Classification`], or a closure around one with further arguments.
    #[must_use]
    pub fn new(score: impl Fn(&Classification, &Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static) -> Self {
        Self { score: Arc::new(score), options: Classification::new(), cells: Vec::new(), weighted: false }
    }

    /// Other options, such as names. Weights of examples among them are left out: see [`Metric::update_weighted`].
    #[must_use]
    pub fn options(mut self, options: Classification) -> Self {
        self.options = options.unweighted();
        self
    }

    fn add(&mut self, predicted: i64, actual: i64, count: usize, weight: f64) {
        match self.cells.binary_search_by(|cell| (cell.0, cell.1).cmp(&(predicted, actual))) {
            Ok(at) => {
                self.cells[at].2 += count;
                self.cells[at].3 += weight;
            }
            Err(at) => self.cells.insert(at, (predicted, actual, count, weight)),
        }
    }

    #[track_caller]
    fn take(&mut self, options: &Classification, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if !nothing_counts(target) {
            let pairs = options.pairs("RunningClasses", prediction, target)?;
            for (predicted, actual, weight) in pairs.iter() {
                self.add(predicted, actual, 1, weight);
            }
        }
        Ok(())
    }

    /// Each pair that occurs once, and options with their weights.
    #[track_caller]
    fn distinct(&self) -> Result<(Classification, Tensor, Tensor)> {
        let (mut predicted, mut actual, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (p, y, _, weight) in &self.cells {
            predicted.push(*p);
            actual.push(*y);
            weights.push(*weight);
        }
        let n = self.cells.len();
        let options = match n {
            // The error is the metric's own.
            0 => self.options.clone(),
            _ => self.options.clone().sample_weights(&Tensor::from_vec(weights, [n])?),
        };
        Ok((options, Tensor::from_vec(predicted, [n])?, Tensor::from_vec(actual, [n])?))
    }

    /// How often each class was predicted as each so far.
    ///
    /// # Errors
    /// As for [`Classification::confusion_matrix`].
    #[track_caller]
    pub fn confusion_matrix(&self) -> Result<ConfusionMatrix> {
        let (options, predicted, actual) = self.distinct()?;
        let counts: Vec<usize> = self.cells.iter().map(|cell| cell.2).collect();
        options.counted_matrix(&predicted, &actual, &counts, self.weighted)
    }

    /// Precision, recall and F1 of each class so far.
    ///
    /// # Errors
    /// As for [`Classification::report`].
    #[track_caller]
    pub fn report(&self) -> Result<ClassificationReport> {
        let (options, predicted, actual) = self.distinct()?;
        options.report(&predicted, &actual)
    }
}

impl Metric for RunningClasses {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        let options = self.options.clone();
        self.take(&options, prediction, target)
    }

    #[track_caller]
    fn update_weighted(&mut self, prediction: &Tensor, target: &Tensor, weights: &Tensor) -> Result<()> {
        let options = self.options.clone().sample_weights(weights);
        self.weighted = true;
        self.take(&options, prediction, target)
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        let (options, predicted, actual) = self.distinct()?;
        (self.score)(&options, &predicted, &actual).outside()
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if !Arc::ptr_eq(&self.score, &other.score) {
            return Err(other_kind());
        }
        for (predicted, actual, count, weight) in &other.cells {
            self.add(*predicted, *actual, *count, *weight);
        }
        self.weighted |= other.weighted;
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self { cells: Vec::new(), weighted: false, ..self.clone() })
    }
}

/// Metrics of scores and probabilities that are means over examples, batch by batch: log loss, Brier score, top-k accuracy.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::running::{Metric, RunningScores};
///
/// let mut top = RunningScores::new(|options, p, y| options.top_k_accuracy(p, y, 2));
/// top.update(&tensor![[0.5, 0.3, 0.2], [0.3, 0.4, 0.2]], &Tensor::from_nested([1i64, 2])?)?;
/// top.update(&tensor![[0.5, 0.3, 0.2]], &Tensor::from_nested([0i64])?)?;
/// assert!((top.value()? - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct RunningScores {
    score: Arc<Score>,
    sum: Sum,
}

impl std::fmt::Debug for RunningScores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningScores").field("sum", &self.sum).finish_non_exhaustive()
    }
}

impl RunningScores {
    /// A method of [`Classification`] that is a mean over examples, or a closure around one with further arguments.
    #[must_use]
    pub fn new(score: impl Fn(&Classification, &Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static) -> Self {
        Self { score: Arc::new(score), sum: Sum::default() }
    }
}

impl Metric for RunningScores {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if !nothing_counts(target) {
            // Rows of 0 and 1 are one target each.
            let rows = if target.shape() == prediction.shape() && target.rank() > 1 {
                target.numel() / target.shape().last().copied().unwrap_or(1).max(1)
            } else {
                counted(target)
            };
            self.sum.add((self.score)(&Classification::new(), prediction, target).outside()?, rows);
        }
        Ok(())
    }

    #[track_caller]
    fn update_weighted(&mut self, prediction: &Tensor, target: &Tensor, weights: &Tensor) -> Result<()> {
        let total: f64 = weights.to_f64_vec().iter().sum();
        if !nothing_counts(target) && total != 0.0 {
            let options = Classification::new().sample_weights(weights);
            self.sum.total += (self.score)(&options, prediction, target).outside()? * total;
            self.sum.count += total;
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        self.sum.mean(|_, _| Err(Error::argument("RunningScores", "there are no examples"))).here()
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if !Arc::ptr_eq(&self.score, &other.score) {
            return Err(other_kind());
        }
        self.sum.join(other.sum);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self { sum: Sum::default(), ..self.clone() })
    }
}
