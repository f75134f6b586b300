//! Arithmetic with one number for all elements.

use super::super::map::Unary;
use super::super::math::Real;
use super::super::simd::Isa;
use super::arithmetic::Number;
use super::elementary::{Reciprocal, Rsqrt, Sqrt, Square};

/// Operations on every [`Number`] that hold one: `Name cost => |c, x| value;`.
macro_rules! number_scalar {
    ($($(#[$doc:meta])* $name:ident $cost:literal => |$c:ident, $x:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name<T>(pub(crate) T);
        impl<T: Number> Unary<T> for $name<T> {
            const COST: usize = $cost;
            #[inline(always)]
            fn apply<I: Isa>(self, $x: T) -> T {
                let $c = self.0;
                $value
            }
        }
    )*};
}

number_scalar! {
    /// `x + c`.
    AddScalar 1 => |c, x| x.plus(c);
    /// `c · x`.
    MulScalar 1 => |c, x| x.times(c);
    /// `x / c`. Unlike a product with the reciprocal, it is rounded once.
    DivScalar 2 => |c, x| x.over(c);
    /// `c - x`.
    RSubScalar 1 => |c, x| c.minus(x);
    /// `c / x`.
    RDivScalar 2 => |c, x| c.over(x);
    /// The larger of `x` and `c`; NaN stays.
    MaxScalar 1 => |c, x| if x > c || x.is_nan() { x } else { c };
    /// The smaller of `x` and `c`; NaN stays.
    MinScalar 1 => |c, x| if x < c || x.is_nan() { x } else { c };
}

/// `xᶜ`, with shorter ways for the exponents that people use: 0, ±½, ±1, ±2 and 3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PowScalar<T>(pub(crate) T);

impl<T: Real> Unary<T> for PowScalar<T> {
    const COST: usize = 4;

    #[inline(always)]
    fn apply<I: Isa>(self, x: T) -> T {
        x.pow_on::<I>(self.0)
    }

    #[inline(always)]
    fn run<I: Isa>(self, x: &[T], out: &mut [T]) {
        let is = |c: f64| self.0 == T::from_f64(c);
        if is(0.0) {
            out.fill(T::one());
        } else if is(1.0) {
            out.copy_from_slice(x);
        } else if is(2.0) {
            Square.run::<I>(x, out);
        } else if is(3.0) {
            Cube.run::<I>(x, out);
        } else if is(0.5) {
            Sqrt.run::<I>(x, out);
        } else if is(-0.5) {
            Rsqrt.run::<I>(x, out);
        } else if is(-1.0) {
            Reciprocal.run::<I>(x, out);
        } else if is(-2.0) {
            InverseSquare.run::<I>(x, out);
        } else {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = self.apply::<I>(x);
            }
        }
    }
}

/// `x³`.
#[derive(Debug, Clone, Copy)]
struct Cube;

impl<T: Real> Unary<T> for Cube {
    #[inline(always)]
    fn apply<I: Isa>(self, x: T) -> T {
        x * x * x
    }
}

/// `1 / x²`.
#[derive(Debug, Clone, Copy)]
struct InverseSquare;

impl<T: Real> Unary<T> for InverseSquare {
    #[inline(always)]
    fn apply<I: Isa>(self, x: T) -> T {
        // The square of the reciprocal is in range where the result is.
        let reciprocal = T::one() / x;
        reciprocal * reciprocal
    }
}
