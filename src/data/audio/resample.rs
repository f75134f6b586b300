//! Other sample rates.

use std::f64::consts::PI;

/// Zeros of the filter on each side, and the part of the band that comes through.
const ZEROS: f64 = 32.0;
const PASSED: f64 = 0.95;

/// See [`Audio::resampled`](super::Audio::resampled).
pub(super) fn resampled(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let divisor = gcd(from, to);
    // Sample `n` of the result is at `n · step / phases` of the samples.
    let (step, phases) = (u64::from(from / divisor), u64::from(to / divisor));
    let count = (samples.len() as u64 * phases).div_ceil(step) as usize;
    let cutoff = PASSED * (f64::from(to) / f64::from(from)).min(1.0);
    let reach = ZEROS / cutoff;
    let mut out = vec![0.0; count];
    // Those that stand alike between two samples have the same weights.
    for first in 0..phases.min(count as u64) {
        let place = first * step;
        let (whole, part) = ((place / phases) as i64, (place % phases) as f64 / phases as f64);
        let before = reach.ceil() as i64;
        let mut weights: Vec<f64> = (-before..=before + 1).map(|k| weight(k as f64 - part, cutoff, reach)).collect();
        let all: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= all);
        for (turn, n) in (first as usize..count).step_by(phases as usize).enumerate() {
            let begin = whole + turn as i64 * step as i64 - before;
            let skipped = usize::try_from(-begin).unwrap_or(0);
            let there = samples.get(usize::try_from(begin).unwrap_or(0)..).unwrap_or(&[]);
            let pairs = weights.iter().skip(skipped).zip(there);
            out[n] = pairs.map(|(weight, sample)| weight * f64::from(*sample)).sum::<f64>() as f32;
        }
    }
    out
}

/// The filter at a distance of `t` samples.
fn weight(t: f64, cutoff: f64, reach: f64) -> f64 {
    if t.abs() >= reach {
        return 0.0;
    }
    let x = PI * t * cutoff;
    let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
    sinc * (PI * t / reach / 2.0).cos().powi(2)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
