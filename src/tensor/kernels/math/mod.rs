//! Elementary functions that vectorise, with stated accuracy.
//!
//! For `f32` they are written here, of operations that every instruction set has: no tables, no branches, no calls.
//! The frequent ones work in `f32`; the rest work in `f64` and round once, which costs half of the speed and none
//! of the care. For `f64` they are the standard library's and `libm`'s, one element at a time.
//!
//! Largest errors, in units in the last place, over a dense sample of all `f32` (the tests repeat the measurement):
//!
//! | function | ulp |
//! |---|---|
//! | `tanh`, `sigmoid` | 2.5 |
//! | `expm1`, `ln_1p`, `erf` | 1.5 |
//! | `exp`, `ln` | 1 |
//! | everything else | 0.51 |
//!
//! Special values (±0, ±∞, NaN, poles) are those of IEEE 754 and C.
//!
//! The polynomials are minimax approximations, found with the exchange algorithm of Remez (1934) for the relative error
//! of the function that they are part of.

mod double;
pub(crate) mod gamma;
mod single;
#[cfg(test)]
mod tests;
mod wide;

use std::ops::{AddAssign, MulAssign};

use super::Elem;
use super::simd::Isa;

/// `f32` and `f64`, with the elementary functions that the loops use.
///
/// The functions end in `_on` because they are compiled for an instruction set, and to keep them apart from the
/// standard library's.
pub(crate) trait Real: num_traits::Float + num_traits::FloatConst + AddAssign + MulAssign + Elem {
    /// Whether `f64` holds products of several of these numbers and of their reciprocals, without overflow or underflow.
    const WIDENS: bool;
    /// Whether loops that do a lot for each number are compiled for every instruction set. Double precision is there for gradient
    /// checks and for sums that need it, and does with the one that all machines have.
    const WIDE: bool;

    /// The nearest value.
    fn from_f64(x: f64) -> Self;
    /// The same value.
    fn to_f64(self) -> f64;
    /// The nearest integer, halves to the even one.
    fn round_half_even(self) -> Self;
    /// Whether an angle is small enough for the vectorised trigonometric functions.
    fn is_moderate_angle(self) -> bool;

    /// `eˣ`.
    fn exp_on<I: Isa>(self) -> Self;
    /// `2ˣ`.
    fn exp2_on<I: Isa>(self) -> Self;
    /// `eˣ - 1`.
    fn expm1_on<I: Isa>(self) -> Self;
    /// The natural logarithm.
    fn ln_on<I: Isa>(self) -> Self;
    /// The logarithm to base 2.
    fn log2_on<I: Isa>(self) -> Self;
    /// The logarithm to base 10.
    fn log10_on<I: Isa>(self) -> Self;
    /// `ln(1 + x)`.
    fn ln_1p_on<I: Isa>(self) -> Self;
    /// The sine of a [moderate](Self::is_moderate_angle) angle.
    fn sin_on<I: Isa>(self) -> Self;
    /// The cosine of a [moderate](Self::is_moderate_angle) angle.
    fn cos_on<I: Isa>(self) -> Self;
    /// The tangent of a [moderate](Self::is_moderate_angle) angle.
    fn tan_on<I: Isa>(self) -> Self;
    /// The inverse sine.
    fn asin_on<I: Isa>(self) -> Self;
    /// The inverse cosine.
    fn acos_on<I: Isa>(self) -> Self;
    /// The inverse tangent.
    fn atan_on<I: Isa>(self) -> Self;
    /// The angle of the point `(x, self)`.
    fn atan2_on<I: Isa>(self, x: Self) -> Self;
    /// The hyperbolic sine.
    fn sinh_on<I: Isa>(self) -> Self;
    /// The hyperbolic cosine.
    fn cosh_on<I: Isa>(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh_on<I: Isa>(self) -> Self;
    /// The inverse hyperbolic sine.
    fn asinh_on<I: Isa>(self) -> Self;
    /// The inverse hyperbolic cosine.
    fn acosh_on<I: Isa>(self) -> Self;
    /// The inverse hyperbolic tangent.
    fn atanh_on<I: Isa>(self) -> Self;
    /// The error function.
    fn erf_on<I: Isa>(self) -> Self;
    /// `1 - erf(x)`.
    fn erfc_on<I: Isa>(self) -> Self;
    /// How much of the standard normal lies beyond `|self|`, with its digits where it is tiny, and `e^(-x²/2)`.
    fn normal_tail_on<I: Isa>(self) -> (Self, Self);
    /// `1 / (1 + e⁻ˣ)`.
    fn sigmoid_on<I: Isa>(self) -> Self;
    /// `selfᵉ`.
    fn pow_on<I: Isa>(self, exponent: Self) -> Self;
}

/// The polynomial with these coefficients, from the highest power to the constant, by Horner's rule.
#[inline(always)]
fn polynomial<I: Isa, T: Real, const N: usize>(x: T, coefficients: [T; N]) -> T {
    let mut sum = coefficients[0];
    for &c in &coefficients[1..] {
        sum = I::mul_add(sum, x, c);
    }
    sum
}

/// `x` within bounds; NaN stays.
#[inline(always)]
pub(super) fn clamp<T: Real>(x: T, lo: T, hi: T) -> T {
    let x = if x < lo { lo } else { x };
    if x > hi { hi } else { x }
}
