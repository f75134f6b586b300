//! Sorting along a dimension, and the largest or smallest elements.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::ordered;
use crate::tensor::layout::dim_index;

/// # Sorting
///
/// ```
/// use demotic::tensor;
///
/// assert_eq!(tensor![3.0, 1.0, 2.0].argsort(0, true)?.to_f64_vec(), [0.0, 2.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The elements sorted along a dimension, and the indices (`I64`) that they came from.
    ///
    /// Equal elements keep their order. NaN counts as larger than everything. Gradient: `g`, put back in place.
    ///
    /// # Errors
    /// If the dimension is out of range.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (values, indices) = tensor![3.0, 1.0, 2.0].sort(0, false)?;
    /// assert_eq!(values.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 2, 0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Tensor, Tensor)> {
        let axis = dim_index("sort", dim, self.rank())?;
        Ok(chosen("sort", self, axis, None, descending))
    }

    /// The indices (`I64`) that [sort](Self::sort) the elements along a dimension.
    ///
    /// # Errors
    /// If the dimension is out of range.
    #[track_caller]
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor> {
        let axis = dim_index("argsort", dim, self.rank())?;
        let _timer = crate::profile::op("argsort");
        Ok(ordered(self, axis, None, descending).1)
    }

    /// The `k` largest (or smallest) elements along a dimension, the largest (smallest) first, and their indices (`I64`).
    ///
    /// Of equal elements, the earlier ones come first. NaN counts as larger than everything.
    /// Gradient: `g` for the elements that were chosen, 0 for the others.
    ///
    /// # Errors
    /// If the dimension is out of range, or has fewer than `k` elements.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (values, indices) = tensor![3.0, 1.0, 2.0].topk(2, 0, true)?;
    /// assert_eq!(values.to_vec::<f32>()?, [3.0, 2.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [0, 2]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Tensor, Tensor)> {
        let axis = dim_index("topk", dim, self.rank())?;
        let size = self.shape()[axis];
        if k > size {
            let message = format!("k is {k}, but dimension {dim} of {:?} has size {size}", self.shape());
            return Err(Error::argument("topk", message));
        }
        Ok(chosen("topk", self, axis, Some(k), largest))
    }
}

/// The first `k` elements in order, or all of them, and where they were.
fn chosen(name: &'static str, x: &Tensor, axis: usize, k: Option<usize>, descending: bool) -> (Tensor, Tensor) {
    let _timer = crate::profile::op(name);
    let (values, indices) = ordered(x, axis, k, descending);
    let values = record(name, values, &[x], |tape| {
        let (places, shape) = (indices.clone(), x.layout().shape());
        tape.edge(x, move |g| {
            let zeros = Tensor::scalar(0.0).to_dtype(g.dtype()).expanded(&shape)?;
            zeros.scatter_add(axis as isize, &places, g)
        });
    });
    (values, indices)
}

#[cfg(test)]
mod tests;
