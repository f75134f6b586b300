//! Sorting along contiguous rows. NaN counts as larger than everything, and equal elements keep their order.

use crate::parallel;

use super::{Elem, GRAIN};

/// How much longer than an addition sorting takes per element, roughly.
const COST: usize = 32;

/// A type that sorts by an integer key: equal elements have equal keys, and a smaller element the smaller key.
pub(crate) trait SortKey: Elem {
    type Key: Ord + Copy + Send + std::ops::Not<Output = Self::Key>;
    fn key(self) -> Self::Key;
}

macro_rules! real_keys {
    ($($t:ty, $key:ty;)*) => {$(
        impl SortKey for $t {
            type Key = $key;
            #[inline]
            fn key(self) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                if self.is_nan() {
                    return <$key>::MAX;
                }
                // The sum turns -0 into +0, which it is equal to. The bits of negative numbers count downwards.
                let bits = (self + 0.0).to_bits();
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            }
        }
    )*};
}
real_keys! {
    f32, u32;
    f64, u64;
}

impl SortKey for i64 {
    type Key = Self;
    #[inline]
    fn key(self) -> Self {
        self
    }
}

impl SortKey for u8 {
    type Key = Self;
    #[inline]
    fn key(self) -> Self {
        self
    }
}

impl SortKey for bool {
    type Key = Self;
    #[inline]
    fn key(self) -> Self {
        self
    }
}

/// Sorts rows of `cols` elements into `values`, with the place that each came from in `indices`. Ascending, NaN last; or
/// descending, NaN first.
pub(crate) fn sort<T: SortKey>(descending: bool, x: &[T], cols: usize, values: &mut [T], indices: &mut [i64]) {
    topk(cols, descending, x, cols, values, indices);
}

/// The `k` largest (or smallest) elements of each row of `cols`, in descending (or ascending) order, and their places.
/// Of equal elements, the earlier ones. `k` is at most `cols`.
pub(crate) fn topk<T: SortKey>(k: usize, largest: bool, x: &[T], cols: usize, values: &mut [T], indices: &mut [i64]) {
    let rows = x.len().checked_div(cols).unwrap_or(0);
    let fits = k <= cols && rows * cols == x.len() && rows * k == values.len() && values.len() == indices.len();
    assert!(fits || cols == 0 && values.is_empty() && indices.is_empty(), "topk: {k} of rows of {cols}");
    // Of no rows, the columns can be any number: nothing may be allocated for them.
    if k == 0 || x.is_empty() {
        return;
    }
    let rows = (GRAIN / COST / cols).max(1);
    parallel::for_blocks_of_two((values, rows * k), (indices, rows * k), &|block, values, indices| {
        let x = &x[block * rows * cols..];
        let mut order = Vec::with_capacity(cols);
        for ((x, values), indices) in x.chunks_exact(cols).zip(values.chunks_mut(k)).zip(indices.chunks_mut(k)) {
            sort_row(largest, x, &mut order, values, indices);
        }
    });
}

/// Sorts keys together with places: no two pairs are equal, so that a stable sort is not needed.
fn sort_row<T: SortKey>(
    descending: bool,
    x: &[T],
    order: &mut Vec<(T::Key, usize)>,
    values: &mut [T],
    indices: &mut [i64],
) {
    order.clear();
    order.extend(x.iter().enumerate().map(|(i, x)| (if descending { !x.key() } else { x.key() }, i)));
    if values.len() < order.len() {
        order.select_nth_unstable(values.len());
        order.truncate(values.len());
    }
    order.sort_unstable();
    for ((value, index), &(_, i)) in values.iter_mut().zip(indices).zip(order.iter()) {
        *value = x[i];
        *index = i as i64;
    }
}
