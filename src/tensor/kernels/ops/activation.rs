//! Activations. Their names, defaults and values at the kinks are PyTorch's.

use super::super::map::Unary;
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

/// `x` itself, but the lowest number for -∞: times 0, that is 0.
#[inline(always)]
fn above_infinity<T: Real>(x: T) -> T {
    if x < T::min_value() { T::min_value() } else { x }
}

/// Twice the argument of the `tanh` in GELU's approximation: `(1 + tanh(u)) / 2` is the sigmoid of `2 u`.
#[inline(always)]
pub(super) fn gelu_tanh_argument<T: Real>(x: T) -> T {
    T::from_f64(2.0 * GELU_TANH_SCALE) * (x + T::from_f64(GELU_TANH_CUBIC) * x * x * x)
}

real_unary! {
    /// `max(0, x)`; NaN stays.
    Relu 1 => |_, x| if x <= T::zero() { T::zero() } else { x };
    /// `x`, or `slope · x` where that is negative.
    LeakyRelu { slope } 1 => |op, x| if x > T::zero() { x } else { x * op.slope };
    /// `x`, or `alpha (eˣ - 1)` where `x` is negative (Clevert et al., 2015).
    Elu { alpha } 4 => |op, x| if x > T::zero() { x } else { op.alpha * x.expm1_on::<I>() };
    /// ELU scaled so that it preserves mean and variance (Klambauer et al., 2017).
    Selu 4 => |_, x| {
        let negative = T::from_f64(SELU_ALPHA) * x.expm1_on::<I>();
        T::from_f64(SELU_SCALE) * if x > T::zero() { x } else { negative }
    };
    /// `x Φ(x)` (Hendrycks and Gimpel, 2016).
    Gelu 4 => |_, x| above_infinity(x) * x.normal_cdf_on::<I>();
    /// GELU with `Φ` approximated by `tanh`.
    GeluTanh 4 => |_, x| above_infinity(x) * gelu_tanh_argument(x).sigmoid_on::<I>();
    /// `x · sigmoid(x)`, also called swish.
    Silu 4 => |_, x| above_infinity(x) * x.sigmoid_on::<I>();
    /// `x · tanh(softplus(x))` (Misra, 2019).
    Mish 4 => |_, x| {
        let (n, _) = tanh_softplus::<I, T>(x);
        above_infinity(x) * (n / (n + T::from_f64(2.0)))
    };
    /// `log(1 + e^(beta x)) / beta`, and `x` itself where `beta x` is above the threshold.
    Softplus { beta, threshold } 8 => |op, x| {
        let z = x * op.beta;
        // The exponential of a negative number cannot overflow, however high the threshold is.
        let positive_part = if z > T::zero() { z } else { T::zero() };
        let y = (positive_part + (-z.abs()).exp_on::<I>().ln_1p_on::<I>()) / op.beta;
        if z > op.threshold { x } else { y }
    };
    /// `x / (1 + |x|)`.
    Softsign 2 => |_, x| {
        let x = clamp(x, T::min_value(), T::max_value());
        x / (T::one() + x.abs())
    };
    /// `min(max(x, lo), hi)`; NaN stays.
    Hardtanh { lo, hi } 1 => |op, x| {
        let x = if x < op.lo { op.lo } else { x };
        if x > op.hi { op.hi } else { x }
    };
    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al., 2019).
    Hardswish 2 => |_, x| above_infinity(x) * (relu6(x + T::from_f64(3.0)) / T::from_f64(6.0));
    /// `min(max(x + 3, 0), 6) / 6`.
    Hardsigmoid 2 => |_, x| relu6(x + T::from_f64(3.0)) / T::from_f64(6.0);
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid 4 => |_, x| x.sigmoid_on::<I>();
    /// `log(sigmoid(x))`, without overflow.
    LogSigmoid 8 => |_, x| {
        let negative_part = if x > T::zero() { T::zero() } else { x };
        negative_part - (-x.abs()).exp_on::<I>().ln_1p_on::<I>()
    };
}

#[inline(always)]
fn relu6<T: Real>(x: T) -> T {
    let x = if x < T::zero() { T::zero() } else { x };
    let six = T::from_f64(6.0);
    if x > six { six } else { x }
}
