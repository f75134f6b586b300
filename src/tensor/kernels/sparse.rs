//! Products with matrices most of whose numbers are zero, kept row by row: where the others are, and what they are.

#![allow(unsafe_code)]

use super::simd::{Isa, Kernel, Vector, dispatch};

/// The most rows of the other matrix that are multiplied at a time, for each number of the sparse one read once.
pub(crate) const TILE: usize = 64;
/// As many of them are side by side at least, and as many rows of the sparse matrix in [`Lanes`].
pub(crate) const LANES: usize = 16;
/// How many inputs are looked up in at a time.
pub(crate) const WINDOW: usize = 32;

/// Some rows of a sparse matrix: the numbers of row `i` are those from `offsets[i]` to `offsets[i + 1]`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) offsets: &'a [i32],
    /// In which columns they are, less than `features`.
    pub(crate) columns: &'a [i32],
    pub(crate) values: &'a [f32],
    pub(crate) features: usize,
}

/// `out[i][t] = Σ value · x[column][t]` for the numbers of each row `i`, with `side` numbers side by side in `x` and `out`, a multiple
/// of [`LANES`].
pub(crate) fn products(rows: Rows<'_>, side: usize, x: &[f32], out: &mut [f32]) {
    let Rows { offsets, columns, values, features } = rows;
    assert!(side.is_multiple_of(LANES) && x.len() == features * side, "columns of {side} numbers");
    assert!(out.len() == (offsets.len() - 1) * side && columns.len() == values.len(), "rows of {side} numbers");
    dispatch(Products { rows, side, x, out });
}

struct Products<'a> {
    rows: Rows<'a>,
    side: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { rows: Rows { offsets, columns, values, .. }, side, x, out } = self;
        for (out, bounds) in out.chunks_exact_mut(side).zip(offsets.windows(2)) {
            let numbers = bounds[0] as usize..bounds[1] as usize;
            let (columns, values, mut at) = (&columns[numbers.clone()], &values[numbers], 0);
            while at + 4 * I::F32::WIDTH <= side {
                row::<I, 4>(columns, values, &x[at..], side, &mut out[at..]);
                at += 4 * I::F32::WIDTH;
            }
            while at + 2 * I::F32::WIDTH <= side {
                row::<I, 2>(columns, values, &x[at..], side, &mut out[at..]);
                at += 2 * I::F32::WIDTH;
            }
            if at + I::F32::WIDTH <= side {
                row::<I, 1>(columns, values, &x[at..], side, &mut out[at..]);
            }
        }
    }
}

/// `N` vectors of one row, each in two sums, so that additions need not wait for each other. They stay in registers: nothing that goes
/// round is of a length that is not known when it is compiled.
#[inline(always)]
fn row<I: Isa, const N: usize>(columns: &[i32], values: &[f32], x: &[f32], side: usize, out: &mut [f32]) {
    let wide = N * I::F32::WIDTH;
    let at = |column: i32| x[column as usize * side..][..wide].as_ptr();
    let ((pairs, last), (numbers, last_number)) = (columns.as_chunks::<2>(), values.as_chunks::<2>());
    // SAFETY: a kernel runs where there is its set; every pointer is that of a slice that was cut to the numbers that are used.
    unsafe {
        let (mut first, mut second) = ([I::F32::splat(0.0); N], [I::F32::splat(0.0); N]);
        for (columns, values) in pairs.iter().zip(numbers) {
            add::<I, N>(values[0], at(columns[0]), &mut first);
            add::<I, N>(values[1], at(columns[1]), &mut second);
        }
        for (column, value) in last.iter().zip(last_number) {
            add::<I, N>(*value, at(*column), &mut first);
        }
        let out = out[..wide].as_mut_ptr();
        for (j, (a, b)) in first.into_iter().zip(second).enumerate() {
            a.add(b).store(out.add(j * I::F32::WIDTH));
        }
    }
}

/// Adds `value · x` to `N` vectors.
///
/// # Safety
/// The processor has the set, and there are as many numbers at `x`.
#[inline(always)]
unsafe fn add<I: Isa, const N: usize>(value: f32, x: *const f32, sums: &mut [I::F32; N]) {
    // SAFETY: the caller vouches for it.
    unsafe {
        let value = I::F32::splat(value);
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = value.mul_add(I::F32::load(x.add(j * I::F32::WIDTH)), *sum);
        }
    }
}

/// The same matrix for products with a single row, which would otherwise wait for numbers from all over it: sixteen rows at a time, each
/// in a lane. A step has a number of each of them, if its next column is in the window of the step, and a zero otherwise. So what is
/// looked up is in two registers.
pub(crate) struct Lanes {
    /// Where the steps of each sixteen rows begin, and how many there are.
    starts: Vec<usize>,
    /// Where the window of each step begins.
    windows: Vec<u32>,
    /// Where in the window the number of each lane is, less than [`WINDOW`].
    places: Vec<[u8; LANES]>,
    values: Vec<Line>,
}

/// Numbers that begin where a line of the cache does: half of the time goes into loading them otherwise.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f32; LANES]);

impl Lanes {
    pub(crate) fn new(rows: Rows<'_>) -> Self {
        let Rows { offsets, columns, values, .. } = rows;
        let mut all = Self { starts: vec![0], windows: Vec::new(), places: Vec::new(), values: Vec::new() };
        for first in (0..offsets.len() - 1).step_by(LANES) {
            let bounds = &offsets[first..offsets.len().min(first + LANES + 1)];
            let mut next: Vec<usize> = bounds[..bounds.len() - 1].iter().map(|at| *at as usize).collect();
            let ends = &bounds[1..];
            let waiting = |next: &[usize]| {
                let lanes = next.iter().zip(ends).filter(|(at, end)| **at < **end as usize);
                lanes.map(|(at, _)| columns[*at] as usize).min()
            };
            while let Some(column) = waiting(&next) {
                let window = column / LANES * LANES;
                let (mut places, mut numbers) = ([0; LANES], [0.0; LANES]);
                for (lane, (at, end)) in next.iter_mut().zip(ends).enumerate() {
                    let place = columns.get(*at).map_or(WINDOW, |column| (*column as usize).wrapping_sub(window));
                    if *at < *end as usize && place < WINDOW {
                        (places[lane], numbers[lane]) = (place as u8, values[*at]);
                        *at += 1;
                    }
                }
                all.windows.push(window as u32);
                all.places.push(places);
                all.values.push(Line(numbers));
            }
            all.starts.push(all.windows.len());
        }
        all
    }
}

/// `out[i] = Σ value · x[column]` for rows from `first` on, a multiple of [`LANES`]. Behind the numbers of `x` are [`WINDOW`] more.
pub(crate) fn products_with_one(lanes: &Lanes, first: usize, x: &[f32], out: &mut [f32]) {
    let groups = first / LANES..first / LANES + out.len().div_ceil(LANES);
    assert!(first.is_multiple_of(LANES) && groups.end < lanes.starts.len(), "rows that there are");
    dispatch(One { lanes, starts: &lanes.starts[groups.start..=groups.end], x, out });
}

struct One<'a> {
    lanes: &'a Lanes,
    starts: &'a [usize],
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for One<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { lanes: Lanes { windows, places, values, .. }, starts, x, out } = self;
        for (out, bounds) in out.chunks_mut(LANES).zip(starts.windows(2)) {
            let steps = bounds[0]..bounds[1];
            let (windows, places, values) = (&windows[steps.clone()], &places[steps.clone()], &values[steps]);
            let mut whole = Line([0.0; LANES]);
            let ((pairs, last), (two_places, last_places)) = (windows.as_chunks::<2>(), places.as_chunks::<2>());
            let (two_values, last_values) = values.as_chunks::<2>();
            let table = |window: u32| x[window as usize..][..WINDOW].as_ptr();
            // SAFETY: a kernel runs where there is its set; places are less than the window, which was cut out of `x`.
            unsafe {
                let (mut first, mut second) = ([I::F32::splat(0.0); 4], [I::F32::splat(0.0); 4]);
                for ((windows, places), values) in pairs.iter().zip(two_places).zip(two_values) {
                    step::<I>(table(windows[0]), &places[0], &values[0], &mut first);
                    step::<I>(table(windows[1]), &places[1], &values[1], &mut second);
                }
                for ((window, places), values) in last.iter().zip(last_places).zip(last_values) {
                    step::<I>(table(*window), places, values, &mut first);
                }
                for (v, (a, b)) in first.into_iter().zip(second).enumerate().take(LANES / I::F32::WIDTH) {
                    a.add(b).store(whole.0.as_mut_ptr().add(v * I::F32::WIDTH));
                }
            }
            out.copy_from_slice(&whole.0[..out.len()]);
        }
    }
}

/// How many rows of the other matrix are multiplied at a time where there are few of them.
pub(crate) const FEW: usize = 4;

/// The same for [`FEW`] rows of `x`, `stride` apart: sixteen sums of each, and then those of the next sixteen rows of the matrix.
pub(crate) fn products_with_few(lanes: &Lanes, first: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    let groups = first / LANES..first / LANES + out.len() / (LANES * FEW);
    assert!(out.len().is_multiple_of(LANES * FEW) && groups.end < lanes.starts.len(), "rows that there are");
    dispatch(Few { lanes, starts: &lanes.starts[groups.start..=groups.end], stride, x, out });
}

struct Few<'a> {
    lanes: &'a Lanes,
    starts: &'a [usize],
    stride: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Few<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { lanes: Lanes { windows, places, values, .. }, starts, stride, x, out } = self;
        let (out, _) = out.as_chunks_mut::<{ LANES * FEW }>();
        for (out, bounds) in out.iter_mut().zip(starts.windows(2)) {
            let steps = bounds[0]..bounds[1];
            // SAFETY: as above; the windows of all rows were cut out of `x`, and there are as many sums as are stored.
            unsafe {
                let mut sums = [[I::F32::splat(0.0); 4]; FEW];
                let all = windows[steps.clone()].iter().zip(&places[steps.clone()]).zip(&values[steps]);
                for ((window, places), values) in all {
                    let table = x[*window as usize..][..(FEW - 1) * stride + WINDOW].as_ptr();
                    for (row, sums) in sums.iter_mut().enumerate() {
                        step::<I>(table.add(row * stride), places, values, sums);
                    }
                }
                for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(LANES)) {
                    for (v, sum) in sums.into_iter().enumerate().take(LANES / I::F32::WIDTH) {
                        sum.store(out.as_mut_ptr().add(v * I::F32::WIDTH));
                    }
                }
            }
        }
    }
}

/// Adds a number of each lane, times what is looked up for it, to as many sums as the set takes for all lanes.
///
/// # Safety
/// The processor has the set, and all places are in the table.
#[inline(always)]
unsafe fn step<I: Isa>(table: *const f32, places: &[u8; LANES], values: &Line, sums: &mut [I::F32; 4]) {
    // SAFETY: the caller vouches for the set and the table; there are as many places and values as lanes.
    unsafe {
        for (v, sum) in sums.iter_mut().enumerate().take(LANES / I::F32::WIDTH) {
            let x = I::F32::look_up(table, places.as_ptr().add(v * I::F32::WIDTH));
            *sum = I::F32::load(values.0.as_ptr().add(v * I::F32::WIDTH)).mul_add(x, *sum);
        }
    }
}
