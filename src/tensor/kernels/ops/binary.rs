//! Functions of two numbers, with the slopes that are more than one operation on tensors.

use super::super::block::{Args, Block, Chunks, Loop};
use super::super::math::Real;
use super::super::simd::Isa;
use super::formulas::*;
use super::{Function, Number, Row, pad};

macro_rules! rows {
    (
        numbers { $($(#[$number_doc:meta])* $number:ident $number_cost:literal => |$x:ident, $y:ident| $number_value:expr;)* }
        reals {
            $(
                $(#[$doc:meta])*
                $name:ident $({ $($field:ident),* })? $cost:literal => |$a:ident, $b:ident| $value:expr;
            )*
        }
        slopes {
            $($of:ident $slope_cost:literal => |$g:ident, $p:ident, $q:ident| $slope:expr;)*
        }
    ) => {
        /// A function of two numbers, with the numbers that it holds.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(crate) enum BinaryOp {
            $($(#[$number_doc])* $number,)*
            $($(#[$doc])* $name $({ $($field: f64),* })?,)*
        }

        impl BinaryOp {
            pub(crate) fn args(self) -> Args {
                match self {
                    $(Self::$number => pad([]),)*
                    $(Self::$name $({ $($field),* })? => pad([$($($field),*)?]),)*
                }
            }

            /// The function itself. Those of integers as well as real numbers have loops for both.
            pub(crate) fn value(self) -> &'static Row<2> {
                match self {
                    $(Self::$number => const { &Row::number::<$number>($number_cost) },)*
                    $(Self::$name { .. } => const { &Row::real::<$name>($cost) },)*
                }
            }

            /// A slope of three numbers, see the rows. `None` if there is no formula for it.
            pub(crate) fn slope(self) -> Option<&'static Row<3>> {
                match self {
                    $(Self::$of { .. } => Some(const { &Row::real::<$of>($slope_cost) }),)*
                    _ => None,
                }
            }
        }

        $(
            enum $number {}
            impl<T: Number> Function<T, T, 2> for $number {
                #[inline(always)]
                fn of<I: Isa>(_: Args, [$x, $y]: [T; 2]) -> T {
                    $number_value
                }
            }
        )*
        $(
            enum $name {}
            impl<T: Real> Function<T, T, 2> for $name {
                #[inline(always)]
                fn of<I: Isa>(args: Args, [$a, $b]: [T; 2]) -> T {
                    let [$($($field,)*)? ..] = [T::from_f64(args[0]), T::from_f64(args[1])];
                    $value
                }
            }
        )*
        $(
            impl<T: Real> Function<T, T, 3> for $of {
                #[inline(always)]
                fn of<I: Isa>(_: Args, [$g, $p, $q]: [T; 3]) -> T {
                    $slope
                }
            }
        )*
    };
}

rows! {
    numbers {
        /// `a + b`.
        Add 1 => |a, b| a.plus(b);
        /// `a - b`.
        Sub 1 => |a, b| a.minus(b);
        /// `a · b`.
        Mul 1 => |a, b| a.times(b);
        /// `a / b` rounded down to a whole number. Integers give 0 for a division by zero.
        DivFloor 12 => |a, b| a.over_floor(b);
        /// `a / b` rounded towards zero to a whole number.
        DivTrunc 3 => |a, b| a.over_trunc(b);
        /// The remainder of `a / b` with the sign of `b`, as PyTorch's `remainder`.
        Rem 8 => |a, b| a.modulo(b);
        /// `aᵇ`.
        Pow 8 => |a, b| a.power::<I>(b);
        /// The smaller one, or NaN if there is one.
        Min 1 => |a, b| if a < b || a.is_nan() { a } else { b };
        /// The larger one, or NaN if there is one.
        Max 1 => |a, b| if a > b || a.is_nan() { a } else { b };
    }
    reals {
        /// `a / b`.
        Div 2 => |a, b| a / b;
        /// The angle of the point `(x = b, y = a)`, in (-π, π].
        Atan2 8 => |a, b| a.atan2_on::<I>(b);
        /// `a + factor · b`.
        AddScaled { factor } 1 => |a, b| a + factor * b;
    }
    slopes {
        // For `b`, from `(g, a, b)`.
        Div 4 => |g, a, b| quotient_slope(g, a, b);
        // For `b`, from `(g, a, b)`; the negative of it for `a`, from `(g, b, a)`.
        Atan2 4 => |g, a, b| -angle_slope(g, a, b);
        // For `a`, from `(g, a, b)`: `g b aᵇ⁻¹`, and 0 where `b` is. Exponents below 1 lose digits when 1 is taken from them; of
        // those it is `g b aᵇ / a`.
        Pow 8 => |g, a, b| {
            let direct = b >= T::one() || a.is_zero() || a.is_infinite();
            let power = a.pow_on::<I>(if direct { b - T::one() } else { b });
            let slope = if direct { b * power } else { product_over(b, power, a) };
            if b.is_zero() { T::zero() } else { g * slope }
        };
    }
}

/// `out += factor · x`: a loop that reads its output.
enum Accumulate {}

macro_rules! accumulate {
    ($($t:ty),*) => {$(
        impl Loop<$t, $t, 1> for Accumulate {
            #[inline(always)]
            fn run<I: Isa>(args: Args, [x]: [&Chunks<$t>; 1], out: &mut Chunks<$t>) {
                let factor = <$t>::from_f64(args[0]);
                for (out, &x) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()) {
                    *out += factor * x;
                }
            }
        }
    )*};
}
accumulate!(f32, f64);

/// `out += factor · x`, where the factor is the first number.
pub(crate) static ACCUMULATE: Row<1> =
    Row { cost: 1, f32: Block::wide::<Accumulate>(), f64: Block::plain::<Accumulate>(), i64: None };
