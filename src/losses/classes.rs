//! Class numbers as targets.

use super::check_not_empty;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// Class numbers, checked against the number of classes; −1 where they do not count.
#[track_caller]
pub(crate) fn class_numbers(
    name: &'static str,
    target: &Tensor,
    classes: usize,
    ignore_index: Option<i64>,
) -> Result<Vec<i64>> {
    let mut targets = target.to_vec::<i64>()?;
    for (i, t) in targets.iter_mut().enumerate() {
        if Some(*t) == ignore_index {
            *t = -1;
        } else if !(0..classes as i64).contains(t) {
            let message =
                format!("target {i} is class {t}, the logits have {classes} classes (0 ..= {})", classes as i64 - 1);
            return Err(Error::index(name, message).with_help(match *t < 0 {
                true => "classes are counted from 0; a number for what does not count is said by ignore_index",
                false if classes == 1 => {
                    "classes are counted from 0, and the last layer has an output for each; one output for yes or no goes \
                     with bce_with_logits"
                }
                false => "classes are counted from 0, and the last layer has an output for each",
            }));
        }
    }
    Ok(targets)
}

/// The class of each place of a prediction, which has classes in dimension 1 or, of a vector, 0.
pub(super) struct Classes {
    /// −1 where a place does not count.
    pub(super) numbers: Vec<i64>,
    dim: isize,
    /// The shape of the prediction without its classes.
    places: Vec<usize>,
}

impl Classes {
    #[track_caller]
    pub(super) fn of(name: &'static str, prediction: &Tensor, target: &Tensor, ignore: Option<i64>) -> Result<Self> {
        prediction.expect_float(name, "the prediction")?;
        if prediction.rank() == 0 {
            return Err(Error::shape(name, "the prediction is a scalar, expected [n, classes]"));
        }
        check_not_empty(name, prediction)?;
        let dim = 1.min(prediction.rank() - 1);
        let mut places = prediction.shape().to_vec();
        let classes = places.remove(dim);
        target.expect_dtype(name, "the target (class numbers)", DType::I64)?;
        if target.shape() != places {
            let (shape, whole) = (target.shape(), prediction.shape());
            let message =
                format!("targets of shape {shape:?} for a prediction of shape {whole:?}, expected {places:?}");
            return Err(Error::shape(name, message));
        }
        let numbers = class_numbers(name, target, classes, ignore)?;
        Ok(Self { numbers, dim: dim as isize, places })
    }

    /// What the prediction has for the class of each place, 0 where that does not count: with 1 in the dimension of classes.
    #[track_caller]
    pub(super) fn pick(&self, prediction: &Tensor) -> Result<Tensor> {
        let index: Vec<i64> = self.numbers.iter().map(|class| (*class).max(0)).collect();
        let index = Tensor::from_vec(index, &*self.places)?.unsqueeze(self.dim)?;
        let picked = prediction.gather(self.dim, &index)?;
        if self.numbers.iter().all(|class| *class >= 0) {
            return Ok(picked);
        }
        let ignored: Vec<bool> = self.numbers.iter().map(|class| *class < 0).collect();
        picked.masked_fill(&Tensor::from_vec(ignored, index.shape())?, 0.0)
    }

    /// Such a tensor without the dimension of classes.
    #[track_caller]
    pub(super) fn squeezed(&self, x: &Tensor) -> Result<Tensor> {
        x.reshape(&*self.places)
    }

    /// How much each place counts: the weight of its class, 0 where it does not count at all.
    #[track_caller]
    pub(super) fn weights(&self, name: &'static str, weight: Option<&Tensor>, prediction: &Tensor) -> Result<Vec<f64>> {
        let Some(weight) = weight else {
            return Ok(self.numbers.iter().map(|class| f64::from(u8::from(*class >= 0))).collect());
        };
        expect_class_weights(name, weight, prediction, self.dim as usize)?;
        let weight = weight.to_f64_vec();
        Ok(self.numbers.iter().map(|class| usize::try_from(*class).map_or(0.0, |class| weight[class])).collect())
    }

    /// Numbers for the places as a tensor like the prediction, without the dimension of classes.
    #[track_caller]
    pub(super) fn tensor(&self, numbers: Vec<f64>, like: &Tensor) -> Result<Tensor> {
        Ok(Tensor::from_vec(numbers, &*self.places)?.to_dtype(like.dtype()))
    }
}

/// One weight for each class of a prediction, which has them in dimension `dim`.
#[track_caller]
pub(super) fn expect_class_weights(name: &'static str, weight: &Tensor, prediction: &Tensor, dim: usize) -> Result<()> {
    weight.expect_dtype(name, "the class weights", prediction.dtype())?;
    let classes = prediction.shape()[dim];
    if weight.shape() != [classes] {
        let message = format!("class weights of shape {:?} for {classes} classes", weight.shape());
        return Err(Error::shape(name, message));
    }
    Ok(())
}

/// The mean of losses of which the weights of those that count add up to `divisor`. If nothing counts it is NaN, as in
/// PyTorch, but its gradients are zero.
pub(super) fn mean(losses: &Tensor, divisor: f64) -> Tensor {
    match divisor == 0.0 {
        true => losses.sum().mul_scalar(0.0).add_scalar(f64::NAN),
        false => losses.sum().div_scalar(divisor),
    }
}
