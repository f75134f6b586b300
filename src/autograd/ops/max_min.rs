//! Largest and smallest elements, and where they are.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::{Over, ReduceOp, reduce};

/// # Largest and smallest elements
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
mod tests {
    use super::*;
    use crate::{DType, tensor};

    #[test]
    fn nothing_has_no_extremes() {
        let nothing = Tensor::zeros([2, 0]).unwrap();
        let message = |op: &str| format!("{op}: nothing to choose from in a tensor of shape [2, 0]");
        assert_eq!(nothing.max().unwrap_err().message(), message("max"));
        assert_eq!(nothing.min().unwrap_err().message(), message("min"));
        assert_eq!(nothing.amax(&[1], true).unwrap_err().message(), message("amax"));
        assert_eq!(nothing.amin(&[], false).unwrap_err().message(), message("amin"));
        assert_eq!(nothing.max_dim(1, false).unwrap_err().message(), message("max_dim"));
        assert_eq!(nothing.min_dim(-1, false).unwrap_err().message(), message("min_dim"));
        assert_eq!(nothing.argmax().unwrap_err().message(), message("argmax"));
        assert_eq!(nothing.argmin_dim(1, false).unwrap_err().message(), message("argmin"));
        let e = nothing.max().unwrap_err();
        assert_eq!(e.help(), Some("test is_empty() first: unlike a sum, an extreme of nothing has no value"));
    }

    #[test]
    fn along_another_dimension_nothing_is_asked_for() {
        let nothing = Tensor::zeros([2, 0]).unwrap();
        assert_eq!(nothing.amax(&[0], false).unwrap().shape(), [0]);
        assert_eq!(nothing.argmin_dim(0, true).unwrap().shape(), [1, 0]);
        let (values, indices) = nothing.max_dim(0, false).unwrap();
        assert_eq!((values.shape(), indices.shape()), (&[0][..], &[0][..]));
    }

    #[test]
    fn every_type_is_compared_exactly() {
        let big = Tensor::from_nested([i64::MAX - 1, i64::MAX, i64::MIN]).unwrap();
        assert_eq!(big.max().unwrap().to_vec::<i64>().unwrap(), [i64::MAX]);
        assert_eq!(big.min().unwrap().to_vec::<i64>().unwrap(), [i64::MIN]);
        assert_eq!(big.argmax().unwrap().to_vec::<i64>().unwrap(), [1]);
        let bytes = Tensor::from_nested([3u8, 255, 0]).unwrap();
        assert_eq!(bytes.max().unwrap().to_vec::<u8>().unwrap(), [255]);
        let bools = Tensor::from_nested([[false, true], [false, false]]).unwrap();
        assert_eq!(bools.amax(&[1], false).unwrap().to_vec::<bool>().unwrap(), [true, false]);
        assert_eq!(bools.min_dim(1, false).unwrap().1.to_vec::<i64>().unwrap(), [0, 0]);
        let half = tensor![1.5, -2.5].to_dtype(DType::BF16);
        assert_eq!((half.min().unwrap().dtype(), half.min().unwrap().item().unwrap()), (DType::BF16, -2.5));
    }

    #[test]
    fn over_all_ties_share_and_along_one_dimension_the_first_takes_all() {
        let x = tensor![[2.0, 1.0], [2.0, 0.0]].tracked().unwrap();
        let grads = x.max().unwrap().backward().unwrap();
        assert_eq!(grads.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [0.5, 0.0, 0.5, 0.0]);
        let grads = x.max_dim(0, false).unwrap().0.sum().backward().unwrap();
        assert_eq!(grads.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_first_not_a_number_wins() {
        let x = tensor![1.0, f32::NAN, 3.0, f32::NAN];
        let (value, index) = x.min_dim(0, false).unwrap();
        assert!(value.item().unwrap().is_nan() && x.max().unwrap().item().unwrap().is_nan());
        assert_eq!(index.item().unwrap(), 1.0);
    }

    #[test]
    fn a_scalar_is_its_own_extreme() {
        let x = Tensor::scalar(3.0);
        assert_eq!(x.max().unwrap().item().unwrap(), 3.0);
        assert_eq!(x.argmin().unwrap().item().unwrap(), 0.0);
        assert_eq!(x.max_dim(0, false).unwrap_err().message(), "max_dim: dimension 0 of a scalar, which has none");
    }
}
