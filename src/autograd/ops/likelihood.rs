//! Logarithms of probabilities, which may be 0.

use crate::autograd::function::{Function, Saved, apply};
use crate::autograd::{ExampleSink, Sink};
use crate::error::Result;
use crate::tensor::Tensor;

/// The lowest logarithm of a probability that counts, as in PyTorch: losses of probabilities stay finite at 0 and 1.
const LOG_FLOOR: f64 = -100.0;
/// The smallest denominator in the gradients of losses of probabilities, as in PyTorch.
const DENOMINATOR_FLOOR: f64 = 1e-12;

/// `y · log p` with logarithms of at least [`LOG_FLOOR`], and a gradient that stays finite at `p = 0`.
#[track_caller]
pub(crate) fn log_likelihood(p: &Tensor, y: &Tensor) -> Result<Tensor> {
    apply(LogLikelihood, &[p, y])
}

/// `−y log p − (1 − y) log(1 − p)` with logarithms of at least [`LOG_FLOOR`].
#[track_caller]
pub(crate) fn binary_cross_entropy(p: &Tensor, y: &Tensor) -> Result<Tensor> {
    apply(BinaryCrossEntropy, &[p, y])
}

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

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        // Element by element, of operands of one shape.
        sink.run_apart(self, saved, grad, 2)
    }
}

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

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        // Element by element, of operands of one shape.
        sink.run_apart(self, saved, grad, 2)
    }
}
