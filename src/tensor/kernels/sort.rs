//! Sorting along contiguous rows. NaN counts as larger than everything, and equal elements keep their order.
//!
//! What is sorted are integers: above, a key that orders as the elements do; below, the place. No two are equal, so that a
//! stable sort is not needed, and one sort for each width of integers is enough for all types.

use crate::parallel;

use super::{Elem, GRAIN};

/// How much longer than an addition sorting takes per element, roughly.
const COST: usize = 32;

/// A type that sorts by an integer key: equal elements have equal keys, and a smaller element the smaller key.
pub(crate) trait SortKey: Elem {
    /// The bits of a key.
    const BITS: u32;
    fn key(self) -> u64;
}

macro_rules! real_keys {
    ($($t:ty, $key:ty;)*) => {$(
        impl SortKey for $t {
            const BITS: u32 = <$key>::BITS;
            #[inline]
            fn key(self) -> u64 {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                if self.is_nan() {
                    return <$key>::MAX.into();
                }
                // The sum turns -0 into +0, which it is equal to. The bits of negative numbers count downwards.
                let bits = (self + 0.0).to_bits();
                (if bits & SIGN == 0 { bits | SIGN } else { !bits }).into()
            }
        }
    )*};
}
real_keys! {
    f32, u32;
    f64, u64;
}

impl SortKey for i64 {
    const BITS: u32 = 64;
    #[inline]
    fn key(self) -> u64 {
        self.cast_unsigned() ^ (1 << 63)
    }
}

macro_rules! small_keys {
    ($($t:ty),*) => {$(
        impl SortKey for $t {
            const BITS: u32 = 8;
            #[inline]
            fn key(self) -> u64 {
                self.into()
            }
        }
    )*};
}
small_keys!(u8, bool);

/// The first `k` elements of each row of `cols` in ascending order (NaN last) or in descending order (NaN first), and the place
/// that each came from. `k` is at most `cols`.
pub(crate) fn sort<T: SortKey>(
    k: usize,
    descending: bool,
    x: &[T],
    cols: usize,
    values: &mut [T],
    indices: &mut [i64],
) {
    let rows = x.len().checked_div(cols).unwrap_or(0);
    let fits = k <= cols && rows * cols == x.len() && rows * k == values.len() && values.len() == indices.len();
    assert!(fits || cols == 0 && values.is_empty() && indices.is_empty(), "sort: {k} of rows of {cols}");
    // Of no rows, the columns can be any number: nothing may be allocated for them.
    if k == 0 || x.is_empty() {
        return;
    }
    let rows = (GRAIN / COST / cols).max(1);
    let all = u64::MAX >> (64 - T::BITS);
    let key = move |x: &T| if descending { x.key() ^ all } else { x.key() };
    parallel::for_blocks_of_two((values, rows * k), (indices, rows * k), &|block, values, indices| {
        let x = x[block * rows * cols..].chunks_exact(cols);
        let rows = x.zip(values.chunks_mut(k)).zip(indices.chunks_mut(k));
        if T::BITS <= 32 && u32::try_from(cols).is_ok() {
            let mut order: Vec<u64> = Vec::with_capacity(cols);
            for ((x, values), indices) in rows {
                order.clear();
                order.extend(x.iter().zip(0..).map(|(x, i)| key(x) << 32 | i));
                first_of(&mut order, k);
                pick(x, order.iter().map(|pair| *pair as u32 as usize), values, indices);
            }
        } else {
            let mut order: Vec<u128> = Vec::with_capacity(cols);
            for ((x, values), indices) in rows {
                order.clear();
                order.extend(x.iter().zip(0..).map(|(x, i)| u128::from(key(x)) << 64 | i));
                first_of(&mut order, k);
                pick(x, order.iter().map(|pair| *pair as usize), values, indices);
            }
        }
    });
}

/// Leaves the `k` smallest, in order.
#[inline(never)]
fn first_of<P: Ord>(order: &mut Vec<P>, k: usize) {
    if k < order.len() {
        order.select_nth_unstable(k);
        order.truncate(k);
    }
    order.sort_unstable();
}

fn pick<T: Copy>(x: &[T], places: impl Iterator<Item = usize>, values: &mut [T], indices: &mut [i64]) {
    for ((value, index), i) in values.iter_mut().zip(indices).zip(places) {
        *value = x[i];
        *index = i as i64;
    }
}
