//! Changes of tones, and one of many changes drawn at random.

use super::colour::jitter;
use super::geometry::{affine, sampled};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// One change of a picture with numbers from 0 to 1, by a fixed amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    Nothing,
    /// Each row, or each column, is moved by so many times its number.
    Shear([f64; 2]),
    /// To the right, and down.
    Move([f64; 2]),
    /// Degrees against the clock.
    Turn(f64),
    /// Brightness (0), contrast (1) or saturation (2) times a factor.
    Jitter(usize, f64),
    Sharpness(f64),
    /// So many bits of each number.
    Posterize(u32),
    /// What is at least this becomes its opposite.
    Solarize(f64),
    AutoContrast,
    Equalize,
}

/// How many steps magnitudes have.
pub(super) const MAGNITUDES: usize = 31;

impl Change {
    /// One of the fourteen of RandAugment, by this magnitude, in a random direction where it has one.
    pub(super) fn drawn([height, width]: [usize; 2], magnitude: usize, rng: &mut Rng) -> Self {
        let share = magnitude as f64 / (MAGNITUDES - 1) as f64;
        let kind = rng.below(14);
        let sign = if (1..=9).contains(&kind) && rng.bernoulli(0.5) { -1.0 } else { 1.0 };
        let shear = sign * 0.3 * share;
        let moved = |n: usize| sign * (150.0 / 331.0 * n as f64 * share).trunc();
        let factor = 1.0 + sign * 0.9 * share;
        match kind {
            0 => Self::Nothing,
            1 => Self::Shear([shear, 0.0]),
            2 => Self::Shear([0.0, shear]),
            3 => Self::Move([moved(width), 0.0]),
            4 => Self::Move([0.0, moved(height)]),
            5 => Self::Turn(sign * 30.0 * share),
            6..=8 => Self::Jitter(kind - 6, factor),
            9 => Self::Sharpness(factor),
            10 => Self::Posterize((8.0 - 4.0 * share).round_ties_even() as u32),
            11 => Self::Solarize(1.0 - share),
            12 => Self::AutoContrast,
            _ => Self::Equalize,
        }
    }

    #[track_caller]
    pub(super) fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Nothing => Ok(x.clone()),
            // About the corner, which is half a pixel away from the middle of the first one.
            Self::Shear([right, down]) => sampled(x, &|px, py| [px + right * (py + 0.5), py + down * (px + 0.5)]),
            Self::Move(way) => affine(x, 0.0, way, 1.0, 0.0),
            Self::Turn(degrees) => affine(x, -degrees, [0.0; 2], 1.0, 0.0),
            Self::Jitter(which, factor) => jitter(x, which, factor),
            Self::Sharpness(factor) => sharpened(x, factor),
            Self::Posterize(bits) => {
                let levels = f64::from(1u32 << bits.min(8));
                Ok(x.mul_scalar(levels).floor().clamp(Some(0.0), Some(levels - 1.0)).mul_scalar(1.0 / levels))
            }
            Self::Solarize(threshold) => x.ge_scalar(threshold).where_(&x.rsub_scalar(1.0), x),
            Self::AutoContrast => stretched(x),
            Self::Equalize => equalized(x),
        }
    }
}

/// Away from the mean of the pixels around, or towards it with a factor below 1. The outermost pixels stay.
#[track_caller]
fn sharpened(x: &Tensor, factor: f64) -> Result<Tensor> {
    let &[_, height, width] = x.shape() else { return Err(Error::shape("transform", "no picture")) };
    if height <= 2 || width <= 2 {
        return Ok(x.clone());
    }
    let (h, w) = (height - 2, width - 2);
    let at = |i: usize, j: usize| x.narrow(1, i, h)?.narrow(2, j, w);
    let inner = at(1, 1)?;
    let mut sum = inner.mul_scalar(4.0);
    for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
        sum = sum.add(&at(i, j)?)?;
    }
    let blurred = sum.mul_scalar(1.0 / 13.0);
    let sharp = inner.add(&blurred.sub(&inner)?.mul_scalar(1.0 - factor))?;
    x.index_put((.., 1..=h, 1..=w), &sharp).map(|x| x.clamp(Some(0.0), Some(1.0)))
}

/// Each channel from 0 to 1. A channel of one tone stays.
#[track_caller]
fn stretched(x: &Tensor) -> Result<Tensor> {
    let (low, high) = (x.amin(&[1, 2], true)?, x.amax(&[1, 2], true)?);
    let flat = low.eq(&high)?;
    let range = high.sub(&low)?.masked_fill(&flat, 1.0)?;
    Ok(x.sub(&low.masked_fill(&flat, 0.0)?)?.div(&range)?.clamp(Some(0.0), Some(1.0)))
}

/// Each channel so that all of its 256 tones are about equally frequent. One of few tones stays as it is, in 256 tones.
#[track_caller]
fn equalized(x: &Tensor) -> Result<Tensor> {
    let (x, mut out) = (x.contiguous(), x.zeros_like());
    let size = x.shape()[1] * x.shape()[2];
    let (pixels, result) = (x.as_slice::<f32>()?, out.as_mut_slice::<f32>()?);
    let tone = |x: f32| (x * (256.0 - 1e-3)).clamp(0.0, 255.0) as u8;
    for (pixels, result) in pixels.chunks_exact(size.max(1)).zip(result.chunks_exact_mut(size.max(1))) {
        let mut counts = [0usize; 256];
        let numbers = pixels.iter().filter(|x| !x.is_nan());
        numbers.for_each(|x| counts[usize::from(tone(*x))] += 1);
        let size: usize = counts.iter().sum();
        let brightest = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let step = (size - counts[brightest]) / 255;
        let mut table = [0u8; 256];
        let mut below = 0;
        for (k, (entry, count)) in table.iter_mut().zip(counts).enumerate() {
            *entry = match step {
                0 => k as u8,
                _ => ((below + step / 2) / step).min(255) as u8,
            };
            below += count;
        }
        for (out, x) in result.iter_mut().zip(pixels) {
            // What is no number has no tone and stays.
            *out = if x.is_nan() { *x } else { f32::from(table[usize::from(tone(*x))]) / 255.0 };
        }
    }
    Ok(out)
}
