//! What most losses have in common: what they check, and what becomes of the losses of single elements or examples.

use super::{Reduction, check_pair, in_single};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// A reduction, and how much each of the losses counts in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Weighting {
    pub(super) reduction: Reduction,
    pub(super) weight: Option<Tensor>,
}

impl Weighting {
    /// The losses of elements or examples as the loss of a batch.
    #[track_caller]
    pub(super) fn finish(&self, name: &'static str, losses: &Tensor) -> Result<Tensor> {
        let Some(weight) = &self.weight else { return Ok(self.reduction.apply(losses)) };
        weight.expect_dtype(name, "the weights", losses.dtype())?;
        let weighted = losses.mul(weight)?;
        if weighted.shape() != losses.shape() {
            let message = format!("weights of shape {:?} for losses of shape {:?}", weight.shape(), losses.shape());
            return Err(Error::shape(name, message).with_help("weights must broadcast to the shape of the losses"));
        }
        Ok(self.reduction.apply(&weighted))
    }

    /// By what the loss of a batch with this target was divided, or a multiple of it.
    pub(super) fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
    }
}

/// Prediction and target of one shape in the type to compute in.
#[track_caller]
pub(super) fn pair(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
    let (prediction, target) = in_single(prediction, target).unwrap_or_else(|| (prediction.clone(), target.clone()));
    check_pair(name, &prediction, &target)?;
    Ok((prediction, target))
}

/// Prediction and target of one shape, the target being 1 or −1, for which 0 will do: floats, integers or truth values.
#[track_caller]
pub(super) fn signed_pair(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
    let labels = if target.dtype().is_float() { target.clone() } else { target.to_dtype(prediction.dtype()) };
    let (prediction, labels) = pair(name, prediction, &labels)?;
    Ok((prediction, signs(name, &labels, true)?))
}

/// Labels of 1 and −1, which have no gradient. Where 0 is allowed, it becomes −1.
#[track_caller]
pub(super) fn signs(name: &'static str, labels: &Tensor, zero: bool) -> Result<Tensor> {
    let labels = labels.detach();
    let wrong = |y: &f64| y.abs() != 1.0 && !(zero && *y == 0.0);
    if let Some((i, y)) = labels.to_f64_vec().into_iter().enumerate().find(|(_, y)| wrong(y)) {
        return Err(Error::argument(
            name,
            format!("target {i} is {y}, expected 1 or -1{}", if zero { ", or 0" } else { "" }),
        ));
    }
    if zero { labels.masked_fill(&labels.eq_scalar(0.0), -1.0) } else { Ok(labels) }
}

/// A tensor in the type that its loss is computed in.
pub(super) fn single(x: &Tensor) -> Tensor {
    if x.dtype().is_float() && !x.dtype().is_differentiable() { x.to_dtype(DType::F32) } else { x.clone() }
}

/// Two inputs of a loss, called `names`, are floats of one type and shape, and not empty.
#[track_caller]
pub(super) fn expect_alike(name: &'static str, names: [&str; 2], a: &Tensor, b: &Tensor) -> Result<()> {
    a.expect_float(name, names[0])?;
    b.expect_dtype(name, names[1], a.dtype())?;
    if a.shape() != b.shape() {
        let message = format!("{} of shape {:?}, {} of shape {:?}", names[0], a.shape(), names[1], b.shape());
        return Err(Error::shape(name, message));
    }
    if a.is_empty() {
        return Err(Error::shape(name, format!("no examples: {} of shape {:?}", names[0], a.shape())));
    }
    Ok(())
}

/// An option that must have been `allowed`.
#[track_caller]
pub(super) fn option(name: &'static str, what: &str, value: f64, allowed: bool, expected: &str) -> Result<f64> {
    match allowed {
        true => Ok(value),
        false => Err(Error::argument(name, format!("{what} is {value}, expected {expected}"))),
    }
}

/// `x log x`, 0 at 0, where the slope is taken as 0 as well.
#[track_caller]
pub(super) fn x_log_x(x: &Tensor) -> Result<Tensor> {
    x.mul(&x.masked_fill(&x.eq_scalar(0.0), 1.0)?.log())
}
