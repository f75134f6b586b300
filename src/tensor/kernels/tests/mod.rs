//! Every loop against a naive one: lengths around the widths of registers and blocks, strides, special values, each
//! instruction set, and numbers of threads.

mod copy;
mod images;
mod layer_norm;
pub(super) mod loops;
mod map;
mod misfits;
mod ops;
mod optim;
mod reduce;
mod rotary;
mod scan;
mod softmax;
mod sort;

use super::Real;
use super::simd::tests::on_each_level;
use crate::parallel;

/// Lengths that leave every remainder of a register, and some that leave one of a block.
fn lengths() -> impl Iterator<Item = usize> {
    let longer = [127, 128, 129, 511, 512, 513, 1000, 4095, 4097];
    (0..=67).chain(longer.into_iter().take(if cfg!(miri) { 0 } else { longer.len() }))
}

/// Shapes `[outer, len, inner]`, empty ones included.
const MATRICES: &[[usize; 3]] = &[
    [0, 3, 2],
    [2, 0, 3],
    [3, 2, 0],
    [1, 1, 1],
    [2, 1, 3],
    [3, 7, 1],
    [2, 15, 1],
    [2, 16, 1],
    [1, 67, 1],
    [2, 130, 1],
    [1, 4097, 1],
    [2, 5, 3],
    [1, 128, 10],
    [3, 9, 31],
    [2, 5, 32],
    [2, 11, 33],
    [1, 3, 64],
    [2, 4, 257],
    [1, 261, 70],
    [1, 600, 2],
];

/// Numbers between -4 and 4, the same ones for the same seed.
pub(super) fn numbers<T: Real>(n: usize, seed: u32) -> Vec<T> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::from_f64(f64::from(state >> 8) / f64::from(1 << 21) - 4.0)
    })
    .take(n)
    .collect()
}

/// The same with special values among them.
fn special_numbers<T: Real>(n: usize, seed: u32) -> Vec<T> {
    let special =
        [T::zero(), -T::zero(), T::one(), T::infinity(), T::neg_infinity(), T::nan(), T::min_positive_value()];
    let mut numbers = numbers(n, seed);
    for (i, x) in numbers.iter_mut().enumerate().skip(seed as usize % 5).step_by(5) {
        *x = special[i % special.len()];
    }
    numbers
}

/// Equal, or both NaN. Zeros of different sign are equal.
fn same<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    #[expect(clippy::eq_op, reason = "what differs from itself is NaN")]
    let both_nan = |a: &T, b: &T| a != a && b != b;
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || both_nan(a, b))
}

#[track_caller]
fn assert_same<T: PartialEq + std::fmt::Debug>(a: &[T], b: &[T], what: impl std::fmt::Debug) {
    assert!(same(a, b), "{what:?}\n{a:?}\n{b:?}");
}

/// Within `tolerance`, relative to the larger of the expected value and 1. Infinities and NaN must be the same.
#[track_caller]
pub(super) fn assert_close<T: Real>(actual: &[T], expected: &[f64], tolerance: f64, what: impl std::fmt::Debug) {
    assert_eq!(actual.len(), expected.len());
    for (i, (a, &e)) in actual.iter().map(|&a| a.to_f64()).zip(expected).enumerate() {
        let close = (a - e).abs() <= tolerance * e.abs().max(1.0) || a == e || (a.is_nan() && e.is_nan());
        assert!(close, "{what:?}, element {i}: {a} instead of {e}");
    }
}

/// Runs `f` on one and on two threads, and compares the results.
#[track_caller]
pub(super) fn assert_same_on_two_threads<R: PartialEq + Send>(f: impl Fn() -> R + Send + Sync) {
    let one = parallel::with_threads(1, &f).unwrap();
    let two = parallel::with_threads(2, &f).unwrap();
    assert!(one == two, "the results differ");
}

/// The element `(outer, i, inner)` of a matrix.
fn at([_, len, inner]: [usize; 3], o: usize, i: usize, j: usize) -> usize {
    (o * len + i) * inner + j
}

/// The columns of `[outer, len, inner]`, in the order of the results of a reduction.
fn columns<T: Copy>(x: &[T], shape: [usize; 3]) -> Vec<Vec<T>> {
    let [outer, len, inner] = shape;
    (0..outer * inner).map(|k| (0..len).map(|i| x[at(shape, k / inner, i, k % inner)]).collect()).collect()
}
