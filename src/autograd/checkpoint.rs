//! Activation checkpointing: compute twice instead of keeping everything in memory.

use super::engine::Sink;
use super::function::{Function, Saved, attach};
use super::grad::local_gradients;
use super::node::{id_of, is_recorded};
use super::recording;
use crate::error::{Here, Result, bug};
use crate::tensor::Tensor;

/// Computes `f(x)` without keeping its intermediate results, and computes it a second time when the backward
/// pass needs them (Chen et al., *Training deep nets with sublinear memory cost*, 2016).
///
/// `f` may use other tracked tensors besides `x`, such as parameters: those that it uses are inputs of the operation like
/// `x`, for [`backward`](Tensor::backward) and for [`grad`](super::grad). Without any, the result is not tracked. `f` is run
/// twice and must do the same both times, so it must not draw from a generator that it shares with others.
///
/// # Errors
/// Those of `f`. During the backward pass: if the second run gives another shape or type, or uses a tracked tensor that
/// the first one did not use.
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
    let first = FirstRun::new(&f, x)?;
    Ok(first.with_second(f, x))
}

/// The same, with two functions that must do the same: `first` now, and `second` when the backward pass comes.
#[track_caller]
pub(crate) fn checkpoint_of_two(
    first: impl FnOnce(&Tensor) -> Result<Tensor>,
    second: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    x: &Tensor,
) -> Result<Tensor> {
    Ok(FirstRun::new(first, x)?.with_second(second, x))
}

/// The same for a `first` that uses other values than those that are to be kept until the second run: of what it captured, the tensors of `kept` with the same
/// gradient take the place.
#[track_caller]
pub(crate) fn checkpoint_keeping(
    kept: &[Tensor],
    first: impl FnOnce(&Tensor) -> Result<Tensor>,
    second: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    x: &Tensor,
) -> Result<Tensor> {
    let mut run = FirstRun::new(first, x)?;
    for captured in run.captured.iter_mut().flatten() {
        if let Some(other) = kept.iter().find(|other| id_of(other) == id_of(captured)) {
            *captured = other.clone();
        }
    }
    Ok(run.with_second(second, x))
}

/// What came out of the first run.
struct FirstRun {
    output: Tensor,
    /// The tracked tensors that were used besides the input; `None` if nothing is recorded at all.
    captured: Option<Vec<Tensor>>,
}

impl FirstRun {
    #[track_caller]
    fn new(f: impl FnOnce(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Self> {
        if recording::is_off() {
            return Ok(Self { output: f(x).outside()?.detach(), captured: None });
        }
        // What `f` is given is known to be an input; what else it uses comes to light while it runs.
        let (output, captured) = recording::collect(|| {
            let output = f(&x.detach())?;
            recording::note(&[&output]);
            Ok(output)
        });
        Ok(Self { output: output.outside()?, captured: Some(captured) })
    }

    fn with_second(self, f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static, x: &Tensor) -> Tensor {
        let Some(captured) = self.captured else { return self.output };
        let inputs: Vec<&Tensor> = std::iter::once(x).chain(&captured).collect();
        attach(Checkpoint { f }, &inputs, self.output, is_recorded(&inputs))
    }
}

/// The inputs are what the function is given, and behind it what it captured.
struct Checkpoint<F> {
    f: F,
}

/// How many of the inputs the function is given.
const GIVEN: usize = 1;

impl<F: Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static> Function for Checkpoint<F> {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        match inputs {
            [x, ..] => (self.f)(x),
            [] => Err(bug!("checkpoint", "no inputs")),
        }
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let grads = [Some(grad.clone())];
        local_gradients(saved.originals(), GIVEN, &grads, sink, &mut |inputs| Ok(vec![(self.f)(&inputs[0])?]))
    }
}
