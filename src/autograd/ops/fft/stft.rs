//! Short-time Fourier transforms: the spectra of overlapping stretches of a signal, and the signal that they are of.

use super::options::{FftNorm, FftOptions};
use super::transform::wide_pairs;
use crate::autograd::PaddingMode;
use crate::autograd::ops::matmul::expect_fractions;
use crate::error::{Error, Here, Result};
use crate::tensor::Tensor;

/// Options of [`Tensor::stft`] and [`Tensor::istft`], with the defaults of PyTorch.
///
/// | option | default | |
/// |---|---|---|
/// | [`hop_length`](Self::hop_length) | a quarter of the transform | how far stretches are apart |
/// | [`win_length`](Self::win_length) | that of the transform | how long the window is; zeros are added on both sides |
/// | [`window`](Self::window) | ones | what each stretch is multiplied by |
/// | [`center`](Self::center) | yes | whether stretch `t` is centred at sample `t · hop_length`; otherwise it begins there |
/// | [`pad_mode`](Self::pad_mode) | [`PaddingMode::Reflect`] | what stands beyond the ends of a signal, if stretches are centred |
/// | [`normalized`](Self::normalized) | no | whether spectra are multiplied by `1 / √n_fft` |
/// | [`onesided`](Self::onesided) | yes | whether half of each spectrum is given |
#[derive(Debug, Clone)]
pub struct StftOptions {
    hop: Option<usize>,
    win: Option<usize>,
    window: Option<Tensor>,
    center: bool,
    pad_mode: PaddingMode,
    normalized: bool,
    onesided: bool,
}

impl Default for StftOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl StftOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        let (hop, win, window) = (None, None, None);
        Self { hop, win, window, center: true, pad_mode: PaddingMode::Reflect, normalized: false, onesided: true }
    }

    /// How many samples one stretch begins behind the one before.
    #[must_use]
    pub fn hop_length(mut self, hop: usize) -> Self {
        self.hop = Some(hop);
        self
    }

    /// How many samples of a stretch count.
    #[must_use]
    pub fn win_length(mut self, win: usize) -> Self {
        self.win = Some(win);
        self
    }

    /// What each stretch is multiplied by, of the type of the signal: for example [`Tensor::hann_window`]. It may be learned.
    #[must_use]
    pub fn window(mut self, window: &Tensor) -> Self {
        self.window = Some(window.clone());
        self
    }

    /// Whether stretches are centred at their samples, so that the signal is continued beyond its ends.
    #[must_use]
    pub fn center(mut self, center: bool) -> Self {
        self.center = center;
        self
    }

    /// How it is continued.
    #[must_use]
    pub fn pad_mode(mut self, mode: PaddingMode) -> Self {
        self.pad_mode = mode;
        self
    }

    /// Whether the transform is orthogonal.
    #[must_use]
    pub fn normalized(mut self, normalized: bool) -> Self {
        self.normalized = normalized;
        self
    }

    /// Whether the frequencies up to the half are given, or all of them.
    #[must_use]
    pub fn onesided(mut self, onesided: bool) -> Self {
        self.onesided = onesided;
        self
    }

    /// The distance of stretches, and the window in the length of the transform.
    #[track_caller]
    fn plan(&self, op: &'static str, n_fft: usize, x: &Tensor) -> Result<(usize, Tensor)> {
        let hop = self.hop.unwrap_or(n_fft / 4);
        let win = self.win.unwrap_or(n_fft);
        if n_fft == 0 || hop == 0 {
            return Err(Error::argument(op, format!("n_fft is {n_fft} and hop_length {hop}, expected at least 1")));
        }
        if win == 0 || win > n_fft {
            return Err(Error::argument(op, format!("win_length is {win}, expected 1 to {n_fft}, which is n_fft")));
        }
        let left = (n_fft - win) / 2;
        let window = match &self.window {
            Some(window) => window.clone(),
            None => Tensor::full_dtype([win], 1.0, x.dtype())?,
        };
        window.expect_dtype(op, "the window", x.dtype())?;
        if window.shape() != [win] {
            return Err(Error::shape(op, format!("a window of shape {:?}, expected [{win}]", window.shape())));
        }
        Ok((hop, window.pad(&[(left as isize, (n_fft - win - left) as isize)], 0.0)?))
    }

    fn transform(&self, n_fft: usize) -> FftOptions {
        let norm = if self.normalized { FftNorm::Ortho } else { FftNorm::Backward };
        FftOptions::new().n(n_fft).norm(norm)
    }
}

/// # Short-time Fourier transforms
/// With the feature `fft`.
///
/// ```
/// use demotic::autograd::StftOptions;
/// use demotic::{DType, Rng, Tensor};
///
/// let x = Tensor::normal([100], 0.0, 1.0, &mut Rng::seed(0))?;
/// let options = StftOptions::new().hop_length(4).window(&Tensor::hann_window(16, true, DType::F32)?);
/// let spectra = x.stft(16, &options)?;
/// assert_eq!(spectra.shape(), [9, 26, 2]);
/// assert!(spectra.istft(16, &options, Some(100))?.allclose(&x, 1e-4, 1e-5, false)?);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The short-time Fourier transform: the spectrum of each stretch of `n_fft` samples of a signal, as pairs of real and imaginary
    /// part. `[.., samples]` gives `[.., n_fft / 2 + 1, stretches, 2]`. Gradients of every order, by the window as well.
    ///
    /// # Errors
    /// If the signal is not floating or shorter than a stretch, or an option does not fit.
    ///
    /// ```
    /// use demotic::autograd::StftOptions;
    /// use demotic::{DType, Rng, Tensor};
    ///
    /// let sound = Tensor::normal([2, 1000], 0.0, 1.0, &mut Rng::seed(0))?;
    /// let options = StftOptions::new().hop_length(32).window(&Tensor::hann_window(128, true, DType::F32)?);
    /// let spectra = sound.stft(128, &options)?;
    /// assert_eq!(spectra.shape(), [2, 65, 32, 2]);
    /// let again = spectra.istft(128, &options, Some(1000))?;
    /// assert!(again.allclose(&sound, 1e-4, 1e-5, false)?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn stft(&self, n_fft: usize, options: &StftOptions) -> Result<Tensor> {
        expect_fractions(self, "stft", "the signal")?;
        let (hop, window) = options.plan("stft", n_fft, self)?;
        let Some(&samples) = self.shape().last() else {
            return Err(Error::shape("stft", "the signal is a scalar, expected [.., samples]"));
        };
        let mut signal = self.clone();
        if options.center {
            let margin = (n_fft / 2) as isize;
            let pairs = [(margin, margin)];
            signal = match options.pad_mode {
                PaddingMode::Zeros => signal.pad(&pairs, 0.0),
                PaddingMode::Reflect => signal.pad_reflect(&pairs),
                PaddingMode::Replicate => signal.pad_replicate(&pairs),
                PaddingMode::Circular => signal.pad_circular(&pairs),
            }?;
        }
        if signal.shape().last().is_none_or(|len| *len < n_fft) {
            return Err(Error::shape("stft", format!("{samples} samples, expected at least {n_fft}, which is n_fft")));
        }
        let stretches = signal.windows(-1, n_fft, hop)?.mul(&window)?;
        let transform = options.transform(n_fft);
        let spectra = match options.onesided {
            true => stretches.rfft(&transform)?,
            false => Tensor::complex(&stretches, &stretches.zeros_like())?.fft(&transform)?,
        };
        spectra.transpose(-3, -2)
    }

    /// The signal of which these are the spectra: [`stft`](Self::stft) backwards, `[.., n_fft / 2 + 1, stretches, 2]` gives
    /// `[.., samples]`. Of spectra that are not those of any signal, the one whose stretches are nearest to them in the sense of least squares
    /// (Griffin and Lim, 1984). With `length`, it is cut off there, or filled up with zeros. That holds for spectra with both halves
    /// (`onesided` false) too: each counts. PyTorch looks at the first half alone there, which is another signal where the second one is not its
    /// mirror image.
    ///
    /// # Errors
    /// If this is not floating or not of that shape, an option does not fit, or there are samples that no window covers.
    #[track_caller]
    pub fn istft(&self, n_fft: usize, options: &StftOptions, length: Option<usize>) -> Result<Tensor> {
        wide_pairs("istft", self)?;
        let (hop, window) = options.plan("istft", n_fft, self)?;
        let frequencies = if options.onesided { n_fft / 2 + 1 } else { n_fft };
        let &[.., rows, stretches, 2] = self.shape() else {
            let message = format!("shape {:?}, expected [.., frequencies, stretches, 2]", self.shape());
            return Err(Error::shape("istft", message));
        };
        if rows != frequencies || stretches == 0 {
            let message = format!("{rows} frequencies of {stretches} stretches, expected {frequencies} of at least 1");
            return Err(Error::shape("istft", message).with_help("see n_fft and onesided()"));
        }
        let (spectra, transform) = (self.transpose(-3, -2)?, options.transform(n_fft));
        let parts = match options.onesided {
            true => spectra.irfft(&transform)?,
            false => spectra.ifft(&transform)?.select(-1, 0)?,
        };
        let begins = Tensor::arange(stretches)?.mul(&Tensor::integer(i64::try_from(hop).unwrap_or(i64::MAX)))?;
        let places = begins.unsqueeze(1)?.add(&Tensor::arange(n_fft)?)?.reshape(-1)?;
        let total = hop.saturating_mul(stretches - 1).saturating_add(n_fft);
        let overlapped = |x: &Tensor| -> Result<Tensor> {
            let flat = x.flatten(-2, -1)?;
            let mut shape = flat.shape().to_vec();
            let last = shape.len() - 1;
            shape[last] = total;
            Tensor::full_dtype(shape, 0.0, x.dtype())?.index_add(-1, &places, &flat)
        };
        let signal = overlapped(&parts.mul(&window)?).here()?;
        let squares = window.square().unsqueeze(0)?.broadcast_to([stretches, n_fft])?;
        let weights = overlapped(&squares).here()?;
        let start = if options.center { n_fft / 2 } else { 0 };
        let end = if options.center { total - n_fft / 2 } else { total };
        let end = length.map_or(end, |length| length.saturating_add(start).min(total));
        if end < start {
            return Err(Error::shape("istft", format!("{stretches} stretches of {n_fft} samples are no signal")));
        }
        let (signal, weights) = (signal.narrow(-1, start, end - start)?, weights.narrow(-1, start, end - start)?);
        let bare = weights.to_f64_vec().iter().position(|w| w.abs() < 1e-11);
        if let Some(i) = bare {
            let message = format!("sample {i} is not covered by any window");
            return Err(Error::argument("istft", message)
                .with_help("windows must overlap: a shorter hop_length, or length where windows begin with zeros"));
        }
        let signal = signal.div(&weights)?;
        let missing = length.map_or(0, |length| length.saturating_sub(end - start));
        if missing == 0 { Ok(signal) } else { signal.pad(&[(0, isize::try_from(missing).unwrap_or(isize::MAX))], 0.0) }
    }
}
