//! Other sizes of pictures of bytes as Pillow makes them, to the last bit: what published models were trained and tested with.

use serde::{Deserialize, Serialize};

/// How the pixels of a picture of another size are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resample {
    /// The nearest pixel.
    Nearest,
    /// The mean of what a pixel covers.
    Box,
    /// Weights that fall off in a straight line.
    Bilinear,
    /// The same by a raised cosine.
    Hamming,
    /// Weights of a cubic polynomial, negative in part (Keys, 1981, with a = −1/2).
    Bicubic,
    /// A sinc in a window of three lobes.
    Lanczos,
}

impl Resample {
    /// The number that Pillow has for it.
    pub(crate) fn numbered(number: usize) -> Option<Self> {
        [Self::Nearest, Self::Lanczos, Self::Bilinear, Self::Bicubic, Self::Box, Self::Hamming].get(number).copied()
    }

    /// How far it reaches, in pixels.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        let far = x.abs();
        match self {
            Self::Nearest => 1.0,
            Self::Box => f64::from(x > -0.5 && x <= 0.5),
            Self::Bilinear => (1.0 - far).max(0.0),
            Self::Hamming if far >= 1.0 => 0.0,
            Self::Hamming => sinc(x) * (0.54 + 0.46 * (x * std::f64::consts::PI).cos()),
            Self::Bicubic if far < 1.0 => (1.5 * far - 2.5) * far * far + 1.0,
            Self::Bicubic if far < 2.0 => (((far - 5.0) * far + 8.0) * far - 4.0) * -0.5,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Bicubic | Self::Lanczos => 0.0,
        }
    }

    /// For each of `m` pixels out of `n` the first that counts, and the weights in units of 2⁻²².
    fn taps(self, n: usize, m: usize) -> Vec<(usize, Vec<i32>)> {
        let scale = n as f64 / m as f64;
        let wide = scale.max(1.0);
        let reach = self.support() * wide;
        let mut taps = Vec::with_capacity(m);
        for i in 0..m {
            let center = (i as f64 + 0.5) * scale;
            if self == Self::Nearest {
                taps.push(((center as usize).min(n - 1), vec![1 << BITS]));
                continue;
            }
            let first = (center - reach + 0.5).max(0.0) as usize;
            let end = ((center + reach + 0.5) as usize).min(n);
            let weights: Vec<f64> =
                (first..end).map(|k| self.weight((k as f64 - center + 0.5) * (1.0 / wide))).collect();
            let total: f64 = weights.iter().sum();
            let whole = |weight: &f64| {
                let weight = if total == 0.0 { *weight } else { weight / total } * f64::from(1 << BITS);
                (weight + 0.5_f64.copysign(weight)) as i32
            };
            taps.push((first, weights.iter().map(whole).collect()));
        }
        taps
    }
}

const BITS: u32 = 22;

/// A picture of `channels` bytes for each pixel, row by row, in another size: first along its rows, then along its columns.
pub(crate) fn resized(
    bytes: &[u8],
    channels: usize,
    [height, width]: [usize; 2],
    [to_height, to_width]: [usize; 2],
    how: Resample,
) -> Vec<u8> {
    let mut picture = bytes.to_vec();
    if width != to_width {
        let taps = how.taps(width, to_width);
        let mut out = Vec::with_capacity(height * to_width * channels);
        for row in picture.chunks_exact(width * channels) {
            for (first, weights) in &taps {
                for channel in 0..channels {
                    let pixels = row[first * channels + channel..].iter().step_by(channels);
                    out.push(sum(pixels, weights));
                }
            }
        }
        picture = out;
    }
    if height != to_height {
        let mut out = Vec::with_capacity(to_height * to_width * channels);
        let row = to_width * channels;
        for (first, weights) in how.taps(height, to_height) {
            for place in 0..row {
                out.push(sum(picture[first * row + place..].iter().step_by(row), &weights));
            }
        }
        picture = out;
    }
    picture
}

fn sum<'a>(pixels: impl Iterator<Item = &'a u8>, weights: &[i32]) -> u8 {
    let half = 1 << (BITS - 1);
    let sum = pixels
        .zip(weights)
        .fold(half, |sum: i32, (pixel, weight)| sum.wrapping_add(i32::from(*pixel).wrapping_mul(*weight)));
    (sum >> BITS).clamp(0, 255) as u8
}
