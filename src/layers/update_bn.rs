//! The running statistics of all batch norms of a model.

use std::any::Any;

use super::batch_norm::{BatchNorm1d, BatchNorm2d, BatchNorm3d, RunningStatistics};
use super::core::{Buffer, Layer, Mode, Module, VisitorMut, matches};
use crate::autograd::pause_recording;
use crate::error::{Error, Result, meant};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Computes the running statistics of all batch norms of a model anew, as means over batches of inputs: for weights that are no step of a
/// training, such as the averages of [`Averaged`](crate::optimizers::Averaged), to which the statistics that training has left do not belong.
/// Returns how many batch norms there are; without any, no batch is taken.
///
/// The batches go through the model as in training, with dropout that draws from the generator, and without being recorded. On an
/// error, and of no batches, the statistics are as before.
///
/// # Errors
/// The first of a batch or of the model.
///
/// ```
/// use demotic::layers::update_bn;
/// use demotic::optimizers::Averaged;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let (x, y) = (Tensor::normal([64, 3], 0.0, 1.0, &mut rng)?, Tensor::zeros([64, 2])?);
/// let data = TensorDataset::new(x, y)?;
/// let mut model = sequential![Linear::new(3, 8, &mut rng)?, BatchNorm1d::new(8)?, Relu, Linear::new(8, 2, &mut rng)?];
/// let mut opt = Averaged::mean(Sgd::new(0.1));
/// for batch in data.batches(16) {
///     let (x, y) = batch?;
///     let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
///     opt.step(&mut model, &loss.backward()?)?;
/// }
/// opt.swap(&mut model)?;
/// assert_eq!(update_bn(&mut model, data.batches(16).map(|batch| Ok(batch?.0)), &mut rng)?, 1);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn update_bn<L: Layer>(
    model: &mut L,
    batches: impl IntoIterator<Item = Result<Tensor>>,
    rng: &mut Rng,
) -> Result<usize> {
    // The first error of a buffer, which is set to a value of its own kind.
    let (mut before, mut result) = (Vec::new(), Ok(()));
    on_batch_norms(model.as_module_mut(), &mut |_, norm| {
        let values = norm.buffers().map(|buffer| buffer.as_ref().map(Buffer::get));
        before.push((values, norm.momentum_mut().take(), std::mem::take(norm.frozen_mut())));
        if result.is_ok() {
            result = norm.reset();
        }
    });
    if before.is_empty() {
        return Ok(0);
    }
    let passed = result.and_then(|()| passes(model, &mut batches.into_iter(), rng));
    let (count, keeps, mut before) = (before.len(), matches!(passed, Ok(1..)), before.into_iter());
    let mut result = passed.map(|_| count);
    on_batch_norms(model.as_module_mut(), &mut |_, norm| {
        let Some((values, momentum, frozen)) = before.next() else { return };
        (*norm.momentum_mut(), *norm.frozen_mut()) = (momentum, frozen);
        for (buffer, value) in norm.buffers().into_iter().zip(values).filter(|_| !keeps) {
            if let (Some(buffer), Some(value)) = (buffer, value)
                && let Err(e) = buffer.set(&value)
            {
                result = Err(e);
            }
        }
    });
    result
}

/// Freezes the running statistics of the batch norms whose path matches `pattern`, in which `*` stands for any text: in training too
/// they are what is normalised by, and batches do not move them (in PyTorch, `eval()` of these layers alone). Returns how many layers
/// there are.
///
/// So a published model is tuned with batches that are too small for statistics of their own, or to data that is much like what
/// it has seen. The weights and biases of these layers are trained nevertheless, unless [`freeze`](super::ModuleExt::freeze)
/// freezes them as well. It is an option of the layers: models that are saved with their architecture keep it.
///
/// # Errors
/// If no batch norm with running statistics matches; the help names those of the model.
///
/// ```
/// use demotic::layers::{freeze_bn, unfreeze_bn};
/// use demotic::prelude::*;
///
/// fn main() -> Result<()> {
///     let mut rng = Rng::seed(0);
///     let mut model = sequential![Conv2d::new(3, 8, 3, &mut rng)?, BatchNorm2d::new(8)?, Relu, Flatten::new()];
///     assert_eq!(freeze_bn(&mut model, "*")?, 1);
///
///     // A batch of one picture, which has no statistics to speak of, and training gives what prediction does.
///     let picture = Tensor::normal([1, 3, 8, 8], 0.0, 1.0, &mut rng)?;
///     let trained = model.forward(&picture, &mut Mode::train(&mut rng))?;
///     assert!(trained.sub(&model.predict(&picture)?)?.abs().max()?.item()? < 1e-5);
///
///     unfreeze_bn(&mut model, "*")?;
///     Ok(())
/// }
/// ```
#[track_caller]
pub fn freeze_bn<M: Module + ?Sized>(model: &mut M, pattern: &str) -> Result<usize> {
    set_frozen(model.as_module_mut(), "freeze_bn", pattern, true)
}

/// Lets the running statistics of batch norms follow the batches again; see [`freeze_bn`].
///
/// # Errors
/// If no batch norm with running statistics matches.
#[track_caller]
pub fn unfreeze_bn<M: Module + ?Sized>(model: &mut M, pattern: &str) -> Result<usize> {
    set_frozen(model.as_module_mut(), "unfreeze_bn", pattern, false)
}

#[track_caller]
fn set_frozen(model: &mut dyn Module, op: &'static str, pattern: &str, frozen: bool) -> Result<usize> {
    let (mut count, mut names) = (0, Vec::new());
    on_batch_norms(model, &mut |path, norm| {
        names.push(path.to_string());
        if matches(pattern, path) {
            *norm.frozen_mut() = frozen;
            count += 1;
        }
    });
    if count == 0 {
        let message = format!("no batch norm with running statistics matches `{pattern}`");
        return Err(Error::parameter(op, message).with_help(meant(pattern, "batch norms", &names)));
    }
    Ok(count)
}

/// Calls `f` with the path of each batch norm of a model that has running statistics, and with itself.
pub(crate) fn on_batch_norms(model: &mut dyn Module, f: &mut dyn FnMut(&str, &mut dyn RunningStatistics)) {
    let mut on_module = |path: &str, module: &mut dyn Module| {
        if let Some(norm) = as_batch_norm(module.as_any_mut())
            && norm.buffers()[0].is_some()
        {
            f(path, norm);
        }
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(model);
}

fn as_batch_norm(module: &mut dyn Any) -> Option<&mut dyn RunningStatistics> {
    if module.is::<BatchNorm1d>() {
        return module.downcast_mut::<BatchNorm1d>().map(|norm| norm as _);
    }
    if module.is::<BatchNorm2d>() {
        return module.downcast_mut::<BatchNorm2d>().map(|norm| norm as _);
    }
    module.downcast_mut::<BatchNorm3d>().map(|norm| norm as _)
}

/// Lets the batches that are not empty go through the model. Returns how many there were.
#[track_caller]
fn passes(model: &dyn Layer, batches: &mut dyn Iterator<Item = Result<Tensor>>, rng: &mut Rng) -> Result<usize> {
    let (_unrecorded, mut count) = (pause_recording(), 0);
    for x in batches {
        let x = x?;
        if x.is_empty() {
            continue;
        }
        model.forward(&x, &mut Mode::train(rng))?;
        count += 1;
    }
    Ok(count)
}
