//! Which classes are taken for which.

use std::collections::HashMap;
use std::fmt;
use std::ops::Index;

use serde::{Deserialize, Serialize};

use super::classification::Classification;
use super::examples::{NAMES, Pairs};
use crate::data::{shorten, text_width};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// By what the numbers of a [`ConfusionMatrix`] are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Normalize {
    /// By the sum of their row: what becomes of the examples of a class. Its diagonal is the recall.
    #[doc(alias = "true")]
    Actual,
    /// By the sum of their column: what the examples are that were taken for a class. Its diagonal is the precision.
    #[doc(alias = "pred")]
    Predicted,
    /// By the sum of all.
    All,
}

/// How often each class (row) was predicted as each class (column). Made by [`confusion_matrix`] and
/// [`Classification::confusion_matrix`].
///
/// It prints as a table, and is indexed by row, then column. Indices are places among the [labels](Self::labels).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::{Classification, Normalize};
///
/// let predicted = Tensor::from_nested([0i64, 0, 1, 2, 2, 0])?;
/// let target = Tensor::from_nested([0i64, 0, 1, 2, 1, 2])?;
/// let matrix = Classification::new().names(["cat", "dog", "bird"]).confusion_matrix(&predicted, &target)?;
/// assert_eq!(matrix[2][0], 1);
/// let table = "\
/// actual ↓  cat  dog  bird  ← predicted
/// cat         2    0     0
/// dog         0    1     1
/// bird        1    0     1";
/// assert_eq!(matrix.to_string(), table);
/// assert_eq!(matrix.normalize(Normalize::Actual).values()[2], [0.5, 0.0, 0.5]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix {
    labels: Vec<i64>,
    names: Option<Vec<String>>,
    counts: Vec<usize>,
    /// The sums of the weights of examples, if they have some.
    weights: Option<Vec<f64>>,
    normalize: Option<Normalize>,
}

/// How many cells a matrix may have: 8192 classes, half a gigabyte.
const MOST_CELLS: usize = 1 << 26;
/// More classes than these are not printed, but only the first and last of them.
const SHOWN: usize = 20;

fn zeros<T: Copy + Default>(cells: usize) -> Option<Vec<T>> {
    let mut out = Vec::new();
    out.try_reserve_exact(cells).ok()?;
    out.resize(cells, T::default());
    Some(out)
}

#[track_caller]
fn cells_of(classes: usize) -> Result<usize> {
    match classes.checked_mul(classes) {
        Some(cells) if cells <= MOST_CELLS => Ok(cells),
        _ => Err(too_large(classes)),
    }
}

#[track_caller]
fn too_large(classes: usize) -> Error {
    let message = format!("{classes} classes make a table that is too large");
    Error::argument("confusion_matrix", message).with_help("look at the scores of Classification::per_class")
}

impl ConfusionMatrix {
    /// Pairs with a class that has no label are not in it.
    #[track_caller]
    pub(super) fn new(labels: Vec<i64>, names: Option<Vec<String>>, pairs: &Pairs) -> Result<Self> {
        let classes = labels.len();
        let cells = cells_of(classes)?;
        let Some(mut counts) = zeros(cells) else { return Err(too_large(classes)) };
        let mut weights = None;
        if pairs.weights.is_some() {
            let Some(zeros) = zeros(cells) else { return Err(too_large(classes)) };
            weights = Some(zeros);
        }
        let place: HashMap<i64, usize> = labels.iter().enumerate().map(|(i, label)| (*label, i)).collect();
        for (p, y, weight) in pairs.iter() {
            let (Some(p), Some(y)) = (place.get(&p), place.get(&y)) else { continue };
            let cell = y * classes + p;
            counts[cell] += 1;
            if let Some(weights) = &mut weights {
                weights[cell] += weight;
            }
        }
        Ok(Self { labels, names, counts, weights, normalize: None })
    }

    /// The class numbers of rows and columns.
    #[must_use]
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The number of classes.
    #[must_use]
    pub fn num_classes(&self) -> usize {
        self.labels.len()
    }

    /// Gives the classes names, in the order of the labels.
    ///
    /// # Errors
    /// If there are not as many names as classes.
    #[track_caller]
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.len() != self.num_classes() {
            let message = format!("{} names for {} classes", names.len(), self.num_classes());
            return Err(Error::argument("confusion_matrix", message).with_help(NAMES));
        }
        self.names = Some(names);
        Ok(self)
    }

    /// Lets [`values`](Self::values) and the printed table show shares. Rows or columns without an example show 0.
    #[must_use]
    pub fn normalize(mut self, normalize: Normalize) -> Self {
        self.normalize = Some(normalize);
        self
    }

    /// The numbers of examples, a row for each actual class.
    pub fn rows(&self) -> impl Iterator<Item = &[usize]> {
        // A matrix without classes has no rows.
        self.counts.chunks(self.num_classes().max(1))
    }

    /// What the table shows: the numbers of examples, or the sums of their weights if they have some, or shares of either if
    /// they are [normalised](Self::normalize).
    #[must_use]
    pub fn values(&self) -> Vec<Vec<f64>> {
        let n = self.num_classes();
        let at = |y: usize, p: usize| match &self.weights {
            Some(weights) => weights[y * n + p],
            None => self.counts[y * n + p] as f64,
        };
        let mut values: Vec<Vec<f64>> = (0..n).map(|y| (0..n).map(|p| at(y, p)).collect()).collect();
        let share = |x: &mut f64, whole: f64| *x = if whole == 0.0 { 0.0 } else { *x / whole };
        match self.normalize {
            None => {}
            Some(Normalize::All) => {
                let whole = values.iter().flatten().sum();
                values.iter_mut().flatten().for_each(|x| share(x, whole));
            }
            Some(Normalize::Actual) => {
                for row in &mut values {
                    let whole = row.iter().sum();
                    row.iter_mut().for_each(|x| share(x, whole));
                }
            }
            Some(Normalize::Predicted) => {
                let wholes: Vec<f64> = (0..n).map(|p| values.iter().map(|row| row[p]).sum()).collect();
                for row in &mut values {
                    row.iter_mut().zip(&wholes).for_each(|(x, whole)| share(x, *whole));
                }
            }
        }
        values
    }

    /// The name of a class, or its number.
    pub(in crate::train) fn name(&self, class: usize) -> String {
        match &self.names {
            Some(names) => shorten(&names[class]),
            None => self.labels[class].to_string(),
        }
    }
}

/// A row: how often an actual class was predicted as each class.
impl Index<usize> for ConfusionMatrix {
    type Output = [usize];

    /// # Panics
    /// If there is no such row.
    fn index(&self, row: usize) -> &[usize] {
        let n = self.num_classes();
        assert!(row < n, "row {row} of a confusion matrix of {n} classes");
        &self.counts[row * n..][..n]
    }
}

impl PartialEq<Vec<Vec<usize>>> for ConfusionMatrix {
    fn eq(&self, other: &Vec<Vec<usize>>) -> bool {
        self.num_classes() == other.len() && self.rows().zip(other).all(|(a, b)| a == &b[..])
    }
}

impl<const N: usize, const M: usize> PartialEq<[[usize; N]; M]> for ConfusionMatrix {
    fn eq(&self, other: &[[usize; N]; M]) -> bool {
        self.num_classes() == M && self.rows().zip(other).all(|(a, b)| a == b)
    }
}

impl From<ConfusionMatrix> for Vec<Vec<usize>> {
    fn from(matrix: ConfusionMatrix) -> Self {
        matrix.rows().map(<[usize]>::to_vec).collect()
    }
}

/// A table with the names of the classes; a precision such as `{:.3}` is that of shares and weights.
impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.num_classes();
        let shown: Vec<Option<usize>> = if n <= SHOWN {
            (0..n).map(Some).collect()
        } else {
            (0..SHOWN / 2).map(Some).chain([None]).chain((n - SHOWN / 2..n).map(Some)).collect()
        };
        let digits = match (&self.weights, self.normalize) {
            (None, None) => 0,
            _ => f.precision().unwrap_or(2),
        };
        let values = self.values();
        let name = |class: &Option<usize>| class.map_or("…".to_string(), |class| self.name(class));
        let cell = |row: &Option<usize>, column: &Option<usize>| match (row, column) {
            (Some(row), Some(column)) => format!("{:.digits$}", values[*row][*column]),
            _ => "…".to_string(),
        };
        let corner = "actual ↓";
        let first = shown.iter().map(|row| text_width(&name(row))).chain([text_width(corner)]).max().unwrap_or(0);
        let width = |column: &Option<usize>| {
            shown.iter().map(|row| text_width(&cell(row, column))).chain([text_width(&name(column))]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = shown.iter().map(width).collect();
        let spaces = |count: usize| " ".repeat(count);
        let padded = |text: &str, width: usize| spaces(2 + width.saturating_sub(text_width(text))) + text;
        write!(f, "{corner}{}", spaces(first - text_width(corner)))?;
        for (column, width) in shown.iter().zip(&widths) {
            f.write_str(&padded(&name(column), *width))?;
        }
        f.write_str("  ← predicted")?;
        for row in &shown {
            let head = name(row);
            write!(f, "\n{head}{}", spaces(first - text_width(&head)))?;
            for (column, width) in shown.iter().zip(&widths) {
                f.write_str(&padded(&cell(row, column), *width))?;
            }
        }
        Ok(())
    }
}

impl Classification {
    /// How often each class was predicted as each class: of all that occur, or of the labels or names that were given.
    ///
    /// # Errors
    /// As for [`accuracy`](super::accuracy), or if there are so many classes that the table would not fit into memory.
    #[track_caller]
    pub fn confusion_matrix(&self, prediction: &Tensor, target: &Tensor) -> Result<ConfusionMatrix> {
        let pairs = self.pairs("confusion_matrix", prediction, target)?;
        let labels = self.known_labels("confusion_matrix", &pairs)?;
        ConfusionMatrix::new(labels, self.names.clone(), &pairs)
    }

    /// The same of pairs that stand for so many each, with weights that are those of the options or only repeat these numbers.
    #[track_caller]
    pub(in super::super) fn counted_matrix(
        &self,
        predicted: &Tensor,
        actual: &Tensor,
        counts: &[usize],
        weighted: bool,
    ) -> Result<ConfusionMatrix> {
        let mut matrix = self.confusion_matrix(predicted, actual)?;
        let place = |class: i64| matrix.labels.iter().position(|label| *label == class);
        let mut cells = Vec::with_capacity(counts.len());
        for ((p, y), count) in predicted.to_vec::<i64>()?.into_iter().zip(actual.to_vec::<i64>()?).zip(counts) {
            if let (Some(p), Some(y)) = (place(p), place(y)) {
                cells.push((y * matrix.labels.len() + p, *count));
            }
        }
        for (cell, count) in cells {
            matrix.counts[cell] = count;
        }
        if !weighted {
            matrix.weights = None;
        }
        Ok(matrix)
    }
}

/// How often each class (row) was predicted as each class (column), of classes 0 to `num_classes - 1`.
/// [`Classification::confusion_matrix`] takes other classes, their names and weights of examples.
///
/// # Errors
/// If a class number is negative or not below `num_classes`, or there are so many classes that the table would not fit into
/// memory; and as for [`accuracy`](super::accuracy).
///
/// ```
/// use demotic::prelude::*;
///
/// let logits = tensor![[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]];
/// let target = Tensor::from_nested([0i64, 1, 1])?;
/// let matrix = metrics::confusion_matrix(&logits, &target, 2)?;
/// assert_eq!(matrix, [[1, 0], [1, 1]]);
/// println!("{}", matrix.with_names(["cat", "dog"])?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn confusion_matrix(prediction: &Tensor, target: &Tensor, num_classes: usize) -> Result<ConfusionMatrix> {
    let name = "confusion_matrix";
    cells_of(num_classes)?;
    let pairs = Classification::new().pairs(name, prediction, target)?;
    let known = |class: i64| usize::try_from(class).is_ok_and(|class| class < num_classes);
    if let Some((p, y, _)) = pairs.iter().find(|(p, y, _)| !known(*p) || !known(*y)) {
        let message = format!("class {y} predicted as {p}, expected numbers below {num_classes}");
        return Err(Error::index(name, message));
    }
    ConfusionMatrix::new((0..num_classes as i64).collect(), None, &pairs)
}
