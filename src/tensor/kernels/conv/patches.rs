//! Convolutions as matrix products: the pixels that lie under the kernel are brought together for a block of outputs at a time.
//!
//! Tensors of channels are matrices here: a row for each channel, in which all pixels of all examples follow each other. A *patch*
//! has a row for each channel and place of the kernel, in the order of the weights, which therefore are used as they are.

use num_traits::Float;

use super::GRAIN;
use super::geometry::{Geometry, Pixels};
use crate::parallel;
use crate::tensor::kernels::gemm::{Gemm, MatRef, Scratch, gemm};

/// The elements of a block of patches.
const BLOCK: usize = 1 << 19;
/// The blocks of outputs: where they begin and how long they are.
fn blocks(g: &Geometry) -> impl Iterator<Item = (usize, usize)> {
    let (pixels, len) = (g.pixels(), (BLOCK / g.depth().max(1)).max(1));
    (0..pixels).step_by(len).map(move |start| (start, len.min(pixels - start)))
}

/// Rows of a matrix that are all there.
fn matrix<T>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef { data, rows, cols, row_stride: cols, col_stride: 1 }
}

/// Copies rows of patches for some outputs: those of the channels from `first` on.
fn gather<T: Gemm>(g: &Geometry, x: Pixels<'_, T>, first: usize, start: usize, len: usize, out: &mut [T]) {
    let places = g.places();
    let rows = GRAIN.div_ceil(len);
    parallel::for_blocks(out, rows * len, |at, out| {
        for (i, row) in out.chunks_mut(len).enumerate() {
            let (channel, place) = ((at / len + i) / places, (at / len + i) % places);
            row.fill(T::zero());
            g.segments(x.strides, first + channel, g.place(place), start..start + len, &mut |s| {
                let from = &x.data[s.from..];
                let to = &mut row[s.at..][..s.len];
                match s.step {
                    0 => to.fill(from[0]),
                    1 => to.copy_from_slice(&from[..s.len]),
                    step => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, from)| *to = *from),
                }
            });
        }
    });
}

/// Adds patches to the pixels that they are of. `x` has a row for each channel of the group.
fn scatter<T: Float + Send + Sync>(g: &Geometry, patches: &[T], start: usize, len: usize, x: &mut [T]) {
    let [d, h, w] = g.input;
    let row = g.batch * d * h * w;
    let places = g.places();
    let strides = [d * h * w, 0, h * w, w, 1];
    parallel::for_blocks(x, row, |at, x| {
        let channel = at / row;
        for place in 0..places {
            let patch = &patches[(channel * places + place) * len..][..len];
            g.segments(strides, 0, g.place(place), start..start + len, &mut |s| {
                let from = &patch[s.at..][..s.len];
                let to = x[s.from..].iter_mut().step_by(s.step);
                to.zip(from).for_each(|(to, from)| *to = *to + *from);
            });
        }
    });
}

fn check<T>(g: &Geometry, x: Option<Pixels<'_, T>>, y: Option<Pixels<'_, T>>, w: usize, out: usize, expected: usize) {
    let fits = x.is_none_or(|x| x.covers(g.batch, g.channels, g.input))
        && y.is_none_or(|y| y.covers(g.batch, g.outputs, g.output))
        && w == g.outputs * g.depth()
        && out == expected
        && g.group_channels() * g.groups == g.channels
        && g.group_outputs() * g.groups == g.outputs;
    assert!(fits, "convolution: operands that do not fit {g:?}");
}

/// The convolution: `out` has a row for each output.
pub(crate) fn forward<T: Gemm>(g: &Geometry, x: Pixels<'_, T>, w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    let (pixels, depth, outputs) = (g.pixels(), g.depth(), g.group_outputs());
    check(g, Some(x), None, w.len(), out.len(), g.outputs * pixels);
    assert!(bias.is_none_or(|bias| bias.len() == g.outputs), "convolution: a bias that does not fit {g:?}");
    if out.is_empty() {
        return;
    }
    for (i, row) in out.chunks_mut(pixels).enumerate() {
        row.fill(bias.map_or(T::zero(), |bias| bias[i]));
    }
    for (start, len) in blocks(g) {
        let mut scratch = Scratch::new(depth * len);
        let patches = scratch.as_mut_slice();
        for group in 0..g.groups {
            gather(g, x, group * g.group_channels(), start, len, patches);
            let w = matrix(&w[group * outputs * depth..], outputs, depth);
            let out = &mut out[group * outputs * pixels + start..];
            gemm(T::one(), w, matrix(patches, depth, len), T::one(), out, pixels, None);
        }
    }
}

/// The gradient of the input, which is the transposed convolution: `out` has a row for each channel of the input.
pub(crate) fn input<T: Gemm>(g: &Geometry, y: Pixels<'_, T>, w: &[T], bias: Option<&[T]>, out: &mut [T]) {
    let row = g.batch * g.input.iter().product::<usize>();
    let (depth, outputs, channels) = (g.depth(), g.group_outputs(), g.group_channels());
    check(g, None, Some(y), w.len(), out.len(), g.channels * row);
    assert!(bias.is_none_or(|bias| bias.len() == g.channels), "convolution: a bias that does not fit {g:?}");
    if out.is_empty() {
        return;
    }
    for (i, row) in out.chunks_mut(row).enumerate() {
        row.fill(bias.map_or(T::zero(), |bias| bias[i]));
    }
    for (start, len) in blocks(g) {
        let (mut slopes, mut patches) = (Scratch::new(outputs * len), Scratch::new(depth * len));
        let (slopes, patches) = (slopes.as_mut_slice(), patches.as_mut_slice());
        for group in 0..g.groups {
            gather(&g.of_output(), y, group * outputs, start, len, slopes);
            let w = matrix(&w[group * outputs * depth..], outputs, depth).t();
            gemm(T::one(), w, matrix(slopes, outputs, len), T::zero(), patches, len, None);
            scatter(g, patches, start, len, &mut out[group * channels * row..][..channels * row]);
        }
    }
}

/// The gradient of the weights, in their order.
pub(crate) fn weight<T: Gemm>(g: &Geometry, x: Pixels<'_, T>, y: Pixels<'_, T>, out: &mut [T]) {
    let (depth, outputs, channels) = (g.depth(), g.group_outputs(), g.group_channels());
    check(g, Some(x), Some(y), out.len(), out.len(), g.outputs * depth);
    out.fill(T::zero());
    if out.is_empty() {
        return;
    }
    for (start, len) in blocks(g) {
        let (mut slopes, mut patches) = (Scratch::new(outputs * len), Scratch::new(depth * len));
        let (slopes, patches) = (slopes.as_mut_slice(), patches.as_mut_slice());
        for group in 0..g.groups {
            gather(&g.of_output(), y, group * outputs, start, len, slopes);
            gather(g, x, group * channels, start, len, patches);
            let out = &mut out[group * outputs * depth..][..outputs * depth];
            let (slopes, patches) = (matrix(slopes, outputs, len), matrix(patches, depth, len));
            gemm(T::one(), slopes, patches.t(), T::one(), out, depth, None);
        }
    }
}
