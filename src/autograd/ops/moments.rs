//! Variance and standard deviation over any set of dimensions.

use super::norm::unit;
use super::record;
use super::sum::mean;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::{Over, ReduceOp, reduce};
use crate::tensor::layout::MAX_DIMS;

/// # Variance and deviation
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[1.0, 3.0], [2.0, 10.0]];
/// assert_eq!(x.var_dims(&[1], 0.0, false)?.to_f64_vec(), [1.0, 16.0]);
/// assert_eq!((x.std_dims(&[1], 0.0, true)?.to_f64_vec(), tensor![1.0, 5.0].std(0.0).item()?), (vec![1.0, 4.0], 2.0));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The variance of all elements, `Σ (x - mean)² / max(0, n - correction)`, as `F32` for integers.
    ///
    /// With `correction` 1 it is unbiased for samples (PyTorch's default), with 0 it is that of a whole population.
    /// With nothing to divide by it is NaN. Gradient: `g · 2 (x - mean) / max(0, n - correction)`.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1.0, 2.0, 3.0].var(1.0).item()?, 1.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn var(&self, correction: f64) -> Tensor {
        var(self, &Over::all(self), correction)
    }

    /// The [variance](Self::var) over some dimensions (none stands for all). With `keepdim` they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn var_dims(&self, dims: &[isize], correction: f64, keepdim: bool) -> Result<Tensor> {
        Ok(var(self, &Over::dims("var", self, dims, keepdim)?, correction))
    }

    /// The standard deviation of all elements: the root of the [variance](Self::var).
    /// Gradient: `g · (x - mean) / (σ · max(0, n - correction))`, 0 where σ is.
    #[must_use]
    pub fn std(&self, correction: f64) -> Tensor {
        std(self, &Over::all(self), correction)
    }

    /// The [standard deviation](Self::std) over some dimensions (none stands for all). With `keepdim` they remain with
    /// size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn std_dims(&self, dims: &[isize], correction: f64, keepdim: bool) -> Result<Tensor> {
        Ok(std(self, &Over::dims("std", self, dims, keepdim)?, correction))
    }
}

fn var(x: &Tensor, r: &Over, correction: f64) -> Tensor {
    record("var", reduce(ReduceOp::Variance { correction }, x, r), &[x], |tape| {
        let (input, (reduced, kept), divisor) = (x.for_gradient(), (r.reduced, r.kept), divisor(x, r, correction));
        tape.edge_with_output(x, move |g, y| {
            // Distances from the mean may be twice as large as numbers can be, and so large variances are not.
            let large = y.eq_scalar(f64::INFINITY).any().item()? != 0.0;
            let quarter = if large { 0.25 } else { 1.0 };
            let scale = g.mul_scalar(2.0 / quarter).div_scalar(divisor).reshape(&*kept)?;
            let input = if quarter == 1.0 { input.clone() } else { input.mul_scalar(quarter) };
            centered(&input, reduced)?.mul(&scale)
        });
    })
}

fn std(x: &Tensor, r: &Over, correction: f64) -> Tensor {
    record("std", reduce(ReduceOp::Deviation { correction }, x, r), &[x], |tape| {
        let (input, (reduced, kept), divisor) = (x.for_gradient(), (r.reduced, r.kept), divisor(x, r, correction));
        tape.edge_with_output(x, move |g, y| {
            let (y, over) = (y.reshape(&*kept)?, Over::these(&input, reduced, true));
            // How the deviation grows does not depend on the unit of the numbers.
            let (input, y) = match unit(&input, &y, &over, false)? {
                Some(unit) => {
                    let shares = input.div(&unit)?.mul_scalar(0.25);
                    (shares.clone(), std(&shares, &over, correction))
                }
                None => (input.clone(), y),
            };
            // A constant under a root, where an infinite gradient arrives, has the gradient 0 too.
            let g = g.reshape(&*kept)?.masked_fill(&y.eq_scalar(0.0), 0.0)?;
            // An infinite divisor makes the gradient 0 where the deviation is, and keeps its own gradients finite.
            let y = y.masked_fill(&y.eq_scalar(0.0), f64::INFINITY)?;
            // The distances in deviations first: both may be tiny or huge, their quotient is not.
            centered(&input, reduced)?.div(&y)?.mul(&g.div_scalar(divisor))
        });
    })
}

/// What sums of squares are divided by.
fn divisor(x: &Tensor, r: &Over, correction: f64) -> f64 {
    (r.count(x) as f64 - correction).max(0.0)
}

/// `x - mean`. What is left has a mean of its own, the rounding error of the first one, which elements close to the mean
/// would consist of to a large part: it is taken off as well.
fn centered(x: &Tensor, reduced: [bool; MAX_DIMS]) -> Result<Tensor> {
    let off_mean = |x: &Tensor| x.sub(&mean(x, &Over::these(x, reduced, true)));
    off_mean(&off_mean(x)?)
}

#[cfg(test)]
mod tests;
