//! Sums over any set of dimensions, and what is made of them: the mean, and the logarithm of a sum of exponentials.

use super::record;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::{Over, ReduceOp, reduce};
use crate::tensor::layout::MAX_DIMS;

/// # Sums and means
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[1.0, 2.0], [3.0, 6.0]];
/// assert_eq!((x.sum().item()?, x.mean_dims(&[0], false)?.to_f64_vec()), (12.0, vec![2.0, 4.0]));
/// assert_eq!(tensor![1000.0].logsumexp().item()?, 1000.0);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The sum of all elements, 0 of none; integers and truth values give an `I64`. Gradient: `g` for every element.
    #[must_use]
    pub fn sum(&self) -> Tensor {
        sum(self, &Over::all(self))
    }

    /// The sum over some dimensions (none stands for all). With `keepdim` they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice. This holds for all reductions over some dimensions.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!(x.sum_dims(&[0], false)?.to_vec::<f32>()?, [4.0, 6.0]);
    /// assert_eq!(x.sum_dims(&[-1], true)?.shape(), [2, 1]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn sum_dims(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(sum(self, &Over::dims("sum", self, dims, keepdim)?))
    }

    /// `Σ x²` of all elements, or its mean, not recorded: for losses that have gradients of their own.
    pub(crate) fn sum_of_squares(&self, mean: bool) -> Tensor {
        reduce(if mean { ReduceOp::MeanSquares } else { ReduceOp::SumSquares }, self, &Over::all(self))
    }

    /// Sums the dimensions along which a tensor of `shape` was broadcast to this one's.
    pub(crate) fn sum_to(&self, shape: &[usize]) -> Result<Tensor> {
        let missing = self.rank() - shape.len();
        let mut reduced = [false; MAX_DIMS];
        for i in 0..self.rank() {
            reduced[i] = i < missing || (shape[i - missing] == 1 && self.shape()[i] != 1);
        }
        sum(self, &Over::these(self, reduced, true)).reshape(shape)
    }

    /// The mean of all elements, `Σ x / n`, as `F32` for integers; NaN of none. Gradient: `g / n` for every element.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1.0, 2.0, 6.0].mean().item()?, 3.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn mean(&self) -> Tensor {
        mean(self, &Over::all(self))
    }

    /// The [mean](Self::mean) over some dimensions (none stands for all). With `keepdim` they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn mean_dims(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(mean(self, &Over::dims("mean", self, dims, keepdim)?))
    }

    /// `log Σ eˣ` over all elements, without overflow, as `F32` for integers; -∞ of none.
    /// Gradient: `g · eˣ / Σ eˣ`, the softmax.
    #[must_use]
    pub fn logsumexp(&self) -> Tensor {
        logsumexp(self, &Over::all(self))
    }

    /// The [logarithm of the sum of exponentials](Self::logsumexp) over some dimensions (none stands for all). With
    /// `keepdim` they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1000.0, 1000.0], [0.0, 0.0]];
    /// assert_eq!(x.logsumexp_dims(&[1], false)?.to_vec::<f32>()?, [1000.0 + 2f32.ln(), 2f32.ln()]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp_dims(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(logsumexp(self, &Over::dims("logsumexp", self, dims, keepdim)?))
    }
}

pub(super) fn sum(x: &Tensor, r: &Over) -> Tensor {
    record("sum", reduce(ReduceOp::Sum, x, r), &[x], |tape| {
        let (kept, full) = (r.kept, x.layout().shape());
        tape.edge(x, move |g| g.reshape(&*kept)?.expanded(&full));
        tape.keeps_examples(x, !r.reduced[0]);
    })
}

pub(super) fn mean(x: &Tensor, r: &Over) -> Tensor {
    record("mean", reduce(ReduceOp::Mean, x, r), &[x], |tape| {
        let (kept, full, count) = (r.kept, x.layout().shape(), r.count(x) as f64);
        tape.edge(x, move |g| g.div_scalar(count).reshape(&*kept)?.expanded(&full));
        tape.keeps_examples(x, !r.reduced[0]);
    })
}

fn logsumexp(x: &Tensor, r: &Over) -> Tensor {
    record("logsumexp", reduce(ReduceOp::LogSumExp, x, r), &[x], |tape| {
        let (input, kept, over) = (x.for_gradient(), r.kept, Over::these(x, r.reduced, true));
        tape.edge(x, move |g| {
            let largest = reduce(ReduceOp::Max, &input, &over);
            // The softmax, which is not e^(x - y): of large numbers, the result has been rounded by more than it adds to them.
            let e = input.sub(&largest.masked_fill(&largest.eq_scalar(f64::NEG_INFINITY), 0.0)?)?.exp();
            let total = sum(&e, &over);
            // Where everything is -∞, the terms are all 0, and the softmax shall be 0 and not NaN; so it shall beside an ∞.
            let none = total.eq_scalar(0.0).logical_or(&largest.eq_scalar(f64::INFINITY))?;
            let total = total.masked_fill(&none, 1.0)?;
            e.mul(&g.reshape(&*kept)?.div(&total)?)
        });
        tape.keeps_examples(x, !r.reduced[0]);
    })
}

#[cfg(test)]
mod tests;
