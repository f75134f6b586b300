//! The gradient of what penalties add to a loss.

use crate::parallel;

use super::simd::{Isa, Kernel, dispatch};
use super::{GRAIN, Real};

/// `out = l1 · sign(x) + l2 · x`, with 0 for the sign of 0.
pub(crate) fn slope<T: Real>(l1: T, l2: T, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "penalty: as many slopes as parameters");
    parallel::for_blocks(out, GRAIN, |start, out| dispatch(Slope { l1, l2, x: &x[start..], out }));
}

struct Slope<'a, T> {
    l1: T,
    l2: T,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for Slope<'_, T> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            let sign = if x > T::zero() {
                self.l1
            } else if x < T::zero() {
                -self.l1
            } else {
                T::zero()
            };
            *out = sign + self.l2 * x;
        }
    }
}
