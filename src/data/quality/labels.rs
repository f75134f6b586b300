//! Labels that a model does not believe: confident learning.

use super::{Finding, Problem, Severity};
use crate::error::{Error, Result};
use crate::order;
use crate::tensor::Tensor;

/// What [`label_errors`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LabelErrors {
    /// The mean probability of each class over the rows with its label: a row counts for a class from there on. Infinite for a class without
    /// rows.
    pub thresholds: Vec<f64>,
    /// How many rows with a label (first) are confidently of a class (second).
    pub joint: Vec<Vec<usize>>,
    /// The rows whose label is probably wrong, the surest first.
    pub rows: Vec<usize>,
    /// What the label of each row should rather be: the class with the largest probability.
    pub suggested: Vec<usize>,
    /// The probability that the model gives to the label of each row: low where it does not believe it.
    pub self_confidence: Vec<f64>,
    /// Half of one plus that minus the largest probability of another class.
    pub normalized_margin: Vec<f64>,
}

/// Finds rows whose label is probably wrong, by confident learning (Northcutt, Jiang and Chuang, 2021; `cleanlab`'s
/// `find_label_issues` with `filter_by="confident_learning"`): rows that reach the threshold of another class than their own.
///
/// `probabilities`, `[n, classes]`, must be of models that have not seen the row they judge: predict each fold of a cross-validation by a
/// model that was trained on the others ([`cross_validate`](crate::tune::cross_validate)), or labels that were learnt by heart are believed.
/// `labels` are class numbers `[n]`.
///
/// ```
/// use demotic::data::quality::label_errors;
/// use demotic::prelude::*;
///
/// let probabilities = tensor![[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.95, 0.05]];
/// let labels = Tensor::from_nested([0i64, 0, 1, 1, 1])?;
/// let found = label_errors(&probabilities, &labels)?;
/// assert_eq!(found.rows, [4]);
/// println!("{}", found.finding());
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If shapes do not fit, there are fewer than two classes, rows are no probabilities, or a label is no class.
#[track_caller]
pub fn label_errors(probabilities: &Tensor, labels: &Tensor) -> Result<LabelErrors> {
    const OP: &str = "label_errors";
    let (&[n, k], &[rows] | &[rows, 1]) = (probabilities.shape(), labels.shape()) else {
        let message = format!(
            "probabilities {:?} and labels {:?}, expected [n, classes] and [n]",
            probabilities.shape(),
            labels.shape()
        );
        return Err(Error::shape(OP, message));
    };
    if n != rows || n == 0 || k < 2 {
        return Err(Error::shape(
            OP,
            format!("probabilities [{n}, {k}] for {rows} labels, expected two classes at least"),
        ));
    }
    let p = probabilities.to_f64_vec();
    for (i, row) in p.chunks(k).enumerate() {
        let sum: f64 = row.iter().sum();
        if !row.iter().all(|p| (0.0..=1.0 + 1e-6).contains(p)) || (sum - 1.0).abs() > 1e-3 {
            let message = format!("row {i} of the probabilities adds up to {sum:.4}, or holds what is none");
            return Err(Error::numeric(OP, message).with_help("logits become probabilities with softmax(-1)"));
        }
    }
    let mut y = Vec::with_capacity(n);
    for (i, label) in labels.to_f64_vec().into_iter().enumerate() {
        if !(0.0..k as f64).contains(&label) || label.fract() != 0.0 {
            return Err(Error::argument(
                OP,
                format!("the label of row {i} is {label}, expected a class from 0 to {}", k - 1),
            ));
        }
        y.push(label as usize);
    }
    let (mut sums, mut counts) = (vec![0.0; k], vec![0usize; k]);
    for (row, y) in p.chunks(k).zip(&y) {
        sums[*y] += row[*y];
        counts[*y] += 1;
    }
    let threshold = |class: usize| match counts[class] {
        0 => f64::INFINITY,
        // A class that is never believed at all is not reached by every row.
        count => (sums[class] / count as f64).max(2e-6),
    };
    let thresholds: Vec<f64> = (0..k).map(threshold).collect();
    let largest = |row: &[f64]| (0..k).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    let mut joint = vec![vec![0; k]; k];
    let (mut found, mut confidence, mut margin, mut suggested) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (i, (row, y)) in p.chunks(k).zip(&y).enumerate() {
        let best = largest(row);
        let reached: Vec<usize> = (0..k).filter(|class| row[*class] >= thresholds[*class] - 1e-6).collect();
        let believed = match reached[..] {
            [] => None,
            [only] => Some(only),
            _ => Some(best),
        };
        if let Some(class) = believed {
            joint[*y][class] += 1;
            // Where the label is among the most likely classes, there is no error.
            if class != *y && row[best] > row[*y] + 1e-6 {
                found.push(i);
            }
        }
        let other = (0..k).filter(|class| class != y).map(|class| row[class]).fold(0.0, f64::max);
        confidence.push(row[*y]);
        margin.push((row[*y] - other + 1.0) / 2.0);
        suggested.push(best);
    }
    (0..k).for_each(|class| joint[class][class] = joint[class][class].max(1));
    order::sort_by(&mut found, |a, b| confidence[*a].total_cmp(&confidence[*b]).then(a.cmp(b)));
    Ok(LabelErrors {
        thresholds,
        joint,
        rows: found,
        suggested,
        self_confidence: confidence,
        normalized_margin: margin,
    })
}

impl LabelErrors {
    /// The same as a finding beside those of a table.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let n = self.self_confidence.len();
        let share = self.rows.len() as f64 / n as f64;
        let severity = match share {
            s if s > 0.1 => Severity::Serious,
            s if s > 0.01 => Severity::Warning,
            _ => Severity::Note,
        };
        let message =
            format!("{} of {n} labels are probably wrong ({})", self.rows.len(), super::columns::percent(share));
        let advice = "look at these rows, the first ones first; correct the labels that are wrong, and do not leave out what is merely difficult";
        let mut finding = Finding::new(Problem::Labels, severity, share, message, advice);
        finding.rows.clone_from(&self.rows);
        finding
    }
}
