//! Accuracy of the `f32` functions against the `f64` ones of the standard library.

use super::super::ops::BinaryOp::*;
use super::super::ops::UnaryOp::*;
use super::super::ops::*;
use super::super::simd::tests::on_each_level;
use super::super::tests::loops::*;
use super::super::walk::Strided;

/// Every so many bit patterns of `f32` are tried; a prime, so that mantissas vary.
const STEP: usize = if cfg!(miri) { 40_000_003 } else { 40_009 };

fn sample() -> Vec<f32> {
    let mut x: Vec<f32> = (0..=u32::MAX).step_by(STEP).map(f32::from_bits).collect();
    // Most patterns are tiny or huge numbers: add those that matter most.
    x.extend((-40_000..40_000).step_by(if cfg!(miri) { 1_000 } else { 1 }).map(|i| i as f32 * 0.002_5));
    x.extend([
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN_POSITIVE,
        1e-45,
    ]);
    x
}

/// How far `y` is from the exact value, in units in the last place of the `f32` nearest to that.
fn ulps(y: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if y == nearest || (y.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    if !y.is_finite() || !nearest.is_finite() {
        // Rounding may tip a value over the end of the range.
        let almost_infinite = exact.abs() > f64::from(f32::MAX) * (1.0 - 1e-6) && y.abs() >= f32::MAX * (1.0 - 1e-6);
        return if almost_infinite && f64::from(y) * exact > 0.0 { 1.0 } else { f64::INFINITY };
    }
    let up = f32::from_bits(nearest.abs().to_bits() + 1);
    let ulp = if up.is_finite() { f64::from(up) - f64::from(nearest.abs()) } else { 2.0_f64.powi(104) };
    (f64::from(y) - exact).abs() / ulp
}

fn worst(op: UnaryOp, exact: impl Fn(f64) -> f64) -> (f64, f32) {
    let x = sample();
    let mut worst = (0.0, 0.0);
    on_each_level(|_| {
        let mut y = vec![0.0; x.len()];
        // In pieces that are not handed to other threads, on which the level is not forced.
        for (x, y) in x.chunks(1000).zip(y.chunks_mut(1000)) {
            unary(op, x, y);
        }
        for (&x, &y) in x.iter().zip(&y) {
            let exact = exact(f64::from(x));
            let error = ulps(y, exact);
            if error > worst.0 {
                worst = (error, x);
            }
            assert!(
                exact != 0.0 || y.is_sign_negative() == exact.is_sign_negative() || y != 0.0,
                "sign of zero at {x:e}"
            );
        }
    });
    worst
}

macro_rules! accuracy {
    ($($test:ident: $op:expr, $bound:literal, $exact:expr;)*) => {$(
        #[test]
        fn $test() {
            let (error, x) = worst($op, $exact);
            assert!(error <= $bound, "{error} ulp at {x:e}");
        }
    )*};
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

accuracy! {
    exp: Exp, 1.0, f64::exp;
    expm1: Expm1, 1.5, f64::exp_m1;
    ln: Log, 1.0, f64::ln;
    tanh: Tanh, 2.5, f64::tanh;
    erf: Erf, 1.5, libm::erf;
    sigmoid_is_accurate: Sigmoid, 2.5, sigmoid;
    exp2: Exp2, 0.51, f64::exp2;
    log2: Log2, 0.51, f64::log2;
    log10: Log10, 0.51, f64::log10;
    log1p: Log1p, 1.5, f64::ln_1p;
    sin: Sin, 0.51, f64::sin;
    cos: Cos, 0.51, f64::cos;
    tan: Tan, 0.51, f64::tan;
    asin: Asin, 0.51, f64::asin;
    acos: Acos, 0.51, f64::acos;
    atan: Atan, 0.51, f64::atan;
    sinh: Sinh, 0.51, f64::sinh;
    cosh: Cosh, 0.51, f64::cosh;
    asinh: Asinh, 0.51, libm::asinh;
    acosh: Acosh, 0.51, |x| if x < 1.0 { f64::NAN } else { libm::acosh(x) };
    atanh: Atanh, 0.51, libm::atanh;
    erfc: Erfc, 0.51, libm::erfc;
    pow_2_5: PowScalar { exponent: 2.5 }, 0.51, |x| x.powf(2.5);
    pow_minus_3: PowScalar { exponent: -3.0 }, 0.51, |x| x.powi(-3);
    pow_third: PowScalar { exponent: f64::from(1.0 / 3.0_f32) }, 0.51, |x| x.powf(f64::from(1.0 / 3.0_f32));
}

fn pairs() -> (Vec<f32>, Vec<f32>) {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -3.0,
        0.5,
        -0.5,
        2.5,
        7.0,
        -7.0,
        1e30,
        -1e-30,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let mut a = Vec::new();
    let mut b = Vec::new();
    for x in special {
        for y in special {
            a.push(x);
            b.push(y);
        }
    }
    let mut bits = 1_u32;
    for i in 0..if cfg!(miri) { 10 } else { 20_000 } {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        a.push(f32::from_bits(bits));
        b.push((i % 401) as f32 * 0.173 - 35.0);
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        a.push((bits >> 8) as f32 / 4e5);
        b.push((i % 97) as f32 * 0.31 - 15.0);
    }
    (a, b)
}

fn worst_pair(op: BinaryOp, exact: impl Fn(f64, f64) -> f64) -> (f64, (f32, f32)) {
    let (a, b) = pairs();
    let mut worst = (0.0, (0.0, 0.0));
    on_each_level(|_| {
        for (a, b) in a.chunks(1000).zip(b.chunks(1000)) {
            let mut y = vec![0.0; a.len()];
            binary(op, &[a.len()], Strided { data: a, strides: &[1] }, Strided { data: b, strides: &[1] }, &mut y);
            for ((&a, &b), &y) in a.iter().zip(b).zip(&y) {
                let error = ulps(y, exact(f64::from(a), f64::from(b)));
                if error > worst.0 {
                    worst = (error, (a, b));
                }
            }
        }
    });
    worst
}

#[test]
fn pow_of_pairs() {
    let (error, at) = worst_pair(Pow, f64::powf);
    assert!(error <= 0.51, "{error} ulp at {at:?}");
}

#[test]
fn atan2_of_pairs() {
    let (error, at) = worst_pair(Atan2, f64::atan2);
    assert!(error <= 0.51, "{error} ulp at {at:?}");
}

/// The distribution function is accurate in absolute terms: `x` times an error of 1e-7, and the rounding of the product.
#[test]
fn gelu_and_its_gradient() {
    let cdf = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let x: Vec<f32> = sample().into_iter().filter(|x| x.is_finite()).collect();
    on_each_level(|_| {
        for x in x.chunks(1000) {
            let (mut y, mut slope) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            unary(Gelu, x, &mut y);
            super::super::tests::loops::slope(Gelu, &vec![1.0; x.len()], x, &mut slope);
            for ((&x, &y), &slope) in x.iter().zip(&y).zip(&slope) {
                let (wide, y) = (f64::from(x), f64::from(y));
                let error = (y - wide * cdf(wide)).abs() / wide.abs().max(1e-30);
                assert!(error <= 1.3e-7, "gelu at {x:e}: {error}");
                let exact = cdf(wide) + wide * density(wide);
                assert!((f64::from(slope) - exact).abs() <= 3e-7, "slope at {x:e}: {slope} instead of {exact}");
            }
        }
    });
}

#[test]
fn rounding_is_to_even() {
    let x = [0.5_f32, 1.5, 2.5, -0.5, -1.5, 3.49, f32::INFINITY];
    let mut y = [0.0; 7];
    on_each_level(|_| {
        unary(Round, &x, &mut y);
        assert_eq!(y, [0.0, 2.0, 2.0, 0.0, -2.0, 3.0, f32::INFINITY]);
    });
}
