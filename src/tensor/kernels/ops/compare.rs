//! Comparisons, logic, and choices made by them.

use super::super::Elem;
use super::super::map::{Binary, Ternary, Unary};
use super::super::math::Real;
use super::super::simd::Isa;

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $op:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;
        impl<T: Elem + PartialOrd> Binary<T, bool> for $name {
            #[inline(always)]
            fn apply<I: Isa>(self, a: T, b: T) -> bool {
                a $op b
            }
        }
    )*};
}

comparisons! {
    /// `a = b`; NaN equals nothing.
    Eq => ==;
    /// `a ≠ b`; NaN differs from everything.
    Ne => !=;
    /// `a < b`.
    Lt => <;
    /// `a ≤ b`.
    Le => <=;
    /// `a > b`.
    Gt => >;
    /// `a ≥ b`.
    Ge => >=;
}

macro_rules! logic {
    ($($(#[$doc:meta])* $name:ident => $op:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;
        impl Binary<bool> for $name {
            #[inline(always)]
            fn apply<I: Isa>(self, a: bool, b: bool) -> bool {
                a $op b
            }
        }
    )*};
}

logic! {
    /// Both.
    And => &;
    /// At least one.
    Or => |;
    /// Exactly one.
    Xor => ^;
}

/// The opposite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Not;

impl Unary<bool> for Not {
    #[inline(always)]
    fn apply<I: Isa>(self, x: bool) -> bool {
        !x
    }
}

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident => |$x:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;
        impl<T: Real> Unary<T, bool> for $name {
            #[inline(always)]
            fn apply<I: Isa>(self, $x: T) -> bool {
                $value
            }
        }
    )*};
}

classes! {
    /// Whether the element is not a number.
    IsNan => |x| x.is_nan();
    /// Whether the element is ±∞.
    IsInf => |x| x.is_infinite();
    /// Whether the element is a number other than ±∞.
    IsFinite => |x| x.is_finite();
}

/// `a` where the condition holds, else `b`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Where;

impl<T: Elem> Ternary<bool, T, T, T> for Where {
    #[inline(always)]
    fn apply<I: Isa>(self, condition: bool, a: T, b: T) -> T {
        if condition { a } else { b }
    }
}
