//! What Whisper hears: how strong each band of frequencies is, every hundredth of a second.

use super::WhisperConfig;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

const OP: &str = "LogMel";

/// Sound as frames of bands of frequencies, as [`Whisper`](super::Whisper) reads it and as `WhisperFeatureExtractor` of `transformers`
/// makes them: spectra of 25 ms each 10 ms, their power in bands that are ever wider (on Slaney's mel scale, of equal area), its logarithm
/// to the base 10, from 8 below the largest one on, moved and divided by 4.
///
/// With the feature `fft`, [`frames`](Self::frames) computes them.
#[derive(Debug, Clone)]
pub struct LogMel {
    bands: usize,
    window: usize,
    /// `[bands, frequencies]`.
    filters: Tensor,
}

impl LogMel {
    /// Samples a second of the sound.
    pub const SAMPLE_RATE: u32 = 16_000;
    /// Samples from one frame to the next.
    pub const HOP: usize = 160;
    /// Samples that a frame is made of.
    const FFT: usize = 400;

    /// So many bands, for windows of 30 seconds.
    ///
    /// # Errors
    /// If there are none, or more than frequencies.
    #[track_caller]
    pub fn new(bands: usize) -> Result<Self> {
        if bands == 0 || bands > Self::FFT / 2 {
            let message = format!("{bands} bands, expected 1 to {}", Self::FFT / 2);
            return Err(Error::argument(OP, message));
        }
        let filters = filters(bands, Self::FFT / 2 + 1, f64::from(Self::SAMPLE_RATE))?;
        Ok(Self { bands, window: 30 * Self::SAMPLE_RATE as usize, filters })
    }

    /// The bands and the window that a model looks at.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    #[track_caller]
    pub fn for_model(config: &WhisperConfig) -> Result<Self> {
        Ok(Self { window: config.window_frames().saturating_mul(Self::HOP), ..Self::new(config.num_mel_bins)? })
    }

    /// How many bands there are.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// How many samples a window has.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window
    }

    /// How much each band takes of each frequency: `[bands, frequencies]`.
    #[must_use]
    pub fn filters(&self) -> &Tensor {
        &self.filters
    }

    /// The frames of a sound of 16,000 samples a second from −1 to 1: `[bands, frames]`. One that is shorter than a window is filled up
    /// with silence.
    ///
    /// # Errors
    /// If there are no samples, one is not a number or beyond all measure, or there is not enough memory.
    ///
    /// ```
    /// use demotic::models::LogMel;
    ///
    /// let tone: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.2).sin() * 0.5).collect();
    /// let frames = LogMel::new(80)?.frames(&tone)?;
    /// assert_eq!(frames.shape(), [80, 3000]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[cfg(feature = "fft")]
    #[track_caller]
    pub fn frames(&self, samples: &[f32]) -> Result<Tensor> {
        use crate::autograd::{StftOptions, pause_recording};

        if samples.is_empty() {
            return Err(Error::argument(OP, "there are no samples"));
        }
        // Whole numbers of 16 bits, which somebody has not divided, are louder and nothing worse.
        if let Some(at) = samples.iter().position(|sample| sample.is_nan() || sample.abs() > 1e6) {
            let message = format!("sample {at} is {:?}, expected a number from −1 to 1", samples[at]);
            return Err(Error::numeric(OP, message));
        }
        let _unrecorded = pause_recording();
        let length = samples.len().max(self.window);
        let mut signal = Tensor::from_slice(samples, [samples.len()])?;
        if length > samples.len() {
            signal = signal.pad(&[(0, (length - samples.len()) as isize)], 0.0)?;
        }
        let margin = (Self::FFT / 2) as isize;
        let signal = signal.pad_reflect(&[(margin, margin)])?;
        let window = Tensor::hann_window(Self::FFT, true, crate::tensor::DType::F32)?;
        let options = StftOptions::new().hop_length(Self::HOP).window(&window).center(false);
        let (count, mut from, mut parts) = (length / Self::HOP, 0, Vec::new());
        // Some at a time: spectra take many times the memory of the sound.
        while from < count {
            let some = (count - from).min(3000);
            let part = signal.narrow(0, from * Self::HOP, (some - 1) * Self::HOP + Self::FFT)?;
            let spectra = part.stft(Self::FFT, &options)?;
            let power = spectra.square().sum_dims(&[-1], false)?;
            parts.push(self.filters.matmul(&power)?.clamp_min(1e-10).log10());
            from += some;
        }
        let logs = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)?;
        let floor = logs.max()?.item()? - 8.0;
        Ok((logs.clamp_min(floor) + 4.0) * 0.25)
    }
}

/// Bands as triangles on the mel scale that is straight below 1000 Hz and logarithmic above (Slaney, *Auditory toolbox*, 1998), up to
/// 8000 Hz, each of area 1.
#[track_caller]
fn filters(bands: usize, frequencies: usize, sample_rate: f64) -> Result<Tensor> {
    let step = 6.4f64.ln() / 27.0;
    let top = 15.0 + 8f64.ln() / step;
    let hertz = |mel: f64| if mel < 15.0 { 200.0 / 3.0 * mel } else { 1000.0 * (step * (mel - 15.0)).exp() };
    let edges: Vec<f64> = (0..bands + 2).map(|i| hertz(top * i as f64 / (bands + 1) as f64)).collect();
    let mut weights = Vec::with_capacity(bands * frequencies);
    for edge in edges.windows(3) {
        for i in 0..frequencies {
            let f = sample_rate / 2.0 * i as f64 / (frequencies - 1) as f64;
            let inside = ((f - edge[0]) / (edge[1] - edge[0])).min((edge[2] - f) / (edge[2] - edge[1])).max(0.0);
            weights.push((inside * 2.0 / (edge[2] - edge[0])) as f32);
        }
    }
    Tensor::from_vec::<f32>(weights, [bands, frequencies])
}
