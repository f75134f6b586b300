//! Scales of blocks, by the largest number or such that the squared error is least, and blocks that have them.

use half::f16;

use super::Scheme;
use super::pack::bits;
use super::scheme::INT8_HEAD;
use crate::tensor::kernels::simd::{Isa, Kernel, dispatch_to_avx2};

/// What the numbers of a block have in common: they are `scale · q + least`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fit {
    pub(crate) scale: f32,
    pub(crate) least: f32,
}

impl Fit {
    pub(crate) fn is_finite(self) -> bool {
        self.scale.is_finite() && self.least.is_finite()
    }
}

/// How many scales are tried for each sign.
const TRIED: u16 = 40;

/// Which `q` a scheme has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Levels {
    low: f32,
    high: f32,
    has_offset: bool,
    /// Whether scales are of 16 bits.
    is_half: bool,
}

impl Levels {
    /// Those of a scheme that numbers can be put into.
    pub(crate) fn of(scheme: Scheme) -> Option<Self> {
        let (low, high) = match scheme {
            Scheme::Q4_0 => (-8.0, 7.0),
            Scheme::Q5_0 => (-16.0, 15.0),
            Scheme::Q4_1 => (0.0, 15.0),
            Scheme::Q5_1 => (0.0, 31.0),
            Scheme::Q8_0 | Scheme::Int8 => (-127.0, 127.0),
            _ => return None,
        };
        Some(Self { low, high, has_offset: scheme.has_offset(), is_half: scheme != Scheme::Int8 })
    }

    /// As a block keeps it.
    fn stored(self, scale: f32, least: f32) -> Fit {
        let kept = |x: f32| if self.is_half { f16::from_f32(x).to_f32() } else { x };
        Fit { scale: kept(scale), least: kept(least) }
    }

    /// This scale.
    pub(crate) fn given(self, scale: f32) -> Fit {
        self.stored(scale, 0.0)
    }

    /// The `q` of a number.
    #[inline(always)]
    pub(crate) fn nearest(self, x: f64, fit: Fit) -> f64 {
        if fit.scale == 0.0 {
            return f64::from(self.low.max(0.0));
        }
        let q = ((x - f64::from(fit.least)) / f64::from(fit.scale)).round_ties_even();
        q.clamp(f64::from(self.low), f64::from(self.high))
    }

    /// The scale with which the largest number has a place of its own, as `ggml` chooses it.
    pub(crate) fn by_largest(self, x: &[f32]) -> Fit {
        if self.has_offset {
            let (low, high) = ends(x);
            return self.stored((high - low) / self.high, low);
        }
        let largest = x.iter().fold(0.0_f32, |most, x| if x.abs() > most.abs() { *x } else { most });
        // Where there is a number more below zero than above, the largest one is there.
        self.stored(if self.low + self.high < 0.0 { largest / self.low } else { largest.abs() / self.high }, 0.0)
    }

    /// The scale of those that are tried with the least squared error; that of the largest number is among them.
    pub(crate) fn by_error(self, x: &[f32]) -> Fit {
        dispatch_to_avx2(Search { levels: self, x })
    }
}

fn ends(x: &[f32]) -> (f32, f32) {
    x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
}

struct Search<'a> {
    levels: Levels,
    x: &'a [f32],
}

impl Kernel for Search<'_> {
    type Output = Fit;

    #[inline(always)]
    fn run<I: Isa>(self) -> Fit {
        let Self { levels, x } = self;
        let first = levels.by_largest(x);
        let mut best = (squared_error(levels, x, first), first);
        let mut attempt = |scale: f32, least: f32| {
            let fit = levels.stored(scale, least);
            let error = squared_error(levels, x, fit);
            if fit.scale != 0.0 && error < best.0 {
                best = (error, fit);
            }
        };
        let (low, high) = ends(x);
        let largest = low.abs().max(high.abs());
        for i in 0..=TRIED {
            // From well beyond the largest number, which leaves places unused, down to half of it.
            let share = 1.2 - 0.7 * f32::from(i) / f32::from(TRIED);
            if levels.has_offset {
                let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0 * share);
                attempt(2.0 * half / levels.high, middle - half);
                continue;
            }
            attempt(largest * share / -levels.low, 0.0);
            if levels.low + levels.high < 0.0 {
                attempt(largest * share / levels.low, 0.0);
            }
        }
        best.1
    }
}

#[inline(always)]
fn squared_error(levels: Levels, x: &[f32], fit: Fit) -> f32 {
    let inverse = if fit.scale == 0.0 { 0.0 } else { 1.0 / fit.scale };
    let mut sums = [0.0_f32; 8];
    for x in x.chunks(8) {
        for (sum, x) in sums.iter_mut().zip(x) {
            let q = ((x - fit.least) * inverse).round_ties_even();
            let q = if q < levels.low { levels.low } else { q };
            let q = if q > levels.high { levels.high } else { q };
            let off = q * fit.scale + fit.least - x;
            *sum += off * off;
        }
    }
    sums.iter().sum()
}

/// The largest size of a number that `percent` of them do not exceed, between the two nearest ones.
pub(crate) fn percentile(x: &[f32], percent: f64) -> f32 {
    let mut sizes: Vec<f32> = x.iter().map(|x| x.abs()).collect();
    let Some(last) = sizes.len().checked_sub(1) else { return 0.0 };
    let at = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    let below = (at.floor() as usize).min(last);
    let (_, low, above) = sizes.select_nth_unstable_by(below, f32::total_cmp);
    let low = *low;
    let high = above.iter().copied().reduce(f32::min).unwrap_or(low);
    (f64::from(low) + (at - below as f64) * (f64::from(high) - f64::from(low))) as f32
}

/// A row with these scales, one for each block, of these multiples.
pub(crate) fn put_row(scheme: Scheme, fits: &[Fit], q: &[f64], out: &mut [u8]) {
    assert_eq!(out.len(), scheme.row_bytes(q.len()), "a row and its bytes");
    if scheme == Scheme::Int8 {
        let (head, bytes) = out.split_at_mut(INT8_HEAD);
        head.copy_from_slice(&fits[0].scale.to_le_bytes());
        bytes.iter_mut().zip(q).for_each(|(byte, q)| *byte = *q as i8 as u8);
        return;
    }
    let low = Levels::of(scheme).map_or(0.0, |levels| f64::from(levels.low));
    for ((fit, q), out) in fits.iter().zip(q.chunks_exact(32)).zip(out.chunks_exact_mut(scheme.block_bytes())) {
        out[..2].copy_from_slice(&f16::from_f32(fit.scale).to_le_bytes());
        if scheme == Scheme::Q8_0 {
            out[2..].iter_mut().zip(q).for_each(|(byte, q)| *byte = *q as i8 as u8);
            continue;
        }
        let mut places = [0; 32];
        places.iter_mut().zip(q).for_each(|(place, q)| *place = (q - low) as u8);
        let mut at = 2;
        if scheme.has_offset() {
            out[2..4].copy_from_slice(&f16::from_f32(fit.least).to_le_bytes());
            at = 4;
        }
        bits(&places, matches!(scheme, Scheme::Q5_0 | Scheme::Q5_1), &mut out[at..]);
    }
}
