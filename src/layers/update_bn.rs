//! Running statistics for weights that were not trained with them.

use std::any::Any;

use super::batch_norm::{BatchNorm1d, BatchNorm2d, BatchNorm3d, RunningStatistics};
use super::core::{Buffer, Layer, Mode, Module, VisitorMut};
use crate::autograd::pause_recording;
use crate::error::Result;
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
    on_batch_norms(model.as_module_mut(), &mut |norm| {
        let values = norm.buffers().map(|buffer| buffer.as_ref().map(Buffer::get));
        before.push((values, norm.momentum_mut().take()));
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
    on_batch_norms(model.as_module_mut(), &mut |norm| {
        let Some((values, momentum)) = before.next() else { return };
        *norm.momentum_mut() = momentum;
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

/// Calls `f` with each batch norm of a model that has running statistics.
pub(crate) fn on_batch_norms(model: &mut dyn Module, f: &mut dyn FnMut(&mut dyn RunningStatistics)) {
    let mut on_module = |_: &str, module: &mut dyn Module| {
        if let Some(norm) = as_batch_norm(module.as_any_mut())
            && norm.buffers()[0].is_some()
        {
            f(norm);
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
