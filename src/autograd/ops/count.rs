//! Whether any or all elements are true, and how many are not zero. None of these has a gradient.

use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::{Over, ReduceOp, reduce};

/// # Counting truth values
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[0.0, 1.0], [0.0, 3.0]];
/// assert_eq!((x.any().item()?, x.all().item()?, x.count_nonzero().item()?), (1.0, 0.0, 2.0));
/// assert_eq!(x.any_dims(&[0], false)?.to_vec::<bool>()?, [false, true]);
/// assert_eq!(x.all_dims(&[1], false)?.to_vec::<bool>()?, [false, false]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Whether any element is true, or differs from zero: a `Bool`. Of none, false.
    #[must_use]
    pub fn any(&self) -> Tensor {
        reduce(ReduceOp::Any, self, &Over::all(self))
    }

    /// Whether any element is true, or differs from zero, over some dimensions (none stands for all). With `keepdim`
    /// they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn any_dims(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(reduce(ReduceOp::Any, self, &Over::dims("any", self, dims, keepdim)?))
    }

    /// Whether all elements are true, or differ from zero: a `Bool`. Of none, true.
    #[must_use]
    pub fn all(&self) -> Tensor {
        reduce(ReduceOp::All, self, &Over::all(self))
    }

    /// Whether all elements are true, or differ from zero, over some dimensions (none stands for all). With `keepdim`
    /// they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn all_dims(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(reduce(ReduceOp::All, self, &Over::dims("all", self, dims, keepdim)?))
    }

    /// How many elements are true, or differ from zero: an `I64`. NaN does.
    #[must_use]
    pub fn count_nonzero(&self) -> Tensor {
        reduce(ReduceOp::CountNonzero, self, &Over::all(self))
    }

    /// How many elements are true, or differ from zero, over some dimensions (none stands for all). With `keepdim` they
    /// remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[0.0, 1.0], [2.0, 3.0]];
    /// assert_eq!(x.count_nonzero_dims(&[1], false)?.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn count_nonzero_dims(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(reduce(ReduceOp::CountNonzero, self, &Over::dims("count_nonzero", self, dims, keepdim)?))
    }
}

#[cfg(test)]
mod tests;
