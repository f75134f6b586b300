//! Convolutions of each channel by itself, with the channels in front of the pixels: neighbours along a row are worked on side by side.
//!
//! This is for few channels, for outputs that share a channel, and for `f64`. Channels of all examples are planes one after the other.

use super::geometry::Geometry;
use super::runs::{Run, Seen, Walk};
use crate::parallel;
use crate::tensor::kernels::Real;
use crate::tensor::kernels::gemm::Scratch;
use crate::tensor::kernels::lanes::{lanes, total};
use crate::tensor::kernels::simd::{Isa, Kernel, dispatch, dispatch_to_avx2};

/// Pixels that are worked on side by side.
const LANES: usize = 16;
/// Multiplications that are worth another thread.
const WORTH: usize = 1 << 18;
/// From so many outputs of a channel on, products of matrices are better.
const OUTPUTS: usize = 4;
/// Into how many parts the examples are divided at most, each of which makes a gradient of the weights of its own.
const PARTS: usize = 16;

/// Whether these functions are the ones for a convolution.
pub(crate) fn suits(g: &Geometry) -> bool {
    g.groups == g.channels && g.outputs < g.channels.saturating_mul(OUTPUTS)
}

/// The convolution of `[batch, channels, ..]`, whose result is of the same kind.
pub(crate) fn forward<T: Real>(g: &Geometry, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    let walk = Walk::of_outputs(g, 1);
    let sums = Sums { walk: &walk, x, area: size(g.input), results: [g.outputs, g.group_outputs()], w, bias };
    assert!(x.len() == g.batch * g.channels * size(g.input), "convolution: an input that does not fit {g:?}");
    sums.run(g, out);
}

/// The gradient of the input, which is the transposed convolution, of that of the output.
pub(crate) fn input<T: Real>(g: &Geometry, y: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    let walk = Walk::of_inputs(g, 1, g.group_outputs());
    let area = size(g.output) * g.group_outputs();
    let sums = Sums { walk: &walk, x: y, area, results: [g.channels, 1], w, bias };
    assert!(y.len() == g.batch * g.outputs * size(g.output), "convolution: a gradient that does not fit {g:?}");
    sums.run(g, out);
}

fn size(sizes: [usize; 3]) -> usize {
    sizes.iter().product()
}

/// Planes of results.
struct Sums<'a, T> {
    walk: &'a Walk,
    x: &'a [T],
    /// The elements of the source that a result sees.
    area: usize,
    /// The results of an example, and how many of them see the same.
    results: [usize; 2],
    w: &'a [T],
    bias: Option<&'a [T]>,
}

impl<T: Real> Sums<'_, T> {
    fn run(&self, g: &Geometry, out: &mut [T]) {
        let Self { walk, x, area, results: [results, alike], w, bias } = *self;
        let (plane, places) = (walk.area(), walk.places());
        let fits = out.len() == g.batch * results * plane
            && w.len() == g.outputs * g.places()
            && bias.is_none_or(|bias| bias.len() == results);
        assert!(fits, "convolution: operands that do not fit {g:?}");
        parallel::for_blocks(out, (WORTH / places).max(1), |start, out| {
            walk.runs(start..start + out.len(), &mut |run, seen| {
                let result = run.example % results;
                let x = &x[run.example / alike * area..][..area];
                let w = &w[result * places..][..places];
                let first = bias.map_or(T::zero(), |bias| bias[result]);
                let job = Row { run, seen, x, w, first, out };
                if T::WIDE { dispatch_to_avx2(job) } else { dispatch(job) }
            });
        });
    }
}

/// The gradient of the weights, in their order.
pub(crate) fn weight<T: Real>(g: &Geometry, x: &[T], y: &[T], out: &mut [T]) {
    let (walk, places, alike) = (Walk::of_outputs(g, 1), g.places(), g.group_outputs());
    let (area, plane) = (size(g.input), g.area());
    let fits = x.len() == g.batch * g.channels * area
        && y.len() == g.batch * g.outputs * plane
        && out.len() == g.outputs * places;
    assert!(fits, "convolution: operands that do not fit {g:?}");
    let (parts, len) = (g.batch.clamp(1, PARTS), out.len());
    let each = g.batch.div_ceil(parts);
    let mut sums = Scratch::new(parts * len);
    let sums = sums.as_mut_slice();
    let worth = WORTH.div_ceil((each * plane * places).max(1));
    parallel::for_blocks(sums, places * worth, |start, sums| {
        for (i, sums) in sums.chunks_mut(places).enumerate() {
            let (part, output) = ((start / places + i) / g.outputs, (start / places + i) % g.outputs);
            sums.fill(T::zero());
            for example in (part * each).min(g.batch)..((part + 1) * each).min(g.batch) {
                let number = example * g.outputs + output;
                let (x, y) = (&x[number / alike * area..][..area], &y[number * plane..][..plane]);
                walk.runs(number * plane..(number + 1) * plane, &mut |run, seen| {
                    let job = Slopes { run, seen, x, y, sums };
                    if T::WIDE { dispatch_to_avx2(job) } else { dispatch(job) }
                });
            }
        }
    });
    out.copy_from_slice(&sums[..len]);
    for part in sums[len..].chunks(len.max(1)) {
        out.iter_mut().zip(part).for_each(|(a, b)| *a += *b);
    }
}

/// A run of outputs.
struct Row<'a, T> {
    run: &'a Run,
    seen: &'a [Seen],
    x: &'a [T],
    w: &'a [T],
    /// What is added to.
    first: T,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Row<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { run: &Run { at, step, count, from_step, .. }, seen, x, w, first, out } = self;
        let mut i = 0;
        while step == 1 && from_step == 1 && i + LANES <= count {
            let mut sums = [first; LANES];
            for seen in seen {
                let (x, w) = (&x[seen.from + i..][..LANES], w[seen.place]);
                sums = lanes(|lane| I::mul_add(x[lane], w, sums[lane]));
            }
            out[at + i..][..LANES].copy_from_slice(&sums);
            i += LANES;
        }
        while i < count {
            let mut sum = first;
            for seen in seen {
                sum = I::mul_add(x[seen.from + i * from_step], w[seen.place], sum);
            }
            out[at + i * step] = sum;
            i += 1;
        }
    }
}

/// The gradients of the weights of one kernel for a run of outputs.
struct Slopes<'a, T> {
    run: &'a Run,
    seen: &'a [Seen],
    x: &'a [T],
    y: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> Kernel for Slopes<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { run: &Run { at, count, from_step, .. }, seen, x, y, sums } = self;
        // Outputs that follow each other.
        let y = &y[at..at + count];
        for seen in seen {
            let x = &x[seen.from..];
            let mut sum = T::zero();
            let mut i = 0;
            if from_step == 1 {
                let mut sums = [T::zero(); LANES];
                while i + LANES <= count {
                    let (x, y) = (&x[i..][..LANES], &y[i..][..LANES]);
                    sums = lanes(|lane| I::mul_add(x[lane], y[lane], sums[lane]));
                    i += LANES;
                }
                sum = total(sums);
            }
            while i < count {
                sum = I::mul_add(x[i * from_step], y[i], sum);
                i += 1;
            }
            sums[seen.place] += sum;
        }
    }
}
