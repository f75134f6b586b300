//! Elementary functions.

use super::super::map::Unary;
use super::super::math::Real;
use super::super::simd::Isa;

real_unary! {
    /// `-x`.
    Neg 1 => |_, x| -x;
    /// `|x|`.
    Abs 1 => |_, x| x.abs();
    /// -1, 0 or 1; 0 for NaN, as PyTorch has it.
    Sign 1 => |_, x| if x > T::zero() { T::one() } else if x < T::zero() { -T::one() } else { T::zero() };
    /// `eˣ`.
    Exp 4 => |_, x| x.exp_on::<I>();
    /// `2ˣ`.
    Exp2 4 => |_, x| x.exp2_on::<I>();
    /// `eˣ - 1`, accurate near zero.
    Expm1 4 => |_, x| x.expm1_on::<I>();
    /// The natural logarithm.
    Log 4 => |_, x| x.ln_on::<I>();
    /// The logarithm to base 2.
    Log2 4 => |_, x| x.log2_on::<I>();
    /// The logarithm to base 10.
    Log10 4 => |_, x| x.log10_on::<I>();
    /// `log(1 + x)`, accurate near zero.
    Log1p 4 => |_, x| x.ln_1p_on::<I>();
    /// `√x`.
    Sqrt 2 => |_, x| x.sqrt();
    /// `1 / √x`.
    Rsqrt 2 => |_, x| T::one() / x.sqrt();
    /// `1 / x`.
    Reciprocal 2 => |_, x| T::one() / x;
    /// `x²`.
    Square 1 => |_, x| x * x;
    /// The inverse sine.
    Asin 8 => |_, x| x.asin_on::<I>();
    /// The inverse cosine.
    Acos 8 => |_, x| x.acos_on::<I>();
    /// The inverse tangent.
    Atan 8 => |_, x| x.atan_on::<I>();
    /// The hyperbolic sine.
    Sinh 8 => |_, x| x.sinh_on::<I>();
    /// The hyperbolic cosine.
    Cosh 8 => |_, x| x.cosh_on::<I>();
    /// The hyperbolic tangent.
    Tanh 4 => |_, x| x.tanh_on::<I>();
    /// The inverse hyperbolic sine.
    Asinh 8 => |_, x| x.asinh_on::<I>();
    /// The inverse hyperbolic cosine.
    Acosh 8 => |_, x| x.acosh_on::<I>();
    /// The inverse hyperbolic tangent.
    Atanh 8 => |_, x| x.atanh_on::<I>();
    /// The error function, `2/√π ∫₀ˣ e^(-t²) dt`.
    Erf 4 => |_, x| x.erf_on::<I>();
    /// `1 - erf(x)`, accurate where that is small.
    Erfc 8 => |_, x| x.erfc_on::<I>();
    /// The largest integer that is not above `x`.
    Floor 1 => |_, x| x.floor();
    /// The smallest integer that is not below `x`.
    Ceil 1 => |_, x| x.ceil();
    /// The nearest integer, halves to the even one.
    Round 1 => |_, x| x.round_half_even();
    /// `x` without its fraction.
    Trunc 1 => |_, x| x.trunc();
    /// `min(max(x, lo), hi)`; NaN stays. A bound that is NaN is none.
    Clamp { lo, hi } 1 => |op, x| {
        let x = if x < op.lo { op.lo } else { x };
        if x > op.hi { op.hi } else { x }
    };
}

/// The same for integers, where they have a meaning of their own.
macro_rules! integer_unary {
    ($($name:ident => |$x:ident| $value:expr;)*) => {$(
        impl Unary<i64> for $name {
            #[inline(always)]
            fn apply<I: Isa>(self, $x: i64) -> i64 {
                $value
            }
        }
    )*};
}

integer_unary! {
    Abs => |x| x.wrapping_abs();
    Sign => |x| x.signum();
}

/// Trigonometric functions, which hand arguments too large for the vectorised ones to the standard library.
macro_rules! trigonometric {
    ($($(#[$doc:meta])* $name:ident => $vector:ident, $scalar:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;
        impl<T: Real> Unary<T> for $name {
            const COST: usize = 8;

            #[inline(always)]
            fn apply<I: Isa>(self, x: T) -> T {
                x.$vector::<I>()
            }

            #[inline(always)]
            fn run<I: Isa>(self, x: &[T], out: &mut [T]) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = self.apply::<I>(x);
                }
                for (out, &x) in out.iter_mut().zip(x) {
                    if !x.is_moderate_angle() {
                        *out = T::from_f64(x.to_f64().$scalar());
                    }
                }
            }
        }
    )*};
}

trigonometric! {
    /// The sine of an angle in radians.
    Sin => sin_on, sin;
    /// The cosine of an angle in radians.
    Cos => cos_on, cos;
    /// The tangent of an angle in radians.
    Tan => tan_on, tan;
}
