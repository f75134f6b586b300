//! Moving elements: joining, placing, reversing, and going by tables of indices.
//!
//! Indices were checked by the caller.

use crate::parallel;

use super::ops::Number;
use super::walk::{Plan, Strided, count, row_offsets};
use super::{Elem, GRAIN};

/// One operand of [`join`]: rows of `width` elements, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) width: usize,
    pub(crate) stride: usize,
}

/// Writes the first rows of all parts one after the other, then the second ones, and so on.
pub(crate) fn join<T: Elem>(parts: &[Part<'_, T>], out: &mut [T]) {
    let width: usize = parts.iter().map(|part| part.width).sum();
    let rows = out.len().checked_div(width).unwrap_or(0);
    let reaches =
        |part: &Part<'_, T>| rows == 0 || part.width == 0 || (rows - 1) * part.stride + part.width <= part.data.len();
    assert!(rows * width == out.len() && parts.iter().all(reaches), "join: parts that do not make up the output");
    parallel::for_blocks(out, GRAIN, |start, out| {
        let (mut row, mut column, mut rest) = (start / width, start % width, out);
        while !rest.is_empty() {
            let mut begin = 0;
            for part in parts {
                let end = begin + part.width;
                if column < end && !rest.is_empty() {
                    let len = (end - column).min(rest.len());
                    let (now, later) = rest.split_at_mut(len);
                    now.copy_from_slice(&part.data[row * part.stride + column - begin..][..len]);
                    (rest, column) = (later, column + len);
                }
                begin = end;
            }
            (row, column) = (row + 1, 0);
        }
    });
}

/// Where a view of `shape` lies in a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) strides: &'a [usize],
    pub(crate) offset: usize,
}

fn fill<T: Elem>(value: T, out: &mut [T]) {
    parallel::for_blocks(out, GRAIN, |_, out| out.fill(value));
}

/// Writes the elements of `x` to their place in `out`, after filling `out` with `background`, if there is one.
pub(crate) fn place<T: Elem>(x: &[T], at: Place<'_>, background: Option<T>, out: &mut [T]) {
    combine_at_place(x, at, background, out, |out, x| *out = x);
}

/// Adds the elements of `x` to those at their place in `out`.
pub(crate) fn add_at_place<T: Number>(x: &[T], at: Place<'_>, out: &mut [T]) {
    combine_at_place(x, at, None, out, |out, x| *out = out.plus(x));
}

fn combine_at_place<T: Elem>(
    x: &[T],
    at: Place<'_>,
    background: Option<T>,
    out: &mut [T],
    combine: impl Fn(&mut T, T) + Sync,
) {
    let view = Strided { data: out.get(at.offset..).unwrap_or_default(), strides: at.strides };
    let fits = count(at.shape) == x.len() && view.covers(at.shape.iter().copied());
    assert!(fits, "place: {} elements for {:?} in {}", x.len(), at.shape, out.len());
    let plan = Plan::new(at.shape, [at.strides]);
    let Some(plan) = plan.filter(|_| !x.is_empty()) else {
        if let Some(value) = background {
            fill(value, out);
        }
        return;
    };
    let (sizes, strides) = (plan.sizes(), plan.strides(0));
    // Parts of `out` that each hold one step along the outermost dimension, if it falls into such parts.
    let outer = sizes.len().saturating_sub(1);
    let extent = 1 + (0..outer).map(|d| (sizes[d] - 1) * strides[d]).sum::<usize>();
    let slab = strides.last().copied().filter(|slab| outer > 0 && *slab > 0 && at.offset % slab + extent <= *slab);
    // A few elements in a large buffer are no work to share.
    let slab = slab.filter(|_| background.is_some() || x.len() >= GRAIN);
    let rows_per_slab: usize = sizes.iter().take(outer).skip(1).product();
    let rows = x.len() / plan.inner();
    let (stride, inner) = (strides.first().copied().unwrap_or(1), plan.inner());

    let write = |first: usize, count: usize, start: usize, out: &mut [T]| {
        let from = x[first * inner..].chunks(inner);
        for (row, offset) in from.zip(row_offsets(&plan, first)).take(count) {
            let out = &mut out[at.offset + offset - start..];
            match stride {
                1 => out[..inner].iter_mut().zip(row).for_each(|(out, x)| combine(out, *x)),
                _ => out.iter_mut().step_by(stride.max(1)).zip(row).for_each(|(out, x)| combine(out, *x)),
            }
        }
    };
    let Some(slab) = slab else {
        if let Some(value) = background {
            fill(value, out);
        }
        return write(0, rows, 0, out);
    };
    let first = at.offset / slab;
    parallel::for_blocks(out, slab * GRAIN.div_ceil(slab), |start, out| {
        if let Some(value) = background {
            out.fill(value);
        }
        let from = (start / slab).max(first);
        let to = (start + out.len()).div_ceil(slab).min(first + sizes[outer]);
        if from < to {
            write((from - first) * rows_per_slab, (to - from) * rows_per_slab, start, out);
        }
    });
}

/// `x` as `[outer, n, inner]` with the middle dimension reversed.
pub(crate) fn reverse<T: Elem>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    assert!(x.len() == out.len() && x.len().is_multiple_of(count(&[n, inner])), "reverse: lengths");
    if inner == 1 {
        return parallel::for_blocks(out, n * GRAIN.div_ceil(n.max(1)), |start, out| {
            for (out, x) in out.chunks_mut(n).zip(x[start..].chunks(n)) {
                out.iter_mut().zip(x.iter().rev()).for_each(|(out, x)| *out = *x);
            }
        });
    }
    parallel::for_blocks(out, inner * GRAIN.div_ceil(inner.max(1)), |start, out| {
        for (i, out) in out.chunks_mut(inner).enumerate() {
            let row = start / inner + i;
            let from = row - row % n + (n - 1 - row % n);
            out.copy_from_slice(&x[from * inner..][..inner]);
        }
    });
}

/// The middle dimension of `x` as `[outer, n, inner]`, row by row as `index` says.
pub(crate) fn take_rows<T: Elem>(x: &[T], n: usize, inner: usize, index: &[i64], out: &mut [T]) {
    let row = inner * index.len();
    let outer = x.len().checked_div(count(&[n, inner])).unwrap_or(0);
    let fits = outer * count(&[n, inner]) == x.len() && (outer == 0 || outer * row == out.len());
    assert!(fits && (outer > 0 || out.is_empty()), "take_rows: {} elements of {} by {row}", out.len(), x.len());
    if inner == 1 {
        return parallel::for_blocks(out, row * GRAIN.div_ceil(row.max(1)), |start, out| {
            for (i, out) in out.chunks_mut(row).enumerate() {
                let x = &x[(start / row + i) * n..][..n];
                out.iter_mut().zip(index).for_each(|(out, i)| *out = x[*i as usize]);
            }
        });
    }
    parallel::for_blocks(out, inner * GRAIN.div_ceil(inner.max(1)), |start, out| {
        let (mut outer, mut j) = (start / row, start / inner % index.len());
        for out in out.chunks_mut(inner) {
            let from = outer * n + index[j] as usize;
            out.copy_from_slice(&x[from * inner..][..inner]);
            j += 1;
            if j == index.len() {
                (outer, j) = (outer + 1, 0);
            }
        }
    });
}

/// Adds row `j` of `source`, as `[outer, index.len(), inner]`, to row `index[j]` of `out`, as `[outer, n, inner]`, in
/// ascending order of `j`.
pub(crate) fn add_rows<T: Number>(source: &[T], n: usize, inner: usize, index: &[i64], out: &mut [T]) {
    let len = index.len();
    let outer = out.len().checked_div(count(&[n, inner])).unwrap_or(0);
    let fits = outer * count(&[n, inner]) == out.len() && outer * len * inner == source.len();
    assert!(fits, "add_rows: {} elements to {}, {len} rows of {inner}", source.len(), out.len());
    let add = |out: &mut [T], row: usize| {
        let from = &source[row * inner..][..inner];
        out.iter_mut().zip(from).for_each(|(out, x)| *out = out.plus(*x));
    };
    // Sorting pays if rows are so long that adding them takes longer.
    if inner < 16 || source.len() < GRAIN || parallel::threads() == 1 {
        for (outer, out) in out.chunks_mut((n * inner).max(1)).enumerate() {
            for (j, i) in index.iter().enumerate() {
                add(&mut out[*i as usize * inner..][..inner], outer * len + j);
            }
        }
        return;
    }
    // Each task adds up its own rows of the result: for the same bits, whatever the tasks, in the order of the source.
    let mut order: Vec<u128> = index.iter().zip(0..).map(|(i, j)| u128::from(*i as u64) << 64 | j).collect();
    order.sort_unstable();
    let order: &Vec<(usize, usize)> = &order.into_iter().map(|key| ((key >> 64) as usize, key as usize)).collect();
    parallel::for_blocks(out, inner * (GRAIN / 4).div_ceil(inner), |start, out| {
        let (first, end) = (start / inner, (start + out.len()) / inner);
        for outer in first / n..end.div_ceil(n) {
            let (from, to) = (first.max(outer * n), end.min((outer + 1) * n));
            let begin = order.partition_point(|(i, _)| outer * n + i < from);
            for (i, j) in order[begin..].iter().take_while(|(i, _)| outer * n + i < to) {
                add(&mut out[(outer * n + i - first) * inner..][..inner], outer * len + j);
            }
        }
    });
}

/// Where an element for or from a given index lies along the indexed dimension, and along the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Along<'a> {
    /// The shape of the indices.
    pub(crate) shape: &'a [usize],
    /// The strides of what is indexed, 0 for the indexed dimension.
    pub(crate) strides: &'a [usize],
    /// The stride of the indexed dimension.
    pub(crate) stride: usize,
}

/// `out[i, j, k] = x[i, index[i, j, k], k]`.
pub(crate) fn gather<T: Elem>(x: &[T], along: Along<'_>, index: &[i64], out: &mut [T]) {
    assert!(index.len() == count(along.shape) && out.len() == index.len(), "gather: lengths of index and output");
    let Some(plan) = Plan::new(along.shape, [along.strides]).filter(|_| !out.is_empty()) else { return };
    let (inner, step) = (plan.inner(), plan.strides(0).first().copied().unwrap_or(0));
    parallel::for_blocks(out, inner * (GRAIN / 4).div_ceil(inner), |start, out| {
        let rows = out.chunks_mut(inner).zip(index[start..].chunks(inner)).zip(row_offsets(&plan, start / inner));
        for ((out, index), offset) in rows {
            for (k, (out, i)) in out.iter_mut().zip(index).enumerate() {
                *out = x[offset + k * step + *i as usize * along.stride];
            }
        }
    });
}

/// `out[i, index[i, j, k], k]` becomes `f` of itself and `source[i, j, k]`, in the order of the source.
pub(crate) fn scatter<T: Elem>(source: &[T], along: Along<'_>, index: &[i64], out: &mut [T], f: impl Fn(T, T) -> T) {
    assert!(index.len() == count(along.shape) && source.len() == index.len(), "scatter: lengths of index and source");
    let Some(plan) = Plan::new(along.shape, [along.strides]).filter(|_| !source.is_empty()) else { return };
    let (inner, step) = (plan.inner(), plan.strides(0).first().copied().unwrap_or(0));
    let rows = source.chunks(inner).zip(index.chunks(inner)).zip(row_offsets(&plan, 0));
    for ((source, index), offset) in rows {
        for (k, (x, i)) in source.iter().zip(index).enumerate() {
            let out = &mut out[offset + k * step + *i as usize * along.stride];
            *out = f(*out, *x);
        }
    }
}

/// Which side of a diagonal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Triangle {
    Lower,
    Upper,
}

/// Matrices of `rows` × `columns` with zeros beyond a diagonal, which is itself kept.
pub(crate) fn triangle<T: Elem>(x: &[T], [rows, columns]: [usize; 2], side: Triangle, diagonal: isize, out: &mut [T]) {
    assert!(x.len() == out.len() && x.len().is_multiple_of(count(&[rows, columns])), "triangle: lengths");
    parallel::for_blocks(out, columns * GRAIN.div_ceil(columns.max(1)), |start, out| {
        for (i, (out, x)) in out.chunks_mut(columns).zip(x[start..].chunks(columns)).enumerate() {
            let row = (start / columns + i) % rows;
            let (before, kept) = match side {
                // Columns up to the diagonal are kept, or those from the diagonal on.
                Triangle::Lower => (0, reach(row, diagonal.saturating_add(1), columns)),
                Triangle::Upper => {
                    let before = reach(row, diagonal, columns);
                    (before, columns - before)
                }
            };
            out.fill(T::default());
            out[before..before + kept].copy_from_slice(&x[before..before + kept]);
        }
    });
}

/// `row + shift` within `0 ..= columns`.
fn reach(row: usize, shift: isize, columns: usize) -> usize {
    row.saturating_add_signed(shift).min(columns)
}
