//! Repeating, reversing and rotating along dimensions.

use super::record;
use super::shape::reshape;
use crate::error::{Error, Result};
use crate::tensor::argument::{Counts, Repeats};
use crate::tensor::create::{check_shape, reserve, stale};
use crate::tensor::exec::index as exec;
use crate::tensor::layout::{Dims, dim_index, dim_set, plural, row_major};
use crate::tensor::{DType, MAX_DIMS, Tensor};

/// # Repeating, turning round, rolling
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[1.0, 2.0]];
/// assert_eq!(x.repeat(&[2, 1])?.to_f64_vec(), [1.0, 2.0, 1.0, 2.0]);
/// assert_eq!(x.flip(&[1])?.to_f64_vec(), [2.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The tensor `times[i]` times along each dimension `i`. More numbers than dimensions add leading ones.
    /// Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// If there are fewer numbers than dimensions, or the result is too large.
    #[track_caller]
    pub fn repeat(&self, times: &[usize]) -> Result<Tensor> {
        let Some(missing) = times.len().checked_sub(self.rank()) else {
            let message = format!("{} number{} for {:?}", times.len(), plural(times.len()), self.shape());
            return Err(
                Error::shape("repeat", message).with_help("say for each dimension how often: 1 leaves it as it is")
            );
        };
        let own = std::iter::repeat_n(&1, missing).chain(self.shape());
        let sizes: Vec<usize> = own.zip(times).map(|(n, times)| n.saturating_mul(*times)).collect();
        let shape = check_shape("repeat", &sizes, self.dtype())?;
        let wide = std::iter::repeat_n(1, missing).chain(self.shape().iter().copied());
        let mut out = reshape("reshape", self, Dims::collect(wide))?;
        // From the last dimension on, so that as little as possible is copied more than once.
        for at in (0..shape.len()).rev().filter(|at| times[*at] != 1) {
            out = repeated("repeat", &out, at, times[at], at)?;
        }
        Ok(out)
    }

    /// Each place along dimension `dim` `times` times in a row, or as often as a list or an `I64` vector says for each of
    /// them. Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// If `dim` is out of range, there are neither as many counts as places nor one for all, a count is negative, or the
    /// result is too large.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// assert_eq!(tensor![1, 2].repeat_interleave(2, 0)?.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
    /// assert_eq!(tensor![1, 2].repeat_interleave([1, 3], 0)?.to_vec::<f32>()?, [1.0, 2.0, 2.0, 2.0]);
    /// let counts = Tensor::from_nested([0i64, 2])?;
    /// assert_eq!(tensor![1, 2].repeat_interleave(&counts, 0)?.to_vec::<f32>()?, [2.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, times: impl Repeats, dim: isize) -> Result<Tensor> {
        let name = "repeat_interleave";
        let at = dim_index(name, dim, self.rank())?;
        let counts = match times.into_counts()? {
            Counts::Each(times) => return repeated("repeat_interleave", self, at, times, at + 1),
            Counts::Listed(counts) => counts,
        };
        let mut shape = self.layout().shape();
        match counts[..] {
            [times] => return repeated("repeat_interleave", self, at, times, at + 1),
            _ if counts.len() == shape[at] => (),
            _ => {
                let message = format!(
                    "{} counts for dimension {dim} of {:?}, which has size {}",
                    counts.len(),
                    self.shape(),
                    shape[at]
                );
                return Err(Error::shape(name, message).with_help("there must be one for each place, or one for all"));
            }
        }
        shape[at] = counts.iter().fold(0, |sum: usize, n| sum.saturating_add(*n));
        reserve(name, &shape, self.dtype())?;
        let mut places = counts.iter().zip(0..).flat_map(|(n, i)| std::iter::repeat_n(i, *n));
        let index = exec::numbered(stale(name, &[shape[at]], DType::I64)?, &mut |_| places.next().unwrap_or_default());
        self.index_select(dim, &index)
    }

    /// The places along the given dimensions in reversed order. Gradient: reversed back.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn flip(&self, dims: &[isize]) -> Result<Tensor> {
        if dims.is_empty() {
            return Ok(self.clone());
        }
        Ok(flip(self, dim_set("flip", dims, self.rank())?))
    }

    /// Moves the places along `dims[i]` by `shifts[i]`; what leaves at one end comes in at the other. Without `dims`,
    /// the elements are moved in row-major order, by one shift. Gradient: moved back.
    ///
    /// # Errors
    /// If there are not as many shifts as dimensions, or a dimension is out of range.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1, 2, 3, 4].roll(&[1], &[0])?.to_vec::<f32>()?, [4.0, 1.0, 2.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn roll(&self, shifts: &[isize], dims: &[isize]) -> Result<Tensor> {
        if let ([shift], []) = (shifts, dims) {
            return self.reshape(-1)?.roll(&[*shift], &[0])?.reshape(self.shape());
        }
        if shifts.len() != dims.len() {
            let message = format!("shifts {shifts:?} for dimensions {dims:?}, expected as many");
            return Err(Error::argument("roll", message));
        }
        let mut out = self.clone();
        for (&shift, &dim) in shifts.iter().zip(dims) {
            let at = dim_index("roll", dim, self.rank())?;
            let size = self.shape()[at];
            let back = if size == 0 { 0 } else { shift.rem_euclid(size as isize) as usize };
            if back != 0 {
                let (head, tail) = (out.narrow(dim, 0, size - back)?, out.narrow(dim, size - back, back)?);
                out = Tensor::cat(&[&tail, &head], dim)?;
            }
        }
        Ok(out)
    }
}

/// The elements `times` times: dimension `at` is repeated as a whole if `before` is `at`, place by place if it is one
/// more.
#[track_caller]
fn repeated(name: &'static str, x: &Tensor, at: usize, times: usize, before: usize) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    let (old, mut shape) = (x.layout().shape(), x.layout().shape());
    shape[at] = shape[at].saturating_mul(times);
    let mut out = stale(name, &shape, x.dtype())?;
    let row: usize = old[before..].iter().product();
    let (sizes, strides) = ([old[..before].iter().product(), times, row], [row, 0, 1]);
    exec::copy(&x.packed(), &sizes, &strides, &mut out);
    Ok(record(name, out, &[x], |tape| {
        tape.edge(x, move |g| g.reshape(sizes)?.sum_dims(&[1], false)?.reshape(&*old));
    }))
}

/// Reverses dimensions: those next to each other at once.
fn flip(x: &Tensor, flipped: [bool; MAX_DIMS]) -> Tensor {
    let _timer = crate::profile::op("flip");
    let (shape, strides) = (x.layout().shape(), row_major(x.shape()));
    let mut out = x.packed();
    let mut from = 0;
    while let Some(start) = (from..x.rank()).find(|d| flipped[*d]) {
        let end = (start..x.rank()).find(|d| !flipped[*d]).unwrap_or(x.rank());
        let n = shape[start..end].iter().product();
        out = exec::reverse(&out, n, strides[end - 1]);
        from = end;
    }
    record("flip", out, &[x], |tape| tape.edge(x, move |g| Ok(flip(g, flipped))))
}
