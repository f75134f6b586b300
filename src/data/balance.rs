//! Classes of different sizes: weights for the loss, and rows drawn so that all classes have as many.

use super::dataset::TensorDataset;
use super::table::Table;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;
use crate::tensor::{DType, Tensor};

/// How many samples each class has.
fn counts(labels: &[usize]) -> Vec<usize> {
    let mut counts = vec![0usize; labels.iter().max().map_or(0, |max| max + 1)];
    labels.iter().for_each(|label| counts[*label] += 1);
    counts
}

/// `n / (classes · count)` of each class, as scikit-learn's `class_weight="balanced"`; 0 for one without samples.
fn weights(counts: &[usize]) -> Vec<f32> {
    let n = counts.iter().sum::<usize>() as f64;
    let classes = counts.iter().filter(|count| **count > 0).count() as f64;
    counts.iter().map(|count| if *count == 0 { 0.0 } else { (n / (classes * *count as f64)) as f32 }).collect()
}

/// All rows, and behind them others again, drawn at random, until each class has as many rows as the largest.
#[track_caller]
fn oversampled(labels: &[usize], rng: &mut Rng) -> Result<Vec<usize>> {
    let counts = counts(labels);
    let (most, classes) = (counts.iter().copied().max().unwrap_or(0), counts.iter().filter(|n| **n > 0).count());
    check_list("oversampled", "rows", most.saturating_mul(classes), 64)?;
    let mut rows: Vec<usize> = (0..labels.len()).collect();
    for (class, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let own: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] == class).collect();
        rows.extend((*count..most).map(|_| own[rng.below(own.len())]));
    }
    Ok(rows)
}

/// As many rows of each class as the smallest has, drawn at random, in their order.
#[track_caller]
fn undersampled(labels: &[usize], rng: &mut Rng) -> Result<Vec<usize>> {
    let counts = counts(labels);
    let least = counts.iter().copied().filter(|count| *count > 0).min().unwrap_or(0);
    let mut left = vec![least; counts.len()];
    let mut rows = rng.permutation(labels.len())?;
    rows.retain(|row| {
        let open = left[labels[*row]] > 0;
        left[labels[*row]] -= usize::from(open);
        open
    });
    crate::order::sort_by_key(&mut rows, |row| *row as u64);
    Ok(rows)
}

impl Table {
    /// The table with rows of rarer values of a column several times, drawn at random, so that all values are equally frequent: the rows
    /// as they are, and the further ones behind them. Oversample the training part alone: the same row in both parts tells the model
    /// the answer.
    ///
    /// ```
    /// use demotic::Rng;
    /// use demotic::data::{Column, Table};
    ///
    /// let train = Table::from_columns([("sick", Column::from(["no", "no", "yes", "no"]))])?;
    /// let balanced = train.oversampled("sick", &mut Rng::seed(0))?;
    /// assert_eq!(balanced.value_counts("sick")?.column("count")?.numbers(), Some(&[3.0, 3.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column, or a value is missing.
    #[track_caller]
    #[doc(alias = "RandomOverSampler")]
    pub fn oversampled(&self, column: &str, rng: &mut Rng) -> Result<Self> {
        self.rows(&oversampled(&self.factorize(column)?.0, rng)?)
    }

    /// The table with so many rows of each value of a column, drawn at random, as the rarest has, in their order.
    ///
    /// # Errors
    /// If there is no such column, or a value is missing.
    #[track_caller]
    #[doc(alias = "RandomUnderSampler")]
    pub fn undersampled(&self, column: &str, rng: &mut Rng) -> Result<Self> {
        self.rows(&undersampled(&self.factorize(column)?.0, rng)?)
    }
}

impl TensorDataset {
    /// A weight for each class, `[classes]` in `F32`, for losses that take them: `n / (classes · count)`, as scikit-learn's
    /// `class_weight="balanced"`. Classes without samples have the weight 0.
    ///
    /// ```
    /// use demotic::data::TensorDataset;
    /// use demotic::tensor;
    ///
    /// let data = TensorDataset::new(tensor![[1.0], [2.0], [3.0], [4.0]], tensor![0, 0, 0, 1])?;
    /// assert_eq!(data.class_weights()?.to_vec::<f32>()?, [4.0 / 6.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the targets are neither `[n]` class numbers in `I64` nor zeros and ones.
    #[track_caller]
    #[doc(alias = "compute_class_weight")]
    pub fn class_weights(&self) -> Result<Tensor> {
        let weights = weights(&counts(&self.classes("class_weights")?));
        Tensor::from_slice(&weights, [weights.len()])
    }

    /// The weight of its class for each sample, `[n]` in `F32`.
    ///
    /// # Errors
    /// As for [`class_weights`](Self::class_weights).
    #[track_caller]
    #[doc(alias = "compute_sample_weight")]
    pub fn sample_weights(&self) -> Result<Tensor> {
        let classes = self.classes("sample_weights")?;
        let weights = weights(&counts(&classes));
        let of_samples: Vec<f32> = classes.iter().map(|class| weights[*class]).collect();
        Tensor::from_slice(&of_samples, [of_samples.len()])
    }

    /// The samples with those of rarer classes several times: see [`Table::oversampled`].
    ///
    /// # Errors
    /// As for [`class_weights`](Self::class_weights).
    #[track_caller]
    pub fn oversampled(&self, rng: &mut Rng) -> Result<Self> {
        self.rows(&oversampled(&self.classes("oversampled")?, rng)?)
    }

    /// As many samples of each class as the rarest has: see [`Table::undersampled`].
    ///
    /// # Errors
    /// As for [`class_weights`](Self::class_weights).
    #[track_caller]
    pub fn undersampled(&self, rng: &mut Rng) -> Result<Self> {
        self.rows(&undersampled(&self.classes("undersampled")?, rng)?)
    }

    /// The class of each sample: class numbers, or zeros and ones of any type.
    #[track_caller]
    fn classes(&self, op: &'static str) -> Result<Vec<usize>> {
        /// No problem has more classes, and a list of that length must fit into memory.
        const MOST: f64 = 1e6;
        let y = self.y();
        let numbers = y.to_f64_vec();
        let fits = match (y.shape(), y.dtype()) {
            ([_], DType::I64) => numbers.iter().all(|y| (0.0..MOST).contains(y)),
            ([_] | [_, 1], _) => numbers.iter().all(|y| *y == 0.0 || *y == 1.0),
            _ => false,
        };
        if !fits || numbers.len() != self.len() {
            let message = format!(
                "y has shape {:?} and type {}, expected [n] class numbers of i64, or zeros and ones",
                y.shape(),
                y.dtype()
            );
            return Err(Error::dtype(op, message));
        }
        Ok(numbers.into_iter().map(|y| y as usize).collect())
    }
}
