//! Transforms of signals whose spectrum is real.

use super::options::FftOptions;
use super::transform::{real, real_inverse, wide_pairs};
use crate::error::Result;
use crate::tensor::Tensor;

/// # Fourier transforms of half a signal
/// With the feature `fft`. Of a signal whose second half is the conjugate of the first, the spectrum is real.
///
/// ```
/// use demotic::autograd::FftOptions;
/// use demotic::tensor;
///
/// let spectrum = tensor![6.0, 1.0, 2.0, 1.0];
/// let half = spectrum.ihfft(&FftOptions::new())?;
/// assert_eq!(half.shape(), [3, 2]);
/// assert!(half.hfft(&FftOptions::new())?.allclose(&spectrum, 1e-5, 1e-6, false)?);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The real spectrum of a signal of which this is the first half: `[.., m, 2]` gives `[.., 2 (m − 1)]`, or as many as
    /// [`n`](FftOptions::n) says.
    ///
    /// # Errors
    /// As for [`irfft`](Self::irfft).
    #[track_caller]
    pub fn hfft(&self, options: &FftOptions) -> Result<Tensor> {
        let signal = wide_pairs("hfft", self)?.complex_conj()?;
        let options = options.clone().norm(options.scaling().reversed());
        Ok(real_inverse("hfft", &signal, &options, Some(1))?.to_dtype(self.dtype()))
    }

    /// The inverse of [`hfft`](Self::hfft): `[.., n]` gives `[.., n / 2 + 1, 2]`.
    ///
    /// # Errors
    /// As for [`rfft`](Self::rfft).
    #[track_caller]
    pub fn ihfft(&self, options: &FftOptions) -> Result<Tensor> {
        let options = options.clone().norm(options.scaling().reversed());
        real("ihfft", self, &options, Some(1))?.complex_conj()
    }
}
