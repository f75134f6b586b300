//! Rotation of pairs of elements by angles that depend on the row's position.

use crate::parallel;

use super::simd::{Isa, Kernel, dispatch};
use super::walk::{count, offsets_of_rows};
use super::{GRAIN, Real, Strided};

/// How much longer than an addition an element takes, roughly.
const COST: usize = 2;

/// The angles of a rotation, and which elements of a row are a pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Angles<'a, T> {
    /// `pairs` cosines for each position.
    pub(crate) cos: &'a [T],
    /// `pairs` sines for each position.
    pub(crate) sin: &'a [T],
    /// The number of pairs; elements beyond them stay as they are.
    pub(crate) pairs: usize,
    /// The number of positions, which are numbered by the last dimension but one.
    pub(crate) positions: usize,
    /// Pairs are neighbours, instead of an element of each half.
    pub(crate) interleaved: bool,
    /// Backwards.
    pub(crate) inverse: bool,
}

/// Rotates the rows of `x`, whose elements are contiguous within a row.
pub(crate) fn rotate<T: Real>(x: Strided<'_, T>, shape: &[usize], angles: Angles<'_, T>, out: &mut [T]) {
    let Some(&cols) = shape.last().filter(|_| !out.is_empty()) else { return };
    assert!(x.strides.last() == Some(&1) && 2 * angles.pairs <= cols, "rotary: rows and pairs");
    let [cos, sin] = [angles.cos, angles.sin].map(|x| x.len() == angles.positions * angles.pairs);
    assert!(cos && sin && angles.positions > 0, "rotary: angles");
    let fits = count(shape) == out.len() && x.covers(shape.iter().copied());
    assert!(fits, "rotary: input and output that do not fit {shape:?}");
    let rows = (GRAIN / COST / cols).max(1);
    parallel::for_blocks(out, rows * cols, |start, out| {
        dispatch(Rotate { x, shape, angles, first: start / cols, cols, out });
    });
}

struct Rotate<'a, T> {
    x: Strided<'a, T>,
    shape: &'a [usize],
    angles: Angles<'a, T>,
    first: usize,
    cols: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Rotate<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Angles { cos, sin, pairs, positions, interleaved, inverse } = self.angles;
        let sign = if inverse { -T::one() } else { T::one() };
        let turn = |a: T, b: T, cos: T, sin: T| {
            let sin = sign * sin;
            (I::mul_add(a, cos, -(b * sin)), I::mul_add(b, cos, a * sin))
        };
        let offsets = offsets_of_rows(self.shape, self.x.strides, self.first);
        let mut position = self.first % positions;
        for (out, offset) in self.out.chunks_exact_mut(self.cols).zip(offsets) {
            let (x, rest) = self.x.data[offset..][..self.cols].split_at(2 * pairs);
            let (out, out_rest) = out.split_at_mut(2 * pairs);
            let angles = cos[position * pairs..][..pairs].iter().zip(&sin[position * pairs..][..pairs]);
            if interleaved {
                for ((out, x), (&cos, &sin)) in out.as_chunks_mut().0.iter_mut().zip(x.as_chunks().0).zip(angles) {
                    let [a, b] = *x;
                    *out = turn(a, b, cos, sin).into();
                }
            } else {
                let ((a, b), (out_a, out_b)) = (x.split_at(pairs), out.split_at_mut(pairs));
                let pairs = out_a.iter_mut().zip(out_b).zip(a.iter().zip(b));
                for (((out_a, out_b), (&a, &b)), (&cos, &sin)) in pairs.zip(angles) {
                    (*out_a, *out_b) = turn(a, b, cos, sin);
                }
            }
            out_rest.copy_from_slice(rest);
            position += 1;
            if position == positions {
                position = 0;
            }
        }
    }
}
