//! The operations that the loops of [`map`](super::map) apply: small structs, empty or holding scalars.
//!
//! Where the derivative of an activation is one pass over the gradient and one other tensor, it is an operation of its
//! own: `…Grad` of `(g, x)` with the activation's input `x`, or of `(g, y)` with its output `y`.

/// Operations of one argument on `f32` and `f64`: `Name { fields } cost => |operation, argument| value;`, where `T` is the
/// type of the elements and `I` the instruction set.
macro_rules! real_unary {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident),* })? $cost:literal => |$op:pat_param, $x:ident| $value:expr;)*) => {$(
        real_struct!($(#[$doc])* $name $({ $($field),* })?);
        impl<T: Real> Unary<T> for real_struct!(@type $name $({ $($field),* })?) {
            const COST: usize = $cost;
            #[inline(always)]
            fn apply<I: Isa>(self, $x: T) -> T {
                let $op = self;
                $value
            }
        }
    )*};
}

/// The same for two arguments.
macro_rules! real_binary {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident),* })? $cost:literal => |$op:pat_param, $a:ident, $b:ident| $value:expr;)*) => {$(
        real_struct!($(#[$doc])* $name $({ $($field),* })?);
        impl<T: Real> Binary<T> for real_struct!(@type $name $({ $($field),* })?) {
            const COST: usize = $cost;
            #[inline(always)]
            fn apply<I: Isa>(self, $a: T, $b: T) -> T {
                let $op = self;
                $value
            }
        }
    )*};
}

macro_rules! real_struct {
    (@type $name:ident) => { $name };
    (@type $name:ident { $($field:ident),* }) => { $name<T> };
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;
    };
    ($(#[$doc:meta])* $name:ident { $($field:ident),* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name<T> {
            $(pub(crate) $field: T,)*
        }
    };
}

mod activation;
mod arithmetic;
mod compare;
mod elementary;
mod gradient;
mod scalar;

pub(crate) use activation::*;
pub(crate) use arithmetic::*;
pub(crate) use compare::*;
pub(crate) use elementary::*;
pub(crate) use gradient::*;
pub(crate) use scalar::*;
