//! Losses of classes and probabilities.

use super::{Loss, Reduction, check_not_empty, check_pair, check_shapes};
use crate::autograd::{Function, Saved, SecondOrder, Sink, apply};
use crate::error::{Error, Result};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::{Real, softmax};
use crate::tensor::{DType, Element, Tensor};

/// The lowest logarithm of a probability that counts, as in PyTorch: the loss stays finite at 0 and 1.
const LOG_FLOOR: f64 = -100.0;
/// The smallest denominator in the gradients of losses of probabilities, as in PyTorch.
const DENOMINATOR_FLOOR: f64 = 1e-12;

/// The mean cross-entropy between the softmax of `logits` and the targets.
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

/// The mean over all examples of `H(y, ŷ) = −Σ yᵢ log ŷᵢ`, for predicted probabilities `[.., classes]`.
///
/// Targets are probabilities of the same shape, or class numbers (`I64`, `[..]`). Logarithms below −100 count as
/// −100, which keeps the loss finite where a probability is 0. Prefer [`cross_entropy`] where the logits are at hand.
///
/// # Errors
/// If shapes or types do not fit, a class number or a probability is out of range, or there are no examples.
#[track_caller]
pub fn cross_entropy_from_probabilities(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    CrossEntropyFromProbabilities::new().loss(probabilities, target)
}

/// The mean binary cross-entropy `−y log p − (1 − y) log(1 − p)` of probabilities and targets of the same shape.
///
/// Logarithms below −100 count as −100. Prefer [`bce_with_logits`] where the logits are at hand.
///
/// # Errors
/// If shapes or types differ, a probability is out of range, or there are no examples.
#[track_caller]
pub fn bce(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    Bce::new().loss(probabilities, target)
}

/// The mean binary cross-entropy between the sigmoid of `logits` and targets of the same shape, computed without
/// rounding to probabilities.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
#[track_caller]
pub fn bce_with_logits(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    BceWithLogits::new().loss(logits, target)
}

/// [`cross_entropy`] with options.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    reduction: Reduction,
    label_smoothing: f64,
    weight: Option<Tensor>,
    ignore_index: i64,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { reduction: Reduction::Mean, label_smoothing: 0.0, weight: None, ignore_index: -100 }
    }
}

impl CrossEntropy {
    /// The mean over all examples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another reduction. The mean is weighted by the class weights.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Takes the share `epsilon` from the target class and spreads it over all classes (Szegedy et al., 2016).
    ///
    /// # Errors
    /// If `epsilon` is not between 0 and 1.
    #[track_caller]
    pub fn label_smoothing(mut self, epsilon: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&epsilon) {
            let message = format!("label smoothing is {epsilon}, expected a number from 0 to 1");
            return Err(Error::argument("cross_entropy", message));
        }
        self.label_smoothing = epsilon;
        Ok(self)
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

    #[track_caller]
    fn check_weight(&self, logits: &Tensor, classes: usize) -> Result<()> {
        let Some(weight) = &self.weight else { return Ok(()) };
        weight.expect_dtype("cross_entropy", "the class weights", logits.dtype())?;
        if weight.shape() != [classes] {
            let message = format!("class weights of shape {:?} for {classes} classes", weight.shape());
            return Err(Error::shape("cross_entropy", message));
        }
        Ok(())
    }

    /// The targets as class numbers, −1 where they do not count.
    #[track_caller]
    fn checked_targets(&self, target: &Tensor, classes: usize) -> Result<Vec<i64>> {
        let mut targets = target.to_vec::<i64>()?;
        for (i, t) in targets.iter_mut().enumerate() {
            if *t == self.ignore_index {
                *t = -1;
            } else if !(0..classes as i64).contains(t) {
                let message = format!("target {i} is class {t}, the logits have {classes} classes (0 ..= {})", classes as i64 - 1);
                return Err(Error::index("cross_entropy", message));
            }
        }
        Ok(targets)
    }
}

impl Loss for CrossEntropy {
    #[track_caller]
    fn loss(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "cross_entropy";
        logits.expect_float(name, "the logits")?;
        if logits.rank() == 0 {
            return Err(Error::shape(name, "the logits are a scalar, expected [n, classes]"));
        }
        check_not_empty(name, logits)?;
        let class_dim = usize::from(logits.rank() > 1);
        let classes = logits.shape()[class_dim];
        self.check_weight(logits, classes)?;
        // The classes last, everything else as rows.
        let mut order: Vec<isize> = (0..logits.rank() as isize).collect();
        let moved = order.remove(class_dim);
        order.push(moved);
        let rows = logits.numel() / classes;
        let flat = |x: &Tensor| x.permute(&order)?.reshape([rows, classes]);
        let mut rest: Vec<usize> = logits.shape().to_vec();
        rest.remove(class_dim);

        let flat_logits = if logits.rank() == 2 { logits.clone() } else { flat(logits)? };
        let losses = if target.dtype() == DType::I64 {
            if target.shape() != rest {
                let message = format!("targets of shape {:?} for logits {:?}, expected {rest:?}", target.shape(), logits.shape());
                return Err(Error::shape(name, message));
            }
            let targets = self.checked_targets(target, classes)?;
            let function = ClassCrossEntropy::new(self, targets, classes, &flat_logits);
            apply(function, &[&flat_logits])?
        } else {
            target.expect_dtype(name, "the target (class numbers must be i64, probabilities like the logits)", logits.dtype())?;
            check_shapes(name, logits, target)?;
            self.from_distribution(&flat_logits, &flat(target)?)?
        };
        if self.reduction == Reduction::None { losses.reshape(rest) } else { Ok(losses) }
    }
}

impl CrossEntropy {
    /// The loss of logits `[n, classes]` with target probabilities of the same shape.
    fn from_distribution(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
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

/// Cross-entropy of class numbers in two passes over the logits, without keeping probabilities.
struct ClassCrossEntropy {
    targets: Vec<i64>,
    label_smoothing: f64,
    weight: Option<Tensor>,
    reduction: Reduction,
    /// By what the sum of the losses is divided.
    divisor: f64,
    /// The logarithm of each row's sum of exponentials, kept by the forward pass.
    log_sum_exp: Option<Tensor>,
}

impl ClassCrossEntropy {
    fn new(options: &CrossEntropy, targets: Vec<i64>, classes: usize, logits: &Tensor) -> Self {
        let weight = options.weight.as_ref().map(|w| w.packed());
        let divisor = match (options.reduction, &weight) {
            (Reduction::Mean, Some(weight)) => {
                let weight = weight.to_f64_vec();
                targets.iter().filter(|t| **t >= 0).map(|t| weight[*t as usize]).sum()
            }
            (Reduction::Mean, None) => targets.iter().filter(|t| **t >= 0).count() as f64,
            _ => 1.0,
        };
        debug_assert_eq!(logits.shape(), [targets.len(), classes]);
        let (label_smoothing, reduction) = (options.label_smoothing, options.reduction);
        Self { targets, label_smoothing, weight, reduction, divisor, log_sum_exp: None }
    }

    fn compute<T: Element + Real>(&mut self, logits: &Tensor) -> Tensor {
        let rows = self.targets.len();
        let classes = logits.shape()[1];
        let logits = logits.packed();
        let weight = self.weight.as_ref().map(|w| w.data::<T>());
        let mut log_sum_exp = Tensor::stale(T::DTYPE, &[rows]);
        let losses = Tensor::build::<T>(&[rows], |losses| {
            let smoothing = <T as Element>::from_f64(self.label_smoothing);
            softmax::cross_entropy(logits.data(), classes, &self.targets, smoothing, weight, losses, log_sum_exp.data_mut());
        });
        self.log_sum_exp = Some(log_sum_exp);
        if self.reduction == Reduction::None { losses } else { losses.sum().div_scalar(self.divisor) }
    }

    fn gradient<T: Element + Real>(&self, logits: &Tensor, log_sum_exp: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let classes = logits.shape()[1];
        let logits = logits.packed();
        let scale = match self.reduction {
            Reduction::None => grad.packed(),
            _ => grad.div_scalar(self.divisor).broadcast_to([self.targets.len()])?.packed(),
        };
        let weight = self.weight.as_ref().map(|w| w.data::<T>());
        let smoothing = <T as Element>::from_f64(self.label_smoothing);
        Ok(Tensor::build::<T>(logits.shape(), |out| {
            let (lse, scale) = (log_sum_exp.data(), scale.data());
            softmax::cross_entropy_backward(logits.data(), classes, lse, &self.targets, smoothing, weight, scale, out);
        }))
    }
}

impl Function for ClassCrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        Ok(with_float!(inputs[0].dtype(), T => self.compute::<T>(inputs[0]), else inputs[0].detach()))
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (logits, Some(log_sum_exp)) = (&saved.inputs()[0], &self.log_sum_exp) else { return Ok(()) };
        let slope = with_float!(logits.dtype(), T => self.gradient::<T>(logits, log_sum_exp, grad)?, else return Ok(()));
        sink.give(0, slope)
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let logits = &inputs[0];
        let classes = logits.shape()[1];
        let weight = self.weight.as_ref().map_or_else(|| vec![1.0; classes], Tensor::to_f64_vec);
        let uniform = self.label_smoothing / classes as f64;
        let mut target = vec![0.0; logits.numel()];
        for (row, t) in target.chunks_mut(classes).zip(&self.targets).filter(|(_, t)| **t >= 0) {
            row.iter_mut().zip(&weight).for_each(|(q, w)| *q = uniform * w);
            row[*t as usize] += (1.0 - self.label_smoothing) * weight[*t as usize];
        }
        let target = Tensor::from_vec(target, logits.shape())?.to_dtype(logits.dtype());
        let losses = target.mul(&logits.log_softmax(-1)?)?.sum_dims(&[1], false)?.neg();
        Ok(match self.reduction {
            Reduction::None => losses,
            // The mean of nothing is NaN, whatever the logits are.
            Reduction::Mean if self.targets.iter().all(|t| *t < 0) => losses.sum().mul_scalar(0.0).add_scalar(f64::NAN),
            _ => losses.sum().div_scalar(self.divisor),
        })
    }
}

/// [`cross_entropy_from_probabilities`] with options.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CrossEntropyFromProbabilities {
    reduction: Reduction,
}

impl CrossEntropyFromProbabilities {
    /// The mean over all examples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another reduction.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }
}

impl Loss for CrossEntropyFromProbabilities {
    #[track_caller]
    fn loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        let name = "cross_entropy_from_probabilities";
        probabilities.expect_float(name, "the prediction")?;
        let Some((&classes, rest)) = probabilities.shape().split_last() else {
            return Err(Error::shape(name, "the prediction is a scalar, expected [.., classes]"));
        };
        check_probabilities(name, probabilities)?;
        let one_hot;
        let target = if target.dtype() == DType::I64 {
            if target.shape() != rest {
                let message = format!("targets of shape {:?} for predictions {:?}, expected {rest:?}", target.shape(), probabilities.shape());
                return Err(Error::shape(name, message));
            }
            one_hot = target.one_hot(classes)?.to_dtype(probabilities.dtype());
            &one_hot
        } else {
            target
        };
        check_pair(name, probabilities, target)?;
        let terms = apply(LogLikelihood, &[probabilities, target])?;
        Ok(self.reduction.apply(&terms.sum_dims(&[-1], false)?.neg()))
    }
}

/// `y · log p` with logarithms of at least [`LOG_FLOOR`], and a gradient that stays finite at `p = 0`.
struct LogLikelihood;

impl Function for LogLikelihood {
    fn name(&self) -> &'static str {
        "log_likelihood"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        inputs[0].log().clamp_min(LOG_FLOOR).mul(inputs[1])
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let [p, y] = [&saved.inputs()[0], &saved.inputs()[1]];
        if sink.wants(0) {
            sink.give(0, grad.mul(y)?.div(&p.clamp_min(DENOMINATOR_FLOOR))?)?;
        }
        if sink.wants(1) {
            sink.give(1, grad.mul(&p.log().clamp_min(LOG_FLOOR))?)?;
        }
        Ok(())
    }
}

/// [`bce`] with options.
#[derive(Debug, Clone, Default)]
pub struct Bce {
    reduction: Reduction,
    weight: Option<Tensor>,
}

impl Bce {
    /// The mean over all elements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another reduction.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// How much each element counts: a tensor that broadcasts to the shape of the prediction.
    #[must_use]
    pub fn weight(mut self, weight: &Tensor) -> Self {
        self.weight = Some(weight.detach());
        self
    }
}

impl Loss for Bce {
    #[track_caller]
    fn loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        check_pair("bce", probabilities, target)?;
        check_probabilities("bce", probabilities)?;
        let losses = apply(BinaryCrossEntropy, &[probabilities, target])?;
        Ok(self.reduction.apply(&weighted(losses, self.weight.as_ref())?))
    }
}

/// `−y log p − (1 − y) log(1 − p)` with logarithms of at least [`LOG_FLOOR`].
struct BinaryCrossEntropy;

impl BinaryCrossEntropy {
    fn logs(p: &Tensor) -> [Tensor; 2] {
        [p.log().clamp_min(LOG_FLOOR), p.neg().log1p().clamp_min(LOG_FLOOR)]
    }
}

impl Function for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "bce"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [log_p, log_q] = Self::logs(inputs[0]);
        // −log q − y (log p − log q)
        Ok(inputs[1].mul(&log_p.sub(&log_q)?)?.add(&log_q)?.neg())
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let [p, y] = [&saved.inputs()[0], &saved.inputs()[1]];
        if sink.wants(0) {
            let variance = p.mul(&p.rsub_scalar(1.0))?.clamp_min(DENOMINATOR_FLOOR);
            sink.give(0, grad.mul(&p.sub(y)?)?.div(&variance)?)?;
        }
        if sink.wants(1) {
            let [log_p, log_q] = Self::logs(p);
            sink.give(1, grad.mul(&log_q.sub(&log_p)?)?)?;
        }
        Ok(())
    }
}

/// [`bce_with_logits`] with options.
#[derive(Debug, Clone, Default)]
pub struct BceWithLogits {
    reduction: Reduction,
    weight: Option<Tensor>,
    pos_weight: Option<Tensor>,
}

impl BceWithLogits {
    /// The mean over all elements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another reduction.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// How much each element counts: a tensor that broadcasts to the shape of the logits.
    #[must_use]
    pub fn weight(mut self, weight: &Tensor) -> Self {
        self.weight = Some(weight.detach());
        self
    }

    /// How much more positive targets count than negative ones: a tensor that broadcasts to the shape of the logits.
    #[must_use]
    pub fn pos_weight(mut self, weight: &Tensor) -> Self {
        self.pos_weight = Some(weight.detach());
        self
    }
}

impl Loss for BceWithLogits {
    #[track_caller]
    fn loss(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        check_pair("bce_with_logits", logits, target)?;
        // −w y log σ(x) − (1 − y) log σ(−x): no difference of large numbers, neither here nor in the gradient.
        let mut positive = target.mul(&logits.log_sigmoid())?;
        if let Some(weight) = &self.pos_weight {
            positive = positive.mul(weight)?;
        }
        let negative = target.rsub_scalar(1.0).mul(&logits.neg().log_sigmoid())?;
        let losses = positive.add(&negative)?.neg();
        check_shapes("bce_with_logits", logits, &losses)?;
        Ok(self.reduction.apply(&weighted(losses, self.weight.as_ref())?))
    }
}

#[track_caller]
fn weighted(losses: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    match weight {
        Some(weight) => losses.mul(weight),
        None => Ok(losses),
    }
}

/// Values far outside of 0 ..= 1 are logits, not probabilities.
#[track_caller]
fn check_probabilities(name: &'static str, x: &Tensor) -> Result<()> {
    let packed = x.packed();
    let wrong = with_float!(x.dtype(), T => {
        let bound = 1.0 + 1e-4;
        packed.data::<T>().iter().map(|p| f64::from(*p)).find(|p| *p < 1.0 - bound || *p > bound)
    }, else None);
    match wrong {
        Some(p) => Err(Error::argument(name, format!("the prediction contains {p}, which is not a probability"))
            .with_help("for the raw outputs of a model use the loss of logits")),
        None => Ok(()),
    }
}
