//! Largest and smallest elements, and where they are.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::{Over, ReduceOp, reduce};

/// # Largest and smallest elements
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[4.0, 1.0], [2.0, 7.0]];
/// assert_eq!((x.min()?.item()?, x.argmax()?.item()?, x.argmin()?.item()?), (1.0, 3.0, 1.0));
/// assert_eq!((x.amax(&[0], false)?.to_f64_vec(), x.amin(&[1], false)?.to_f64_vec()), (vec![4.0, 7.0], vec![1.0, 2.0]));
/// let (values, places) = x.min_dim(0, false)?;
/// assert_eq!((values.to_f64_vec(), places.to_f64_vec()), (vec![2.0, 1.0], vec![1.0, 0.0]));
/// assert_eq!(x.argmin_dim(1, false)?.to_f64_vec(), [1.0, 0.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The largest element, or NaN if there is one. Gradient: shared equally among all elements that are the largest.
    ///
    /// # Errors
    /// If there are no elements.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![[1.0, 5.0], [3.0, 2.0]].max()?.item()?, 5.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn max(&self) -> Result<Tensor> {
        extreme("max", true, self, &Over::all(self))
    }

    /// The smallest element, or NaN if there is one. Gradient: shared equally among all elements that are the smallest.
    ///
    /// # Errors
    /// If there are no elements.
    #[track_caller]
    pub fn min(&self) -> Result<Tensor> {
        extreme("min", false, self, &Over::all(self))
    }

    /// The [largest elements](Self::max) over some dimensions (none stands for all). With `keepdim` they remain with
    /// size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice, or there is nothing to choose from.
    #[track_caller]
    pub fn amax(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        extreme("amax", true, self, &Over::dims("amax", self, dims, keepdim)?)
    }

    /// The [smallest elements](Self::min) over some dimensions (none stands for all). With `keepdim` they remain with
    /// size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice, or there is nothing to choose from.
    #[track_caller]
    pub fn amin(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        extreme("amin", false, self, &Over::dims("amin", self, dims, keepdim)?)
    }

    /// The largest elements along one dimension, and their indices there (`I64`): the first of equal ones, or the first
    /// NaN if there is one. With `keepdim` the dimension remains with size 1.
    /// Gradient: `g` for the elements that were chosen, 0 for the others.
    ///
    /// # Errors
    /// If the dimension is out of range, or there is nothing to choose from.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (values, indices) = tensor![[1.0, 5.0], [3.0, 2.0]].max_dim(1, false)?;
    /// assert_eq!(values.to_vec::<f32>()?, [5.0, 3.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn max_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        choose("max_dim", true, self, dim, keepdim)
    }

    /// The smallest elements along one dimension, and their indices there; otherwise like [`max_dim`](Self::max_dim).
    ///
    /// # Errors
    /// If the dimension is out of range, or there is nothing to choose from.
    #[track_caller]
    pub fn min_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        choose("min_dim", false, self, dim, keepdim)
    }

    /// The index (`I64`) of the largest element in row-major order: the first of equal ones, or the first NaN if there
    /// is one.
    ///
    /// # Errors
    /// If there are no elements.
    #[track_caller]
    pub fn argmax(&self) -> Result<Tensor> {
        place("argmax", true, self, &Over::all(self))
    }

    /// The index (`I64`) of the smallest element in row-major order: the first of equal ones, or the first NaN if there
    /// is one.
    ///
    /// # Errors
    /// If there are no elements.
    #[track_caller]
    pub fn argmin(&self) -> Result<Tensor> {
        place("argmin", false, self, &Over::all(self))
    }

    /// The indices (`I64`) of the largest elements along one dimension: the first of equal ones, or the first NaN if
    /// there is one. With `keepdim` the dimension remains with size 1.
    ///
    /// # Errors
    /// If the dimension is out of range, or there is nothing to choose from.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let logits = tensor![[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]];
    /// assert_eq!(logits.argmax_dim(-1, false)?.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax_dim(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        place("argmax", true, self, &Over::dims("argmax", self, &[dim], keepdim)?)
    }

    /// The indices (`I64`) of the smallest elements along one dimension; otherwise like [`argmax_dim`](Self::argmax_dim).
    ///
    /// # Errors
    /// If the dimension is out of range, or there is nothing to choose from.
    #[track_caller]
    pub fn argmin_dim(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        place("argmin", false, self, &Over::dims("argmin", self, &[dim], keepdim)?)
    }
}

#[track_caller]
fn check_choice(name: &'static str, x: &Tensor, r: &Over) -> Result<()> {
    if r.count(x) > 0 || r.shape.contains(&0) {
        return Ok(());
    }
    let message = format!("nothing to choose from in a tensor of shape {:?}", x.shape());
    Err(Error::shape(name, message)
        .with_help("test is_empty() first: unlike a sum, an extreme of nothing has no value"))
}

#[track_caller]
fn extreme(name: &'static str, largest: bool, x: &Tensor, r: &Over) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    check_choice(name, x, r)?;
    let out = reduce(if largest { ReduceOp::Max } else { ReduceOp::Min }, x, r);
    Ok(record(name, out, &[x], |tape| {
        let (input, r) = (x.for_gradient(), *r);
        tape.edge_with_output(x, move |g, y| g.reshape(&*r.kept)?.mul(&shares(&input, &y.reshape(&*r.kept)?, &r)?));
        tape.keeps_examples(x, !r.reduced[0]);
    }))
}

/// How an extreme `y` (with the dimensions kept) grows with each element of `x`: by an equal share of those that are
/// it. Constant, so not recorded.
pub(super) fn shares(x: &Tensor, y: &Tensor, r: &Over) -> Result<Tensor> {
    let extreme = x.detach().eq(&y.detach())?.cast(x.dtype());
    let count = reduce(ReduceOp::Sum, &extreme, &Over::these(x, r.reduced, true));
    extreme.div(&count)
}

#[track_caller]
fn place(name: &'static str, largest: bool, x: &Tensor, r: &Over) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    check_choice(name, x, r)?;
    Ok(reduce(if largest { ReduceOp::ArgMax } else { ReduceOp::ArgMin }, x, r))
}

#[track_caller]
fn choose(name: &'static str, largest: bool, x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let _timer = crate::profile::op(name);
    let indices = place(name, largest, x, &Over::dims(name, x, &[dim], true)?)?;
    let values = x.gather(dim, &indices)?;
    Ok(if keepdim { (values, indices) } else { (values.squeeze(dim)?, indices.squeeze(dim)?) })
}

#[cfg(test)]
mod tests;
