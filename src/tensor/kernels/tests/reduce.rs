use super::super::reduce::*;
use super::*;

use RealOp::{LogSumExp, Max, Mean, MeanSquares, Min, Norm, Product, Sum, SumSquares};

fn run<T: Real>(op: RealOp, x: &[T], shape: [usize; 3]) -> Vec<T> {
    let mut out = vec![T::default(); shape[0] * shape[2]];
    reals(op, x, shape, &mut out);
    out
}

/// Compares with `naive` of each column in `f64`, on every instruction set.
fn check<T: Real>(op: RealOp, tolerance: f64, naive: impl Fn(&[f64]) -> f64) {
    for &shape in MATRICES {
        let x = numbers::<T>(shape.iter().product(), 7);
        let wide: Vec<f64> = x.iter().map(|&x| x.to_f64()).collect();
        let expected: Vec<f64> = columns(&wide, shape).iter().map(|column| naive(column)).collect();
        on_each_level(|level| assert_close(&run(op, &x, shape), &expected, tolerance, (op, level, shape)));
    }
}

fn check_both(op: RealOp, naive: impl Fn(&[f64]) -> f64 + Copy) {
    check::<f32>(op, 1e-6, naive);
    check::<f64>(op, 1e-13, naive);
}

/// Sums of thousands of terms of either sign, relative to the sum of their magnitudes.
fn check_sum<T: Real>(tolerance: f64) {
    for &shape in MATRICES {
        let x = numbers::<T>(shape.iter().product(), 7);
        for (column, sum) in columns(&x, shape).iter().zip(run(Sum, &x, shape)) {
            let (exact, size) = column.iter().fold((0.0, 1.0), |(s, a), &x| (s + x.to_f64(), a + x.to_f64().abs()));
            assert!((sum.to_f64() - exact).abs() <= tolerance * size, "{shape:?}: {} {exact}", sum.to_f64());
        }
    }
}

#[test]
fn sums() {
    check_sum::<f32>(1e-7);
    check_sum::<f64>(1e-15);
    check_both(Mean, |x| x.iter().sum::<f64>() / x.len() as f64);
    check_both(SumSquares, |x| x.iter().map(|x| x * x).sum());
    check_both(Norm(2.0), |x| x.iter().map(|x| x * x).sum::<f64>().sqrt());
    check_both(Norm(1.0), |x| x.iter().map(|x| x.abs()).sum());
}

#[test]
fn extremes() {
    check_both(Max, |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    check_both(Min, |x| x.iter().copied().fold(f64::INFINITY, f64::min));
    check_both(Norm(f64::INFINITY), |x| x.iter().fold(0.0, |a, x| x.abs().max(a)));
    check_both(Norm(f64::NEG_INFINITY), |x| x.iter().fold(f64::INFINITY, |a, x| x.abs().min(a)));
}

#[test]
fn log_sum_exp() {
    check_both(LogSumExp, |x| x.iter().map(|x| x.exp()).sum::<f64>().ln());
    for shape in [[1, 3, 1], [1, 3, 2], [1, 100, 1], [1, 100, 2]] {
        let n = shape.iter().product();
        let of = |first: f64, rest: f64| {
            let x: Vec<f64> = (0..n).map(|i| if i < shape[2] { first } else { rest }).collect();
            run(LogSumExp, &x, shape)[0]
        };
        let count = (shape[1] as f64).ln();
        assert!((of(1000.0, 1000.0) - (1000.0 + count)).abs() < 1e-12);
        assert_eq!(of(1000.0, -1000.0), 1000.0);
        assert_eq!(of(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!((of(f64::NEG_INFINITY, 0.0) - (shape[1] as f64 - 1.0).ln()).abs() < 1e-12);
        assert_eq!(of(f64::INFINITY, f64::INFINITY), f64::INFINITY);
        assert_eq!(of(f64::INFINITY, f64::NEG_INFINITY), f64::INFINITY);
        assert!(of(f64::NAN, 0.0).is_nan() && of(0.0, f64::NAN).is_nan());
    }
}

#[test]
fn norms_of_every_order() {
    let x = numbers::<f64>(2 * 70 * 3, 1);
    for p in [0.0, 0.5, 1.0, 2.0, 2.5, 3.0, -1.0, f64::INFINITY, f64::NEG_INFINITY] {
        let out = run(Norm(p), &x, [2, 70, 3]);
        let naive = |x: &Vec<f64>| match p {
            0.0 => x.len() as f64,
            f64::INFINITY => x.iter().fold(0.0, |a, x| x.abs().max(a)),
            f64::NEG_INFINITY => x.iter().fold(f64::INFINITY, |a, x| x.abs().min(a)),
            _ => x.iter().map(|x| x.abs().powf(p)).sum::<f64>().powf(1.0 / p),
        };
        let expected: Vec<f64> = columns(&x, [2, 70, 3]).iter().map(naive).collect();
        assert_close(&out, &expected, 1e-13, p);
    }
}

#[test]
fn products_and_integers() {
    for shape in [[2, 5, 1], [1, 20, 3], [1, 0, 2], [2, 16, 1], [1, 67, 1]] {
        let n: usize = shape.iter().product();
        let near_one: Vec<f64> = numbers::<f64>(n, 3).iter().map(|x| 1.0 + x / 10.0).collect();
        let single: Vec<f32> = near_one.iter().map(|&x| x as f32).collect();
        let expected: Vec<f64> = columns(&near_one, shape).iter().map(|x| x.iter().product()).collect();
        assert_close(&run(Product, &near_one, shape), &expected, 1e-13, shape);
        assert_close(&run(Product, &single, shape), &expected, 1e-5, shape);

        let whole: Vec<i64> = (0..n as i64).map(|i| i * i - 10).collect();
        let results = |f: fn(&[i64]) -> i64| columns(&whole, shape).iter().map(|x| f(x)).collect::<Vec<i64>>();
        let mut out = vec![0; shape[0] * shape[2]];
        let mut check = |op, expected: Vec<i64>| {
            integers(op, &whole, shape, &mut out);
            assert_eq!(out, expected, "{op:?} {shape:?}");
        };
        check(IntegerOp::Sum, results(|x| x.iter().sum()));
        check(IntegerOp::Product, results(|x| x.iter().fold(1, |a, &x| a.wrapping_mul(x))));
        check(IntegerOp::Max, results(|x| x.iter().copied().max().unwrap_or(i64::MIN)));
        check(IntegerOp::Min, results(|x| x.iter().copied().min().unwrap_or(i64::MAX)));

        let small: Vec<u8> = whole.iter().map(|x| x.rem_euclid(256) as u8).collect();
        let results = |f: fn(&[u8]) -> i64| columns(&small, shape).iter().map(|x| f(x)).collect::<Vec<i64>>();
        let mut check = |op, expected: Vec<i64>| {
            bytes(op, &small, shape, &mut out);
            assert_eq!(out, expected, "{op:?} {shape:?}");
        };
        check(IntegerOp::Sum, results(|x| x.iter().map(|&x| i64::from(x)).sum()));
        check(IntegerOp::Product, results(|x| x.iter().fold(1, |a, &x| a.wrapping_mul(x.into()))));
        check(IntegerOp::Max, results(|x| x.iter().copied().max().unwrap_or(u8::MIN).into()));
        check(IntegerOp::Min, results(|x| x.iter().copied().min().unwrap_or(u8::MAX).into()));
    }
}

#[test]
fn small_types_do_not_overflow_their_lanes() {
    for (len, inner) in [(10_000, 1), (10_000, 3), (300, 70)] {
        let len = if cfg!(miri) { 100 } else { len };
        let mut out = vec![0_i64; inner];
        bytes(IntegerOp::Sum, &vec![255_u8; len * inner], [1, len, inner], &mut out);
        assert!(out.iter().all(|&sum| sum == 255 * len as i64));
        let counts = run(Norm(0.0), &vec![f32::NAN; len * inner], [1, len, inner]);
        assert!(counts.iter().all(|&count| count == len as f32));
    }
}

#[test]
fn nan_and_infinity_spread() {
    for shape in [[1, 5, 1], [1, 200, 1], [1, 5, 3], [1, 200, 3], [1, 20, 100]] {
        for place in [0, shape[1] / 2, shape[1] - 1] {
            let mut x = numbers::<f32>(shape.iter().product(), 1);
            x[place * shape[2]] = f32::NAN;
            assert!(run(Sum, &x, shape)[0].is_nan() && run(Max, &x, shape)[0].is_nan());
            assert!(run(Min, &x, shape)[0].is_nan() && run(Product, &x, shape)[0].is_nan());
            assert!(run(Norm(2.0), &x, shape)[0].is_nan() && run(LogSumExp, &x, shape)[0].is_nan());
            x[place * shape[2]] = f32::INFINITY;
            assert_eq!([run(Sum, &x, shape)[0], run(Max, &x, shape)[0]], [f32::INFINITY; 2]);
        }
    }
}

#[test]
fn long_sums_of_f32_are_accurate() {
    let n = if cfg!(miri) { 1 << 8 } else { 1 << 24 };
    // The fractions of multiples of the golden ratio fill the interval evenly.
    let x: Vec<f32> = (0..n).map(|i| (f64::from(i) * 0.618_033_988_749_894_8).fract() as f32).collect();
    let n = x.len();
    let exact: f64 = x.iter().map(|&x| f64::from(x)).sum();
    for shape in [[1, n, 1], [1, n / 2, 2], [1, n / 128, 128]] {
        let total: f64 = run(Sum, &x, shape).iter().map(|&x| f64::from(x)).sum();
        assert!((total - exact).abs() <= 1e-7 * exact, "{shape:?}: {total} {exact}");
    }
}

#[test]
fn large_reductions_do_not_depend_on_the_number_of_threads() {
    let shapes: &[[usize; 3]] = if cfg!(miri) {
        &[[2, 3, 4]]
    } else {
        &[
            [1, 300_000, 1],
            [3, 200_000, 1],
            [5000, 100, 1],
            [1, 3000, 100],
            [1, 5, 100_000],
            [70, 40, 70],
            [2, 90_000, 3],
        ]
    };
    for &shape in shapes {
        let x = numbers::<f32>(shape.iter().product(), 5);
        assert_same_on_two_threads(|| (run(Sum, &x, shape), run(LogSumExp, &x, shape), arg(true, &x, shape)));
        assert_same_on_two_threads(|| variance(&x, shape, 1.0));
        let wide: Vec<f64> = x.iter().map(|&x| x.to_f64()).collect();
        let sums = |x: &Vec<f64>| x.iter().map(|x| x.abs()).sum::<f64>();
        let expected: Vec<f64> = columns(&wide, shape).iter().map(sums).collect();
        assert_close(&run(Norm(1.0), &x, shape), &expected, 1e-6, shape);
    }
}

fn arg<T: Ordered>(max: bool, x: &[T], shape: [usize; 3]) -> Vec<i64> {
    let mut out = vec![-1; shape[0] * shape[2]];
    arg_reduce(max, x, shape, &mut out);
    out
}

#[test]
fn the_first_of_equal_extremes() {
    for &shape in MATRICES {
        let n: usize = shape.iter().product();
        let x: Vec<i64> = numbers::<f64>(n, 9).iter().map(|x| (x * 3.0) as i64).collect();
        for max in [true, false] {
            let first = |column: &Vec<i64>| {
                let extreme = if max { column.iter().max() } else { column.iter().min() };
                column.iter().position(|x| Some(x) == extreme).unwrap_or(0) as i64
            };
            let expected: Vec<i64> = columns(&x, shape).iter().map(first).collect();
            on_each_level(|level| assert_eq!(arg(max, &x, shape), expected, "{shape:?} {level:?}"));
        }
    }
}

#[test]
fn the_first_nan_is_the_extreme() {
    for shape in [[1, 3, 1], [1, 100, 1], [1, 3, 2], [1, 100, 2]] {
        let mut x = numbers::<f32>(shape.iter().product(), 9);
        x[0] = f32::INFINITY;
        x[2 * shape[2]] = f32::NAN;
        x[(shape[1] - 1) * shape[2]] = f32::NAN;
        assert_eq!([arg(true, &x, shape)[0], arg(false, &x, shape)[0]], [2, 2]);
    }
}

fn variance<T: Real>(x: &[T], shape: [usize; 3], correction: f64) -> Vec<T> {
    run(RealOp::Variance { correction }, x, shape)
}

fn naive_moments(x: &[f64], correction: f64) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - correction).max(0.0))
}

#[test]
fn means_and_variances() {
    for &shape in MATRICES {
        for (offset, correction) in [(0.0, 1.0), (0.0, 0.0), (10_000.0, 1.0), (0.0, 1.5)] {
            let x: Vec<f32> = numbers::<f32>(shape.iter().product(), 4).iter().map(|x| x + offset).collect();
            let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let (mean, var): (Vec<f64>, Vec<f64>) =
                columns(&wide, shape).iter().map(|x| naive_moments(x, correction)).unzip();
            on_each_level(|level| {
                assert_close(&run(Mean, &x, shape), &mean, 1e-6, ("mean", shape, level));
                let v = variance(&x, shape, correction);
                assert_close(&v, &var, 2e-6, ("variance", shape, offset, level));
            });
            assert_close(&run(Mean, &wide, shape), &mean, 1e-14, ("mean", shape));
            let v = variance(&wide, shape, correction);
            assert_close(&v, &var, 1e-12, ("variance", shape, offset));
        }
    }
}

/// What is true of numbers is true of numbers in another unit: results of columns that were multiplied by powers of two, so
/// that their squares, powers or sums leave the range of the type, are those of the columns, multiplied.
#[test]
fn results_do_not_depend_on_the_unit() {
    fn check<T: Real>(scales: &[i32], tolerance: f64) {
        let power = |n: i32| 2.0_f64.powi(n);
        for &shape in MATRICES.iter().filter(|shape| shape[1] > 1 && shape[0] * shape[2] > 0) {
            let n: usize = shape.iter().product();
            let x = numbers::<T>(n, 7);
            for &scale in scales {
                let scaled: Vec<T> = x.iter().map(|&x| T::from_f64(x.to_f64() * power(scale))).collect();
                let back =
                    |y: Vec<T>| -> Vec<T> { y.iter().map(|&y| T::from_f64(y.to_f64() * power(-scale))).collect() };
                let of_norm = |p: f64, x: &[T]| run(Norm(p), x, shape);
                for p in [1.0, 1.5, 2.0, 3.0, -1.0] {
                    // Norms of many numbers are larger than the largest of them.
                    let expected: Vec<f64> = of_norm(p, &x).iter().map(|&y| y.to_f64()).collect();
                    let got = back(of_norm(p, &scaled));
                    assert_close(&got, &expected, tolerance, ("norm", p, shape, scale));
                }
                let deviation = RealOp::Deviation { correction: 1.0 };
                let expected: Vec<f64> = run(deviation, &x, shape).iter().map(|&y| y.to_f64()).collect();
                assert_close(&back(run(deviation, &scaled, shape)), &expected, tolerance, ("std", shape, scale));
                let expected: Vec<f64> = run(Mean, &x, shape).iter().map(|&y| y.to_f64()).collect();
                assert_close(&back(run(Mean, &scaled, shape)), &expected, tolerance, ("mean", shape, scale));
            }
        }
    }
    check::<f32>(&[-110, -80, 70, 110], 2e-6);
    check::<f64>(&[-960, -600, 600, 1005], 1e-12);
}

#[test]
fn products_come_back_into_range() {
    for (n, inner) in [(4, 1), (40, 1), (40, 3), (200, 1)] {
        // Half of the factors bring the product out of the range, the other half back.
        let x: Vec<f64> = (0..n * inner).map(|i| if i / inner < n / 2 { 1.25e200 } else { 1e-200 }).collect();
        let single: Vec<f32> = (0..n * inner).map(|i| if i / inner < n / 2 { 1.25e30 } else { 1e-30 }).collect();
        let expected = vec![1.25_f64.powi(n as i32 / 2); inner];
        assert_close(&run(Product, &x, [1, n, inner]), &expected, 1e-12, (n, inner));
        assert_close(&run(Product, &single, [1, n, inner]), &expected, 1e-4, (n, inner));
        let reversed: Vec<f64> = x.iter().rev().copied().collect();
        assert_close(&run(Product, &reversed, [1, n, inner]), &expected, 1e-12, (n, inner));
    }
    assert_eq!(run(Product, &[1e-300, 0.0, 1e-300], [1, 3, 1]), [0.0]);
    assert!(run(Product, &[0.0, f64::INFINITY], [1, 2, 1])[0].is_nan());
    assert_eq!(run(Product, &[f64::INFINITY, -1e-300, 1e-300], [1, 3, 1]), [f64::NEG_INFINITY]);
}

#[test]
fn what_is_computed_again_does_not_depend_on_the_number_of_threads() {
    let shapes: &[[usize; 3]] =
        if cfg!(miri) { &[[2, 3, 4]] } else { &[[1, 300_000, 1], [5000, 100, 1], [1, 3000, 100]] };
    for &shape in shapes {
        for scale in [1e-25_f32, 1e25] {
            let x: Vec<f32> = numbers::<f32>(shape.iter().product(), 5).iter().map(|x| x * scale).collect();
            assert_same_on_two_threads(|| {
                (run(Norm(2.0), &x, shape), run(MeanSquares, &x, shape), run(Product, &x, shape))
            });
            let wide: Vec<f64> = x.iter().map(|&x| f64::from(x) * f64::from(scale).powi(6)).collect();
            assert_same_on_two_threads(|| (run(Norm(2.0), &wide, shape), variance(&wide, shape, 1.0)));
        }
    }
}
