//! What the formulas of several rows share.

use super::super::math::{Real, clamp};
use super::super::simd::Isa;

/// The scale of SELU (Klambauer et al., 2017).
pub(crate) const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// The α of SELU.
pub(crate) const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// √(2/π), of the tanh form of GELU.
pub(crate) const GELU_TANH_SCALE: f64 = 0.797_884_560_802_865_4;
/// The cubic coefficient of the tanh form of GELU (Hendrycks and Gimpel, 2016).
pub(crate) const GELU_TANH_CUBIC: f64 = 0.044_715;

/// From here on `tanh(softplus(x))` is 1, in `f64` as well.
pub(super) const MISH_LIMIT: f64 = 20.0;

/// `tanh(softplus(x))` as the fraction `n / (n + 2)`, given by `n` and `eˣ`, for `x` up to [`MISH_LIMIT`].
///
/// With `e = eˣ`, `softplus(x) = log(1 + e)` and `tanh(log(u)) = (u² - 1) / (u² + 1)`: no logarithm is needed.
#[inline(always)]
pub(super) fn tanh_softplus<I: Isa, T: Real>(x: T) -> (T, T) {
    let limit = T::from_f64(MISH_LIMIT);
    let e = (if x > limit { limit } else { x }).exp_on::<I>();
    (e * (e + T::from_f64(2.0)), e)
}

/// The sigmoid `s` of `x`, and its slope `s (1 - s)`, each to the last digits also where it is tiny.
#[inline(always)]
pub(super) fn sigmoid_and_slope<I: Isa, T: Real>(x: T) -> (T, T) {
    let e = (-x.abs()).exp_on::<I>();
    let d = T::one() / (T::one() + e);
    ((if x < T::zero() { e } else { T::one() }) * d, e * d * d)
}

/// The distribution function of the standard normal, with its digits where it is tiny, and `e^(-x²/2)`.
#[inline(always)]
pub(super) fn normal_cdf<I: Isa, T: Real>(x: T) -> (T, T) {
    let (tail, e) = x.normal_tail_on::<I>();
    (if x < T::zero() { tail } else { T::one() - tail }, e)
}

/// `x` itself, but the lowest number for -∞: times 0, that is 0.
#[inline(always)]
pub(super) fn above_infinity<T: Real>(x: T) -> T {
    if x < T::min_value() { T::min_value() } else { x }
}

/// Twice the argument of the `tanh` in GELU's approximation: `(1 + tanh(u)) / 2` is the sigmoid of `2 u`.
#[inline(always)]
pub(super) fn gelu_tanh_argument<T: Real>(x: T) -> T {
    T::from_f64(2.0 * GELU_TANH_SCALE) * (x + T::from_f64(GELU_TANH_CUBIC) * x * x * x)
}

#[inline(always)]
pub(super) fn relu6<T: Real>(x: T) -> T {
    let x = if x < T::zero() { T::zero() } else { x };
    let six = T::from_f64(6.0);
    if x > six { six } else { x }
}

/// Beyond ± this, the slopes of GELU and its approximation are 0 and 1, in `f64` as well.
pub(crate) const GELU_LIMIT: f64 = 40.0;
/// The same for SiLU and Mish.
pub(crate) const SILU_LIMIT: f64 = 1000.0;
/// Beyond ± this, `1 + x²` is `x²` to any precision.
pub(crate) const LARGE: f64 = 1e9;

#[inline(always)]
pub(super) fn within<T: Real>(x: T, limit: f64) -> T {
    clamp(x, T::from_f64(-limit), T::from_f64(limit))
}

/// How `a / b` grows with `b`, times `g`: `-g a / b²`, without a square that leaves the range of the type.
#[inline(always)]
pub(super) fn quotient_slope<T: Real>(g: T, a: T, b: T) -> T {
    if T::WIDENS {
        let (g, a, b) = (g.to_f64(), a.to_f64(), b.to_f64());
        return T::from_f64(-(g * a) / (b * b));
    }
    let (y, reciprocal) = (a / b, T::one() / b);
    // A quotient that is subnormal has lost digits.
    let slope = if y.is_normal() { y / b } else { a * (reciprocal * reciprocal) };
    -(if slope.is_normal() { g * slope } else { (g * y) / b })
}

/// How the angle of the point `(a, b)` grows with `b`, up to its sign, times `g`: `g a / (a² + b²)`; 0 at the origin, where
/// there is none.
#[inline(always)]
pub(super) fn angle_slope<T: Real>(g: T, a: T, b: T) -> T {
    if T::WIDENS {
        let (g, a, b) = (g.to_f64(), a.to_f64(), b.to_f64());
        let square = a * a + b * b;
        let slope = (g * a) / square;
        return T::from_f64(if square == 0.0 || square.is_infinite() { 0.0 } else { slope });
    }
    let size = if a.abs() > b.abs() { a.abs() } else { b.abs() };
    let (u, v) = (a / size, b / size);
    let square = u * u + v * v;
    let share = u / square;
    let reciprocal = T::one() / size;
    let slope = if share.is_normal() { share / size } else { a * (reciprocal * reciprocal / square) };
    let slope = if slope.is_normal() { g * slope } else { (g * share) / size };
    let settled = (size.is_zero() || size.is_infinite()) && !a.is_nan() && !b.is_nan();
    if settled { T::zero() } else { slope }
}

/// `a b / c`, in an order in which nothing leaves the range of the type unless the result does.
#[inline(always)]
pub(super) fn product_over<T: Real>(a: T, b: T, c: T) -> T {
    if T::WIDENS {
        return T::from_f64(a.to_f64() * b.to_f64() / c.to_f64());
    }
    let (product, quotient) = (a * b, b / c);
    let otherwise = if quotient.is_normal() { a * quotient } else { (a / c) * b };
    if product.is_normal() { product / c } else { otherwise }
}

/// `1 − x²` as `(1 − x)(1 + x)`, which keeps its digits near ±1.
#[inline(always)]
pub(super) fn one_minus_square<T: Real>(x: T) -> T {
    (T::one() - x) * (T::one() + x)
}

/// The slope of the error function, `2/√π · e^(-x²)`.
#[inline(always)]
pub(super) fn erf_slope<I: Isa, T: Real>(x: T) -> T {
    (-(x * x)).exp_on::<I>() * T::from_f64(std::f64::consts::FRAC_2_SQRT_PI)
}
