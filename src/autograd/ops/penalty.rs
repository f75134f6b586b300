//! Sums of absolute values and of squares over many tensors.

use crate::autograd::Sink;
use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::fused;
use crate::tensor::exec::reduce::{ReduceOp, total};

/// Under which name the sums are known.
#[derive(Debug)]
pub(crate) enum Penalty {
    L1,
    L2,
    ElasticNet,
}

impl Penalty {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::ElasticNet => "ElasticNet",
        }
    }
}

/// `l1 · Σ |x| + l2 · Σ x²` over all inputs, of one type: one operation, however many there are. The gradient of each is
/// `l1 · sign(x) + 2 · l2 · x`.
#[track_caller]
pub(crate) fn powers(penalty: Penalty, l1: f64, l2: f64, inputs: &[&Tensor]) -> Result<Tensor> {
    apply(Powers { penalty, l1, l2 }, inputs)
}

struct Powers {
    penalty: Penalty,
    l1: f64,
    l2: f64,
}

impl Function for Powers {
    fn name(&self) -> &'static str {
        self.penalty.name()
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let mut sum = 0.0;
        for x in inputs {
            if self.l1 != 0.0 {
                sum += self.l1 * total(ReduceOp::Norm(1.0), x);
            }
            if self.l2 != 0.0 {
                sum += self.l2 * total(ReduceOp::SumSquares, x);
            }
        }
        Tensor::full_dtype([], sum, inputs[0].dtype())
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let g = grad.item()?;
        for (i, x) in saved.inputs().iter().enumerate() {
            if sink.wants(i) {
                sink.give(i, fused::powers_slope(x, g * self.l1, 2.0 * g * self.l2)?)?;
            }
        }
        Ok(())
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let term = |x: &Tensor| x.abs().sum().mul_scalar(self.l1).add(&x.square().sum().mul_scalar(self.l2));
        let (first, others) = inputs.split_at(1);
        others.iter().try_fold(term(&first[0])?, |sum, x| sum.add(&term(x)?))
    }
}
