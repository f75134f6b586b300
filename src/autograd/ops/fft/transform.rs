//! Transforms along one dimension, and their gradients.

use super::options::{FftOptions, no_numbers};
use crate::autograd::ops::matmul::expect_fractions;
use crate::autograd::record;
use crate::error::{Error, Result};
use crate::tensor::exec::fft as exec;
use crate::tensor::{DType, Tensor};

/// # Fourier transforms
/// With the feature `fft`. Complex numbers are pairs in a last dimension of 2, real and imaginary part (`torch.view_as_real` of
/// PyTorch's); numbers of dimensions leave it out. Gradients of every order.
///
/// ```
/// use demotic::autograd::FftOptions;
/// use demotic::tensor;
///
/// let x = tensor![[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]];
/// let y = x.fft(&FftOptions::new())?;
/// assert!(y.ifft(&FftOptions::new())?.allclose(&x, 1e-6, 1e-6, false)?);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The discrete Fourier transform of complex numbers, `yₖ = Σₜ xₜ e^(−2πi k t / n)`: `[.., n, 2]` gives `[.., n, 2]`. Gradient: the
    /// inverse transform of `g`, without its factor.
    ///
    /// # Errors
    /// If this is not floating or has no last dimension of 2, the dimension is out of range, or there are no numbers.
    ///
    /// ```
    /// use demotic::autograd::FftOptions;
    /// use demotic::tensor;
    ///
    /// // 1, i, -1, -i goes round once.
    /// let x = tensor![[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
    /// let y = x.fft(&FftOptions::new())?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn fft(&self, options: &FftOptions) -> Result<Tensor> {
        complex("fft", self, options, Some(1), false)
    }

    /// The inverse of [`fft`](Self::fft): `xₜ = 1/n Σₖ yₖ e^(2πi k t / n)`.
    ///
    /// # Errors
    /// As for [`fft`](Self::fft).
    #[track_caller]
    pub fn ifft(&self, options: &FftOptions) -> Result<Tensor> {
        complex("ifft", self, options, Some(1), true)
    }

    /// The first `n / 2 + 1` frequencies of the transform of real numbers, of which the others are the conjugates: `[.., n]` gives
    /// `[.., n / 2 + 1, 2]`.
    ///
    /// # Errors
    /// If this is not floating, the dimension is out of range, or there are no numbers.
    ///
    /// ```
    /// use demotic::autograd::FftOptions;
    /// use demotic::tensor;
    ///
    /// let y = tensor![1.0, 2.0, 3.0, 4.0].rfft(&FftOptions::new())?;
    /// assert_eq!(y.to_vec::<f32>()?, [10.0, 0.0, -2.0, 2.0, -2.0, 0.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn rfft(&self, options: &FftOptions) -> Result<Tensor> {
        real("rfft", self, options, Some(1))
    }

    /// The real numbers of which this is half a spectrum: the inverse of [`rfft`](Self::rfft), `[.., m, 2]` gives `[.., 2 (m − 1)]`. For
    /// an odd number of them, say so by [`n`](FftOptions::n). Imaginary parts of the first frequency and, of an even number, of the
    /// last one do not count.
    ///
    /// # Errors
    /// As for [`fft`](Self::fft).
    ///
    /// ```
    /// use demotic::autograd::FftOptions;
    /// use demotic::tensor;
    ///
    /// let x = tensor![1.0, 2.0, 4.0];
    /// let y = x.rfft(&FftOptions::new())?.irfft(&FftOptions::new().n(3))?;
    /// assert!(y.sub(&x)?.abs().max()?.item()? < 1e-6);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn irfft(&self, options: &FftOptions) -> Result<Tensor> {
        real_inverse("irfft", self, options, Some(1))
    }
}

/// A floating operand, in the type to compute in.
#[track_caller]
pub(super) fn wide(op: &'static str, x: &Tensor) -> Result<Tensor> {
    expect_fractions(x, op, "the input")?;
    Ok(if x.dtype().is_differentiable() { x.clone() } else { x.to_dtype(DType::F32) })
}

/// The same for pairs.
#[track_caller]
pub(super) fn wide_pairs(op: &'static str, x: &Tensor) -> Result<Tensor> {
    let wide = wide(op, x)?;
    if x.shape().last() != Some(&2) {
        let message = format!("shape {:?}, expected complex numbers as a last dimension of 2", x.shape());
        return Err(Error::shape(op, message).with_help("rfft takes real numbers; Tensor::complex makes pairs of them"));
    }
    Ok(wide)
}

/// Dimension `axis` cut off at `n`, or filled up with zeros.
#[track_caller]
fn fitted(x: &Tensor, axis: usize, n: usize) -> Result<Tensor> {
    let size = x.shape()[axis];
    if size < n {
        let mut pairs = vec![(0, 0); x.rank()];
        pairs[axis].1 = isize::try_from(n - size).unwrap_or(isize::MAX);
        return x.pad(&pairs, 0.0);
    }
    if size > n { x.narrow(axis as isize, 0, n) } else { Ok(x.clone()) }
}

/// Transforms along several dimensions of complex numbers.
#[track_caller]
pub(super) fn complex(
    op: &'static str,
    x: &Tensor,
    options: &FftOptions,
    count: Option<usize>,
    inverse: bool,
) -> Result<Tensor> {
    let mut y = wide_pairs(op, x)?;
    for (axis, size) in options.axes(op, x.rank() - 1, count)? {
        y = along(op, &y, options, axis, size, inverse)?;
    }
    Ok(y.to_dtype(x.dtype()))
}

#[track_caller]
fn along(
    op: &'static str,
    x: &Tensor,
    options: &FftOptions,
    axis: usize,
    size: Option<usize>,
    inverse: bool,
) -> Result<Tensor> {
    let n = size.unwrap_or(x.shape()[axis]);
    if n == 0 {
        return Err(no_numbers(op));
    }
    turned(op, &fitted(x, axis, n)?, axis, inverse, options.scaling().scale(n, inverse))
}

/// Of real numbers: half a spectrum along the last of the dimensions, and transforms of complex numbers along the others.
#[track_caller]
pub(super) fn real(op: &'static str, x: &Tensor, options: &FftOptions, count: Option<usize>) -> Result<Tensor> {
    let wide = wide(op, x)?;
    let mut axes = options.axes(op, x.rank(), count)?;
    let Some((last, size)) = axes.pop() else { return Err(no_numbers(op)) };
    let n = size.unwrap_or(x.shape()[last]);
    if n == 0 {
        return Err(no_numbers(op));
    }
    let mut y = half(op, &fitted(&wide, last, n)?, last, options.scaling().scale(n, false), 1.0)?;
    for (axis, size) in axes {
        y = along(op, &y, options, axis, size, false)?;
    }
    Ok(y.to_dtype(x.dtype()))
}

/// The way back.
#[track_caller]
pub(super) fn real_inverse(op: &'static str, x: &Tensor, options: &FftOptions, count: Option<usize>) -> Result<Tensor> {
    let mut y = wide_pairs(op, x)?;
    let mut axes = options.axes(op, x.rank() - 1, count)?;
    let Some((last, size)) = axes.pop() else { return Err(no_numbers(op)) };
    let n = size.unwrap_or_else(|| 2 * x.shape()[last].saturating_sub(1));
    if n == 0 {
        return Err(no_numbers(op).with_help("one frequency comes of one number: FftOptions::n(1)"));
    }
    for (axis, size) in axes {
        y = along(op, &y, options, axis, size, true)?;
    }
    let y = back(op, &fitted(&y, last, n / 2 + 1)?, last, n, options.scaling().scale(n, true), 2.0)?;
    Ok(y.to_dtype(x.dtype()))
}

/// `scale · Σₜ xₜ e^(∓2πi k t / n)`. The matrix of it is symmetric, so its transpose is the transform with the other sign.
#[track_caller]
fn turned(op: &'static str, x: &Tensor, axis: usize, inverse: bool, scale: f64) -> Result<Tensor> {
    let _timer = crate::profile::op("fft");
    let out = exec::complex(op, x, axis, inverse, scale)?;
    Ok(record("fft", out, &[x], |tape| {
        tape.edge(x, move |g| turned("fft", g, axis, !inverse, scale));
        tape.keeps_examples(x, axis > 0);
    }))
}

/// Half a spectrum of real numbers. Frequencies with a twin count `inner` times. Its transpose is [`back`] with the same numbers.
#[track_caller]
fn half(op: &'static str, x: &Tensor, axis: usize, scale: f64, inner: f64) -> Result<Tensor> {
    let _timer = crate::profile::op("rfft");
    let out = exec::to_half(op, x, axis, scale, inner)?;
    Ok(record("rfft", out, &[x], |tape| {
        let n = x.shape()[axis];
        tape.edge(x, move |g| back("rfft", g, axis, n, scale, inner));
        tape.keeps_examples(x, axis > 0);
    }))
}

#[track_caller]
fn back(op: &'static str, x: &Tensor, axis: usize, n: usize, scale: f64, inner: f64) -> Result<Tensor> {
    let _timer = crate::profile::op("irfft");
    let out = exec::to_real(op, x, axis, n, scale, inner)?;
    Ok(record("irfft", out, &[x], |tape| {
        tape.edge(x, move |g| half("irfft", g, axis, scale, inner));
        tape.keeps_examples(x, axis > 0);
    }))
}
