//! Keys and values of some positions, written to their places in a cache.

use super::Elem;

/// Vectors of `width` elements for some heads and positions; those of a vector are contiguous.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vectors<'a, T> {
    pub(crate) data: &'a [T],
    /// From head to head, and from position to position.
    pub(crate) strides: [usize; 2],
    pub(crate) positions: usize,
    pub(crate) width: usize,
}

/// Writes them to the positions from `at` on of `to`, which has room for `capacity` positions of each head.
pub(crate) fn write<T: Elem>(from: Vectors<'_, T>, capacity: usize, at: usize, to: &mut [T]) {
    let Vectors { data, strides, positions, width } = from;
    assert!(at + positions <= capacity && to.len().is_multiple_of(capacity * width), "cache: positions");
    for (head, to) in to.chunks_exact_mut(capacity * width).enumerate() {
        for (i, to) in to[at * width..][..positions * width].chunks_exact_mut(width).enumerate() {
            to.copy_from_slice(&data[head * strides[0] + i * strides[1]..][..width]);
        }
    }
}
