//! Weights as products of two thin matrices.

use std::collections::HashMap;

use super::changes::{WeightChange, WeightChanges, meant_weights};
use crate::autograd;
use crate::error::{Error, Result};
use crate::layers::{Factored, Module, ModuleExt, Weight, products_of};
use crate::tensor::{DType, Tensor};

/// What rank the factors of a weight have.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rank {
    /// This one.
    Fixed(usize),
    /// The least with which this share of the squares is kept, of the numbers of the weight or, if inputs were seen, of what it makes of
    /// them.
    Energy(f64),
}

/// Makes a product `left · right` of each weight whose path, or that of its layer, matches one of the patterns: that of a given rank which
/// is nearest to it, by its singular values. Layers multiply by one matrix after the other. Both are parameters that can be trained on;
/// the model is saved and opened as before. Weights of which the product would not be smaller stay as they are, and so do convolutions.
///
/// ```
/// use demotic::compress::{Rank, factorize};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(64, 128, &mut rng)?, Relu, Linear::new(128, 10, &mut rng)?];
/// let changes = factorize(&mut model, &["0"], Rank::Fixed(16))?;
/// assert_eq!(changes.bytes(), 4 * 16 * (64 + 128));
/// assert_eq!(model.named_parameters()[0].0, "0.weight.left");
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If a pattern matches no weight, the rank is 0 or above the smaller side of each of them, the energy is not above 0 and at most 1, or a
/// weight is not finite. Nothing is changed then.
#[track_caller]
pub fn factorize(model: &mut dyn Module, patterns: &[&str], rank: Rank) -> Result<WeightChanges> {
    let all = checked(model, patterns, rank)?;
    replace(model, &all, rank, &HashMap::new())
}

/// The same with inputs that the weights meet: `run` runs the model on some. Nearest is then what changes their products least (Wang et
/// al., *SVD-LLM: Truncation-aware singular value decomposition for large language model compression*, 2024): with `L · Lᵀ` the products of
/// inputs with each other, `W · L` is decomposed. Weights that are not met are treated as by [`factorize`].
///
/// # Errors
/// As for [`factorize`], those of `run`, and if inputs are not finite. Nothing is changed then.
#[track_caller]
pub fn factorize_calibrated<M: ModuleExt>(
    model: &mut M,
    patterns: &[&str],
    rank: Rank,
    mut run: impl FnMut(&M) -> Result<()>,
) -> Result<WeightChanges> {
    let all = checked(model, patterns, rank)?;
    let products = products_of(model, &all, &mut run)?;
    replace(model, &all, rank, &products)
}

#[track_caller]
fn checked(model: &dyn Module, patterns: &[&str], rank: Rank) -> Result<Vec<String>> {
    let all = meant_weights("factorize", model, patterns)?;
    let mut sides = Vec::new();
    model.for_each("*", |path, weight: &Weight| {
        if all.iter().any(|one| one == path) {
            sides.extend(weight.features().ok());
        }
    });
    match rank {
        Rank::Fixed(0) => Err(Error::argument("factorize", "a rank of 0, expected at least 1")),
        Rank::Energy(share) if !(share > 0.0 && share <= 1.0) => {
            Err(Error::argument("factorize", format!("an energy of {share}, expected above 0 and at most 1")))
        }
        Rank::Fixed(rank) => match sides.iter().map(|side| (side[0].min(side[1]), side)).max() {
            Some((most, [outputs, inputs])) if rank > most => {
                let message = format!("a rank of {rank} for a weight of {outputs} × {inputs}");
                let help = format!("a matrix has at most the rank of its smaller side, here {most}");
                Err(Error::argument("factorize", message).with_help(help))
            }
            _ => Ok(all),
        },
        Rank::Energy(_) => Ok(all),
    }
}

/// Replaces all of these weights, or none.
#[track_caller]
fn replace(
    model: &mut dyn Module,
    all: &[String],
    rank: Rank,
    products: &HashMap<String, Vec<Tensor>>,
) -> Result<WeightChanges> {
    let _unrecorded = autograd::pause_recording();
    let (mut made, mut failed) = (Vec::new(), None);
    model.for_each("*", |path, weight: &Weight| {
        if failed.is_none() && all.iter().any(|one| one == path) {
            match factored(path, weight, rank, products.get(path).and_then(|all| all.first())) {
                Ok(one) => made.push(one),
                Err(e) => failed = Some(e.in_layer(path)),
            }
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    model.for_each_mut("*", |path, weight: &mut Weight| {
        if let Some((new, _)) = made.iter_mut().find(|(_, change)| change.path == path)
            && let Some(new) = new.take()
        {
            *weight = Weight::Factored(new);
        }
        Ok(())
    })?;
    Ok(WeightChanges { weights: made.into_iter().map(|(_, change)| change).collect() })
}

#[track_caller]
fn factored(
    path: &str,
    weight: &Weight,
    rank: Rank,
    products: Option<&Tensor>,
) -> Result<(Option<Factored>, WeightChange)> {
    let Some(param) = weight.param().filter(|_| weight.adapter().is_none()) else {
        return Ok((None, WeightChange::of(path, weight.shape(), 0).left("no parameter by itself")));
    };
    let (dtype, turned) = (param.dtype(), weight.is_inputs_first());
    let value = weight.outputs_first(param.value().detach()).to_dtype(DType::F64).contiguous();
    let change = WeightChange::of(path, value.shape(), value.numel() * dtype.size());
    let &[outputs, inputs] = value.shape() else { return Ok((None, change.left("no matrix"))) };
    let whitening = match products {
        Some(products) => Some(whitening(products)?),
        None => None,
    };
    let seen = match &whitening {
        Some(lower) => value.matmul(lower)?,
        None => value,
    };
    let (u, s, vt) = seen.svd()?;
    let squares: Vec<f64> = s.to_f64_vec().iter().map(|s| s * s).collect();
    let whole: f64 = squares.iter().sum();
    let rank = match rank {
        Rank::Fixed(rank) => rank,
        Rank::Energy(share) => {
            let kept = squares.iter().scan(0.0, |sum, square| {
                *sum += square;
                Some(*sum)
            });
            // The last sum may miss the whole by rounding.
            1 + kept.take_while(|kept| *kept < share * whole).count().min(squares.len().saturating_sub(1))
        }
    };
    if rank > squares.len() || rank * (outputs + inputs) >= outputs * inputs {
        return Ok((None, change.left(format!("a product of rank {rank} would not be smaller"))));
    }
    let root = s.narrow(0, 0, rank)?.sqrt();
    let left = u.narrow(1, 0, rank)?.mul(&root)?;
    let right = vt.narrow(0, 0, rank)?.mul(&root.unsqueeze(1)?)?;
    let right = match &whitening {
        Some(lower) => lower.t().contiguous().solve_triangular(&right.t().contiguous(), true)?.t(),
        None => right,
    };
    let lost: f64 = squares[rank..].iter().sum();
    let error = if whole == 0.0 { 0.0 } else { (lost / whole).sqrt() };
    let cast = |x: &Tensor| x.to_dtype(dtype).contiguous();
    let new = Factored::new(cast(&left), cast(&right))?.turned(turned);
    let bytes = rank * (outputs + inputs) * dtype.size();
    Ok((Some(new), WeightChange { form: format!("rank {rank}"), bytes, error, ..change }))
}

/// The Cholesky factor of the products of inputs, with as much added to the diagonal as it needs.
#[track_caller]
fn whitening(products: &Tensor) -> Result<Tensor> {
    let n = products.shape()[0];
    let mean = products.diagonal(0, -2, -1)?.mean().item()?;
    if !mean.is_finite() {
        return Err(Error::numeric("factorize", "an input that was seen while calibrating is not finite"));
    }
    let eye = Tensor::eye(n)?.to_dtype(DType::F64);
    let mut damping = 1e-6;
    loop {
        let lower = products.add(&eye.mul_scalar(damping * mean.max(f64::MIN_POSITIVE)))?.cholesky();
        if lower.is_ok() || damping > 0.1 {
            return lower;
        }
        damping *= 10.0;
    }
}
