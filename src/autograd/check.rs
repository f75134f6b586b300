//! Gradients compared with finite differences.

use super::grad::{GradOptions, grad};
use crate::error::{Error, Here, Result};
use crate::tensor::{DType, Tensor};

/// The distance of the two points that a difference is taken between, to either side.
const STEP: f64 = 1e-6;
/// How far an analytic gradient may be from the numerical one: `ABSOLUTE + RELATIVE · |numerical|`.
const ABSOLUTE: f64 = 1e-6;
const RELATIVE: f64 = 1e-5;

/// Compares the gradients of `f` at `inputs` with central differences, in `F64`.
///
/// `f` may return a tensor of any shape; its elements are summed with fixed irregular weights, so that no error can
/// hide in a symmetry. Inputs are converted to `F64` and tracked; choose them away from kinks.
///
/// # Errors
/// If a gradient is wrong (the message says of which input and element, and both values), or `f` fails.
///
/// ```
/// use demotic::{autograd::gradcheck, tensor};
///
/// gradcheck(|x| Ok(x[0].sin().mul(&x[1])?), &[tensor![0.3, -1.2], tensor![2.0]])?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn gradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    check("gradcheck", &|x| weighted_sum(&f(x)?), inputs)
}

/// Compares the second-order gradients of `f` at `inputs` with central differences of its first-order gradients.
///
/// # Errors
/// As for [`gradcheck`].
///
/// ```
/// use demotic::{autograd::gradgradcheck, tensor};
///
/// gradgradcheck(|x| Ok(x[0].exp()), &[tensor![0.3, -1.2]])?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn gradgradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    let first_order = |x: &[Tensor]| {
        let output = weighted_sum(&f(x)?)?;
        let inputs: Vec<&Tensor> = x.iter().collect();
        let options = GradOptions::new().create_graph(true).allow_unused(true);
        let mut total = Tensor::scalar(0.0).to_dtype(DType::F64);
        for (i, grad) in grad(&[&output], &inputs, options)?.iter().enumerate() {
            total = total.add(&(weighted_sum(grad)? * (1.0 + 0.37 * i as f64)))?;
        }
        Ok(total)
    };
    check("gradgradcheck", &first_order, inputs)
}

/// Σ wᵢ yᵢ with weights between 0.5 and 1.5 that follow no pattern.
fn weighted_sum(y: &Tensor) -> Result<Tensor> {
    let weights: Vec<f64> = (0..y.numel()).map(|i| 0.5 + (0.754_877_666 * (i + 1) as f64).fract()).collect();
    Ok(y.mul(&Tensor::from_vec(weights, y.shape())?)?.sum())
}

#[track_caller]
fn check(op: &'static str, f: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    let mut points = Vec::new();
    for input in inputs {
        points.push(input.to_dtype(DType::F64).tracked()?);
    }
    let output = f(&points).outside()?;
    let analytic = if output.is_tracked() {
        let refs: Vec<&Tensor> = points.iter().collect();
        grad(&[&output], &refs, GradOptions::new().allow_unused(true))?
    } else {
        points.iter().map(Tensor::zeros_like).collect()
    };
    for (i, point) in points.iter().enumerate() {
        let (values, analytic) = (point.to_f64_vec(), analytic[i].to_f64_vec());
        for (k, (&value, &analytic)) in values.iter().zip(&analytic).enumerate() {
            let at = |x: f64| {
                let mut moved = values.clone();
                moved[k] = x;
                let mut points = points.clone();
                points[i] = Tensor::from_vec(moved, point.shape())?.tracked()?;
                f(&points)?.item()
            };
            let step = STEP * value.abs().max(1.0);
            let numerical = (at(value + step)? - at(value - step)?) / (2.0 * step);
            let difference = (analytic - numerical).abs();
            if difference > ABSOLUTE + RELATIVE * numerical.abs() || difference.is_nan() {
                let message = format!(
                    "input {i}, element {k} (value {value}): gradient {analytic:.9}, by finite differences {numerical:.9}"
                );
                return Err(Error::gradient(op, message));
            }
        }
    }
    Ok(())
}
