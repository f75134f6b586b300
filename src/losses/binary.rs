//! The cross-entropy of yes and no.

use super::{Loss, Reduction, check_answers, check_pair, check_probabilities, configurable, in_single};
use crate::autograd::ops::likelihood::binary_cross_entropy;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(Bce, BceWithLogits);

configurable!(Bce { reduction, weight: tensor });
configurable!(BceWithLogits { reduction, weight: tensor, pos_weight: tensor });

/// The mean binary cross-entropy `−y log p − (1 − y) log(1 − p)` of probabilities and targets of the same shape.
///
/// Logarithms below −100 count as −100. Prefer [`bce_with_logits`] where the logits are at hand.
///
/// # Errors
/// If shapes or types differ, a probability or target is out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::bce(&tensor![0.5, 0.5], &tensor![1.0, 0.0])?;
/// assert!((loss.item()? - 2.0f64.ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn bce(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    Bce::new().loss(probabilities, target)
}

/// The mean binary cross-entropy between the sigmoid of `logits` and targets of the same shape, `log(1 + eˣ) − y x`, computed
/// without rounding to probabilities.
///
/// # Errors
/// If shapes or types differ, a target is not between 0 and 1, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::bce_with_logits(&tensor![0.0, 200.0], &tensor![1.0, 0.0])?;
/// assert!((loss.item()? - (2.0f64.ln() + 200.0) / 2.0).abs() < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn bce_with_logits(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    BceWithLogits::new().loss(logits, target)
}

/// [`bce`] with options.
#[derive(Debug, Clone, Default)]
pub struct Bce {
    reduction: Reduction,
    weight: Option<Tensor>,
}

impl Bce {
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
        if let Some((probabilities, target)) = in_single(probabilities, target) {
            return self.loss(&probabilities, &target);
        }
        check_pair("bce", probabilities, target)?;
        check_probabilities("bce", probabilities)?;
        check_answers("bce", target)?;
        let losses = binary_cross_entropy(probabilities, target)?;
        Ok(self.reduction.apply(&weighted("bce", losses, self.weight.as_ref(), probabilities)?))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
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
        if let Some((logits, target)) = in_single(logits, target) {
            return self.loss(&logits, &target);
        }
        check_pair("bce_with_logits", logits, target)?;
        check_answers("bce_with_logits", target)?;
        // −w y log σ(x) − (1 − y) log σ(−x): no difference of large numbers, neither here nor in the gradient.
        let mut positive = target.mul(&logits.log_sigmoid())?;
        if let Some(weight) = &self.pos_weight {
            positive = positive.mul(weight)?;
        }
        let negative = target.rsub_scalar(1.0).mul(&logits.neg().log_sigmoid())?;
        let losses = weighted("bce_with_logits", positive.add(&negative)?.neg(), self.weight.as_ref(), logits)?;
        Ok(self.reduction.apply(&losses))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
    }
}

/// Multiplies losses by weights, which must not have made them more than the predictions.
#[track_caller]
fn weighted(name: &'static str, losses: Tensor, weight: Option<&Tensor>, prediction: &Tensor) -> Result<Tensor> {
    let losses = match weight {
        Some(weight) => losses.mul(weight)?,
        None => losses,
    };
    if losses.shape() != prediction.shape() {
        let message =
            format!("the weights make {:?} of a prediction of shape {:?}", losses.shape(), prediction.shape());
        return Err(Error::shape(name, message).with_help("weights must broadcast to the shape of the prediction"));
    }
    Ok(losses)
}
