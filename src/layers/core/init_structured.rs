//! Initial values that are mostly zero: sparse ones, and those that let an input pass unchanged.

use super::init::orthogonal;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A matrix of which each column has this share of zeros, rounded up, in places by chance; the others are normally distributed.
#[track_caller]
pub(super) fn sparse(shape: &[usize], sparsity: f64, std: f64, rng: &mut Rng) -> Result<Tensor> {
    let &[rows, columns] = shape else {
        return Err(Error::shape("sparse", format!("shape {shape:?}, expected [rows, columns]")));
    };
    if !(0.0..=1.0).contains(&sparsity) {
        return Err(Error::argument("sparse", format!("sparsity is {sparsity}, expected a number from 0 to 1")));
    }
    let mut out = Tensor::normal(shape, 0.0, std, rng)?;
    let zeros = (sparsity * rows as f64).ceil() as usize;
    let values = out.as_mut_slice::<f32>()?;
    for column in 0..columns {
        for row in rng.permutation(rows)?.into_iter().take(zeros) {
            values[row * columns + column] = 0.0;
        }
    }
    Ok(out)
}

/// Zeros, and `gain` where an output of a convolution looks at the middle of the input with its own number. Channels are in groups.
#[track_caller]
pub(super) fn dirac(shape: &[usize], groups: usize) -> Result<Tensor> {
    let &[outputs, inputs, ref kernel @ ..] = shape else {
        return Err(Error::shape("dirac", format!("shape {shape:?}, expected [out, in, kernel..]")));
    };
    if groups == 0 || !outputs.is_multiple_of(groups) {
        let message = format!("{groups} groups of {outputs} outputs, expected a number that divides them");
        return Err(Error::argument("dirac", message));
    }
    let mut out = Tensor::zeros(shape)?;
    let in_group = outputs / groups;
    let size: usize = kernel.iter().product();
    let middle = kernel.iter().fold(0, |at, n| at * n + n / 2);
    let values = out.as_mut_slice::<f32>()?;
    for (i, channel) in (0..outputs).map(|i| (i, i % in_group)).filter(|(_, channel)| *channel < inputs) {
        if size > 0 {
            values[(i * inputs + channel) * size + middle] = 1.0;
        }
    }
    Ok(out)
}

/// Ones on the diagonal of a matrix, times `gain`.
#[track_caller]
pub(super) fn identity(shape: &[usize], gain: f64) -> Result<Tensor> {
    let &[rows, columns] = shape else {
        return Err(Error::shape("identity", format!("shape {shape:?}, expected [rows, columns]")));
    };
    let mut out = Tensor::zeros(shape)?;
    let values = out.as_mut_slice::<f32>()?;
    (0..rows.min(columns)).for_each(|i| values[i * columns + i] = gain as f32);
    Ok(out)
}

/// Zeros, and an orthogonal matrix in the middle of a convolution's kernel.
#[track_caller]
pub(super) fn delta_orthogonal(shape: &[usize], gain: f64, rng: &mut Rng) -> Result<Tensor> {
    let &[outputs, inputs, ref kernel @ ..] = shape else {
        return Err(Error::shape("delta_orthogonal", format!("shape {shape:?}, expected [out, in, kernel..]")));
    };
    if inputs > outputs {
        let message = format!("{inputs} inputs and {outputs} outputs, expected at least as many outputs");
        return Err(Error::shape("delta_orthogonal", message)
            .with_help("fewer outputs cannot keep the length of what comes in"));
    }
    let middle_values = orthogonal(&[outputs, inputs], gain, rng)?.to_vec::<f32>()?;
    let mut out = Tensor::zeros(shape)?;
    let size: usize = kernel.iter().product();
    let middle = kernel.iter().fold(0, |at, n| at * n + n.saturating_sub(1) / 2);
    let values = out.as_mut_slice::<f32>()?;
    for (i, value) in middle_values.into_iter().enumerate().filter(|_| size > 0) {
        values[i * size + middle] = value;
    }
    Ok(out)
}
