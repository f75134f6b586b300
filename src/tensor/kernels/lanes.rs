//! Numbers that are worked on side by side, so that the compiler puts them into vector registers.

use super::Real;

/// Applies `f` lane by lane.
#[inline(always)]
pub(super) fn lanes<T: Real, const N: usize>(f: impl Fn(usize) -> T) -> [T; N] {
    let mut result = [T::zero(); N];
    for (lane, result) in result.iter_mut().enumerate() {
        *result = f(lane);
    }
    result
}

/// The sum of a power of two of lanes.
#[inline(always)]
pub(super) fn total<T: Real, const N: usize>(lanes: [T; N]) -> T {
    pairwise(lanes, |a, b| a + b)
}

/// Reduces a power of two of lanes.
#[inline(always)]
pub(super) fn pairwise<T: Real, const N: usize>(mut lanes: [T; N], f: impl Fn(T, T) -> T) -> T {
    let mut width = N / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}
