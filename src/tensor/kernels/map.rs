//! Element by element: one, two or three operands, with broadcasting.

use crate::parallel;

use super::simd::{Isa, Kernel, dispatch};
use super::walk::{Operand, Plan, Strided, count};
use super::{Elem, GRAIN};

/// Loops run over multiples of this many elements, so that compiled ones have no scalar remainder. What is left at
/// the end is padded in a local buffer and goes through the same loop.
const LANES: usize = 64;

/// A function of one element.
pub(crate) trait Unary<T: Elem, U: Elem = T>: Copy + Send + Sync {
    /// How much longer than an addition it takes, roughly.
    const COST: usize = 1;

    fn apply<I: Isa>(self, x: T) -> U;

    /// The loop. Operations override it to choose a faster one, or to treat rare arguments apart.
    #[inline(always)]
    fn run<I: Isa>(self, x: &[T], out: &mut [U]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = self.apply::<I>(x);
        }
    }
}

/// A function of two elements.
pub(crate) trait Binary<T: Elem, U: Elem = T>: Copy + Send + Sync {
    /// How much longer than an addition it takes, roughly.
    const COST: usize = 1;

    fn apply<I: Isa>(self, a: T, b: T) -> U;
}

/// A function of three elements.
pub(crate) trait Ternary<A: Elem, B: Elem, C: Elem, U: Elem>: Copy + Send + Sync {
    /// How much longer than an addition it takes, roughly.
    const COST: usize = 1;

    fn apply<I: Isa>(self, a: A, b: B, c: C) -> U;
}

/// `out = op(x)`.
pub(crate) fn unary<T: Elem, U: Elem, O: Unary<T, U>>(op: O, x: &[T], out: &mut [U]) {
    assert_eq!(x.len(), out.len(), "map: lengths of input and output");
    parallel::for_blocks(out, GRAIN / O::COST, |start, out| unary_block(op, &x[start..], out));
}

/// `x = op(x)`.
pub(crate) fn unary_in_place<T: Elem, O: Unary<T>>(op: O, x: &mut [T]) {
    const BUFFER: usize = 512;
    parallel::for_blocks(x, GRAIN / O::COST, |_, x| {
        let mut buffer = [T::default(); BUFFER];
        for x in x.chunks_mut(BUFFER) {
            let buffer = &mut buffer[..x.len()];
            buffer.copy_from_slice(x);
            unary_block(op, buffer, x);
        }
    });
}

/// `out = op(a, b)`, with `out` contiguous.
pub(crate) fn binary<T: Elem, U: Elem, O: Binary<T, U>>(
    op: O,
    shape: &[usize],
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: &mut [U],
) {
    let fits = count(shape) == out.len() && [a, b].iter().all(|x| x.covers(shape.iter().copied()));
    assert!(fits, "map: operands and output that do not fit {shape:?}");
    if a.is_contiguous(shape) && b.is_contiguous(shape) {
        let f = |start: usize, out: &mut [U]| binary_block(op, &a.data[start..], &b.data[start..], out);
        return parallel::for_blocks(out, GRAIN / O::COST, f);
    }
    strided_binary(GRAIN / O::COST, shape, a, b, out, &|a, b, out| binary_block(op, a, b, out));
}

/// Computes a piece of a result from pieces of both operands.
type BinaryPieces<'f, T, U> = &'f (dyn Fn(&[T], &[T], &mut [U]) + Sync);

/// Calls `f` for pieces of both operands that are contiguous, or were brought together. Compiled once for the types of
/// the elements and not for each operation.
fn strided_binary<T: Elem, U: Elem>(
    grain: usize,
    shape: &[usize],
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: &mut [U],
    f: BinaryPieces<'_, T, U>,
) {
    let Some(plan) = Plan::new(shape, [a.strides, b.strides]) else {
        return along_first(shape, out, |i, shape, out| strided_binary(grain, shape, a.at(i), b.at(i), out, f));
    };
    parallel::for_blocks(out, plan.block(grain), |start, out| {
        let (mut a, mut b) = (Operand::new(&plan, 0, a.data), Operand::new(&plan, 1, b.data));
        let gathers = a.gathers(&plan, 0) || b.gathers(&plan, 1);
        plan.for_pieces(start, out, gathers, |pos, out| {
            let len = out.len();
            f(a.piece(&plan, 0, pos, len), b.piece(&plan, 1, pos, len), out);
        });
    });
}

/// `a = op(a, b)`.
pub(crate) fn binary_in_place<T: Elem, O: Binary<T>>(op: O, a: &mut [T], b: &[T]) {
    assert_eq!(a.len(), b.len(), "map: lengths of both operands");
    parallel::for_blocks(a, GRAIN / O::COST, |start, a| {
        let b = &b[start..];
        let whole = a.len() / LANES * LANES;
        let (head, tail) = a.split_at_mut(whole);
        dispatch(BinaryInPlaceLoop { op, a: head, b });
        if !tail.is_empty() {
            let mut buffer = padded(tail);
            dispatch(BinaryInPlaceLoop { op, a: &mut buffer, b: &padded(&b[whole..][..tail.len()]) });
            tail.copy_from_slice(&buffer[..tail.len()]);
        }
    });
}

/// `out = op(a, b, c)`, with `out` contiguous.
pub(crate) fn ternary<A: Elem, B: Elem, C: Elem, U: Elem, O: Ternary<A, B, C, U>>(
    op: O,
    shape: &[usize],
    a: Strided<'_, A>,
    b: Strided<'_, B>,
    c: Strided<'_, C>,
    out: &mut [U],
) {
    let sizes = shape.iter().copied();
    let covers = a.covers(sizes.clone()) && b.covers(sizes.clone()) && c.covers(sizes);
    assert!(count(shape) == out.len() && covers, "map: operands and output that do not fit {shape:?}");
    let Some(plan) = Plan::new(shape, [a.strides, b.strides, c.strides]) else {
        return along_first(shape, out, |i, shape, out| ternary(op, shape, a.at(i), b.at(i), c.at(i), out));
    };
    parallel::for_blocks(out, plan.block(GRAIN / O::COST), |start, out| {
        let mut a = Operand::new(&plan, 0, a.data);
        let mut b = Operand::new(&plan, 1, b.data);
        let mut c = Operand::new(&plan, 2, c.data);
        let gathers = a.gathers(&plan, 0) || b.gathers(&plan, 1) || c.gathers(&plan, 2);
        plan.for_pieces(start, out, gathers, |pos, out| {
            let len = out.len();
            let (a, b) = (a.piece(&plan, 0, pos, len), b.piece(&plan, 1, pos, len));
            ternary_block(op, a, b, c.piece(&plan, 2, pos, len), out);
        });
    });
}

/// Calls `f` for each index of the first dimension, with what remains of the shape and of the output.
pub(super) fn along_first<U>(shape: &[usize], out: &mut [U], mut f: impl FnMut(usize, &[usize], &mut [U])) {
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

impl<const K: usize> Plan<K> {
    /// Calls `f(pos, piece)` for the pieces of `out`, which begins at element `start`.
    fn for_pieces<U>(&self, start: usize, out: &mut [U], gathers: bool, mut f: impl FnMut(usize, &mut [U])) {
        let mut done = 0;
        while done < out.len() {
            let len = self.piece(start + done, out.len() - done, gathers);
            f(start + done, &mut out[done..done + len]);
            done += len;
        }
    }
}

fn unary_block<T: Elem, U: Elem, O: Unary<T, U>>(op: O, x: &[T], out: &mut [U]) {
    let whole = out.len() / LANES * LANES;
    let (head, tail) = out.split_at_mut(whole);
    if !head.is_empty() {
        dispatch(UnaryLoop { op, x, out: head });
    }
    if !tail.is_empty() {
        let mut buffer = [U::default(); LANES];
        dispatch(UnaryLoop { op, x: &padded(&x[whole..][..tail.len()]), out: &mut buffer });
        tail.copy_from_slice(&buffer[..tail.len()]);
    }
}

fn binary_block<T: Elem, U: Elem, O: Binary<T, U>>(op: O, a: &[T], b: &[T], out: &mut [U]) {
    let whole = out.len() / LANES * LANES;
    let (head, tail) = out.split_at_mut(whole);
    if !head.is_empty() {
        dispatch(BinaryLoop { op, a, b, out: head });
    }
    if !tail.is_empty() {
        let mut buffer = [U::default(); LANES];
        let (a, b) = (padded(&a[whole..][..tail.len()]), padded(&b[whole..][..tail.len()]));
        dispatch(BinaryLoop { op, a: &a, b: &b, out: &mut buffer });
        tail.copy_from_slice(&buffer[..tail.len()]);
    }
}

fn ternary_block<A: Elem, B: Elem, C: Elem, U: Elem, O: Ternary<A, B, C, U>>(
    op: O,
    a: &[A],
    b: &[B],
    c: &[C],
    out: &mut [U],
) {
    let whole = out.len() / LANES * LANES;
    let (head, tail) = out.split_at_mut(whole);
    if !head.is_empty() {
        dispatch(TernaryLoop { op, a, b, c, out: head });
    }
    if !tail.is_empty() {
        let mut buffer = [U::default(); LANES];
        let (a, b) = (padded(&a[whole..][..tail.len()]), padded(&b[whole..][..tail.len()]));
        dispatch(TernaryLoop { op, a: &a, b: &b, c: &padded(&c[whole..][..tail.len()]), out: &mut buffer });
        tail.copy_from_slice(&buffer[..tail.len()]);
    }
}

fn padded<T: Elem>(x: &[T]) -> [T; LANES] {
    let mut buffer = [T::default(); LANES];
    buffer[..x.len()].copy_from_slice(x);
    buffer
}

/// The largest multiple of [`LANES`] up to `n`: said where the loop is, so that the compiler sees it.
#[inline(always)]
fn whole(n: usize) -> usize {
    n / LANES * LANES
}

struct UnaryLoop<'a, T, U, O> {
    op: O,
    x: &'a [T],
    out: &'a mut [U],
}

impl<T: Elem, U: Elem, O: Unary<T, U>> Kernel for UnaryLoop<'_, T, U, O> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = whole(self.x.len().min(self.out.len()));
        self.op.run::<I>(&self.x[..n], &mut self.out[..n]);
    }
}

struct BinaryLoop<'a, T, U, O> {
    op: O,
    a: &'a [T],
    b: &'a [T],
    out: &'a mut [U],
}

impl<T: Elem, U: Elem, O: Binary<T, U>> Kernel for BinaryLoop<'_, T, U, O> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = whole(self.a.len().min(self.b.len()).min(self.out.len()));
        let (a, b, out) = (&self.a[..n], &self.b[..n], &mut self.out[..n]);
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = self.op.apply::<I>(a, b);
        }
    }
}

struct BinaryInPlaceLoop<'a, T, O> {
    op: O,
    a: &'a mut [T],
    b: &'a [T],
}

impl<T: Elem, O: Binary<T>> Kernel for BinaryInPlaceLoop<'_, T, O> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = whole(self.a.len().min(self.b.len()));
        for (a, &b) in self.a[..n].iter_mut().zip(&self.b[..n]) {
            *a = self.op.apply::<I>(*a, b);
        }
    }
}

struct TernaryLoop<'a, A, B, C, U, O> {
    op: O,
    a: &'a [A],
    b: &'a [B],
    c: &'a [C],
    out: &'a mut [U],
}

impl<A: Elem, B: Elem, C: Elem, U: Elem, O: Ternary<A, B, C, U>> Kernel for TernaryLoop<'_, A, B, C, U, O> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = whole(self.a.len().min(self.b.len()).min(self.c.len()).min(self.out.len()));
        let (a, b, c, out) = (&self.a[..n], &self.b[..n], &self.c[..n], &mut self.out[..n]);
        for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *out = self.op.apply::<I>(a, b, c);
        }
    }
}
