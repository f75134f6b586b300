//! The cross-entropy of logits.

use super::classes::{class_numbers, expect_class_weights};
use super::{IGNORE_INDEX, Loss, Reduction, check_not_empty, check_shapes, configurable, in_single};
use crate::autograd::ops::cross_entropy::ClassCrossEntropy;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

reducible!(CrossEntropy);
configurable!(CrossEntropy { reduction, label_smoothing, weight: tensor, ignore_index, classes_last }, check);

/// The mean cross-entropy between the softmax of `logits` and the targets: `log Σ eˣ − xₜ` for the class `t`.
///
/// `logits` has shape `[n, classes]`, or `[n, classes, d…]` with the classes in dimension 1. Targets are class numbers
/// (`I64`, shape `[n]` or `[n, d…]`), or probabilities of the shape and type of the logits.
///
/// # Errors
/// If shapes or types do not fit, a class number is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// let logits = tensor![[2.0, 0.0], [0.0, 0.0]];
/// let loss = losses::cross_entropy(&logits, &Tensor::from_nested([0i64, 1])?)?;
/// assert!((loss.item()? - (0.126_928 + 0.693_147) / 2.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    CrossEntropy::new().loss(logits, target)
}

/// [`cross_entropy`] with the classes in the last dimension: the loss of language models, whose logits are
/// `[.., classes]`, one row for each token that is to be predicted, mostly `[batch, time, vocabulary]`.
///
/// Targets are the numbers of the tokens that follow (`I64`, shape `[..]`), −100 where a position does not count, or
/// probabilities of the shape and type of the logits. The result is the mean over all positions that count. Its
/// exponential is the perplexity. Nothing is moved in memory, and no probabilities are kept.
///
/// # Errors
/// As for [`cross_entropy`].
///
/// ```
/// use demotic::{losses, Tensor};
///
/// // One sentence of three tokens, a vocabulary of five, and a model that knows nothing yet.
/// let logits = Tensor::zeros([1, 3, 5])?;
/// let next = Tensor::from_nested([[2i64, 4, -100]])?;
/// let loss = losses::token_cross_entropy(&logits, &next)?.item()?;
/// assert!((loss.exp() - 5.0).abs() < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn token_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    CrossEntropy::new().classes_last().loss(logits, targets)
}

/// [`cross_entropy`] with options.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    reduction: Reduction,
    label_smoothing: f64,
    weight: Option<Tensor>,
    ignore_index: i64,
    classes_last: bool,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self {
            reduction: Reduction::Mean,
            label_smoothing: 0.0,
            weight: None,
            ignore_index: IGNORE_INDEX,
            classes_last: false,
        }
    }
}

impl CrossEntropy {
    /// Takes the share `epsilon` from the target class and spreads it over all classes (Szegedy et al., 2016).
    ///
    /// # Errors
    /// If `epsilon` is not between 0 and 1.
    #[track_caller]
    pub fn label_smoothing(mut self, epsilon: f64) -> Result<Self> {
        self.label_smoothing = epsilon;
        self.check()?;
        Ok(self)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let epsilon = self.label_smoothing;
        if !(0.0..=1.0).contains(&epsilon) {
            let message = format!("label smoothing is {epsilon}, expected a number from 0 to 1");
            return Err(Error::argument("cross_entropy", message));
        }
        Ok(())
    }

    /// How much each class counts: a tensor `[classes]` of the type of the logits.
    #[must_use]
    pub fn weight(mut self, weight: &Tensor) -> Self {
        self.weight = Some(weight.detach());
        self
    }

    /// Targets of this class number do not count. By default −100.
    #[must_use]
    pub fn ignore_index(mut self, index: i64) -> Self {
        self.ignore_index = index;
        self
    }

    /// The classes are in the last dimension of the logits, whatever their number of dimensions: `[.., classes]`, with
    /// targets `[..]`. Otherwise they are in dimension 1. See [`token_cross_entropy`].
    #[must_use]
    pub fn classes_last(mut self) -> Self {
        self.classes_last = true;
        self
    }

    /// Which of the dimensions of logits or probabilities holds the classes.
    fn class_dim(&self, rank: usize) -> usize {
        let last = rank.saturating_sub(1);
        if self.classes_last { last } else { last.min(1) }
    }
}

impl Loss for CrossEntropy {
    #[track_caller]
    fn loss(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "cross_entropy";
        if let Some((logits, target)) = in_single(logits, target) {
            return self.loss(&logits, &target);
        }
        if !logits.dtype().is_float() && target.dtype().is_float() {
            let message = format!("the logits are {}, the target {}", logits.dtype(), target.dtype());
            return Err(Error::dtype(name, message).with_help("the logits come first: cross_entropy(logits, classes)"));
        }
        logits.expect_float(name, "the logits")?;
        if logits.rank() == 0 {
            let wanted = if self.classes_last { "[.., classes]" } else { "[n, classes]" };
            return Err(Error::shape(name, format!("the logits are a scalar, expected {wanted}")));
        }
        check_not_empty(name, logits)?;
        let (last, class_dim) = (logits.rank() - 1, self.class_dim(logits.rank()));
        let classes = logits.shape()[class_dim];
        if let Some(weight) = &self.weight {
            expect_class_weights(name, weight, logits, class_dim)?;
        }
        // The classes last, everything else as rows.
        let mut order: Vec<isize> = (0..logits.rank() as isize).collect();
        let moved = order.remove(class_dim);
        order.push(moved);
        let rows = logits.numel() / classes;
        let flat = |x: &Tensor| match class_dim == last {
            true => x.reshape([rows, classes]),
            false => x.permute(&order)?.reshape([rows, classes]),
        };
        let mut rest: Vec<usize> = logits.shape().to_vec();
        rest.remove(class_dim);

        let flat_logits = if logits.rank() == 2 { logits.clone() } else { flat(logits)? };
        let losses = if target.dtype() == DType::I64 {
            if target.shape() != rest {
                let message =
                    format!("targets of shape {:?} for logits {:?}, expected {rest:?}", target.shape(), logits.shape());
                let error = Error::shape(name, message);
                return Err(if target.numel() == rows {
                    error.with_help(format!("class numbers have no dimension of classes: reshape them to {rest:?}"))
                } else if target.shape() == logits.shape() {
                    error.with_help(format!(
                        "one-hot rows are probabilities: to_dtype(DType::{:?}); or give class numbers",
                        logits.dtype()
                    ))
                } else if !self.classes_last && target.shape() == &logits.shape()[..last] {
                    error.with_help("for classes in the last dimension use token_cross_entropy, or classes_last()")
                } else {
                    error
                });
            }
            let targets = class_numbers(name, target, classes, Some(self.ignore_index))?;
            let divisor = self.divisor(&targets);
            let (label_smoothing, weight) = (self.label_smoothing, self.weight.clone());
            ClassCrossEntropy { targets, label_smoothing, weight, divisor }.of(&flat_logits)?
        } else {
            if target.numel() == rows && target.shape() != logits.shape() {
                return Err(not_class_numbers(target, &rest));
            }
            target.expect_dtype(
                name,
                "the target (class numbers must be i64, probabilities like the logits)",
                logits.dtype(),
            )?;
            check_shapes(name, logits, target)?;
            expect_probabilities(name, target)?;
            self.distribution_loss(&flat_logits, &flat(target)?)?
        };
        if self.reduction == Reduction::None { losses.reshape(rest) } else { Ok(losses) }
    }

    /// Of class numbers, those that count, each with the weight of its class; of probabilities, the rows.
    fn count(&self, target: &Tensor) -> f64 {
        if target.dtype() != DType::I64 {
            let classes = target.shape().get(self.class_dim(target.rank())).copied().unwrap_or(1);
            return self.reduction.count(target.numel() as f64 / classes.max(1) as f64);
        }
        let weights = self.weight.as_ref().map(Tensor::to_f64_vec);
        // A class that does not exist counts, so that the loss is asked, and complains.
        let weight_of = |class: i64| match &weights {
            Some(weights) => usize::try_from(class).ok().and_then(|class| weights.get(class)).map_or(1.0, |w| *w),
            None => 1.0,
        };
        let targets = target.to_vec::<i64>().unwrap_or_default();
        let counted = targets.into_iter().filter(|class| *class != self.ignore_index);
        self.reduction.count(counted.map(weight_of).sum())
    }
}

impl CrossEntropy {
    /// By what the sum of the losses of rows with these targets is divided, if they are to be added up: 0 if none counts.
    fn divisor(&self, targets: &[i64]) -> Option<f64> {
        let counted = targets.iter().filter(|target| **target >= 0);
        match (self.reduction, &self.weight) {
            (Reduction::Mean, Some(weight)) => {
                let weight = weight.to_f64_vec();
                Some(counted.map(|target| weight[*target as usize]).sum())
            }
            (Reduction::Mean, None) => Some(counted.count() as f64),
            (Reduction::Sum, _) => Some(1.0),
            (Reduction::None, _) => None,
        }
    }

    /// The loss of logits `[n, classes]` with target probabilities of the same shape.
    #[track_caller]
    fn distribution_loss(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let [rows, classes] = [logits.shape()[0], logits.shape()[1]];
        let uniform = self.label_smoothing / classes as f64;
        let target = target.mul_scalar(1.0 - self.label_smoothing).add_scalar(uniform);
        let mut log_p = logits.log_softmax(-1)?;
        if let Some(weight) = &self.weight {
            log_p = log_p.mul(weight)?;
        }
        let losses = target.mul(&log_p)?.sum_dims(&[1], false)?.neg();
        Ok(match self.reduction {
            Reduction::Mean => losses.sum().div_scalar(rows as f64),
            other => other.apply(&losses),
        })
    }
}

/// Checks that targets are probabilities, as far as mixtures of them are exact: numbers of any other kind would be learnt in silence.
#[track_caller]
fn expect_probabilities(name: &'static str, target: &Tensor) -> Result<()> {
    const SLACK: f64 = 1e-3;
    let target = target.detach();
    if target.min()?.item()? >= -SLACK && target.max()?.item()? <= 1.0 + SLACK {
        return Ok(());
    }
    match target.to_f64_vec().into_iter().find(|p| *p < -SLACK || *p > 1.0 + SLACK) {
        Some(p) => Err(Error::argument(name, format!("the target contains {p}, which is not a probability")).with_help(
            "Preprocessor::classification numbers the classes of a column; for numbers to be predicted use losses::mse",
        )),
        None => Ok(()),
    }
}

/// What is wrong with one target for each row, as there is of class numbers, that is not `I64`.
#[track_caller]
fn not_class_numbers(target: &Tensor, shape: &[usize]) -> Error {
    let name = "cross_entropy";
    let fractional = target.to_f64_vec().into_iter().enumerate().find(|(_, y)| y.fract() != 0.0);
    if let Some((i, y)) = fractional {
        return Error::argument(name, format!("target {i} is {y}, expected class numbers (i64)")).with_help(
            "Preprocessor::classification numbers the classes of a column; for numbers to be predicted use losses::mse",
        );
    }
    let message = format!("class numbers of type {}, expected i64", target.dtype());
    let reshape = if target.shape() == shape { String::new() } else { format!(" and reshape them to {shape:?}") };
    // What is of this type was written as `tensor![0_i64, 1]`, often enough.
    let literals = match target.dtype() {
        DType::F32 => "; tensor![..] is always f32, Tensor::from_nested([0_i64, 1]) is i64",
        _ => "",
    };
    Error::dtype(name, message).with_help(format!("convert them with to_dtype(DType::I64){reshape}{literals}"))
}
