//! Numbers into blocks, rounded as `ggml` does it, so that the bytes are the same.

use half::f16;

use super::Scheme;
use super::fit::{Levels, put_row};

/// The schemes that numbers can be put into.
pub(crate) const PACKED: [Scheme; 6] =
    [Scheme::Q4_0, Scheme::Q4_1, Scheme::Q5_0, Scheme::Q5_1, Scheme::Q8_0, Scheme::Int8];

/// Puts numbers into blocks, or one row of [`Scheme::Int8`]. `false` if a scale is beyond the 16-bit numbers that hold it, or the scheme is not one of [`PACKED`].
pub(crate) fn pack(scheme: Scheme, x: &[f32], out: &mut [u8]) -> bool {
    let one: fn(&[f32; 32], &mut [u8]) -> bool = match scheme {
        // One row.
        Scheme::Int8 => {
            let Some(levels) = Levels::of(scheme) else { return false };
            let fit = levels.by_largest(x);
            let q: Vec<f64> = x.iter().map(|x| levels.nearest(f64::from(*x), fit)).collect();
            put_row(scheme, &[fit], &q, out);
            return true;
        }
        Scheme::Q4_0 => |x, out| around_zero(x, 16.0, false, out),
        Scheme::Q5_0 => |x, out| around_zero(x, 32.0, true, out),
        Scheme::Q4_1 => |x, out| from_least(x, 15.0, false, out),
        Scheme::Q5_1 => |x, out| from_least(x, 31.0, true, out),
        Scheme::Q8_0 => eight,
        _ => return false,
    };
    assert_eq!(x.len() * scheme.block_bytes(), out.len() * scheme.block_len(), "the numbers and their blocks");
    let blocks = x.as_chunks::<32>().0.iter().zip(out.chunks_exact_mut(scheme.block_bytes()));
    blocks.fold(true, |fits, (x, out)| one(x, out) & fits)
}

/// A scale, into the first bytes. Returns its reciprocal.
fn put(scale: f32, out: &mut [u8]) -> (f32, bool) {
    let half = f16::from_f32(scale);
    out[..2].copy_from_slice(&half.to_le_bytes());
    (if scale == 0.0 { 0.0 } else { 1.0 / scale }, half.is_finite())
}

/// From minus half of the numbers there are to one less than half, such that the number that is largest in size is the least.
fn around_zero(x: &[f32; 32], numbers: f32, fifth: bool, out: &mut [u8]) -> bool {
    let largest = x.iter().fold(0.0_f32, |most, x| if x.abs() > most.abs() { *x } else { most });
    let middle = numbers / 2.0;
    let (inverse, fits) = put(largest / -middle, out);
    let q = x.map(|x| (x * inverse + (middle + 0.5)).min(numbers - 1.0) as u8);
    bits(&q, fifth, &mut out[2..]);
    fits
}

fn from_least(x: &[f32; 32], most: f32, fifth: bool, out: &mut [u8]) -> bool {
    let (low, high) = x.iter().fold((x[0], x[0]), |(low, high), x| (low.min(*x), high.max(*x)));
    let (inverse, fits) = put((high - low) / most, out);
    let (_, least_fits) = put(low, &mut out[2..]);
    let q = x.map(|x| ((x - low) * inverse + 0.5).min(most) as u8);
    bits(&q, fifth, &mut out[4..]);
    fits && least_fits
}

fn eight(x: &[f32; 32], out: &mut [u8]) -> bool {
    let largest = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let (inverse, fits) = put(largest / 127.0, out);
    for (x, out) in x.iter().zip(&mut out[2..]) {
        *out = (x * inverse).round() as i8 as u8;
    }
    fits
}

/// Four bits of each, two numbers to a byte, behind the fifth bits of all.
pub(super) fn bits(q: &[u8; 32], fifth: bool, mut out: &mut [u8]) {
    if fifth {
        let high = q.iter().enumerate().fold(0u32, |high, (j, q)| high | u32::from(q >> 4) << j);
        let (place, rest) = out.split_at_mut(4);
        place.copy_from_slice(&high.to_le_bytes());
        out = rest;
    }
    for (j, out) in out.iter_mut().enumerate().take(16) {
        *out = q[j] & 15 | q[j + 16] << 4;
    }
}
