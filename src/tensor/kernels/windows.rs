//! Sums and maxima over windows of a grid, and what their gradients need.
//!
//! A grid is `[outer, sizes…, inner]` with three sizes. Images that lie with their channels first are grids of single numbers
//! (`inner` is 1), those with their channels last are grids of rows of channels: one loop serves both. It works on some outputs side
//! by side whose windows are alike: neighbouring channels, or neighbours along the last dimension of the grid.

use std::ops::Range;

use crate::parallel;

use super::lanes::{lanes, total};
use super::shared::Shared;
use super::simd::{Isa, Kernel, dispatch, dispatch_to_avx2};
use super::walk::count;
use super::{GRAIN, Real};

/// Outputs that are worked on side by side.
const LANES: usize = 8;

/// Windows of single numbers with so many of them in a row are worked on along the row.
const LONG: usize = 4 * LANES;

/// The windows along one dimension: where each begins, how many places it has, and how far apart these are.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    pub(crate) first: Vec<usize>,
    pub(crate) count: Vec<usize>,
    pub(crate) step: usize,
}

impl Windows {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    /// For each of `size` places the windows that it is in. Those of the argument have step 1, and neither begin nor end before
    /// one that comes earlier.
    pub(crate) fn transposed(&self, size: usize) -> Self {
        let (mut first, mut count) = (Vec::with_capacity(size), Vec::with_capacity(size));
        let (mut from, mut to) = (0, 0);
        for place in 0..size {
            while from < self.len() && self.first[from] + self.count[from] <= place {
                from += 1;
            }
            while to < self.len() && self.first[to] <= place {
                to += 1;
            }
            first.push(from);
            count.push(to.saturating_sub(from));
        }
        Self { first, count, step: 1 }
    }

    fn fits(&self, size: usize) -> bool {
        let last = |(first, count): (&usize, &usize)| match count.checked_sub(1) {
            None => Some(0),
            Some(steps) => steps.checked_mul(self.step)?.checked_add(first + 1),
        };
        let ends = self.first.iter().zip(&self.count).map(last);
        self.first.len() == self.count.len() && ends.into_iter().all(|end| end.is_some_and(|end| end <= size))
    }

    /// How far the windows from `at` on are apart, if [`LANES`] of them have as many places and begin equally far apart.
    fn alike(&self, at: usize) -> Option<usize> {
        let (first, count) = (self.first.get(at..at + LANES)?, self.count.get(at..at + LANES)?);
        let apart = first[1].checked_sub(first[0])?;
        let alike = (1..LANES).all(|i| first[i] == first[0] + i * apart && count[i] == count[0]);
        alike.then_some(apart)
    }
}

/// A grid and the windows on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid<'a> {
    pub(crate) outer: usize,
    pub(crate) sizes: [usize; 3],
    pub(crate) inner: usize,
    pub(crate) windows: [&'a Windows; 3],
}

impl Grid<'_> {
    /// The places of one grid.
    fn places(&self) -> usize {
        count(&self.sizes)
    }

    /// The windows on one grid.
    fn outputs(&self) -> usize {
        count(&self.windows.map(Windows::len))
    }

    fn assert_fits(&self, x: usize, out: usize) {
        let windows_fit = self.windows.iter().zip(self.sizes).all(|(windows, size)| windows.fits(size));
        let lengths = x == count(&[self.outer, self.places(), self.inner]);
        let results = out == count(&[self.outer, self.outputs(), self.inner]);
        assert!(windows_fit && lengths && results, "windows: a grid of {x} elements, {out} results");
    }

    /// Output rows (along the last dimension) that are one task.
    fn rows_per_task(&self) -> usize {
        let window: usize = self.windows.iter().map(|w| w.count.iter().copied().max().unwrap_or(0).max(1)).product();
        let row = count(&[self.windows[2].len(), self.inner]);
        (GRAIN / row.saturating_mul(window).max(1)).max(1)
    }
}

/// `out[o] = scale · Σ x` over the window of each output.
pub(crate) fn sum<T: Real>(grid: Grid<'_>, scale: T, x: &[T], out: &mut [T]) {
    grid.assert_fits(x.len(), out.len());
    let row = count(&[grid.windows[2].len(), grid.inner]);
    parallel::for_blocks(out, row * grid.rows_per_task(), |start, out| {
        let job = Sum { grid, scale, x, first: start / row, out };
        if T::WIDE { dispatch_to_avx2(job) } else { dispatch(job) }
    });
}

/// `out[o] = max x` over the window of each output, and the place in the grid that it is at: the first of equal ones, the last
/// that is no number, if there is one. No window may be empty.
pub(crate) fn max<T: Real>(grid: Grid<'_>, x: &[T], out: &mut [T], at: &mut [i32]) {
    grid.assert_fits(x.len(), out.len());
    assert!(at.len() == out.len() && i32::try_from(grid.places()).is_ok(), "windows: places of {} results", out.len());
    if out.is_empty() {
        return;
    }
    let row = grid.windows[2].len() * grid.inner;
    let rows = out.len() / row;
    let (out, at) = (Shared::new(out), Shared::new(at));
    parallel::for_ranges(rows, grid.rows_per_task(), &|rows: Range<usize>| {
        let part = rows.start * row..rows.end * row;
        // SAFETY: the ranges do not overlap.
        let (out, at) = unsafe { (out.part(part.clone()), at.part(part)) };
        let job = Max { grid, x, first: rows.start, out, at };
        if T::WIDE { dispatch_to_avx2(job) } else { dispatch(job) }
    });
}

/// `out[o] = x[at[o]]`: the elements at places of the grid.
pub(crate) fn pick<T: Real>(grid: Grid<'_>, x: &[T], at: &[i32], out: &mut [T]) {
    grid.assert_fits(x.len(), out.len());
    assert_eq!(at.len(), out.len(), "windows: places of results");
    let (inner, size, each) = (grid.inner, grid.places() * grid.inner, grid.outputs() * grid.inner);
    parallel::for_blocks(out, inner * (GRAIN / 4).div_ceil(inner.max(1)), |start, out| {
        for (i, (out, at)) in out.iter_mut().zip(&at[start..]).enumerate() {
            let (from, channel) = ((start + i) / each * size, (start + i) % inner);
            *out = x[from + *at as usize * inner + channel];
        }
    });
}

/// `out[at[o]] += g[o]`, over zeros. `g` has an element for each window, `out` one for each place.
pub(crate) fn put<T: Real>(grid: Grid<'_>, g: &[T], at: &[i32], out: &mut [T]) {
    grid.assert_fits(out.len(), g.len());
    assert_eq!(at.len(), g.len(), "windows: places of results");
    let (inner, size, each) = (grid.inner, grid.places() * grid.inner, grid.outputs() * grid.inner);
    parallel::for_blocks(out, size * (GRAIN / 4).div_ceil(size.max(1)), |start, out| {
        out.fill(T::zero());
        for (i, out) in out.chunks_mut(size).enumerate() {
            let from = (start / size + i) * each;
            let rows = g[from..][..each].chunks(inner).zip(at[from..][..each].chunks(inner));
            for (g, at) in rows {
                g.iter().zip(at).enumerate().for_each(|(channel, (g, at))| out[*at as usize * inner + channel] += *g);
            }
        }
    });
}

/// The part of a row of outputs that is worked on at once.
struct Group {
    /// The window along the last dimension: its first place and how many there are.
    first: usize,
    count: usize,
    /// The channel of the first lane.
    channel: usize,
    /// How many elements, and places of the grid, the next lane is further on.
    apart: [usize; 2],
}

/// The row of outputs `row`: its grid, and its places along the first two dimensions.
#[inline(always)]
fn row_at(grid: &Grid<'_>, row: usize) -> (usize, [usize; 2]) {
    let [depth, height] = [grid.windows[0].len(), grid.windows[1].len()];
    (row / (depth * height), [row / height % depth, row % height])
}

/// What is done for a group of `N` outputs, of which the first is number `at` of its row.
trait Outputs {
    fn group<const N: usize>(&mut self, at: usize, group: &Group);
}

/// Calls it for all outputs of a row.
#[inline(always)]
fn for_groups(grid: &Grid<'_>, outputs: &mut impl Outputs) {
    let (windows, inner) = (grid.windows[2], grid.inner);
    let mut ow = 0;
    while ow < windows.len() {
        let (first, count) = (windows.first[ow], windows.count[ow]);
        // Long ones are added up otherwise, wherever they are.
        let alike = if inner == 1 && count < LONG { windows.alike(ow) } else { None };
        if let Some(apart) = alike {
            outputs.group::<LANES>(ow, &Group { first, count, channel: 0, apart: [apart; 2] });
            ow += LANES;
            continue;
        }
        let mut channel = 0;
        while channel < inner {
            let (at, group) = (ow * inner + channel, Group { first, count, channel, apart: [1, 0] });
            if channel + LANES <= inner {
                outputs.group::<LANES>(at, &group);
                channel += LANES;
            } else {
                outputs.group::<1>(at, &group);
                channel += 1;
            }
        }
        ow += 1;
    }
}

struct Sum<'a, T> {
    grid: Grid<'a>,
    scale: T,
    x: &'a [T],
    /// The first row of outputs.
    first: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Sum<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let row = self.grid.windows[2].len() * self.grid.inner;
        for (i, out) in self.out.chunks_mut(row).enumerate() {
            let place = row_at(&self.grid, self.first + i);
            for_groups(&self.grid, &mut SumRow { grid: &self.grid, scale: self.scale, x: self.x, place, out });
        }
    }
}

struct SumRow<'a, T> {
    grid: &'a Grid<'a>,
    scale: T,
    x: &'a [T],
    place: (usize, [usize; 2]),
    out: &'a mut [T],
}

impl<T: Real> Outputs for SumRow<'_, T> {
    #[inline(always)]
    fn group<const N: usize>(&mut self, at: usize, group: &Group) {
        sum_group::<T, N>(self.grid, self.x, self.place, group, self.scale, &mut self.out[at..at + N]);
    }
}

/// The sums of `N` outputs: of each row of a window first, then of these.
#[inline(always)]
fn sum_group<T: Real, const N: usize>(
    grid: &Grid<'_>,
    x: &[T],
    (outer, [od, oh]): (usize, [usize; 2]),
    group: &Group,
    scale: T,
    out: &mut [T],
) {
    let ([depth, height, width], inner) = (grid.sizes, grid.inner);
    let [wd, wh, ww] = grid.windows;
    let (step, apart) = (ww.step * inner, group.apart[0]);
    let mut all = [T::zero(); N];
    for d in 0..wd.count[od] {
        for h in 0..wh.count[oh] {
            let (id, ih) = (wd.first[od] + d * wd.step, wh.first[oh] + h * wh.step);
            let start = (((outer * depth + id) * height + ih) * width + group.first) * inner + group.channel;
            let mut row = [T::zero(); N];
            if N == 1 && step == 1 {
                row[0] = sum_of(&x[start..start + group.count]);
            } else if apart == 1 {
                for k in 0..group.count {
                    let x = &x[start + k * step..][..N];
                    row = lanes(|i| row[i] + x[i]);
                }
            } else {
                for k in 0..group.count {
                    let x = &x[start + k * step..][..(N - 1) * apart + 1];
                    row = lanes(|i| row[i] + x[i * apart]);
                }
            }
            all = lanes(|i| all[i] + row[i]);
        }
    }
    out.iter_mut().zip(all).for_each(|(out, sum)| *out = scale * sum);
}

/// The sum of elements that lie one after the other. Short rows are added up in their order, as those beside each other are.
#[inline(always)]
fn sum_of<T: Real>(x: &[T]) -> T {
    if x.len() < LONG {
        return x.iter().fold(T::zero(), |sum, x| sum + *x);
    }
    let (chunks, rest) = x.as_chunks::<LANES>();
    let sums = chunks.iter().fold([T::zero(); LANES], |sums, x| lanes(|i| sums[i] + x[i]));
    rest.iter().fold(total(sums), |sum, x| sum + *x)
}

struct Max<'a, T> {
    grid: Grid<'a>,
    x: &'a [T],
    /// The first row of outputs.
    first: usize,
    out: &'a mut [T],
    at: &'a mut [i32],
}

impl<T: Real> Kernel for Max<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let row = self.grid.windows[2].len() * self.grid.inner;
        for (i, (out, at)) in self.out.chunks_mut(row).zip(self.at.chunks_mut(row)).enumerate() {
            let place = row_at(&self.grid, self.first + i);
            for_groups(&self.grid, &mut MaxRow { grid: &self.grid, x: self.x, place, out, at });
        }
    }
}

struct MaxRow<'a, T> {
    grid: &'a Grid<'a>,
    x: &'a [T],
    place: (usize, [usize; 2]),
    out: &'a mut [T],
    at: &'a mut [i32],
}

impl<T: Real> Outputs for MaxRow<'_, T> {
    #[inline(always)]
    fn group<const N: usize>(&mut self, at: usize, group: &Group) {
        let (out, places) = (&mut self.out[at..at + N], &mut self.at[at..at + N]);
        max_group::<T, N>(self.grid, self.x, self.place, group, out, places);
    }
}

/// The maxima of `N` outputs.
#[inline(always)]
fn max_group<T: Real, const N: usize>(
    grid: &Grid<'_>,
    x: &[T],
    (outer, [od, oh]): (usize, [usize; 2]),
    group: &Group,
    out: &mut [T],
    at: &mut [i32],
) {
    let ([depth, height, width], inner) = (grid.sizes, grid.inner);
    let [wd, wh, ww] = grid.windows;
    let (step, [apart, further]) = (ww.step * inner, group.apart);
    let mut best = [T::neg_infinity(); N];
    let mut best_at = [((wd.first[od] * height + wh.first[oh]) * width + group.first) as i32; N];
    for d in 0..wd.count[od] {
        for h in 0..wh.count[oh] {
            let (id, ih) = (wd.first[od] + d * wd.step, wh.first[oh] + h * wh.step);
            let place = (id * height + ih) * width + group.first;
            let start = (outer * depth * height * width + place) * inner + group.channel;
            for k in 0..group.count {
                let place = (place + k * ww.step) as i32;
                let x = &x[start + k * step..][..(N - 1) * apart + 1];
                let x: [T; N] = if apart == 1 { lanes(|i| x[i]) } else { lanes(|i| x[i * apart]) };
                for i in 0..N {
                    let better = x[i] > best[i] || x[i].is_nan();
                    best[i] = if better { x[i] } else { best[i] };
                    best_at[i] = if better { place } else { best_at[i] };
                }
            }
        }
    }
    out.copy_from_slice(&best);
    for (i, (at, best)) in at.iter_mut().zip(best_at).enumerate() {
        *at = best + (i * further) as i32;
    }
}
