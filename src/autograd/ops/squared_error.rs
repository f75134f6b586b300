//! Squared differences, added up.

use crate::autograd::Sink;
use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::error::{Result, bug};
use crate::tensor::Tensor;

/// `Σ (a − b)²`, or its mean, of tensors of one shape and type.
#[track_caller]
pub(crate) fn squared_error(a: &Tensor, b: &Tensor, mean: bool) -> Result<Tensor> {
    apply(SquaredError { mean, difference: None }, &[a, b])
}

/// The difference is computed once, and is all that the gradient needs.
struct SquaredError {
    mean: bool,
    difference: Option<Tensor>,
}

impl Function for SquaredError {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let difference = inputs[0].sub(inputs[1])?;
        self.difference = Some(difference.detach());
        Ok(difference.sum_of_squares(self.mean))
    }

    fn backward(&self, _: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let Some(difference) = &self.difference else {
            return Err(bug!("mse", "a gradient without a forward pass"));
        };
        let count = if self.mean { difference.numel() as f64 } else { 1.0 };
        let slope = difference.mul_scalar(2.0 / count * grad.item()?);
        if sink.wants(1) {
            sink.give(1, slope.neg())?;
        }
        sink.give(0, slope)
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let squares = inputs[0].sub(&inputs[1])?.square();
        Ok(if self.mean { squares.mean() } else { squares.sum() })
    }
}
