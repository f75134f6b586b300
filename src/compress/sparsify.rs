//! Weights without their zeros.

use super::changes::{WeightChange, WeightChanges, meant_weights};
use crate::error::{Error, Result};
use crate::layers::{Module, ModuleExt, Sparse, Weight, as_rows};
use crate::tensor::{DType, SparseTensor};

/// Keeps the weights whose paths, or those of their layers, match one of the patterns without their zeros, if these are at least the share
/// `threshold` of their numbers: [`Weight::Sparse`]. Layers multiply by them as they are; the model is saved and opened as before.
///
/// Each number that is left takes eight bytes in place of four, with where it is: half as many bytes at 75 % of zeros, a fifth at 90 %.
/// From 80 % on, a product is faster than a dense one for any number of rows if the processor has 512-bit vectors: for one row, it takes a half to a
/// third of the time. With 256-bit vectors it is for more than eight rows, and for fewer from 90 % on. Convolutions and products in double
/// precision make the weight dense for each pass. Sparse weights are not trained:
/// that is done before, with [`Masks`](super::Masks); [`densify`] makes parameters of them again.
///
/// ```
/// use demotic::compress::{Pruning, sparsify};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(64, 128, &mut rng)?, Relu, Linear::new(128, 10, &mut rng)?];
/// Pruning::magnitude(0.9).on("0").apply(&mut model)?;
/// let x = Tensor::normal([3, 64], 0.0, 1.0, &mut rng)?;
/// let before = model.predict(&x)?;
/// let changes = sparsify(&mut model, &["*"], 0.8)?;
/// assert_eq!((changes.count(), changes.weights[1].left_because.is_some()), (1, true));
/// assert!(model.predict(&x)?.sub(&before)?.abs().max()?.item()? < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If a pattern matches no weight, the threshold is no share, or no weight has so many zeros.
#[track_caller]
pub fn sparsify(model: &mut dyn Module, patterns: &[&str], threshold: f64) -> Result<WeightChanges> {
    if !(0.0..=1.0).contains(&threshold) {
        let message = format!("a share of zeros of {threshold}, expected 0 to 1");
        return Err(Error::argument("sparsify", message));
    }
    let all = meant_weights("sparsify", model, patterns)?;
    let (mut changes, mut most) = (WeightChanges::default(), 0.0_f64);
    model.for_each_mut("*", |path, weight: &mut Weight| {
        if !all.iter().any(|one| one == path) {
            return Ok(());
        }
        let Some(param) = weight.param().filter(|_| weight.adapter().is_none()) else {
            let change = WeightChange::of(path, weight.shape(), 0);
            changes.weights.push(change.left("no parameter by itself"));
            return Ok(());
        };
        let bytes = param.value().numel() * param.dtype().size();
        let turned = weight.is_inputs_first();
        let value = weight.outputs_first(param.value().detach()).to_dtype(DType::F32).contiguous();
        let (shape, rows) = (value.shape().to_vec(), as_rows(value.shape()));
        let sparse = SparseTensor::from_dense(&value.reshape(rows)?)?;
        let change = WeightChange::of(path, &shape, bytes);
        most = most.max(sparse.sparsity());
        changes.weights.push(if sparse.sparsity() < threshold {
            change.left(format!("{:.1} % zeros", 100.0 * sparse.sparsity()))
        } else {
            *weight = Weight::Sparse(Sparse::with_shape(&sparse, shape)?.turned(turned));
            let form = format!("{:.1} % zeros", 100.0 * sparse.sparsity());
            WeightChange { form, bytes: sparse.size_in_bytes(), ..change }
        });
        Ok(())
    })?;
    if changes.count() == 0 {
        let most = 100.0 * most;
        let message = format!("no weight has {} % zeros, the most are {most:.1} %", 100.0 * threshold);
        return Err(
            Error::state("sparsify", message).with_help("prune first: Pruning::magnitude(0.9).apply(&mut model)")
        );
    }
    Ok(changes)
}

/// Makes parameters again of the weights that are sparse or products of two, and match one of the patterns. Returns how many they are.
///
/// # Errors
/// If a pattern matches no weight, there are none, or they do not fit into memory.
#[track_caller]
pub fn densify(model: &mut dyn Module, patterns: &[&str]) -> Result<usize> {
    let (all, mut count) = (meant_weights("densify", model, patterns)?, 0);
    model.for_each_mut("*", |path, weight: &mut Weight| {
        let is_meant = all.iter().any(|one| one == path) && weight.quantized().is_none();
        if let (true, Some(dense)) = (is_meant, weight.whole()?) {
            *weight = dense;
            count += 1;
        }
        Ok(())
    })?;
    match count {
        0 => Err(Error::parameter("densify", format!("no weight that matches `{}` is kept so", patterns.join("`, `")))),
        count => Ok(count),
    }
}
