use super::super::rotary::*;
use super::super::{GRAIN, Strided};
use super::*;

/// By the definition, for contiguous rows.
fn naive(x: &[f64], cols: usize, angles: &[f64], pairs: usize, interleaved: bool) -> Vec<f64> {
    let positions = angles.len() / pairs;
    let mut out = x.to_vec();
    for (row, out) in out.chunks_mut(cols).enumerate() {
        for i in 0..pairs {
            let (a, b) = if interleaved { (2 * i, 2 * i + 1) } else { (i, i + pairs) };
            let (sin, cos) = angles[row % positions * pairs + i].sin_cos();
            (out[a], out[b]) = (out[a] * cos - out[b] * sin, out[b] * cos + out[a] * sin);
        }
    }
    out
}

fn check<T: Real + std::fmt::Debug>(tolerance: f64) {
    for pairs in [1, 2, 7, 8, 15, 16, 17, 32, 33] {
        for (rest, interleaved) in [(0, false), (0, true), (3, false), (3, true)] {
            let (outer, positions, cols) = (3, 5, 2 * pairs + rest);
            let x: Vec<T> = numbers(outer * positions * cols, 1);
            let angles: Vec<f64> = numbers(positions * pairs, 2);
            let wide: Vec<f64> = x.iter().map(|&x| x.to_f64()).collect();
            let expected = naive(&wide, cols, &angles, pairs, interleaved);
            let (sin, cos): (Vec<T>, Vec<T>) =
                angles.iter().map(|a| (T::from_f64(a.sin()), T::from_f64(a.cos()))).unzip();
            // The same numbers with the outer dimension inside, and gaps between the rows.
            let mut scattered = vec![T::nan(); positions * outer * (cols + 1)];
            for o in 0..outer {
                for p in 0..positions {
                    let (from, to) = ((o * positions + p) * cols, (p * outer + o) * (cols + 1));
                    scattered[to..to + cols].copy_from_slice(&x[from..from + cols]);
                }
            }
            on_each_level(|level| {
                let what = (pairs, rest, interleaved, level);
                let shape = [outer, positions, cols];
                let angles = Angles { cos: &cos, sin: &sin, pairs, positions, interleaved, inverse: false };
                let (mut y, mut again) = (vec![T::nan(); x.len()], vec![T::nan(); x.len()]);
                rotate(Strided { data: &x, strides: &[positions * cols, cols, 1] }, &shape, angles, &mut y);
                assert_close(&y, &expected, tolerance, what);
                let strides = [cols + 1, outer * (cols + 1), 1];
                rotate(Strided { data: &scattered, strides: &strides }, &shape, angles, &mut again);
                assert_same(&again, &y, what);
                let back = Angles { inverse: true, ..angles };
                rotate(Strided { data: &y, strides: &[positions * cols, cols, 1] }, &shape, back, &mut again);
                assert_close(&again, &wide, 2.0 * tolerance, what);
            });
        }
    }
}

#[test]
fn rotations_of_every_shape() {
    check::<f32>(1e-6);
    check::<f64>(1e-14);
}

#[test]
fn rotations_of_special_values() {
    let x = [f32::NAN, 1.0, f32::INFINITY, 0.0, 5.0];
    let angles =
        Angles { cos: &[1.0, 1.0], sin: &[0.0, 0.0], pairs: 2, positions: 1, interleaved: true, inverse: false };
    let mut y = [0.0; 5];
    rotate(Strided { data: &x, strides: &[5, 1] }, &[1, 5], angles, &mut y);
    // Infinity times a sine of 0.
    assert_same(&y, &[f32::NAN, f32::NAN, f32::INFINITY, f32::NAN, 5.0], "special values");
    rotate(Strided { data: &x[..0], strides: &[5, 1] }, &[0, 5], angles, &mut []);
}

#[test]
fn rotations_do_not_depend_on_the_number_of_threads() {
    let (cols, positions) = (34, 100);
    let rows = if cfg!(miri) { positions } else { (3 * GRAIN / cols).next_multiple_of(positions) };
    let x = numbers::<f32>(rows * cols, 1);
    let (cos, sin) = (numbers::<f32>(positions * 17, 2), numbers::<f32>(positions * 17, 3));
    assert_same_on_two_threads(|| {
        let angles = Angles { cos: &cos, sin: &sin, pairs: 17, positions, interleaved: false, inverse: false };
        let (mut y, shape) = (vec![0.0; x.len()], [rows / positions, positions, cols]);
        rotate(Strided { data: &x, strides: &[positions * cols, cols, 1] }, &shape, angles, &mut y);
        y
    });
}
