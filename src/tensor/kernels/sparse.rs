//! Products with matrices most of whose numbers are zero, kept row by row: where the others are, and what they are.

use super::simd::{Isa, Kernel, dispatch};

/// How many rows of the other matrix are multiplied at a time, for each number of the sparse one read once.
pub(crate) const TILE: usize = 64;

/// Some rows of a sparse matrix: the numbers of row `i` are those from `offsets[i]` to `offsets[i + 1]`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) offsets: &'a [i32],
    /// In which columns they are, less than `features`.
    pub(crate) columns: &'a [i32],
    pub(crate) values: &'a [f32],
    pub(crate) features: usize,
}

/// `out[i][t] = Σ value · x[column][t]` for the numbers of each row `i`, with `T` numbers side by side in `x` and `out`.
pub(crate) fn products<const T: usize>(rows: Rows<'_>, x: &[f32], out: &mut [f32]) {
    let Rows { offsets, columns, values, features } = rows;
    assert!(x.len() == features * T && out.len() == (offsets.len() - 1) * T, "rows of {T} numbers");
    assert!(columns.len() == values.len(), "a column for each number");
    dispatch(Products::<T> { rows, x, out });
}

struct Products<'a, const T: usize> {
    rows: Rows<'a>,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl<const T: usize> Kernel for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Rows { offsets, columns, values, .. } = self.rows;
        let (x, _) = self.x.as_chunks::<T>();
        let (out, _) = self.out.as_chunks_mut::<T>();
        for (out, bounds) in out.iter_mut().zip(offsets.windows(2)) {
            let numbers = bounds[0] as usize..bounds[1] as usize;
            let mut sums = [0.0f32; T];
            for (column, value) in columns[numbers.clone()].iter().zip(&values[numbers]) {
                let x = &x[*column as usize];
                for t in 0..T {
                    sums[t] = I::mul_add(*value, x[t], sums[t]);
                }
            }
            *out = sums;
        }
    }
}

/// The same for a single row of the other matrix: four sums, so that additions need not wait for each other.
pub(crate) fn products_with_one(rows: Rows<'_>, x: &[f32], out: &mut [f32]) {
    let Rows { offsets, columns, values, features } = rows;
    assert!(x.len() == features && out.len() == offsets.len() - 1, "a number for each row");
    for (out, bounds) in out.iter_mut().zip(offsets.windows(2)) {
        let numbers = bounds[0] as usize..bounds[1] as usize;
        let ((places, places_rest), (values, values_rest)) =
            (columns[numbers.clone()].as_chunks::<4>(), values[numbers].as_chunks::<4>());
        let mut sums = [0.0f32; 4];
        for (places, values) in places.iter().zip(values) {
            for i in 0..4 {
                sums[i] += values[i] * x[places[i] as usize];
            }
        }
        let rest: f32 = places_rest.iter().zip(values_rest).map(|(place, value)| value * x[*place as usize]).sum();
        *out = (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest;
    }
}
