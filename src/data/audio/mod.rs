//! Sound: files, and other sample rates.

mod resample;
mod wav;

use std::fmt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

/// The sample rates that there may be.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

/// Sound of one channel: numbers from −1 to 1, so many a second.
///
/// ```
/// use demotic::data::Audio;
///
/// let tone = Audio::new((0..8_000).map(|i| (i as f32 * 0.3).sin() * 0.5).collect(), 8_000)?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tone.wav");
/// tone.save_wav(&path)?;
/// let again = Audio::from_wav(&path)?.resampled(16_000)?;
/// assert_eq!(again.samples().len(), 16_000);
/// assert_eq!(again.seconds(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Audio {
    samples: Vec<f32>,
    sample_rate: u32,
}

impl Audio {
    /// Sound of these samples.
    ///
    /// # Errors
    /// If there are none, one is not finite, or the rate is not between 1,000 and 1,000,000 a second.
    #[track_caller]
    pub fn new(samples: Vec<f32>, sample_rate: u32) -> Result<Self> {
        checked("Audio", "", samples, sample_rate)
    }

    /// The sound in a WAV file: numbers of 8, 16, 24 or 32 bits, whole or floating, or floating of 64, in any number of channels, of
    /// which the mean is taken. Whatever else stands in the file is passed over.
    ///
    /// # Errors
    /// If the file cannot be read, is no WAV file, is cut off, has another coding or no samples, or does not agree with itself.
    #[track_caller]
    pub fn from_wav(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("from_wav", path.as_ref());
        let read = wav::read(std::io::BufReader::new(files::open(op, path)?));
        let place = format!("{}: ", path.display());
        match read {
            Ok((samples, rate)) => checked(op, &place, samples, rate),
            Err(wav::Failure::Io(e)) => Err(Error::io(op, path, e)),
            Err(wav::Failure::Malformed(message)) => Err(Error::format(op, place + &message)),
        }
    }

    /// Writes a WAV file with numbers of 16 bits. Samples beyond −1 and 1 are cut off.
    ///
    /// # Errors
    /// If there are more samples than such a file can hold, or the file system refuses.
    #[track_caller]
    pub fn save_wav(&self, path: impl AsRef<Path>) -> Result<()> {
        let (op, path) = ("save_wav", path.as_ref());
        let Some(header) = wav::header(self.samples.len(), self.sample_rate) else {
            let message = format!("{} samples are more than a WAV file can hold", self.samples.len());
            return Err(Error::argument(op, message));
        };
        files::replace(op, path, |out| {
            out.write_all(&header)?;
            for sample in &self.samples {
                let number = (f64::from(*sample) * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
                out.write_all(&number.to_le_bytes())?;
            }
            Ok(())
        })
    }

    /// The samples.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// How many samples a second there are.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// How long it is.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// The same sound with another number of samples a second.
    ///
    /// Each is the sum of those around it, weighted by `sinc(t) · w(t)`: the ideal low-pass filter at 0.95 of half the lower one of the two
    /// rates, cut to 32 of its zeros on both sides by Hann's window `w`. What both rates can hold below that comes through, and what the
    /// lower one cannot hold is gone. The weights of a sample add up to 1, so that silence and constants stay what they are.
    ///
    /// # Errors
    /// If the rate is not between 1,000 and 1,000,000.
    #[track_caller]
    pub fn resampled(&self, sample_rate: u32) -> Result<Self> {
        if !RATES.contains(&sample_rate) {
            return Err(wrong_rate("resampled", "", sample_rate));
        }
        let samples = match sample_rate == self.sample_rate {
            true => self.samples.clone(),
            false => resample::resampled(&self.samples, self.sample_rate, sample_rate),
        };
        Ok(Self { samples, sample_rate })
    }
}

#[track_caller]
fn wrong_rate(op: &'static str, place: &str, rate: u32) -> Error {
    let message = format!("{place}{rate} samples a second, expected {} to {}", RATES.start(), RATES.end());
    Error::argument(op, message)
}

#[track_caller]
fn checked(op: &'static str, place: &str, samples: Vec<f32>, sample_rate: u32) -> Result<Audio> {
    if !RATES.contains(&sample_rate) {
        return Err(wrong_rate(op, place, sample_rate));
    }
    if samples.is_empty() {
        return Err(Error::argument(op, format!("{place}there are no samples")));
    }
    match samples.iter().position(|sample| !sample.is_finite()) {
        Some(at) => Err(Error::numeric(op, format!("{place}sample {at} is {}", samples[at]))),
        None => Ok(Audio { samples, sample_rate }),
    }
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audio({:.2} s, {} samples a second)", self.seconds(), self.sample_rate)
    }
}
