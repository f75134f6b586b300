//! What follows from the order of elements: running extremes, ranks, quantiles, values that repeat, places in a sorted list.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::argument::Interpolation;
use crate::tensor::exec::reduce::{ScanOp, scan};
use crate::tensor::layout::dim_index;
use crate::tensor::{DType, Tensor};

/// # Running extremes, ranks, quantiles
///
/// ```
/// use demotic::{Tensor, tensor};
///
/// let x = tensor![3.0, 1.0, 2.0, 1.0];
/// assert_eq!(x.cummin(0)?.0.to_f64_vec(), [3.0, 1.0, 1.0, 1.0]);
/// assert_eq!(x.logcumsumexp(0)?.to_f64_vec()[0], 3.0);
/// let (third, place) = x.kthvalue(3, 0, false)?;
/// assert_eq!((third.item()?, place.item()?), (2.0, 2.0));
/// let (most, place) = x.mode(0, false)?;
/// assert_eq!((most.item()?, place.item()?), (1.0, 3.0));
/// assert_eq!(Tensor::from_nested([0i64, 2, 2])?.bincount(None, 4)?.to_f64_vec(), [1.0, 0.0, 2.0, 0.0]);
/// assert_eq!(x.histc(2, 1.0, 3.0)?.to_f64_vec(), [2.0, 2.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The largest element so far along a dimension, and its index; of equal ones the last. NaN is larger than everything.
    /// Gradient: to that place.
    ///
    /// # Errors
    /// If `dim` is out of range.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (values, indices) = tensor![1.0, 3.0, 2.0].cummax(0)?;
    /// assert_eq!(values.to_vec::<f32>()?, [1.0, 3.0, 3.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [0, 1, 1]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn cummax(&self, dim: isize) -> Result<(Tensor, Tensor)> {
        running_extreme("cummax", ScanOp::Max, self, dim)
    }

    /// The smallest element so far along a dimension, and its index; of equal ones the last. NaN is smaller than everything.
    /// Gradient: to that place.
    ///
    /// # Errors
    /// If `dim` is out of range.
    #[track_caller]
    pub fn cummin(&self, dim: isize) -> Result<(Tensor, Tensor)> {
        running_extreme("cummin", ScanOp::Min, self, dim)
    }

    /// `log(e^x₀ + … + e^xᵢ)` along a dimension, without overflow. Gradient: `e^xᵢ Σⱼ gⱼ e^(−yⱼ)` over `j` from `i` on.
    ///
    /// # Errors
    /// If `dim` is out of range.
    #[track_caller]
    pub fn logcumsumexp(&self, dim: isize) -> Result<Tensor> {
        let _timer = crate::profile::op("logcumsumexp");
        let axis = dim_index("logcumsumexp", dim, self.rank())?;
        let x = if self.dtype().is_float() { self.clone() } else { self.to_dtype(DType::F32) };
        let out = scan(ScanOp::LogSumExp, &x, axis);
        Ok(record("logcumsumexp", out, &[&x], |tape| {
            let input = x.for_gradient();
            tape.edge_with_output(&x, move |g, y| {
                // Each of the terms may be too large or too small for a number where their sum is not, so logarithms are added
                // up, of both signs.
                let part = |g: &Tensor| -> Result<Tensor> {
                    let none = g.le_scalar(0.0);
                    let logs = g.masked_fill(&none, 1.0)?.log().sub(y)?.masked_fill(&none, f64::NEG_INFINITY)?;
                    logs.flip(&[dim])?.logcumsumexp(dim)?.flip(&[dim])?.add(&input).map(|logs| logs.exp())
                };
                part(g)?.sub(&part(&g.neg())?)
            });
        }))
    }

    /// The difference of each element to the one before along a dimension, `n` times over.
    ///
    /// # Errors
    /// If `dim` is out of range.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1.0, 4.0, 9.0].diff(1, 0)?.to_vec::<f32>()?, [3.0, 5.0]);
    /// assert_eq!(tensor![1.0, 4.0, 9.0].diff(2, 0)?.to_vec::<f32>()?, [2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn diff(&self, n: usize, dim: isize) -> Result<Tensor> {
        let axis = dim_index("diff", dim, self.rank())?;
        let mut x = self.clone();
        // From the time on at which nothing is left, nothing changes.
        for _ in 0..n.min(self.shape()[axis]) {
            let len = x.shape()[axis] - 1;
            x = x.narrow(dim, 1, len)?.sub(&x.narrow(dim, 0, len)?)?;
        }
        Ok(x)
    }

    /// The `k`-th smallest element along a dimension, counted from 1, and its index. NaN is larger than everything. Gradient: to
    /// that place.
    ///
    /// # Errors
    /// If `dim` is out of range, or there is no `k`-th element.
    #[track_caller]
    pub fn kthvalue(&self, k: usize, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axis = dim_index("kthvalue", dim, self.rank())?;
        let size = self.shape()[axis];
        if k == 0 || k > size {
            let message = format!("k is {k}, expected 1 to {size}, the size of dimension {dim} of {:?}", self.shape());
            return Err(Error::argument("kthvalue", message));
        }
        self.ranked(k - 1, axis, keepdim)
    }

    /// The median along a dimension and its index; of an even number of elements the lower of the two in the middle, as in
    /// PyTorch ([`quantile`](Self::quantile) of 0.5 is half way between them). With a NaN it is NaN. Gradient: to that place.
    ///
    /// # Errors
    /// If `dim` is out of range, or there are no elements.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (median, index) = tensor![5.0, 1.0, 3.0].median(0, false)?;
    /// assert_eq!((median.item()?, index.item()?), (3.0, 2.0));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn median(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axis = dim_index("median", dim, self.rank())?;
        let Some(last) = self.shape()[axis].checked_sub(1) else { return Err(no_elements("median", self)) };
        let (sorted, places) = self.sort(dim, false)?;
        let middle = match self.dtype().is_float() {
            // NaN comes last, so if there is one it is there.
            true => {
                let nan = sorted.detach().narrow(dim, last, 1)?.is_nan();
                Tensor::where_(&nan, &Tensor::integer(last as i64), &Tensor::integer(last as i64 / 2))?
            }
            false => sorted.detach().narrow(dim, 0, 1)?.to_dtype(DType::I64).full_like((last / 2) as f64),
        };
        let pick = |x: &Tensor| if keepdim { Ok(x.clone()) } else { x.squeeze(dim) };
        Ok((pick(&sorted.gather(dim, &middle)?)?, pick(&places.gather(dim, &middle)?)?))
    }

    /// What a share `q` of the elements along a dimension lies below, from 0 (the smallest) over 0.5 (the middle) to 1 (the
    /// largest). Rows with a NaN give NaN. Gradient: to the elements that it lies between.
    ///
    /// # Errors
    /// If `dim` is out of range, there are no elements, they are not floating, or `q` is not between 0 and 1.
    ///
    /// ```
    /// use demotic::tensor;
    /// use demotic::tensor::argument::Interpolation;
    ///
    /// let x = tensor![1.0, 2.0, 3.0, 10.0];
    /// assert_eq!(x.quantile(0.5, 0, false, Interpolation::Linear)?.item()?, 2.5);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn quantile(&self, q: f64, dim: isize, keepdim: bool, interpolation: Interpolation) -> Result<Tensor> {
        self.expect_any_float("quantile", "the input")?;
        let axis = dim_index("quantile", dim, self.rank())?;
        let Some(last) = self.shape()[axis].checked_sub(1) else { return Err(no_elements("quantile", self)) };
        if !(0.0..=1.0).contains(&q) {
            return Err(Error::argument("quantile", format!("q is {q}, expected a share from 0 to 1")));
        }
        let (sorted, _) = self.sort(dim, false)?;
        let rank = q * last as f64;
        let rank = match interpolation {
            Interpolation::Linear => rank,
            Interpolation::Lower => rank.floor(),
            Interpolation::Higher => rank.ceil(),
            Interpolation::Nearest => rank.round_ties_even(),
            Interpolation::Midpoint => rank.floor() + if rank == rank.floor() { 0.0 } else { 0.5 },
        };
        let below = rank.floor() as usize;
        let low = sorted.narrow(dim, below, 1)?;
        let high = sorted.narrow(dim, (below + 1).min(last), 1)?;
        let value = if rank == rank.floor() { low } else { low.lerp(&high, rank - rank.floor())? };
        let value = value.masked_fill(&sorted.detach().narrow(dim, last, 1)?.is_nan(), f64::NAN)?;
        if keepdim { Ok(value) } else { value.squeeze(dim) }
    }

    /// The most frequent value along a dimension, and the last index that has it; of equally frequent values the smallest.
    /// NaN is larger than everything. Gradient: to that place.
    ///
    /// # Errors
    /// If `dim` is out of range, or there are no elements.
    #[track_caller]
    pub fn mode(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axis = dim_index("mode", dim, self.rank())?;
        if self.shape()[axis] == 0 {
            return Err(no_elements("mode", self));
        }
        let (sorted, places) = self.sort(dim, false)?;
        // How often each value has occurred so far; the first of the largest numbers is that of the smallest value.
        let numbers = numbered_along(&sorted, axis)?;
        let begins = first_of_runs(&sorted.detach(), dim)?;
        let begin = numbers.masked_fill(&begins.logical_not()?, 0.0)?.cummax(dim)?.0;
        let most = numbers.sub(&begin)?.argmax_dim(dim, true)?;
        let pick = |x: &Tensor| if keepdim { Ok(x.clone()) } else { x.squeeze(dim) };
        Ok((pick(&sorted.gather(dim, &most)?)?, pick(&places.gather(dim, &most)?)?))
    }

    /// The places of elements that are not zero, as `[count, rank]` numbers of type `I64`, in row-major order.
    ///
    /// # Errors
    /// If memory does not suffice.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let places = tensor![[0.0, 2.0], [3.0, 0.0]].nonzero()?;
    /// assert_eq!(places.to_vec::<i64>()?, [0, 1, 1, 0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn nonzero(&self) -> Result<Tensor> {
        let x = self.detach();
        let mask = if x.dtype() == DType::Bool { x } else { x.ne_scalar(0.0) };
        let all = Tensor::arange(mask.numel())?.reshape(mask.shape())?;
        let mut left = all.masked_select(&mask)?;
        if self.rank() == 0 {
            return Tensor::zeros([left.numel(), 0]).map(|none| none.to_dtype(DType::I64));
        }
        let mut columns = Vec::with_capacity(self.rank());
        for size in self.shape().iter().rev() {
            let size = Tensor::integer((*size).max(1) as i64);
            columns.push(left.remainder(&size)?);
            left = left.floor_divide(&size)?;
        }
        columns.reverse();
        Tensor::stack(&columns.iter().collect::<Vec<_>>(), 1)
    }

    /// Where values would go into a sorted list so that it stays sorted, as `I64` of their shape: before equal elements, or with
    /// `right` behind them. The list is a vector, or has a row `[.., n]` for each row of values `[.., m]`.
    ///
    /// # Errors
    /// If the element types differ, or the rows of the two are not the same.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let places = tensor![1.0, 3.0, 5.0].searchsorted(&tensor![3.0, 6.0], false)?;
    /// assert_eq!(places.to_vec::<i64>()?, [1, 3]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "bucketize")]
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor, right: bool) -> Result<Tensor> {
        let name = "searchsorted";
        values.expect_dtype(name, "the values", self.dtype())?;
        let (list, values) = (self.detach(), values.detach());
        let Some((&n, rows)) = list.shape().split_last() else {
            return Err(Error::shape(name, "the list is a scalar, expected a vector or rows"));
        };
        let flat = rows.is_empty();
        if !flat && values.shape().split_last().map(|(_, rows)| rows) != Some(rows) {
            let message = format!("values {:?} for lists {:?}", values.shape(), list.shape());
            return Err(Error::shape(name, message).with_help("a list that is a vector serves values of any shape"));
        }
        let wanted = if flat { values.reshape(-1)? } else { values.clone() };
        // By halving: all that are below `low` are before the value, all from `high` on are not.
        let mut low = Tensor::full_dtype(wanted.shape(), 0.0, DType::I64)?;
        let mut high = low.add(&Tensor::integer(n as i64))?;
        let two = Tensor::integer(2);
        for _ in 0..usize::BITS - n.leading_zeros() {
            let middle = low.add(&high)?.floor_divide(&two)?;
            let found = list.gather(-1, &middle.clamp(None, Some(n as f64 - 1.0)))?;
            // NaN is larger than everything.
            let smaller = if right { found.gt(&wanted)?.logical_not()? } else { found.lt(&wanted)? };
            let nan = if wanted.dtype().is_float() {
                wanted.is_nan()
            } else {
                smaller.logical_not()?.logical_and(&smaller)?
            };
            let nan_before = if right { nan } else { nan.logical_and(&found.eq(&found)?)? };
            let ordered = found.eq(&found)?;
            let smaller = smaller.logical_and(&ordered)?.logical_or(&nan_before)?;
            let open = low.lt(&high)?;
            low = Tensor::where_(&smaller.logical_and(&open)?, &middle.add(&Tensor::integer(1))?, &low)?;
            high = Tensor::where_(&smaller.logical_not()?.logical_and(&open)?, &middle, &high)?;
        }
        low.reshape(values.shape())
    }

    /// How often each number from 0 to the largest occurs, as `I64`; with weights, which are as many, their sums. At least `min`
    /// numbers are counted.
    ///
    /// # Errors
    /// If the input is not a vector of whole numbers from 0 on, weights are not as many, or there is no memory for so many counts.
    #[track_caller]
    pub fn bincount(&self, weights: Option<&Tensor>, min: usize) -> Result<Tensor> {
        let name = "bincount";
        if self.dtype().is_float() || self.dtype() == DType::Bool || self.rank() != 1 {
            let message = format!("{:?} of {}, expected a vector of whole numbers", self.shape(), self.dtype());
            return Err(Error::argument(name, message));
        }
        let x = self.detach().to_dtype(DType::I64);
        let largest = if x.is_empty() { -1 } else { x.max()?.to_vec::<i64>()?[0] };
        let smallest = if x.is_empty() { 0 } else { x.min()?.to_vec::<i64>()?[0] };
        if smallest < 0 {
            return Err(Error::argument(name, format!("{smallest} cannot be counted, expected numbers from 0 on")));
        }
        let size = min.max((largest as usize).wrapping_add(1));
        let one = Tensor::integer(1).expanded(&x.layout().shape())?;
        let weights = weights.unwrap_or(&one);
        let counts = Tensor::full_dtype([size], 0.0, weights.dtype())?;
        if weights.shape() != x.shape() {
            let message = format!("weights {:?} for numbers {:?}", weights.shape(), x.shape());
            return Err(Error::shape(name, message));
        }
        counts.index_add(0, &x, weights)
    }

    /// How many elements lie in each of `bins` intervals of one width from `low` to `high`; those outside are not counted, and
    /// `high` belongs to the last one. If both bounds are 0, they are the smallest and the largest element. Of the type of the
    /// elements.
    ///
    /// # Errors
    /// If there are no bins, the bounds are not finite or in the wrong order, or the elements are not floating.
    #[track_caller]
    pub fn histc(&self, bins: usize, low: f64, high: f64) -> Result<Tensor> {
        let name = "histc";
        self.expect_any_float(name, "the input")?;
        let x = self.detach().reshape(-1)?;
        let (mut low, mut high) = (low, high);
        if low == 0.0 && high == 0.0 && !x.is_empty() {
            (low, high) = (x.min()?.item()?, x.max()?.item()?);
        }
        if low == high {
            (low, high) = (low - 1.0, high + 1.0);
        }
        if bins == 0 || !(low < high && (high - low).is_finite()) {
            return Err(Error::argument(name, format!("{bins} bins from {low} to {high}")));
        }
        let inside = x.ge_scalar(low).logical_and(&x.le_scalar(high))?;
        let x = x.masked_select(&inside)?.to_dtype(DType::F64);
        let place = x.add_scalar(-low).mul_scalar(bins as f64 / (high - low)).clamp(None, Some(bins as f64 - 1.0));
        Ok(place.floor().to_dtype(DType::I64).bincount(None, bins)?.to_dtype(self.dtype()))
    }

    /// The element of a rank along a dimension, and its index.
    #[track_caller]
    fn ranked(&self, rank: usize, axis: usize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let dim = axis as isize;
        let (values, places) = self.sort(dim, false)?;
        let pick = |x: &Tensor| if keepdim { x.narrow(dim, rank, 1) } else { x.select(dim, rank as isize) };
        Ok((pick(&values)?, pick(&places)?))
    }
}

#[track_caller]
fn running_extreme(name: &'static str, op: ScanOp, x: &Tensor, dim: isize) -> Result<(Tensor, Tensor)> {
    let _timer = crate::profile::op(name);
    let axis = dim_index(name, dim, x.rank())?;
    let own = x.detach();
    let values = scan(op, &own, axis);
    // Where an element is the extreme so far, its number is; elsewhere the last one that was.
    let wide = if x.dtype().is_float() { own.clone() } else { own.to_dtype(DType::I64) };
    let is_one = wide.eq(&values)?.logical_or(&wide.is_nan())?;
    let numbers = numbered_along(&own, axis)?.masked_fill(&is_one.logical_not()?, 0.0)?;
    let indices = scan(ScanOp::Max, &numbers, axis);
    Ok((x.gather(dim, &indices)?, indices))
}

/// The number of each element along a dimension, as `I64`.
fn numbered_along(x: &Tensor, axis: usize) -> Result<Tensor> {
    let mut shape = vec![1; x.rank()];
    shape[axis] = x.shape()[axis];
    Tensor::arange(x.shape()[axis])?.reshape(shape.as_slice())?.expanded(&x.layout().shape())
}

/// Where elements differ from those before them.
pub(super) fn first_of_runs(sorted: &Tensor, dim: isize) -> Result<Tensor> {
    let Some(len) = sorted.size(dim)?.checked_sub(1) else { return Ok(sorted.eq_scalar(0.0)) };
    let first = sorted.narrow(dim, 0, 1)?;
    let first = first.eq(&first)?.logical_or(&first.ne(&first)?)?;
    Tensor::cat(&[&first, &sorted.narrow(dim, 1, len)?.ne(&sorted.narrow(dim, 0, len)?)?], dim)
}

#[cold]
#[track_caller]
fn no_elements(name: &'static str, x: &Tensor) -> Error {
    Error::shape(name, format!("{:?} has no elements along that dimension", x.shape()))
}
