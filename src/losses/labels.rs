//! Losses of several labels at once.

use super::classes::expect_class_weights;
use super::weighting::{Weighting, pair, single};
use super::{Loss, Reduction, check_not_empty};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

reducible!(@new MultiLabelMargin, MultiLabelSoftMargin);
reducible!(@weighted MultiLabelMargin);
reducible!(@option MultiLabelSoftMargin);
configurable!(MultiLabelMargin { weighting: weighting });
configurable!(MultiLabelSoftMargin { weight: tensor, reduction });

/// The mean over all examples of `Σ max(0, 1 − sⱼ + sᵢ) / classes`, over all labels `j` that an example has, and all `i` that it has not.
///
/// Scores have shape `[n, classes]`. A row of the targets (`I64`, `[n, classes]`) lists the labels, followed by −1 where it is longer
/// than the list; what comes behind does not count. A single example has no `n`.
///
/// # Errors
/// If shapes or types do not fit, a label is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let labels = Tensor::from_nested([[3i64, 0, -1, 1]])?;
/// let loss = losses::multi_label_margin(&tensor![[0.1, 0.2, 0.4, 0.8]], &labels)?;
/// assert!((loss.item()? - (0.4 + 0.6 + 1.1 + 1.3) / 4.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn multi_label_margin(scores: &Tensor, target: &Tensor) -> Result<Tensor> {
    MultiLabelMargin::new().loss(scores, target)
}

/// The mean cross-entropy of yes and no over classes, and over all examples, of logits `[.., classes]` and targets of the same shape
/// that are 1 where an example has a label and 0 where it has not. PyTorch's `multilabel_soft_margin_loss`.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let (logits, labels) = (tensor![[2.0, -1.0, 0.0]], tensor![[1.0, 0.0, 1.0]]);
/// let loss = losses::multi_label_soft_margin(&logits, &labels)?.item()?;
/// assert!((loss - losses::bce_with_logits(&logits, &labels)?.item()?).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn multi_label_soft_margin(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    MultiLabelSoftMargin::new().loss(logits, target)
}

/// [`multi_label_margin`] with options.
#[derive(Debug, Clone, Default)]
pub struct MultiLabelMargin {
    weighting: Weighting,
}

impl Loss for MultiLabelMargin {
    #[track_caller]
    fn loss(&self, scores: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (name, x) = ("multi_label_margin", single(scores));
        x.expect_float(name, "the prediction")?;
        target.expect_dtype(name, "the target (numbers of labels)", DType::I64)?;
        if !matches!(x.rank(), 1 | 2) || target.shape() != x.shape() {
            let (scores, target) = (x.shape(), target.shape());
            let message =
                format!("scores of shape {scores:?} and targets of shape {target:?}, expected [n, classes] of both");
            return Err(Error::shape(name, message));
        }
        check_not_empty(name, &x)?;
        let classes = x.shape()[x.rank() - 1];
        let rows = Labels::read(name, &target.to_vec::<i64>()?, classes)?;
        let n = x.numel() / classes;
        let x2 = x.reshape([n, classes])?;
        let tensor = |numbers: Vec<f64>, width| Ok(Tensor::from_vec(numbers, [n, width])?.to_dtype(x.dtype()));
        let own = x2.gather(1, &Tensor::from_vec(rows.labels, [n, rows.most])?)?;
        // Every label against every class that is none.
        let excess = own.unsqueeze(2)?.rsub_scalar(1.0).add(&x2.unsqueeze(1)?)?.relu();
        let counts = tensor(rows.counts, rows.most)?.unsqueeze(2)?.mul(&tensor(rows.others, classes)?.unsqueeze(1)?)?;
        let losses = excess.mul(&counts)?.sum_dims(&[1, 2], false)?.div_scalar(classes as f64);
        self.weighting.finish(name, &losses.reshape(&x.shape()[..x.rank() - 1])?)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// Lists of labels, all of the length of the longest.
struct Labels {
    most: usize,
    /// The labels, then 0.
    labels: Vec<i64>,
    /// 1 for each label, then 0.
    counts: Vec<f64>,
    /// 1 for each class that is none of the labels.
    others: Vec<f64>,
}

impl Labels {
    #[track_caller]
    fn read(name: &'static str, target: &[i64], classes: usize) -> Result<Self> {
        let length = |row: &[i64]| row.iter().position(|label| *label == -1).unwrap_or(row.len());
        let most = target.chunks(classes).map(length).max().unwrap_or(0).max(1);
        let (mut labels, mut counts, mut others) = (Vec::new(), Vec::new(), vec![1.0; target.len()]);
        for (i, row) in target.chunks(classes).enumerate() {
            let list = &row[..length(row)];
            for (j, label) in list.iter().enumerate() {
                if !(0..classes as i64).contains(label) {
                    let message = format!(
                        "target {j} of example {i} is label {label}, the scores have {classes} classes (0 ..= {})",
                        classes - 1
                    );
                    return Err(Error::index(name, message).with_help("-1 ends the list of labels"));
                }
                others[i * classes + *label as usize] = 0.0;
            }
            let rest = most - list.len();
            labels.extend(list.iter().copied().chain(std::iter::repeat_n(0, rest)));
            counts.extend(std::iter::repeat_n(1.0, list.len()).chain(std::iter::repeat_n(0.0, rest)));
        }
        Ok(Self { most, labels, counts, others })
    }
}

/// [`multi_label_soft_margin`] with options.
#[derive(Debug, Clone, Default)]
pub struct MultiLabelSoftMargin {
    weight: Option<Tensor>,
    reduction: Reduction,
}

impl MultiLabelSoftMargin {
    /// How much each class counts: a tensor `[classes]` of the type of the logits.
    #[must_use]
    pub fn weight(mut self, weight: &Tensor) -> Self {
        self.weight = Some(weight.detach());
        self
    }
}

impl Loss for MultiLabelSoftMargin {
    #[track_caller]
    fn loss(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "multi_label_soft_margin";
        let (logits, target) = pair(name, logits, target)?;
        if logits.rank() == 0 {
            return Err(Error::shape(name, "the prediction is a scalar, expected [.., classes]"));
        }
        let yes = target.mul(&logits.log_sigmoid())?;
        let mut losses = yes.add(&target.rsub_scalar(1.0).mul(&logits.neg().log_sigmoid())?)?.neg();
        if let Some(weight) = &self.weight {
            expect_class_weights(name, weight, &logits, logits.rank() - 1)?;
            losses = losses.mul(weight)?;
        }
        Ok(self.reduction.apply(&losses.mean_dims(&[-1], false)?))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
    }
}
