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
            while at + I::F32::WIDTH <= side {
                row::<I, 1>(columns, values, &x[at..], side, &mut out[at..]);
                at += I::F32::WIDTH;
            }
        }
    }
}

/// `N` vectors of one row, each in two sums, so that additions need not wait for each other.
#[inline(always)]
fn row<I: Isa, const N: usize>(columns: &[i32], values: &[f32], x: &[f32], side: usize, out: &mut [f32]) {
    let wide = N * I::F32::WIDTH;
    // SAFETY: a kernel runs where there is its set; every pointer is that of a slice that was cut to the numbers that are used.
    unsafe {
        let mut sums = [[I::F32::splat(0.0); N]; 2];
        for (columns, values) in columns.chunks(2).zip(values.chunks(2)) {
            for ((column, value), sums) in columns.iter().zip(values).zip(&mut sums) {
                let (x, value) = (x[*column as usize * side..][..wide].as_ptr(), I::F32::splat(*value));
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = value.mul_add(I::F32::load(x.add(j * I::F32::WIDTH)), *sum);
                }
            }
        }
        let out = out[..wide].as_mut_ptr();
        let [first, second] = sums;
        for (j, (a, b)) in first.into_iter().zip(second).enumerate() {
            a.add(b).store(out.add(j * I::F32::WIDTH));
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
    values: Vec<[f32; LANES]>,
}

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
                all.values.push(numbers);
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
            let mut whole = [0.0; LANES];
            // SAFETY: a kernel runs where there is its set; the places are less than the window, which was cut out of `x`; a step has
            // as many places and values as there are lanes.
            unsafe {
                // Two sums for each lane, of as many vectors as the set takes for all of them.
                let mut sums = [[I::F32::splat(0.0); 4]; 2];
                for ((windows, places), values) in windows.chunks(2).zip(places.chunks(2)).zip(values.chunks(2)) {
                    for (((window, places), values), sums) in windows.iter().zip(places).zip(values).zip(&mut sums) {
                        let table = x[*window as usize..][..WINDOW].as_ptr();
                        for (v, sum) in sums.iter_mut().enumerate().take(LANES / I::F32::WIDTH) {
                            let x = I::F32::look_up(table, places.as_ptr().add(v * I::F32::WIDTH));
                            *sum = I::F32::load(values.as_ptr().add(v * I::F32::WIDTH)).mul_add(x, *sum);
                        }
                    }
                }
                let [first, second] = sums;
                for (v, (a, b)) in first.into_iter().zip(second).enumerate().take(LANES / I::F32::WIDTH) {
                    a.add(b).store(whole.as_mut_ptr().add(v * I::F32::WIDTH));
                }
            }
            out.copy_from_slice(&whole[..out.len()]);
        }
    }
}
