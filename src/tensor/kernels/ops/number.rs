//! The numbers that arithmetic works on.

use super::super::Elem;
use super::super::math::Real;
use super::super::simd::Isa;

/// The types with arithmetic: `f32`, `f64`, `i64`, and `u8` in sums.
///
/// Integers wrap around; dividing one by zero gives zero.
pub(crate) trait Number: Elem + PartialOrd {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The quotient, of integers truncated towards zero.
    fn over(self, other: Self) -> Self;
    /// The quotient rounded to a whole number: down, or towards zero.
    fn over_floor(self, other: Self) -> Self;
    fn over_trunc(self, other: Self) -> Self;
    /// The remainder with the sign of the divisor.
    fn modulo(self, other: Self) -> Self;
    /// The power. Negative powers of integers are truncated towards zero: ±1 for ±1, else 0.
    fn power<I: Isa>(self, exponent: Self) -> Self;
    fn is_nan(self) -> bool;
}

macro_rules! real_numbers {
    ($($t:ty),*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn minus(self, other: Self) -> Self { self - other }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }
            #[inline(always)]
            fn over(self, other: Self) -> Self { self / other }
            #[inline(always)]
            fn over_floor(self, other: Self) -> Self {
                let quotient = self / other;
                if other == 0.0 {
                    return quotient;
                }
                // What the remainder leaves is a multiple but for rounding; the quotient itself could lie on the wrong side of a
                // whole number.
                let r = self % other;
                let below = if r != 0.0 && (r < 0.0) != (other < 0.0) { 1.0 } else { 0.0 };
                let exact = (self - r) / other - below;
                if exact == 0.0 {
                    return <$t>::copysign(0.0, quotient);
                }
                let down = exact.floor();
                if exact - down > 0.5 { down + 1.0 } else { down }
            }
            #[inline(always)]
            fn over_trunc(self, other: Self) -> Self { (self / other).trunc() }
            #[inline(always)]
            fn modulo(self, other: Self) -> Self {
                let r = self % other;
                if r != 0.0 && (r < 0.0) != (other < 0.0) { r + other } else { r }
            }
            #[inline(always)]
            fn power<I: Isa>(self, exponent: Self) -> Self { self.pow_on::<I>(exponent) }
            #[inline(always)]
            fn is_nan(self) -> bool { <$t>::is_nan(self) }
        }
    )*};
}
real_numbers!(f32, f64);

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn over(self, other: Self) -> Self { if other == 0 { 0 } else { self.wrapping_div(other) } }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn over_floor(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let r = self.wrapping_rem(other);
                let below = Self::from(r != 0 && (r < 0) != (other < 0));
                self.wrapping_div(other).wrapping_sub(below)
            }
            #[inline(always)]
            fn over_trunc(self, other: Self) -> Self { self.over(other) }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn modulo(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let r = self.wrapping_rem(other);
                if r != 0 && (r < 0) != (other < 0) { r.wrapping_add(other) } else { r }
            }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn power<I: Isa>(self, mut exponent: Self) -> Self {
                if exponent < 0 {
                    let odd = exponent % 2 != 0;
                    return if self == 1 || (self.wrapping_add(1) == 0 && !odd) {
                        1
                    } else if self.wrapping_add(1) == 0 {
                        self
                    } else {
                        0
                    };
                }
                let (mut base, mut power): (Self, Self) = (self, 1);
                while exponent != 0 {
                    if exponent % 2 != 0 {
                        power = power.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    exponent /= 2;
                }
                power
            }
            #[inline(always)]
            fn is_nan(self) -> bool { false }
        }
    )*};
}
integers!(i64, u8);
