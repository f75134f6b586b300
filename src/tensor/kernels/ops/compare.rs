//! Comparisons, logic, kinds of numbers, and choices made by truth values.

use super::super::Elem;
use super::super::block::{Args, Block};
use super::super::math::Real;
use super::super::simd::Isa;
use super::Function;

/// Loops from numbers to truth values. `u8` serves truth values as well.
pub(crate) struct Comparison {
    pub(crate) f32: Block<f32, bool, 2>,
    pub(crate) f64: Block<f64, bool, 2>,
    pub(crate) i64: Block<i64, bool, 2>,
    pub(crate) u8: Block<u8, bool, 2>,
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $op:tt;)*) => {
        /// A comparison of two numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum CompareOp {
            $($(#[$doc])* $name,)*
        }

        impl CompareOp {
            pub(crate) fn row(self) -> &'static Comparison {
                match self {
                    $(Self::$name => const {
                        &Comparison {
                            f32: Block::plain::<$name>(),
                            f64: Block::plain::<$name>(),
                            i64: Block::plain::<$name>(),
                            u8: Block::plain::<$name>(),
                        }
                    },)*
                }
            }
        }

        $(
            enum $name {}
            impl<T: Elem + PartialOrd> Function<T, bool, 2> for $name {
                #[inline(always)]
                fn of<I: Isa>(_: Args, [a, b]: [T; 2]) -> bool {
                    a $op b
                }
            }
        )*
    };
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
    ($($(#[$doc:meta])* $name:ident => $op:tt;)*) => {
        /// What two truth values make.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum LogicOp {
            $($(#[$doc])* $name,)*
        }

        impl LogicOp {
            /// Of truth values as bytes, 0 or 1.
            pub(crate) fn row(self) -> &'static Block<u8, bool, 2> {
                match self {
                    $(Self::$name => const { &Block::plain::<$name>() },)*
                }
            }
        }

        $(
            enum $name {}
            impl Function<u8, bool, 2> for $name {
                #[inline(always)]
                fn of<I: Isa>(_: Args, [a, b]: [u8; 2]) -> bool {
                    (a $op b) != 0
                }
            }
        )*
    };
}

logic! {
    /// Both.
    And => &;
    /// At least one.
    Or => |;
    /// Exactly one.
    Xor => ^;
}

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident => |$x:ident| $value:expr;)*) => {
        /// A kind of numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ClassOp {
            $($(#[$doc])* $name,)*
        }

        impl ClassOp {
            pub(crate) fn row(self) -> (&'static Block<f32, bool, 1>, &'static Block<f64, bool, 1>) {
                match self {
                    $(Self::$name => const { (&Block::plain::<$name>(), &Block::plain::<$name>()) },)*
                }
            }
        }

        $(
            enum $name {}
            impl<T: Real> Function<T, bool, 1> for $name {
                #[inline(always)]
                fn of<I: Isa>(_: Args, [$x]: [T; 1]) -> bool {
                    $value
                }
            }
        )*
    };
}

classes! {
    /// Whether the element is not a number.
    Nan => |x| x.is_nan();
    /// Whether the element is ±∞.
    Infinite => |x| x.is_infinite();
    /// Whether the element is a number other than ±∞.
    Finite => |x| x.is_finite();
}

/// `a` where the condition is not 0, else `b`, from `(condition, a, b)`. Elements are moved as bits, whatever they mean.
enum Choose {}

impl<W: Elem + PartialEq> Function<W, W, 3> for Choose {
    #[inline(always)]
    fn of<I: Isa>(_: Args, [condition, a, b]: [W; 3]) -> W {
        if condition == W::default() { b } else { a }
    }
}

/// The loop of `where` for elements of one size.
pub(crate) fn choose<W: Elem + PartialEq>() -> &'static Block<W, W, 3> {
    const { &Block::plain::<Choose>() }
}
