//! What the results of a convolution are sums over, for results that lie in a row and see the same places of the kernel: so no source
//! needs a margin.

use std::ops::Range;

use super::geometry::Geometry;
use super::image::residues;

/// A pixel of the source under a place of the kernel, for the first result of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) from: usize,
    pub(super) place: usize,
}

/// Results in a row that see the same places, each of them as much further on in the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// The example, or whatever is in place of it: offsets in the source begin with it.
    pub(super) example: usize,
    /// The number of the first result within the range that was asked for, how far on the next one is, and how many there are.
    pub(super) at: usize,
    pub(super) step: usize,
    pub(super) count: usize,
    /// From what one of them sees to what the next one does.
    pub(super) from_step: usize,
}

/// Results along one dimension that see the same places but for the ends of the source: every `step`th.
struct Along {
    first: usize,
    step: usize,
    count: usize,
    /// The places, and where in the source, relative to its first element, they are for the first result.
    places: Vec<(usize, isize)>,
    from_step: usize,
    from_size: usize,
}

impl Along {
    /// The outputs along dimension `d`, which see the input.
    fn of_outputs(g: &Geometry, d: usize) -> Vec<Self> {
        let places = |k: usize| (k, (k * g.dilation[d]) as isize - g.padding[d] as isize);
        let places = (0..g.kernel[d]).map(places).collect();
        vec![Self { first: 0, step: 1, count: g.output[d], places, from_step: g.stride[d], from_size: g.input[d] }]
    }

    /// The elements of the input along dimension `d`, which see the output.
    fn of_inputs(g: &Geometry, d: usize) -> Vec<Self> {
        let of = residues(g, d).map(|residue| Self {
            first: residue.first,
            step: g.stride[d],
            count: residue.count,
            places: residue.places(g, d).collect(),
            from_step: 1,
            from_size: g.output[d],
        });
        of.collect()
    }

    /// The element of the source that result number `i` sees at a distance, if there is one.
    fn source(&self, i: usize, distance: isize) -> Option<usize> {
        let at = (i * self.from_step) as isize + distance;
        usize::try_from(at).ok().filter(|at| *at < self.from_size)
    }

    /// The results all of whose places lie on the source.
    fn whole(&self) -> Range<usize> {
        let distances = || self.places.iter().map(|(_, distance)| *distance);
        let (least, most) = (distances().min().unwrap_or(0), distances().max().unwrap_or(0));
        let first = least.min(0).unsigned_abs().div_ceil(self.from_step);
        let end = (self.from_size as isize - most).max(0).unsigned_abs().div_ceil(self.from_step);
        first.min(self.count)..end.min(self.count)
    }

    /// Those of its results that are in a range of all.
    fn within(&self, range: &Range<usize>) -> Range<usize> {
        let number = |at: usize| at.saturating_sub(self.first).div_ceil(self.step).min(self.count);
        number(range.start)..number(range.end)
    }
}

/// The results of a convolution of one channel, and what they see.
pub(super) struct Walk {
    size: [usize; 3],
    along: [Vec<Along>; 3],
    kernel: [usize; 3],
    /// How far apart the elements of the source are: depth, height and width.
    strides: [usize; 3],
    /// How many sources lie one after the other, with a kernel for each, that a result is the sum over, and how far apart they are.
    sources: usize,
    apart: usize,
}

impl Walk {
    /// The outputs, which see an input whose pixels are so many elements long.
    pub(super) fn of_outputs(g: &Geometry, pixel: usize) -> Self {
        let along = std::array::from_fn(|d| Along::of_outputs(g, d));
        Self::new(g, g.output, along, g.input, pixel, 1)
    }

    /// The pixels of the input, which see this many outputs, whose pixels are so many elements long.
    pub(super) fn of_inputs(g: &Geometry, pixel: usize, sources: usize) -> Self {
        let along = std::array::from_fn(|d| Along::of_inputs(g, d));
        Self::new(g, g.input, along, g.output, pixel, sources)
    }

    fn new(
        g: &Geometry,
        size: [usize; 3],
        along: [Vec<Along>; 3],
        [d, h, w]: [usize; 3],
        pixel: usize,
        sources: usize,
    ) -> Self {
        let strides = [h * w * pixel, w * pixel, pixel];
        Self { size, along, kernel: g.kernel, strides, sources, apart: d * strides[0] }
    }

    /// The results of one example.
    pub(super) fn area(&self) -> usize {
        self.size.iter().product()
    }

    /// The places of all kernels.
    pub(super) fn places(&self) -> usize {
        self.sources * self.kernel.iter().product::<usize>()
    }

    /// Calls `f` for all results in a range, which counts through all examples, run by run: a run and what its first result sees.
    pub(super) fn runs(&self, range: Range<usize>, f: &mut dyn FnMut(&Run, &[Seen])) {
        let [depths, rows, cols] = self.size;
        let (mut lines, mut seen) = (Vec::new(), Vec::new());
        let mut next = range.start;
        while next < range.end {
            let (line, col) = (next / cols, next % cols);
            let within = col..cols.min(col + (range.end - next));
            let (plane, row) = (line / rows, line % rows);
            let (example, depth) = (plane / depths, plane % depths);
            self.lines(depth, row, &mut lines);
            for along in &self.along[2] {
                let (own, whole) = (along.within(&within), along.whole());
                let first = whole.start.clamp(own.start, own.end);
                let end = whole.end.clamp(first, own.end);
                let (front, behind) = (own.start..first, end..own.end);
                let together = [(first, end - first)].into_iter().filter(|(_, count)| *count > 0);
                for (i, count) in front.map(|i| (i, 1)).chain(together).chain(behind.map(|i| (i, 1))) {
                    seen.clear();
                    for line in &lines {
                        let at = |(k, distance): &(usize, isize)| {
                            let w = along.source(i, *distance)?;
                            Some(Seen { from: line.from + w * self.strides[2], place: line.place + k })
                        };
                        seen.extend(along.places.iter().filter_map(at));
                    }
                    let at = line * cols + along.first + i * along.step - range.start;
                    let from_step = along.from_step * self.strides[2];
                    f(&Run { example, at, step: along.step, count, from_step }, &seen);
                }
            }
            next += within.len();
        }
    }

    /// The lines of the source and of the kernels that the results of a line see.
    fn lines(&self, depth: usize, row: usize, lines: &mut Vec<Seen>) {
        lines.clear();
        let of = |d: usize, at: usize| {
            let along = &self.along[d];
            (&along[at % along.len()], at / along.len())
        };
        let ((depths, depth), (rows, row)) = (of(0, depth), of(1, row));
        let [kd, kh, kw] = self.kernel;
        for source in 0..self.sources {
            for (i, distance) in &depths.places {
                let Some(d) = depths.source(depth, *distance) else { continue };
                for (j, distance) in &rows.places {
                    let Some(h) = rows.source(row, *distance) else { continue };
                    let from = source * self.apart + d * self.strides[0] + h * self.strides[1];
                    lines.push(Seen { from, place: ((source * kd + i) * kh + j) * kw });
                }
            }
        }
    }
}
