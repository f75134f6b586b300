//! Functions of one number, with their slopes.
//!
//! A row is `Name { numbers } cost => |x| formula, by x cost => |g, x| slope;`. The slope is what the gradient `g` of the
//! result becomes, computed from the argument (`by x`) or the result (`by y`), which is then kept until the backward pass;
//! where it is one operation on tensors, it needs no formula here. At the kinks, values and slopes are PyTorch's, as are the
//! names. `T` is `f32` or `f64`, `I` the instruction set.

use super::super::block::{Args, Chunks, Loop};
use super::super::math::{Real, clamp, gamma};
use super::super::simd::Isa;
use super::formulas::*;
use super::{Function, Row, pad};

/// What the slope of a function is computed from, besides the gradient of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    Nothing,
    Argument,
    Result,
}

/// A function with its slope.
#[derive(Clone, Copy)]
struct UnaryRow {
    value: Row<1>,
    saved: Saved,
    slope: Option<Row<2>>,
}

macro_rules! saved {
    () => {
        Saved::Nothing
    };
    (x) => {
        Saved::Argument
    };
    (y) => {
        Saved::Result
    };
}

macro_rules! rows {
    ($(
        $(#[$doc:meta])*
        $name:ident $({ $($field:ident),* })? $cost:literal
        $(=> |$x:ident| $value:expr)?
        $(, by $saved:ident $($slope_cost:literal => |$g:ident, $s:ident| $slope:expr)?)?;
    )*) => {
        /// A function of one number, with the numbers that it holds.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(crate) enum UnaryOp {
            $($(#[$doc])* $name $({ $($field: f64),* })?,)*
        }

        impl UnaryOp {
            pub(crate) fn args(self) -> Args {
                match self {
                    $(Self::$name $({ $($field),* })? => pad([$($($field),*)?]),)*
                }
            }

            fn row(self) -> &'static UnaryRow {
                match self {
                    $(Self::$name { .. } => const {
                        &UnaryRow {
                            value: Row::real::<$name>($cost),
                            saved: saved!($($saved)?),
                            slope: rows!(@slope $name $($($slope_cost)?)?),
                        }
                    },)*
                }
            }
        }

        $(
            enum $name {}
            rows!(@value $name [$($($field)*)?] $(|$x| $value)?);
            rows!(@by $name [$($($field)*)?] $($(|$g, $s| $slope)?)?);
        )*
    };
    (@value $name:ident [$($field:ident)*]) => {};
    (@value $name:ident [$($field:ident)*] |$x:ident| $value:expr) => {
        impl<T: Real> Function<T, T, 1> for $name {
            #[inline(always)]
            fn of<I: Isa>(args: Args, [$x]: [T; 1]) -> T {
                let [$($field,)* ..] = [T::from_f64(args[0]), T::from_f64(args[1])];
                $value
            }
        }
    };
    (@by $name:ident [$($field:ident)*]) => {};
    (@by $name:ident [$($field:ident)*] |$g:ident, $s:ident| $slope:expr) => {
        impl<T: Real> Function<T, T, 2> for $name {
            #[inline(always)]
            fn of<I: Isa>(args: Args, [$g, $s]: [T; 2]) -> T {
                let [$($field,)* ..] = [T::from_f64(args[0]), T::from_f64(args[1])];
                $slope
            }
        }
    };
    (@slope $name:ident) => { None };
    (@slope $name:ident $cost:literal) => { Some(Row::real::<$name>($cost)) };
}

rows! {
    /// `x + c`.
    AddScalar { c } 1 => |x| x + c;
    /// `c · x`.
    MulScalar { c } 1 => |x| x * c;
    /// `x / c`. Unlike a product with the reciprocal, it is rounded once.
    DivScalar { c } 2 => |x| x / c;
    /// `c - x`.
    RSubScalar { c } 1 => |x| c - x;
    /// `c / x`.
    RDivScalar { c } 2 => |x| c / x,
        by x 4 => |g, x| quotient_slope(g, c, x);
    /// `-x`.
    Neg 1 => |x| -x;
    /// `x²`.
    Square 1 => |x| x * x,
        by x 1 => |g, x| g * T::from_f64(2.0) * x;
    /// `xᵉ`, with shorter ways for the exponents that people use: 0, ±½, ±1, ±2 and 3. The loop is below.
    PowScalar { exponent } 4, by x;
    /// `√x`.
    Sqrt 2 => |x| x.sqrt(),
        by y 2 => |g, y| g / (y + y);
    /// `1 / √x`. In this order, nothing leaves the range of the type unless the slope does; the same holds for the next one.
    Rsqrt 2 => |x| T::one() / x.sqrt(),
        by y 1 => |g, y| g * (y * T::from_f64(-0.5)) * y * y;
    /// `1 / x`.
    Reciprocal 2 => |x| T::one() / x,
        by y 1 => |g, y| -(g * y) * y;

    /// `|x|`. The slope at 0 is 0.
    Abs 1 => |x| x.abs(),
        by x 1 => |g, x| if x > T::zero() { g } else if x < T::zero() { -g } else { g * T::zero() };
    /// -1, 0 or 1; 0 for NaN.
    Sign 1 => |x| if x > T::zero() { T::one() } else if x < T::zero() { -T::one() } else { T::zero() };
    /// The largest integer that is not above `x`.
    Floor 1 => |x| x.floor();
    /// The smallest integer that is not below `x`.
    Ceil 1 => |x| x.ceil();
    /// The nearest integer, halves to the even one.
    Round 1 => |x| x.round_half_even();
    /// `x` without its fraction.
    Trunc 1 => |x| x.trunc();
    /// `min(max(x, lo), hi)`; NaN stays. A bound that is NaN is none. The slope is 1 strictly between the bounds, else 0.
    Clamp { lo, hi } 1 => |x| {
            let x = if x < lo { lo } else { x };
            if x > hi { hi } else { x }
        },
        by x 1 => |g, x| if x <= lo || x >= hi || x.is_nan() { T::zero() } else { g };

    /// `eˣ`.
    Exp 4 => |x| x.exp_on::<I>(), by y;
    /// `2ˣ`.
    Exp2 4 => |x| x.exp2_on::<I>(),
        by y 1 => |g, y| g * (y * T::LN_2());
    /// `eˣ - 1`, accurate near zero.
    Expm1 4 => |x| x.expm1_on::<I>(),
        by x 4 => |g, x| g * x.exp_on::<I>();
    /// The natural logarithm.
    Log 4 => |x| x.ln_on::<I>(), by x;
    /// The logarithm to base 2.
    Log2 4 => |x| x.log2_on::<I>(),
        by x 2 => |g, x| g / T::LN_2() / x;
    /// The logarithm to base 10.
    Log10 4 => |x| x.log10_on::<I>(),
        by x 2 => |g, x| g / T::LN_10() / x;
    /// `log(1 + x)`, accurate near zero.
    Log1p 4 => |x| x.ln_1p_on::<I>(),
        by x 2 => |g, x| g / (x + T::one());

    /// The sine of an angle in radians. The loop is below, as those of the next two.
    Sin 8, by x;
    /// The cosine of an angle in radians.
    Cos 8, by x;
    /// The tangent of an angle in radians.
    Tan 8, by y 1 => |g, y| g * (y * y + T::one());
    /// The inverse sine.
    Asin 8 => |x| x.asin_on::<I>(),
        by x 4 => |g, x| g * (T::one() / one_minus_square(x).sqrt());
    /// The inverse cosine.
    Acos 8 => |x| x.acos_on::<I>(),
        by x 4 => |g, x| g * -(T::one() / one_minus_square(x).sqrt());
    /// The inverse tangent.
    Atan 8 => |x| x.atan_on::<I>(),
        by x 2 => |g, x| if x.abs() > T::from_f64(LARGE) { g / x / x } else { g / (T::one() + x * x) };
    /// The hyperbolic sine.
    Sinh 8 => |x| x.sinh_on::<I>(),
        by x 8 => |g, x| g * x.cosh_on::<I>();
    /// The hyperbolic cosine.
    Cosh 8 => |x| x.cosh_on::<I>(),
        by x 8 => |g, x| g * x.sinh_on::<I>();
    /// The hyperbolic tangent.
    Tanh 4 => |x| x.tanh_on::<I>(),
        by x 4 => |g, x| g * (T::from_f64(4.0) * sigmoid_and_slope::<I, T>(x + x).1);
    /// `x - tanh(x)`.
    Tanhshrink 4 => |x| x - x.tanh_on::<I>(),
        by x 4 => |g, x| {
            let t = x.tanh_on::<I>();
            g * t * t
        };
    /// The inverse hyperbolic sine.
    Asinh 8 => |x| x.asinh_on::<I>(),
        by x 4 => |g, x| {
            if x.abs() > T::from_f64(LARGE) { g / x.abs() } else { g / (T::one() + x * x).sqrt() }
        };
    /// The inverse hyperbolic cosine.
    Acosh 8 => |x| x.acosh_on::<I>(),
        by x 4 => |g, x| g * (T::one() / (x - T::one()).sqrt()) * (T::one() / (x + T::one()).sqrt());
    /// The inverse hyperbolic tangent.
    Atanh 8 => |x| x.atanh_on::<I>(),
        by x 2 => |g, x| g / one_minus_square(x);
    /// The error function, `2/√π ∫₀ˣ e^(-t²) dt`.
    Erf 4 => |x| x.erf_on::<I>(),
        by x 4 => |g, x| g * erf_slope::<I, T>(x);
    /// `1 - erf(x)`, accurate where that is small.
    Erfc 8 => |x| x.erfc_on::<I>(),
        by x 4 => |g, x| g * -erf_slope::<I, T>(x);
    /// The inverse of the error function.
    Erfinv 64 => |x| T::from_f64(gamma::erfinv(x.to_f64())), by y;
    /// The logarithm of the size of the gamma function.
    Lgamma 64 => |x| T::from_f64(libm::lgamma(x.to_f64())), by x;
    /// A derivative of the logarithmic derivative of the gamma function.
    Polygamma { order } 64 => |x| T::from_f64(gamma::polygamma(order.to_f64(), x.to_f64())), by x;

    /// `max(0, x)`; NaN stays. The slope at 0 is 0.
    Relu 1 => |x| if x <= T::zero() { T::zero() } else { x },
        by y 1 => |g, y| if y <= T::zero() { T::zero() } else { g };
    /// `x`, or `slope · x` where that is negative.
    LeakyRelu { slope } 1 => |x| if x > T::zero() { x } else { x * slope },
        by x 1 => |g, x| if x > T::zero() { g } else { g * slope };
    /// `x`, or `alpha (e^(rate x) - 1)` where `x` is negative (Clevert et al., 2015): ELU with a rate of 1, CELU with `1 / alpha`.
    Elu { alpha, rate } 4 => |x| if x > T::zero() { x } else { alpha * (x * rate).expm1_on::<I>() },
        by x 4 => |g, x| if x <= T::zero() { g * alpha * rate * (x * rate).exp_on::<I>() } else { g };
    /// ELU scaled so that it preserves mean and variance (Klambauer et al., 2017).
    Selu 4 => |x| {
            let negative = T::from_f64(SELU_ALPHA) * x.expm1_on::<I>();
            T::from_f64(SELU_SCALE) * if x > T::zero() { x } else { negative }
        },
        by x 4 => |g, x| {
            let negative = T::from_f64(SELU_ALPHA) * x.exp_on::<I>();
            g * T::from_f64(SELU_SCALE) * if x <= T::zero() { negative } else { T::one() }
        };
    /// `x Φ(x)` (Hendrycks and Gimpel, 2016), with the slope `Φ(x) + x φ(x)`.
    Gelu 4 => |x| above_infinity(x) * normal_cdf::<I, T>(x).0,
        by x 8 => |g, x| {
            let (cdf, e) = normal_cdf::<I, T>(x);
            g * (cdf + within(x, GELU_LIMIT) * (e * T::from_f64(0.398_942_280_401_432_7)))
        };
    /// GELU with `Φ` approximated by `tanh`.
    GeluTanh 4 => |x| above_infinity(x) * gelu_tanh_argument(x).sigmoid_on::<I>(),
        by x 8 => |g, x| {
            let (scale, cubic) = (T::from_f64(GELU_TANH_SCALE), T::from_f64(GELU_TANH_CUBIC));
            let (s, slope) = sigmoid_and_slope::<I, T>(gelu_tanh_argument(x));
            let x = within(x, GELU_LIMIT);
            let inner = T::from_f64(2.0) * scale * (T::one() + T::from_f64(3.0) * cubic * x * x);
            g * (s + x * slope * inner)
        };
    /// `x · sigmoid(x)`, also called swish.
    Silu 4 => |x| above_infinity(x) * x.sigmoid_on::<I>(),
        by x 4 => |g, x| {
            let (s, slope) = sigmoid_and_slope::<I, T>(x);
            g * (s + within(x, SILU_LIMIT) * slope)
        };
    /// `x · tanh(softplus(x))` (Misra, 2019).
    Mish 4 => |x| {
            let (n, _) = tanh_softplus::<I, T>(x);
            above_infinity(x) * (n / (n + T::from_f64(2.0)))
        },
        by x 8 => |g, x| {
            let (n, e) = tanh_softplus::<I, T>(x);
            let d = n + T::from_f64(2.0);
            // The square of tanh, taken from 1, is 4 (n + 1) / d², and n + 1 = (1 + e)².
            let slope = T::from_f64(4.0) * e * (T::one() + e) / (d * d);
            // Beyond the limit of `tanh_softplus` the slope does not follow `x` any more; it is 0 to any precision.
            let rise = if x > T::from_f64(MISH_LIMIT) { T::zero() } else { within(x, SILU_LIMIT) * slope };
            g * (n / d + rise)
        };
    /// `log(1 + e^(beta x)) / beta`, and `x` itself where `beta x` is above the threshold.
    Softplus { beta, threshold } 8 => |x| {
            let z = x * beta;
            // The exponential of a negative number cannot overflow, however high the threshold is.
            let positive_part = if z > T::zero() { z } else { T::zero() };
            let y = (positive_part + (-z.abs()).exp_on::<I>().ln_1p_on::<I>()) / beta;
            if z > threshold { x } else { y }
        },
        by x 4 => |g, x| {
            let z = x * beta;
            if z > threshold { g } else { g * z.sigmoid_on::<I>() }
        };
    /// `x / (1 + |x|)`.
    Softsign 2 => |x| {
            let x = clamp(x, T::min_value(), T::max_value());
            x / (T::one() + x.abs())
        },
        by x 2 => |g, x| {
            let d = T::one() + x.abs();
            g / d / d
        };
    /// `min(max(x, lo), hi)`; NaN stays. The slope at the bounds is 0.
    Hardtanh { lo, hi } 1 => |x| clamp(x, lo, hi),
        by x 1 => |g, x| if x <= lo || x >= hi { T::zero() } else { g };
    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al., 2019).
    Hardswish 2 => |x| above_infinity(x) * (relu6(x + T::from_f64(3.0)) / T::from_f64(6.0)),
        by x 2 => |g, x| {
            let three = T::from_f64(3.0);
            if x <= -three {
                T::zero()
            } else if x >= three {
                g
            } else {
                g * (x / three + T::from_f64(0.5))
            }
        };
    /// `min(max(x + 3, 0), 6) / 6`.
    Hardsigmoid 2 => |x| relu6(x + T::from_f64(3.0)) / T::from_f64(6.0),
        by x 2 => |g, x| {
            let three = T::from_f64(3.0);
            if x > -three && x < three { g / T::from_f64(6.0) } else { T::zero() }
        };
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid 4 => |x| x.sigmoid_on::<I>(),
        by x 4 => |g, x| g * sigmoid_and_slope::<I, T>(x).1;
    /// `log(sigmoid(x))`, without overflow.
    LogSigmoid 8 => |x| {
            let negative_part = if x > T::zero() { T::zero() } else { x };
            negative_part - (-x.abs()).exp_on::<I>().ln_1p_on::<I>()
        },
        by x 4 => |g, x| g * (-x).sigmoid_on::<I>();
}

impl UnaryOp {
    /// The function itself.
    pub(crate) fn value(self) -> &'static Row<1> {
        &self.row().value
    }

    /// What to keep for the slope.
    pub(crate) fn saved(self) -> Saved {
        self.row().saved
    }

    /// The slope, of `(g, x)` or `(g, y)`. `None` if there is no formula for it.
    pub(crate) fn slope(self) -> Option<&'static Row<2>> {
        self.row().slope.as_ref()
    }
}

/// Rows with a loop of their own. It is implemented for each type: the compiler has to see that they are no [`Function`]s.
macro_rules! looped {
    ($($name:ident: |$args:pat_param, $x:ident, $out:ident| $body:expr;)*) => {$(
        looped!(@of f32, $name, $args, $x, $out, $body);
        looped!(@of f64, $name, $args, $x, $out, $body);
    )*};
    (@of $T:ident, $name:ident, $args:pat_param, $x:ident, $out:ident, $body:expr) => {
        impl Loop<$T, $T, 1> for $name {
            #[inline(always)]
            fn run<I: Isa>($args: Args, [$x]: [&Chunks<$T>; 1], $out: &mut Chunks<$T>) {
                let ($x, $out) = ($x.as_flattened(), $out.as_flattened_mut());
                $body
            }
        }
    };
}

looped! {
    PowScalar: |args, x, out| power::<I, _>(args, x, out);
    Sin: |_, x, out| {
        each(x, out, |x| x.sin_on::<I>());
        where_large(x, out, f64::sin);
    };
    Cos: |_, x, out| {
        each(x, out, |x| x.cos_on::<I>());
        where_large(x, out, f64::cos);
    };
    Tan: |_, x, out| {
        each(x, out, |x| x.tan_on::<I>());
        where_large(x, out, f64::tan);
    };
}

#[inline(always)]
fn each<T: Real>(x: &[T], out: &mut [T], f: impl Fn(T) -> T) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = f(x);
    }
}

/// Arguments too large for the vectorised functions are handed to the standard library.
#[inline(always)]
fn where_large<T: Real>(x: &[T], out: &mut [T], f: fn(f64) -> f64) {
    for (out, &x) in out.iter_mut().zip(x) {
        if !x.is_moderate_angle() {
            *out = T::from_f64(f(x.to_f64()));
        }
    }
}

#[inline(always)]
fn power<I: Isa, T: Real>(args: Args, x: &[T], out: &mut [T]) {
    let exponent = T::from_f64(args[0]);
    let is = |c: f64| exponent == T::from_f64(c);
    if is(0.0) {
        out.fill(T::one());
    } else if is(1.0) {
        out.copy_from_slice(x);
    } else if is(2.0) {
        each(x, out, |x| x * x);
    } else if is(3.0) {
        each(x, out, |x| x * x * x);
    } else if is(0.5) {
        each(x, out, |x| x.sqrt());
    } else if is(-0.5) {
        each(x, out, |x| T::one() / x.sqrt());
    } else if is(-1.0) {
        each(x, out, |x| T::one() / x);
    } else if is(-2.0) {
        // The square of the reciprocal is in range where the result is.
        each(x, out, |x| {
            let reciprocal = T::one() / x;
            reciprocal * reciprocal
        });
    } else {
        each(x, out, |x| x.pow_on::<I>(exponent));
    }
}
