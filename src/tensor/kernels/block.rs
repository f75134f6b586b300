//! Loops as values: rows of function pointers, one for each type of elements and each instruction set.
//!
//! What calls a loop is compiled once, and not once for each operation, type and instruction set. A call through a pointer
//! costs nothing beside a block of elements.

#![allow(unsafe_code)]

use super::Elem;
use super::simd::{self, Isa, Portable};

/// The numbers that an operation holds; those that it has no use for are 0.
pub(crate) type Args = [f64; 2];

/// Loops run over chunks of this many elements, so that compiled ones have no scalar remainder. What is left at
/// the end is padded in a local buffer and goes through the same loop.
pub(super) const LANES: usize = 64;

/// Elements in whole chunks.
pub(super) type Chunks<T> = [[T; LANES]];

/// A loop over `K` operands and an output of one length.
pub(crate) trait Loop<T, U, const K: usize> {
    /// Implementations are `#[inline(always)]`, as is everything that they call for each element.
    fn run<I: Isa>(args: Args, x: [&Chunks<T>; K], out: &mut Chunks<U>);
}

/// Sound to call where the instruction set that it was compiled for is present.
type Pointer<T, U, const K: usize> = unsafe fn(Args, [&Chunks<T>; K], &mut Chunks<U>);

/// A [`Loop`], compiled for the instruction sets of which it makes use.
#[derive(Clone, Copy)]
pub(crate) struct Block<T, U, const K: usize> {
    /// By [`Level`](simd::Level), from the narrowest.
    by_level: [Pointer<T, U, K>; 3],
}

impl<T: Elem, U: Elem, const K: usize> Block<T, U, K> {
    /// Compiled for every instruction set: for arithmetic that vectorises.
    pub(super) const fn wide<L: Loop<T, U, K>>() -> Self {
        Self { by_level: [portable::<T, U, K, L>, avx2::<T, U, K, L>, avx512::<T, U, K, L>] }
    }

    /// Compiled up to AVX2: for loops that wait for memory rather than for arithmetic.
    pub(super) const fn medium<L: Loop<T, U, K>>() -> Self {
        Self { by_level: [portable::<T, U, K, L>, avx2::<T, U, K, L>, avx2::<T, U, K, L>] }
    }

    /// Compiled once, for any processor: for loops that call a function for each element, and for those that nobody waits
    /// for.
    pub(super) const fn plain<L: Loop<T, U, K>>() -> Self {
        Self { by_level: [portable::<T, U, K, L>; 3] }
    }

    /// Runs the loop over operands and an output of one length. It may also change what is there, if it is one that reads
    /// its output.
    pub(crate) fn run(&self, args: Args, x: [&[T]; K], out: &mut [U]) {
        assert!(x.iter().all(|x| x.len() == out.len()), "map: lengths of operands and output");
        let (head, tail) = out.as_chunks_mut();
        if !head.is_empty() {
            let mut chunks: [&Chunks<T>; K] = [&[]; K];
            for (chunks, x) in chunks.iter_mut().zip(x) {
                *chunks = x.as_chunks().0;
            }
            self.call(args, chunks, head);
        }
        if !tail.is_empty() {
            let mut inputs = [[[T::default(); LANES]]; K];
            let mut chunks: [&Chunks<T>; K] = [&[]; K];
            for ((buffer, chunks), x) in inputs.iter_mut().zip(&mut chunks).zip(x) {
                buffer[0][..tail.len()].copy_from_slice(x.as_chunks::<LANES>().1);
                *chunks = buffer;
            }
            let mut buffer = [[U::default(); LANES]];
            buffer[0][..tail.len()].copy_from_slice(tail);
            self.call(args, chunks, &mut buffer);
            tail.copy_from_slice(&buffer[0][..tail.len()]);
        }
    }

    fn call(&self, args: Args, x: [&Chunks<T>; K], out: &mut Chunks<U>) {
        let level = simd::level();
        // SAFETY: the pointers in places up to that of `level` were compiled for sets that are part of it, and `level`
        // reports a set only if the processor and the operating system support all of its parts.
        unsafe { self.by_level[level as usize - 1](args, x, out) }
    }
}

fn portable<T, U, const K: usize, L: Loop<T, U, K>>(args: Args, x: [&Chunks<T>; K], out: &mut Chunks<U>) {
    L::run::<Portable>(args, x, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,f16c")]
fn avx2<T, U, const K: usize, L: Loop<T, U, K>>(args: Args, x: [&Chunks<T>; K], out: &mut Chunks<U>) {
    L::run::<simd::Avx2>(args, x, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt,f16c")]
fn avx512<T, U, const K: usize, L: Loop<T, U, K>>(args: Args, x: [&Chunks<T>; K], out: &mut Chunks<U>) {
    L::run::<simd::Avx512>(args, x, out);
}

// There is one level on other processors, and one function for it.
#[cfg(not(target_arch = "x86_64"))]
use self::{portable as avx2, portable as avx512};
