//! Element by element: one, two or three operands, with broadcasting and conversion on the way.

use std::ops::Range;

use crate::parallel;

use super::block::{Args, Block};
use super::walk::{CHUNK, Feed, Operand, Plan, Strided, count};
use super::{Elem, GRAIN};

/// A loop with its numbers.
#[derive(Clone, Copy)]
pub(crate) struct Job<'b, T, U, const K: usize> {
    pub(crate) block: &'b Block<T, U, K>,
    pub(crate) args: Args,
    /// How much longer than an addition an element takes, roughly.
    pub(crate) cost: usize,
}

impl<T: Elem, U: Elem, const K: usize> Job<'_, T, U, K> {
    /// Works on operands of a common shape, the output being contiguous.
    pub(crate) fn run(&self, shape: &[usize], x: &[Operand<'_, T>; K], out: &mut [U]) {
        check(shape, x, out.len());
        let grain = GRAIN / self.cost;
        if let Some(slices) = slices(shape, x) {
            return parallel::for_blocks(out, grain, |start, out| {
                let mut blocks = slices;
                for block in &mut blocks {
                    *block = &block[start..][..out.len()];
                }
                self.block.run(self.args, blocks, out);
            });
        }
        let Some(plan) = plan(shape, x) else {
            return along_first(shape, out, &mut |i, shape, out| self.run(shape, &at(x, i), out));
        };
        parallel::for_blocks(out, plan.block(grain), |start, out| {
            let len = out.len();
            for_pieces(&plan, x, start, len, false, &mut |x, at| self.block.run(self.args, x, &mut out[at]));
        });
    }

    /// The same for an output of a narrower type, to which `store` brings the results.
    pub(crate) fn run_as<S: Elem>(
        &self,
        shape: &[usize],
        x: &[Operand<'_, T>; K],
        out: &mut [S],
        store: fn(&[U], &mut [S]),
    ) {
        check(shape, x, out.len());
        let Some(plan) = plan(shape, x) else {
            return along_first(shape, out, &mut |i, shape, out| self.run_as(shape, &at(x, i), out, store));
        };
        parallel::for_blocks(out, plan.block(GRAIN / self.cost), |start, out| {
            let mut buffer = [U::default(); CHUNK];
            for_pieces(&plan, x, start, out.len(), true, &mut |x, at| {
                let results = &mut buffer[..at.len()];
                self.block.run(self.args, x, results);
                store(results, &mut out[at]);
            });
        });
    }
}

fn check<T: Elem, const K: usize>(shape: &[usize], x: &[Operand<'_, T>; K], len: usize) {
    let fits = count(shape) == len && x.iter().all(|x| x.covers(shape));
    assert!(fits, "map: operands and output that do not fit {shape:?}");
}

// Loops where `x.map(..)` would do: that is several functions for each type that it is called in.

/// The elements as they are, if those of all operands lie one after the other.
fn slices<'a, T: Elem, const K: usize>(shape: &[usize], x: &[Operand<'a, T>; K]) -> Option<[&'a [T]; K]> {
    let mut slices: [&[T]; K] = [&[]; K];
    for (slice, x) in slices.iter_mut().zip(x) {
        *slice = x.as_slice(shape)?;
    }
    Some(slices)
}

fn plan<T: Elem, const K: usize>(shape: &[usize], x: &[Operand<'_, T>; K]) -> Option<Plan<K>> {
    let mut strides: [&[usize]; K] = [&[]; K];
    for (strides, x) in strides.iter_mut().zip(x) {
        *strides = x.strides;
    }
    Plan::new(shape, strides)
}

/// The operands without their first dimension, at index `i` of that.
fn at<'a, T: Elem, const K: usize>(x: &[Operand<'a, T>; K], i: usize) -> [Operand<'a, T>; K] {
    let mut x = *x;
    for x in &mut x {
        *x = x.at(i);
    }
    x
}

/// What works on pieces of the operands, for some places of the output.
type OnPieces<'f, T, const K: usize> = &'f mut dyn FnMut([&[T]; K], Range<usize>);

/// Calls `f` for pieces of the operands from element `start` on, `len` in all, with their places counted from there: they are
/// contiguous, or were brought together. Short ones are at most [`CHUNK`] long. Compiled for a type of operands, not for each
/// operation and output.
fn for_pieces<T: Elem, const K: usize>(
    plan: &Plan<K>,
    x: &[Operand<'_, T>; K],
    start: usize,
    len: usize,
    short: bool,
    f: OnPieces<'_, T, K>,
) {
    let mut feeds: [Feed<'_, T>; K] = std::array::from_fn(|k| Feed::new(plan, k, x[k].data));
    let short = short || feeds.iter().enumerate().any(|(k, feed)| feed.gathers(plan, k));
    let mut done = 0;
    while done < len {
        let pos = start + done;
        let n = plan.piece(pos, len - done, short);
        let mut pieces: [&[T]; K] = [&[]; K];
        for (k, (feed, piece)) in feeds.iter_mut().zip(&mut pieces).enumerate() {
            *piece = feed.piece(plan, k, pos, n);
        }
        f(pieces, done..done + n);
        done += n;
    }
}

/// `x = op(x)`.
pub(crate) fn in_place<T: Elem>(job: Job<'_, T, T, 1>, x: &mut [T]) {
    parallel::for_blocks(x, GRAIN / job.cost, |_, x| {
        let mut buffer = [T::default(); CHUNK];
        for x in x.chunks_mut(CHUNK) {
            let buffer = &mut buffer[..x.len()];
            buffer.copy_from_slice(x);
            job.block.run(job.args, [buffer], x);
        }
    });
}

/// A loop that reads its output, as `out += x`.
pub(crate) fn into<T: Elem>(job: Job<'_, T, T, 1>, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "map: lengths of both operands");
    parallel::for_blocks(out, GRAIN / job.cost, |start, out| {
        job.block.run(job.args, [&x[start..][..out.len()]], out);
    });
}

/// What works on one index of the first dimension: the index, the shape without it, and its part of the output.
type OnFirst<'f, U> = &'f mut dyn FnMut(usize, &[usize], &mut [U]);

/// Calls `f` for each index of the first dimension, with what remains of the shape and of the output.
pub(super) fn along_first<U>(shape: &[usize], out: &mut [U], f: OnFirst<'_, U>) {
    if let Some((&size, shape)) = shape.split_first() {
        let len = out.len() / size.max(1);
        for (i, out) in out.chunks_mut(len.max(1)).enumerate() {
            f(i, shape, out);
        }
    }
}

impl<'a, T> Strided<'a, T> {
    /// The operand without its first dimension, at index `i` of that.
    pub(super) fn at(self, i: usize) -> Self {
        let stride = self.strides.first().copied().unwrap_or(0);
        Self { data: &self.data[i * stride..], strides: self.strides.get(1..).unwrap_or_default() }
    }
}
