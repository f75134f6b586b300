//! Gathering strided elements.

use crate::parallel;

use super::map::along_first;
use super::walk::{Plan, Strided, count, for_rows, gather};
use super::{Elem, GRAIN};

/// Rows and columns of the tiles in which a transposed operand is copied: few enough cache lines and pages that all of
/// them stay at hand, and columns long enough that the processor fetches them ahead.
const TILE: (usize, usize) = (64, 32);

/// Copies the elements of a strided operand one after the other into `out`.
pub(crate) fn copy_strided<T: Elem>(shape: &[usize], x: Strided<'_, T>, out: &mut [T]) {
    let fits = count(shape) == out.len() && x.covers(shape.iter().copied());
    assert!(fits, "copy: operand and output that do not fit {shape:?}");
    if out.is_empty() {
        return;
    }
    let Some(plan) = Plan::new(shape, [x.strides]) else {
        return along_first(shape, out, &mut |i, shape, out| copy_strided(shape, x.at(i), out));
    };
    if plan.is_contiguous(0) {
        return parallel::for_blocks(out, GRAIN, |start, out| out.copy_from_slice(&x.data[start..][..out.len()]));
    }
    let (inner, stride) = (plan.inner(), plan.strides(0).first().copied().unwrap_or(0));
    if stride > 1 && plan.strides(0).get(1) == Some(&1) {
        return copy_transposed(&plan, x.data, out);
    }
    let rows = (GRAIN / inner.max(1)).max(1);
    parallel::for_blocks(out, rows * inner, |start, out| {
        for_rows(&plan, start / inner, out, |offset, row| {
            let from = &x.data[offset..];
            match stride {
                1 => row.copy_from_slice(&from[..row.len()]),
                0 => row.fill(from[0]),
                _ => gather(from, stride, row),
            }
        });
    });
}

/// Copies matrices whose columns are contiguous: the innermost dimension is strided, the one around it is not.
fn copy_transposed<T: Elem>(plan: &Plan<1>, data: &[T], out: &mut [T]) {
    let (columns, rows) = (plan.sizes()[0], plan.sizes()[1]);
    let stride = plan.strides(0)[0];
    // A band of rows of one matrix is what a task copies.
    let band = (GRAIN / columns).next_multiple_of(TILE.0).min(rows);
    for (matrix, out) in out.chunks_mut(rows * columns).enumerate() {
        let data = &data[plan.offset_of_matrix(matrix)..];
        parallel::for_blocks(out, band * columns, |start, out| {
            transpose(&data[start / columns..], stride, columns, out);
        });
    }
}

/// `out[i, j] = data[i + j · stride]`, for rows of `columns` elements.
///
/// Each tile is turned in a buffer: written straight to their places, its elements would touch as many rows of `out`,
/// which compete for the same lines of the cache if `columns` is a power of two.
fn transpose<T: Elem>(data: &[T], stride: usize, columns: usize, out: &mut [T]) {
    let mut tile = [[T::default(); TILE.1]; TILE.0];
    for (band, out) in out.chunks_mut(TILE.0 * columns).enumerate() {
        let height = out.len() / columns;
        for left in (0..columns).step_by(TILE.1) {
            let width = TILE.1.min(columns - left);
            for j in 0..width {
                let column = &data[band * TILE.0 + (left + j) * stride..][..height];
                for (row, &x) in tile.iter_mut().zip(column) {
                    row[j] = x;
                }
            }
            for (row, out) in tile.iter().zip(out.chunks_exact_mut(columns)) {
                out[left..left + width].copy_from_slice(&row[..width]);
            }
        }
    }
}
