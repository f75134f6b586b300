use super::super::layer_norm::*;
use super::*;

/// Row lengths on both sides of the registers.
const COLS: &[usize] = &[1, 2, 3, 15, 16, 31, 32, 33, 63, 64, 65, 100, 128, 257];

/// Weight, bias.
const PARTS: [[bool; 2]; 4] = [[true, true], [true, false], [false, true], [false, false]];

/// What the kernels compute, by the definition: the result, the gradients of x, weight and bias.
fn naive(x: &[f64], g: &[f64], w: &[f64], b: &[f64], centred: bool, eps: f64) -> [Vec<f64>; 4] {
    let cols = w.len();
    let mut results = [vec![], vec![], vec![0.0; cols], vec![0.0; cols]];
    for (x, g) in x.chunks(cols).zip(g.chunks(cols)) {
        let mean_of = |x: &[f64]| x.iter().sum::<f64>() / cols as f64;
        let mean = if centred { mean_of(x) } else { 0.0 };
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / cols as f64;
        let std = (variance + eps).sqrt();
        let unit: Vec<f64> = x.iter().map(|x| (x - mean) / std).collect();
        let h: Vec<f64> = g.iter().zip(w).map(|(g, w)| g * w).collect();
        let along_one = if centred { mean_of(&h) } else { 0.0 };
        let along_x = mean_of(&h.iter().zip(&unit).map(|(h, x)| h * x).collect::<Vec<_>>());
        for j in 0..cols {
            results[0].push(unit[j] * w[j] + b[j]);
            results[1].push((h[j] - along_one - unit[j] * along_x) / std);
            results[2][j] += g[j] * unit[j];
            results[3][j] += g[j];
        }
    }
    results
}

fn layer_norm(cols: usize, eps: f64) -> Norm {
    Norm { cols, centred: true, eps }
}

fn rms_norm(cols: usize, eps: f64) -> Norm {
    Norm { cols, centred: false, eps }
}

fn forward<T: Real>(norm: Norm, x: &[T], affine: Affine<'_, T>) -> [Vec<T>; 3] {
    let rows = x.len() / norm.cols;
    let means = if norm.centred { rows } else { 0 };
    let mut results = [vec![T::nan(); x.len()], vec![T::nan(); means], vec![T::nan(); rows]];
    let [out, mean, rstd] = &mut results;
    normalize(norm, x, affine, out, mean, rstd);
    results
}

fn backward<T: Real>(norm: Norm, g: &[T], saved: Normalized<'_, T>) -> [Vec<T>; 3] {
    let (rows, cols) = (saved.rstd.len(), norm.cols);
    let mut results = [vec![T::nan(); g.len()], vec![T::nan(); cols], vec![T::nan(); cols]];
    let mut scratch = vec![T::nan(); scratch_len(norm, rows)];
    let [dx, weight, bias] = &mut results;
    normalize_backward(norm, g, saved, dx, Some(AffineGrad { weight, bias, scratch: &mut scratch }));
    results
}

fn check<T: Real + std::fmt::Debug>(of: fn(usize, f64) -> Norm, tolerance: f64) {
    let wide = |x: &[T]| x.iter().map(|&x| x.to_f64()).collect::<Vec<_>>();
    for &cols in COLS {
        for rows in [0, 1, 5] {
            let (x, g) = (numbers::<T>(rows * cols, 1), numbers::<T>(rows * cols, 2));
            let (w, b) = (numbers::<T>(cols, 3), numbers::<T>(cols, 4));
            for [weighted, biased] in PARTS {
                // A bias without a weight has gradients of its own, which do not depend on the bias.
                let all_w = if weighted { wide(&w) } else { vec![1.0; cols] };
                let all_b = if biased { wide(&b) } else { vec![0.0; cols] };
                let norm = of(cols, 1e-3);
                let expected = naive(&wide(&x), &wide(&g), &all_w, &all_b, norm.centred, 1e-3);
                on_each_level(|level| {
                    let what = |name| (name, rows, cols, weighted, biased, norm, level);
                    let affine = Affine { weight: weighted.then_some(&*w), bias: biased.then_some(&*b) };
                    let [y, mean, rstd] = forward(norm, &x, affine);
                    assert_close(&y, &expected[0], tolerance, what("result"));
                    let saved = Normalized { x: &x, mean: &mean, rstd: &rstd, weight: affine.weight };
                    let [dx, dw, db] = backward(norm, &g, saved);
                    // A single element has no deviation: large numbers cancel.
                    assert_close(&dx, &expected[1], if cols < 3 { 40.0 } else { 4.0 } * tolerance, what("x"));
                    assert_close(&dw, &expected[2], 4.0 * tolerance, what("weight"));
                    if norm.centred {
                        assert_close(&db, &expected[3], 4.0 * tolerance, what("bias"));
                    }
                    let mut alone = dx.clone();
                    normalize_backward(norm, &g, saved, &mut alone, None);
                    assert_same(&alone, &dx, what("x alone"));
                });
            }
        }
    }
}

#[test]
fn norms_of_every_shape() {
    check::<f32>(layer_norm, 2e-6);
    check::<f32>(rms_norm, 2e-6);
    check::<f64>(layer_norm, 4e-15);
    check::<f64>(rms_norm, 4e-15);
}

#[test]
fn rows_far_from_zero_lose_nothing() {
    for cols in [4, 34, 768] {
        // 0.25 to either side of the mean, where the spacing of numbers is 0.0625.
        let alternating = |a: f32, b: f32| (0..cols).map(|i| if i % 2 == 0 { a } else { b }).collect::<Vec<_>>();
        let x = alternating(1_000_000.25, 999_999.75);
        on_each_level(|level| {
            let [y, ..] = forward(layer_norm(cols, 0.0), &x, Affine { weight: None, bias: None });
            assert_eq!(y, alternating(1.0, -1.0), "{cols} {level:?}");
        });
    }
}

#[test]
fn norms_of_special_values() {
    let none = Affine { weight: None, bias: None };
    for cols in [4, 40] {
        let row = |first: f32, rest: f32| (0..cols).map(|i| if i == 0 { first } else { rest }).collect::<Vec<_>>();
        for bad in [row(f32::NAN, 1.0), row(f32::INFINITY, 1.0), row(f32::NEG_INFINITY, f32::INFINITY)] {
            let two: Vec<f32> = bad.iter().copied().chain(row(2.0, 1.0)).collect();
            let [y, mean, rstd] = forward(layer_norm(cols, 1e-5), &two, none);
            assert!(y[..cols].iter().all(|y| y.is_nan()), "{bad:?} {y:?}");
            assert!(y[cols..].iter().all(|y| y.is_finite()), "the next row is not affected");
            let saved = Normalized { x: &two, mean: &mean, rstd: &rstd, weight: None };
            let [dx, dw, _] = backward(layer_norm(cols, 1e-5), &row(1.0, 2.0).repeat(2), saved);
            assert!(dx[..cols].iter().all(|y| y.is_nan()) && dx[cols..].iter().all(|y| y.is_finite()));
            assert!(dw.iter().all(|y| y.is_nan()));
        }
        let [y, ..] = forward(rms_norm(cols, 1e-5), &row(f32::NAN, 1.0), none);
        assert!(y.iter().all(|y| y.is_nan()));
        // An infinite mean square: what is finite becomes 0.
        let [y, ..] = forward(rms_norm(cols, 1e-5), &row(f32::INFINITY, 1.0), none);
        assert!(y[0].is_nan() && y[1..].iter().all(|y| *y == 0.0));
        // No deviation at all: 0 with `eps`, 0 / 0 without.
        assert_eq!(forward(layer_norm(cols, 1e-5), &row(3.0, 3.0), none)[0], row(0.0, 0.0));
        assert!(forward(layer_norm(cols, 0.0), &row(3.0, 3.0), none)[0].iter().all(|y| y.is_nan()));
        assert_eq!(forward(rms_norm(cols, 1e-5), &row(0.0, 0.0), none)[0], row(0.0, 0.0));
    }
}

#[test]
fn norms_do_not_depend_on_the_number_of_threads_or_on_their_neighbours() {
    for cols in [3, 33, 768] {
        let rows = if cfg!(miri) { 3 } else { 300_000 / cols };
        let (x, g, w) = (numbers::<f32>(rows * cols, 1), numbers::<f32>(rows * cols, 2), numbers::<f32>(cols, 3));
        let affine = Affine { weight: Some(&*w), bias: Some(&*w) };
        let norm = layer_norm(cols, 1e-5);
        let all = || {
            let [y, mean, rstd] = forward(norm, &x, affine);
            let saved = Normalized { x: &x, mean: &mean, rstd: &rstd, weight: Some(&w) };
            (y, backward(norm, &g, saved))
        };
        assert_same_on_two_threads(all);
        let (y, _) = all();
        for (x, y) in x.chunks(cols).zip(y.chunks(cols)).take(40) {
            assert_eq!(forward(norm, x, affine)[0], y);
        }
    }
}
