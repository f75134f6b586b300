//! Gradients of activations in one pass: from the gradient `g` with respect to the output, and the input `x` or the
//! output `y`, to the gradient with respect to the input. At the kinks they are what PyTorch gives.

use super::super::map::{Binary, Ternary};
use super::super::math::{Real, clamp};
use super::super::simd::Isa;
use super::activation::{
    GELU_TANH_CUBIC, GELU_TANH_SCALE, MISH_LIMIT, SELU_ALPHA, SELU_SCALE, gelu_tanh_argument, sigmoid_and_slope,
    tanh_softplus,
};

/// Beyond ± this, the slopes of GELU and its approximation are 0 and 1, in `f64` as well.
pub(crate) const GELU_LIMIT: f64 = 40.0;
/// The same for SiLU and Mish.
pub(crate) const SILU_LIMIT: f64 = 1000.0;
/// Beyond ± this, `1 + x²` is `x²` to any precision.
pub(crate) const LARGE: f64 = 1e9;

#[inline(always)]
fn within<T: Real>(x: T, limit: f64) -> T {
    clamp(x, T::from_f64(-limit), T::from_f64(limit))
}

/// How `a / b` grows with `b`, times `g`: `-g a / b²`, without a square that leaves the range of the type.
#[inline(always)]
fn quotient_slope<T: Real>(g: T, a: T, b: T) -> T {
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
fn angle_slope<T: Real>(g: T, a: T, b: T) -> T {
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
fn product_over<T: Real>(a: T, b: T, c: T) -> T {
    if T::WIDENS {
        return T::from_f64(a.to_f64() * b.to_f64() / c.to_f64());
    }
    let (product, quotient) = (a * b, b / c);
    let otherwise = if quotient.is_normal() { a * quotient } else { (a / c) * b };
    if product.is_normal() { product / c } else { otherwise }
}

macro_rules! real_ternary {
    ($($(#[$doc:meta])* $name:ident $cost:literal => |$a:ident, $b:ident, $c:ident| $value:expr;)*) => {$(
        real_struct!($(#[$doc])* $name);
        impl<T: Real> Ternary<T, T, T, T> for $name {
            const COST: usize = $cost;
            #[inline(always)]
            fn apply<I: Isa>(self, $a: T, $b: T, $c: T) -> T {
                $value
            }
        }
    )*};
}

real_ternary! {
    /// Of a quotient `a / b`, for `b`, from `(g, a, b)`.
    DivGrad 4 => |g, a, b| quotient_slope(g, a, b);
    /// Of the angle of the point `(x = b, y = a)`, for `b`, from `(g, a, b)`; the negative of it for `a`, from `(g, b, a)`.
    Atan2Grad 4 => |g, a, b| -angle_slope(g, a, b);
    /// Of a power `aᵇ`, for `a`, from `(g, a, b)`: `g b aᵇ⁻¹`, and 0 where `b` is. Exponents below 1 lose digits when 1 is taken
    /// from them; of those it is `g b aᵇ / a`.
    PowGrad 8 => |g, a, b| {
        let direct = b >= T::one() || a.is_zero() || a.is_infinite();
        let power = a.pow_on::<I>(if direct { b - T::one() } else { b });
        let slope = if direct { b * power } else { product_over(b, power, a) };
        if b.is_zero() { T::zero() } else { g * slope }
    };
}

real_binary! {
    /// Of |x|: `g · sign(x)`, from `(g, x)`.
    AbsGrad 1 => |_, g, x| {
        if x > T::zero() { g } else if x < T::zero() { -g } else { g * T::zero() }
    };
    /// Of the square root, from `(g, y)`.
    SqrtGrad 2 => |_, g, y| g / (y + y);
    /// Of clamping, from `(g, x)`: `g` strictly between the bounds, else 0. A bound that is NaN is none.
    ClampGrad { lo, hi } 1 => |op, g, x| if x <= op.lo || x >= op.hi || x.is_nan() { T::zero() } else { g };
    /// Of ReLU, from `(g, y)`: 0 at 0.
    ReluGrad 1 => |_, g, y| if y <= T::zero() { T::zero() } else { g };
    /// Of leaky ReLU, from `(g, x)`: `slope` at 0.
    LeakyReluGrad { slope } 1 => |op, g, x| if x > T::zero() { g } else { g * op.slope };
    /// Of `c / x`, from `(g, x)`.
    RDivGrad { c } 4 => |op, g, x| quotient_slope(g, op.c, x);
    /// Of the reciprocal, from `(g, y)`. In this order, nothing leaves the range of the type unless the result does; the
    /// same holds for the next one.
    ReciprocalGrad 1 => |_, g, y| -(g * y) * y;
    /// Of the reciprocal of the square root, from `(g, y)`.
    RsqrtGrad 1 => |_, g, y| g * (y * T::from_f64(-0.5)) * y * y;
    /// Of the inverse tangent, from `(g, x)`.
    AtanGrad 2 => |_, g, x| if x.abs() > T::from_f64(LARGE) { g / x / x } else { g / (T::one() + x * x) };
    /// Of the inverse hyperbolic sine, from `(g, x)`.
    AsinhGrad 4 => |_, g, x| {
        if x.abs() > T::from_f64(LARGE) { g / x.abs() } else { g / (T::one() + x * x).sqrt() }
    };
    /// Of ELU, from `(g, x)`.
    EluGrad { alpha } 4 => |op, g, x| if x <= T::zero() { g * op.alpha * x.exp_on::<I>() } else { g };
    /// Of SELU, from `(g, x)`.
    SeluGrad 4 => |_, g, x| {
        let negative = T::from_f64(SELU_ALPHA) * x.exp_on::<I>();
        g * T::from_f64(SELU_SCALE) * if x <= T::zero() { negative } else { T::one() }
    };
    /// Of GELU, from `(g, x)`: `g (Φ(x) + x φ(x))`.
    GeluGrad 8 => |_, g, x| {
        let density = (x * x * T::from_f64(-0.5)).exp_on::<I>() * T::from_f64(0.398_942_280_401_432_7);
        g * (x.normal_cdf_on::<I>() + within(x, GELU_LIMIT) * density)
    };
    /// Of the tanh form of GELU, from `(g, x)`.
    GeluTanhGrad 8 => |_, g, x| {
        let (scale, cubic) = (T::from_f64(GELU_TANH_SCALE), T::from_f64(GELU_TANH_CUBIC));
        let (s, slope) = sigmoid_and_slope::<I, T>(gelu_tanh_argument(x));
        let x = within(x, GELU_LIMIT);
        let inner = T::from_f64(2.0) * scale * (T::one() + T::from_f64(3.0) * cubic * x * x);
        g * (s + x * slope * inner)
    };
    /// Of SiLU, from `(g, x)`.
    SiluGrad 4 => |_, g, x| {
        let (s, slope) = sigmoid_and_slope::<I, T>(x);
        g * (s + within(x, SILU_LIMIT) * slope)
    };
    /// Of Mish, from `(g, x)`.
    MishGrad 8 => |_, g, x| {
        let (n, e) = tanh_softplus::<I, T>(x);
        let d = n + T::from_f64(2.0);
        // The square of tanh, taken from 1, is 4 (n + 1) / d², and n + 1 = (1 + e)².
        let slope = T::from_f64(4.0) * e * (T::one() + e) / (d * d);
        // Beyond the limit of `tanh_softplus` the slope does not follow `x` any more; it is 0 to any precision.
        let rise = if x > T::from_f64(MISH_LIMIT) { T::zero() } else { within(x, SILU_LIMIT) * slope };
        g * (n / d + rise)
    };
    /// Of softplus, from `(g, x)`.
    SoftplusGrad { beta, threshold } 4 => |op, g, x| {
        let z = x * op.beta;
        if z > op.threshold { g } else { g * z.sigmoid_on::<I>() }
    };
    /// Of softsign, from `(g, x)`.
    SoftsignGrad 2 => |_, g, x| {
        let d = T::one() + x.abs();
        g / d / d
    };
    /// Of hardtanh, from `(g, x)`: 0 at the bounds.
    HardtanhGrad { lo, hi } 1 => |op, g, x| if x <= op.lo || x >= op.hi { T::zero() } else { g };
    /// Of hardswish, from `(g, x)`.
    HardswishGrad 2 => |_, g, x| {
        let three = T::from_f64(3.0);
        if x <= -three {
            T::zero()
        } else if x >= three {
            g
        } else {
            g * (x / three + T::from_f64(0.5))
        }
    };
    /// Of hardsigmoid, from `(g, x)`.
    HardsigmoidGrad 2 => |_, g, x| {
        let three = T::from_f64(3.0);
        if x > -three && x < three { g / T::from_f64(6.0) } else { T::zero() }
    };
    /// Of the sigmoid, from `(g, y)`.
    SigmoidGrad 1 => |_, g, y| g * y * (T::one() - y);
    /// Of tanh, from `(g, y)`.
    TanhGrad 1 => |_, g, y| g * ((T::one() - y) * (T::one() + y));
    /// Of the logarithm of the sigmoid, from `(g, x)`.
    LogSigmoidGrad 4 => |_, g, x| g * (-x).sigmoid_on::<I>();
}
