//! The cross-entropy of logits with class numbers.

use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::autograd::per_example::no_rule;
use crate::autograd::{ExampleSink, Sink};
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::exec::fused;

/// Cross-entropy of class numbers in two passes over the logits, without keeping probabilities.
///
/// With the softmax `p` of a row of `C` logits, its target `t`, smoothing `ε` and weights `w`, the loss of the row is
/// `-(1 - ε) wₜ log pₜ - ε/C Σ w log p`. Its gradient is `p` times the sum of the weights of all targets, minus those.
pub(crate) struct ClassCrossEntropy {
    /// The class of each row, -1 where it does not count.
    pub(crate) targets: Vec<i64>,
    pub(crate) label_smoothing: f64,
    /// How much each class counts.
    pub(crate) weight: Option<Tensor>,
    /// By what the sum of the losses is divided: 0 if nothing counts. Without it they stay as they are.
    pub(crate) divisor: Option<f64>,
}

impl ClassCrossEntropy {
    /// The loss of logits `[rows, classes]`.
    #[track_caller]
    pub(crate) fn of(self, logits: &Tensor) -> Result<Tensor> {
        apply(Rows { settings: self, log_sum_exp: None }, &[logits])
    }

    fn fused(&self) -> fused::CrossEntropy<'_> {
        let Self { targets, label_smoothing, weight, .. } = self;
        fused::CrossEntropy { targets, label_smoothing: *label_smoothing, weight: weight.as_ref() }
    }
}

struct Rows {
    settings: ClassCrossEntropy,
    /// The logarithm of each row's sum of exponentials, kept by the forward pass.
    log_sum_exp: Option<Tensor>,
}

impl Function for Rows {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [losses, log_sum_exp] = fused::cross_entropy(self.settings.fused(), inputs[0])?;
        self.log_sum_exp = Some(log_sum_exp);
        Ok(match self.settings.divisor {
            None => losses,
            // The mean of nothing, whatever the logits are.
            Some(0.0) => losses.sum().mul_scalar(0.0).add_scalar(f64::NAN),
            Some(divisor) => losses.sum().div_scalar(divisor),
        })
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (logits, Some(log_sum_exp)) = (&saved.inputs()[0], &self.log_sum_exp) else {
            return Err(bug!("cross_entropy", "a gradient without a forward pass"));
        };
        let scale = match self.settings.divisor {
            None => grad.clone(),
            Some(0.0) => return sink.give(0, Tensor::full_dtype(logits.shape(), 0.0, logits.dtype())?),
            Some(divisor) => grad.div_scalar(divisor).broadcast_to([self.settings.targets.len()])?,
        };
        sink.give(0, fused::cross_entropy_backward(self.settings.fused(), logits, log_sum_exp, &scale)?)
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        match self.settings.divisor {
            None => sink.run_apart(self, saved, grad, 1),
            Some(_) => Err(no_rule(self.name())),
        }
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let logits = &inputs[0];
        let classes = logits.shape()[1];
        let weight = self.settings.weight.as_ref().map_or_else(|| vec![1.0; classes], Tensor::to_f64_vec);
        let uniform = self.settings.label_smoothing / classes as f64;
        let mut target = vec![0.0; logits.numel()];
        for (row, t) in target.chunks_mut(classes).zip(&self.settings.targets).filter(|(_, t)| **t >= 0) {
            row.iter_mut().zip(&weight).for_each(|(q, w)| *q = uniform * w);
            row[*t as usize] += (1.0 - self.settings.label_smoothing) * weight[*t as usize];
        }
        let target = Tensor::from_vec(target, logits.shape())?.to_dtype(logits.dtype());
        let losses = target.mul(&logits.log_softmax(-1)?)?.sum_dims(&[1], false)?.neg();
        Ok(match self.settings.divisor {
            None => losses,
            // Its gradient is zero, whatever the logits are.
            Some(0.0) => logits.sum().mul_scalar(0.0).add_scalar(f64::NAN),
            Some(divisor) => losses.sum().div_scalar(divisor),
        })
    }
}
