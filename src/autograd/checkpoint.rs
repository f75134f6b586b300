//! Activation checkpointing: compute twice instead of keeping everything in memory.

use super::engine::{Sink, local_gradients};
use super::function::{Function, Saved, attach};
use super::recording;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Computes `f(x)` without keeping its intermediate results, and computes it a second time when the backward
/// pass needs them (Chen et al., *Training deep nets with sublinear memory cost*, 2016).
///
/// `f` may use other tracked tensors besides `x`, such as parameters; they receive their gradients as usual. It is
/// run twice and must do the same both times, so it must not draw from a generator that it shares with others.
///
/// # Errors
/// Those of `f`.
///
/// ```
/// use demotic::{autograd::checkpoint, tensor};
///
/// let w = tensor![0.5].tracked()?;
/// let x = tensor![1.0, 2.0].tracked()?;
/// let inner = w.clone();
/// let y = checkpoint(move |x| x.mul(&inner)?.tanh().mul(&inner), &x)?;
/// let grads = y.sum().backward()?;
/// assert!(grads.get(&w).is_some() && grads.get(&x).is_some());
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn checkpoint(f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static, x: &Tensor) -> Result<Tensor> {
    let output = recording::with(false, || f(x))?;
    // Whether `f` uses tracked tensors of its own is not known, so it is recorded in any case.
    Ok(attach(Checkpoint { f }, &[x], output, recording::is_enabled()))
}

struct Checkpoint<F> {
    f: F,
}

impl<F: Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static> Function for Checkpoint<F> {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        match inputs {
            [x] => (self.f)(x),
            _ => Err(Error::argument("checkpoint", "takes one input")),
        }
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        local_gradients(saved.inputs(), grad, sink, |inputs| (self.f)(&inputs[0]))
    }
}
