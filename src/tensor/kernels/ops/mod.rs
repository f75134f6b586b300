//! The operations on single elements: a row for each, with its formula and, beside it, that of its slope.
//!
//! | module | rows |
//! |---|---|
//! | [`unary`] | functions of one number: [`UnaryOp`] |
//! | [`binary`] | functions of two numbers: [`BinaryOp`] |
//! | [`compare`] | what gives truth values: [`CompareOp`], [`LogicOp`], [`ClassOp`]; choices made by them: [`choose`] |
//!
//! From a row come a value of the enum, which carries the numbers that the operation holds, and a place in the tables of
//! [`Row`]s: what it costs, and a [`Block`] for each type that it is computed in. `f32` loops are compiled for every
//! instruction set, those of other types once: double precision is there for checks, and waits for memory or for a function of
//! the standard library.

mod binary;
mod compare;
mod formulas;
mod number;
mod unary;

pub(crate) use binary::{ACCUMULATE, BinaryOp};
pub(crate) use compare::{ClassOp, CompareOp, Comparison, LogicOp, choose};
pub(crate) use formulas::{GELU_LIMIT, GELU_TANH_CUBIC, GELU_TANH_SCALE, LARGE, SELU_ALPHA, SELU_SCALE, SILU_LIMIT};
pub(crate) use number::Number;
pub(crate) use unary::{Saved, UnaryOp};

use super::Elem;
use super::block::{Args, Block, Chunks, Loop};
use super::simd::Isa;

/// Loops over `K` operands that are computed in `f32` and `f64`, and some in `i64`.
#[derive(Clone, Copy)]
pub(crate) struct Row<const K: usize> {
    /// How much longer than an addition an element takes, roughly.
    pub(crate) cost: usize,
    pub(crate) f32: Block<f32, f32, K>,
    pub(crate) f64: Block<f64, f64, K>,
    pub(crate) i64: Option<Block<i64, i64, K>>,
}

impl<const K: usize> Row<K> {
    const fn real<L: Loop<f32, f32, K> + Loop<f64, f64, K>>(cost: usize) -> Self {
        Self { cost, f32: Block::wide::<L>(), f64: Block::plain::<L>(), i64: None }
    }

    const fn number<L: Loop<f32, f32, K> + Loop<f64, f64, K> + Loop<i64, i64, K>>(cost: usize) -> Self {
        Self { i64: Some(Block::plain::<L>()), ..Self::real::<L>(cost) }
    }
}

const fn pad<const N: usize>(numbers: [f64; N]) -> Args {
    let mut args = [0.0; 2];
    let mut i = 0;
    while i < N {
        args[i] = numbers[i];
        i += 1;
    }
    args
}

/// What a loop does with the elements of `K` operands that lie at the same place.
pub(super) trait Function<T, U, const K: usize> {
    /// `#[inline(always)]`, as is everything that it calls.
    fn of<I: Isa>(args: Args, x: [T; K]) -> U;
}

impl<T: Elem, U, F: Function<T, U, 1>> Loop<T, U, 1> for F {
    #[inline(always)]
    fn run<I: Isa>(args: Args, [x]: [&Chunks<T>; 1], out: &mut Chunks<U>) {
        for (out, &x) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()) {
            *out = F::of::<I>(args, [x]);
        }
    }
}

impl<T: Elem, U, F: Function<T, U, 2>> Loop<T, U, 2> for F {
    #[inline(always)]
    fn run<I: Isa>(args: Args, [a, b]: [&Chunks<T>; 2], out: &mut Chunks<U>) {
        let (a, b, out) = (a.as_flattened(), b.as_flattened(), out.as_flattened_mut());
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = F::of::<I>(args, [a, b]);
        }
    }
}

impl<T: Elem, U, F: Function<T, U, 3>> Loop<T, U, 3> for F {
    #[inline(always)]
    fn run<I: Isa>(args: Args, [a, b, c]: [&Chunks<T>; 3], out: &mut Chunks<U>) {
        let (a, b, c, out) = (a.as_flattened(), b.as_flattened(), c.as_flattened(), out.as_flattened_mut());
        for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *out = F::of::<I>(args, [a, b, c]);
        }
    }
}
