//! Connectionist temporal classification.

use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::autograd::{ExampleSink, Sink};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::fused;

pub(crate) use crate::tensor::exec::fused::CtcSequences as Sequences;

/// The loss of each example, from logarithms of probabilities `[batch, time, classes]`.
#[track_caller]
pub(crate) fn ctc(log_probabilities: &Tensor, sequences: Sequences) -> Result<Tensor> {
    apply(Ctc(sequences), &[log_probabilities])
}

struct Ctc(Sequences);

impl Function for Ctc {
    fn name(&self) -> &'static str {
        "ctc"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        fused::ctc(&self.0, inputs[0])
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        sink.give(0, fused::ctc_backward(&self.0, &saved.inputs()[0], grad)?)
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        sink.run_apart(self, saved, grad, 1)
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::None
    }
}
