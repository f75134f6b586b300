use super::super::cross_entropy::*;
use super::super::softmax::*;
use super::*;

fn softmax<T: Real>(x: &[T], cols: usize, out: &mut [T]) {
    rows(Rule::Softmax, x, x, cols, out);
}

fn log_softmax<T: Real>(x: &[T], cols: usize, out: &mut [T]) {
    rows(Rule::LogSoftmax, x, x, cols, out);
}

fn softmax_backward<T: Real>(g: &[T], y: &[T], cols: usize, out: &mut [T]) {
    rows(Rule::SoftmaxGrad, g, y, cols, out);
}

fn log_softmax_backward<T: Real>(g: &[T], y: &[T], cols: usize, out: &mut [T]) {
    rows(Rule::LogSoftmaxGrad, g, y, cols, out);
}

/// Row lengths on both sides of the registers and of the way of working.
const COLS: &[usize] = &[1, 2, 3, 10, 15, 16, 17, 31, 32, 33, 47, 48, 49, 65, 130];

fn naive_log_softmax(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = x.iter().map(|x| (x - max).exp()).sum();
    x.iter().map(|x| x - max - sum.ln()).collect()
}

fn check<T: Real>(tolerance: f64) {
    for &cols in COLS {
        for rows in [0, 1, 3, 16, 17, 37] {
            let x: Vec<T> = numbers(rows * cols, 1);
            let g: Vec<T> = numbers(rows * cols, 2);
            let mut expected = [const { Vec::new() }; 4];
            for (x, g) in x.chunks(cols).zip(g.chunks(cols)) {
                let wide = |x: &[T]| x.iter().map(|&x| x.to_f64()).collect::<Vec<_>>();
                let (log_p, g) = (naive_log_softmax(&wide(x)), wide(g));
                let p: Vec<f64> = log_p.iter().map(|x| x.exp()).collect();
                let dot: f64 = p.iter().zip(&g).map(|(p, g)| p * g).sum();
                let total: f64 = g.iter().sum();
                expected[2].extend(p.iter().zip(&g).map(|(p, g)| p * (g - dot)));
                expected[3].extend(p.iter().zip(&g).map(|(p, g)| g - p * total));
                expected[0].extend(p);
                expected[1].extend(log_p);
            }
            on_each_level(|level| {
                let what = |name| (name, rows, cols, level);
                let (mut p, mut log_p, mut out) = (x.clone(), x.clone(), x.clone());
                softmax(&x, cols, &mut p);
                assert_close(&p, &expected[0], tolerance, what("softmax"));
                log_softmax(&x, cols, &mut log_p);
                assert_close(&log_p, &expected[1], tolerance, what("log_softmax"));
                softmax_backward(&g, &p, cols, &mut out);
                assert_close(&out, &expected[2], 4.0 * tolerance, what("softmax_backward"));
                log_softmax_backward(&g, &log_p, cols, &mut out);
                // Sums over a row cancel, so that their errors count by the row's length.
                assert_close(&out, &expected[3], cols as f64 * tolerance, what("log_softmax_backward"));
            });
        }
    }
}

#[test]
fn softmax_of_every_shape() {
    check::<f32>(1e-6);
    check::<f64>(1e-14);
}

#[test]
fn softmax_of_special_values() {
    for cols in [4, 40] {
        let row = |first: f32, rest: f32| (0..cols).map(|i| if i == 0 { first } else { rest }).collect::<Vec<_>>();
        let of = |x: &[f32]| {
            let (mut p, mut log_p) = (vec![0.0; cols], vec![0.0; cols]);
            softmax(x, cols, &mut p);
            log_softmax(x, cols, &mut log_p);
            (p, log_p)
        };
        let (p, log_p) = of(&row(1e4, -1e4));
        assert_eq!((p, log_p), (row(1.0, 0.0), row(0.0, -2e4)));
        let (p, log_p) = of(&row(f32::NEG_INFINITY, 3.0));
        assert!(p[0] == 0.0 && (p[1] - 1.0 / (cols - 1) as f32).abs() < 1e-7 && log_p[0] == f32::NEG_INFINITY);
        for bad in [row(f32::NEG_INFINITY, f32::NEG_INFINITY), row(f32::NAN, 0.0), row(f32::INFINITY, 0.0)] {
            let (p, log_p) = of(&bad);
            assert!(p[0].is_nan() && log_p[0].is_nan());
        }
    }
}

/// The loss of one row by its definition.
fn naive_loss(x: &[f64], target: i64, smoothing: f64, weights: Option<&[f64]>) -> f64 {
    let log_p = naive_log_softmax(x);
    let weight = |c: usize| weights.map_or(1.0, |w| w[c]);
    let Ok(target) = usize::try_from(target) else { return 0.0 };
    let smooth: f64 = (0..x.len()).map(|c| weight(c) * log_p[c]).sum::<f64>() / x.len() as f64;
    -(1.0 - smoothing) * weight(target) * log_p[target] - smoothing * smooth
}

fn check_cross_entropy<T: Real>(tolerance: f64) {
    for &cols in COLS {
        for (smoothing, weighted) in [(0.0, false), (0.0, true), (0.1, false), (0.3, true)] {
            let rows = 19;
            let logits: Vec<T> = numbers(rows * cols, 3);
            let wide: Vec<f64> = logits.iter().map(|&x| x.to_f64()).collect();
            let targets: Vec<i64> =
                (0..rows as i64).map(|i| if i % 7 == 3 { -100 } else { i * 5 % cols as i64 }).collect();
            let weights: Vec<T> = numbers::<T>(cols, 4).iter().map(|w| w.abs()).collect();
            let wide_weights: Vec<f64> = weights.iter().map(|&w| w.to_f64()).collect();
            let scale: Vec<T> = numbers(rows, 5);
            let loss = |x: &[f64], row: usize| {
                naive_loss(x, targets[row], smoothing, weighted.then_some(wide_weights.as_slice()))
            };
            let expected: Vec<f64> = wide.chunks(cols).enumerate().map(|(row, x)| loss(x, row)).collect();
            // The gradient by its closed form: p times the sum of the targets' weights, minus those.
            let mut expected_grad = Vec::new();
            for (row, x) in wide.chunks(cols).enumerate() {
                let weight = |c: usize| if weighted { wide_weights[c] } else { 1.0 };
                let share = |c: usize| match usize::try_from(targets[row]) {
                    Ok(t) => {
                        (1.0 - smoothing) * if c == t { weight(c) } else { 0.0 } + smoothing / cols as f64 * weight(c)
                    }
                    Err(_) => 0.0,
                };
                let total: f64 = (0..cols).map(share).sum();
                let p = naive_log_softmax(x).into_iter().map(f64::exp);
                expected_grad.extend(p.enumerate().map(|(c, p)| scale[row].to_f64() * (p * total - share(c))));
            }
            on_each_level(|level| {
                let what = |name| (name, cols, smoothing, weighted, level);
                let (smoothing, weights) = (T::from_f64(smoothing), weighted.then_some(weights.as_slice()));
                let (mut losses, mut lse, mut grad) = (vec![T::nan(); rows], vec![T::nan(); rows], logits.clone());
                let criterion = Criterion { targets: &targets, cols, label_smoothing: smoothing, weights };
                cross_entropy(criterion, &logits, &mut losses, &mut lse);
                assert_close(&losses, &expected, 4.0 * tolerance, what("loss"));
                cross_entropy_backward(criterion, &logits, &lse, &scale, &mut grad);
                assert_close(&grad, &expected_grad, 4.0 * tolerance, what("gradient"));
            });
        }
    }
}

#[test]
fn cross_entropy_of_every_shape() {
    check_cross_entropy::<f32>(1e-6);
    check_cross_entropy::<f64>(1e-14);
}

#[test]
fn cross_entropy_of_large_logits_loses_nothing() {
    for cols in [3, 40] {
        let mut logits = vec![-10_000.0_f32; cols];
        (logits[0], logits[1]) = (10_000.0, 10_001.0);
        let (mut loss, mut lse, mut grad) = ([0.0], [0.0], vec![0.0; cols]);
        let criterion = Criterion { targets: &[0], cols, label_smoothing: 0.0, weights: None };
        cross_entropy(criterion, &logits, &mut loss, &mut lse);
        // log(1 + e), and the sigmoid of -1.
        assert!((loss[0] - 1.313_261_7).abs() < 1e-6, "{loss:?}");
        cross_entropy_backward(criterion, &logits, &lse, &[1.0], &mut grad);
        assert!((grad[0] - (0.268_941_43 - 1.0)).abs() < 1e-6 && (grad[1] - 0.731_058_6).abs() < 1e-6, "{grad:?}");
    }
}

#[test]
fn rows_do_not_depend_on_the_number_of_threads_or_on_their_neighbours() {
    for cols in [10, 100] {
        let rows = if cfg!(miri) { 17 } else { 4000 };
        let x = numbers::<f32>(rows * cols, 1);
        let targets = vec![1; rows];
        let criterion = Criterion { targets: &targets, cols, label_smoothing: 0.1, weights: None };
        assert_same_on_two_threads(|| {
            let (mut p, mut losses, mut lse) = (x.clone(), vec![0.0; rows], vec![0.0; rows]);
            softmax(&x, cols, &mut p);
            cross_entropy(criterion, &x, &mut losses, &mut lse);
            let mut grad = x.clone();
            cross_entropy_backward(criterion, &x, &lse, &losses, &mut grad);
            (p, losses, lse, grad)
        });
        let (mut all, mut one) = (x.clone(), vec![0.0; cols]);
        softmax(&x, cols, &mut all);
        for (x, p) in x.chunks(cols).zip(all.chunks(cols)).take(40) {
            softmax(x, cols, &mut one);
            assert_eq!(one, p);
        }
    }
}
