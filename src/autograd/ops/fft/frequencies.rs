//! Which frequencies a transform has, and in which order.

use crate::error::{Error, Result};
use crate::tensor::create::check_list;
use crate::tensor::layout::dim_set;
use crate::tensor::{DType, Tensor};

/// # Frequencies of Fourier transforms
/// With the feature `fft`.
///
/// ```
/// use demotic::{DType, Tensor};
///
/// let all = Tensor::fftfreq(4, 0.5, DType::F32)?;
/// assert_eq!(all.to_f64_vec(), [0.0, 0.5, -1.0, -0.5]);
/// assert_eq!(all.fftshift(&[])?.ifftshift(&[])?.to_f64_vec(), all.to_f64_vec());
/// assert_eq!(Tensor::rfftfreq(4, 0.5, DType::F32)?.to_f64_vec(), [0.0, 0.5, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The frequencies of [`fft`](Self::fft) of `n` samples that are `d` apart, in its order: 0, 1, …, −1, all divided by `n · d`.
    ///
    /// # Errors
    /// If `d` is 0 or not finite, the type is not floating, or they do not fit into memory.
    ///
    /// ```
    /// use demotic::{DType, Tensor};
    ///
    /// assert_eq!(Tensor::fftfreq(4, 0.25, DType::F32)?.to_vec::<f32>()?, [0.0, 1.0, -2.0, -1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn fftfreq(n: usize, d: f64, dtype: DType) -> Result<Tensor> {
        let half = n.div_ceil(2);
        numbers("fftfreq", n, n, d, dtype, &|k| if k < half { k as f64 } else { k as f64 - n as f64 })
    }

    /// The frequencies of [`rfft`](Self::rfft) of `n` samples that are `d` apart: 0, 1, … up to the half, all divided by `n · d`.
    ///
    /// # Errors
    /// As for [`fftfreq`](Self::fftfreq).
    #[track_caller]
    pub fn rfftfreq(n: usize, d: f64, dtype: DType) -> Result<Tensor> {
        numbers("rfftfreq", n / 2 + 1, n, d, dtype, &|k| k as f64)
    }

    /// The frequencies of a spectrum with that of 0 in the middle, along dimensions, or without any along all of them. (Of pairs, leave
    /// out the last one.)
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![0.0, 1.0, -2.0, -1.0].fftshift(&[0])?.to_vec::<f32>()?, [-2.0, -1.0, 0.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn fftshift(&self, dims: &[isize]) -> Result<Tensor> {
        shifted("fftshift", self, dims, |n| n / 2)
    }

    /// The inverse of [`fftshift`](Self::fftshift).
    ///
    /// # Errors
    /// As for [`fftshift`](Self::fftshift).
    #[track_caller]
    pub fn ifftshift(&self, dims: &[isize]) -> Result<Tensor> {
        shifted("ifftshift", self, dims, |n| n.div_ceil(2))
    }
}

#[track_caller]
fn shifted(op: &'static str, x: &Tensor, dims: &[isize], shift: fn(usize) -> usize) -> Result<Tensor> {
    let chosen = dim_set(op, dims, x.rank())?;
    let dims: Vec<isize> = (0..x.rank() as isize).filter(|d| chosen[*d as usize]).collect();
    let shifts: Vec<isize> = dims.iter().map(|d| shift(x.shape()[*d as usize]) as isize).collect();
    if dims.is_empty() { Ok(x.clone()) } else { x.roll(&shifts, &dims) }
}

/// `count` frequencies of `n` samples.
#[track_caller]
fn numbers(op: &'static str, count: usize, n: usize, d: f64, dtype: DType, f: &dyn Fn(usize) -> f64) -> Result<Tensor> {
    if d == 0.0 || !d.is_finite() {
        return Err(Error::argument(op, format!("samples are {d} apart, expected a number other than 0")));
    }
    // A single step, of no samples.
    let step = 1.0 / (n.max(1) as f64 * d);
    sampled(op, count, dtype, &|k| f(k) * step)
}

/// A vector of `f(0)`, `f(1)`, … in a floating type.
#[track_caller]
pub(super) fn sampled(op: &'static str, count: usize, dtype: DType, f: &dyn Fn(usize) -> f64) -> Result<Tensor> {
    if !dtype.is_float() {
        return Err(Error::dtype(op, format!("{dtype} cannot hold fractions, expected a floating type")));
    }
    check_list(op, "numbers", count, size_of::<f64>())?;
    Ok(Tensor::from_vec((0..count).map(f).collect::<Vec<f64>>(), [count])?.to_dtype(dtype))
}
