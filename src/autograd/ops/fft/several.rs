//! Transforms along several dimensions.

use super::options::FftOptions;
use super::transform::{complex, real, real_inverse};
use crate::error::Result;
use crate::tensor::Tensor;

/// # Fourier transforms in several dimensions
/// With the feature `fft`. See [`fft`](Self::fft) for what complex numbers are.
///
/// ```
/// use demotic::autograd::FftOptions;
/// use demotic::{Rng, Tensor};
///
/// let (x, all) = (Tensor::normal([4, 6, 2], 0.0, 1.0, &mut Rng::seed(0))?, FftOptions::new());
/// for back in [x.fft2(&all)?.ifft2(&all)?, x.fftn(&all)?.ifftn(&all)?] {
///     assert!(back.allclose(&x, 1e-4, 1e-5, false)?);
/// }
/// let real = x.select(-1, 0)?;
/// for (half, back) in [(real.rfft2(&all)?, real.rfft2(&all)?.irfft2(&all)?), (real.rfftn(&all)?, real.rfftn(&all)?.irfftn(&all)?)] {
///     assert_eq!(half.shape(), [4, 4, 2]);
///     assert!(back.allclose(&real, 1e-4, 1e-5, false)?);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// [`fft`](Self::fft) along two dimensions, the last ones if nothing else is said.
    ///
    /// # Errors
    /// As for [`fft`](Self::fft), or if a dimension is named twice.
    #[track_caller]
    pub fn fft2(&self, options: &FftOptions) -> Result<Tensor> {
        complex("fft2", self, options, Some(2), false)
    }

    /// The inverse of [`fft2`](Self::fft2).
    ///
    /// # Errors
    /// As for [`fft2`](Self::fft2).
    #[track_caller]
    pub fn ifft2(&self, options: &FftOptions) -> Result<Tensor> {
        complex("ifft2", self, options, Some(2), true)
    }

    /// [`fft`](Self::fft) along several dimensions: those that are named; the last ones, if there are sizes; otherwise all.
    ///
    /// # Errors
    /// As for [`fft2`](Self::fft2).
    #[track_caller]
    pub fn fftn(&self, options: &FftOptions) -> Result<Tensor> {
        complex("fftn", self, options, None, false)
    }

    /// The inverse of [`fftn`](Self::fftn).
    ///
    /// # Errors
    /// As for [`fft2`](Self::fft2).
    #[track_caller]
    pub fn ifftn(&self, options: &FftOptions) -> Result<Tensor> {
        complex("ifftn", self, options, None, true)
    }

    /// [`rfft`](Self::rfft) along the last of two dimensions, and [`fft`](Self::fft) along the other one: `[.., h, w]` gives
    /// `[.., h, w / 2 + 1, 2]`.
    ///
    /// # Errors
    /// As for [`rfft`](Self::rfft), or if a dimension is named twice.
    ///
    /// ```
    /// use demotic::autograd::FftOptions;
    /// use demotic::Tensor;
    ///
    /// let images = Tensor::ones([3, 8, 8])?;
    /// let spectra = images.rfft2(&FftOptions::new())?;
    /// assert_eq!(spectra.shape(), [3, 8, 5, 2]);
    /// assert!(spectra.irfft2(&FftOptions::new())?.allclose(&images, 1e-5, 1e-6, false)?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn rfft2(&self, options: &FftOptions) -> Result<Tensor> {
        real("rfft2", self, options, Some(2))
    }

    /// The inverse of [`rfft2`](Self::rfft2).
    ///
    /// # Errors
    /// As for [`irfft`](Self::irfft), or if a dimension is named twice.
    #[track_caller]
    pub fn irfft2(&self, options: &FftOptions) -> Result<Tensor> {
        real_inverse("irfft2", self, options, Some(2))
    }

    /// [`rfft`](Self::rfft) along the last of several dimensions, and [`fft`](Self::fft) along the others; which they are, is as for
    /// [`fftn`](Self::fftn).
    ///
    /// # Errors
    /// As for [`rfft2`](Self::rfft2).
    #[track_caller]
    pub fn rfftn(&self, options: &FftOptions) -> Result<Tensor> {
        real("rfftn", self, options, None)
    }

    /// The inverse of [`rfftn`](Self::rfftn).
    ///
    /// # Errors
    /// As for [`irfft2`](Self::irfft2).
    #[track_caller]
    pub fn irfftn(&self, options: &FftOptions) -> Result<Tensor> {
        real_inverse("irfftn", self, options, None)
    }
}
