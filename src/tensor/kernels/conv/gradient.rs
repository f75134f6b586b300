//! The gradient of the weights: tiles run along the lines of the output.

use std::ops::Range;

use super::geometry::{Geometry, Pixels};
use super::image::{Image, joined, taps};
use super::tile::{Line, Slopes, Tap, Tiles, VECTORS};
use super::weights::{Order, forward_order, unpack};
use super::{GRAIN, LEAST, width};
use crate::parallel;
use crate::tensor::kernels::gemm::{Block, Scratch, Strips};
#[cfg(target_arch = "x86_64")]
use crate::tensor::kernels::simd::{Avx2, Avx512};
use crate::tensor::kernels::simd::{Level, Portable, Vector, level};

/// The pixels whose gradients are packed together.
const PIXELS: usize = 256;
/// Into how many parts the pixels are divided at most, each of which makes a gradient of the weights of its own, and how many each
/// is worth.
const PARTS: usize = 16;
const PART_PIXELS: usize = 512;
/// Weights that are too many for that: they are divided instead, into so many rows.
const MANY_WEIGHTS: usize = 1 << 17;
const ROWS: usize = 128;

/// Into how many parts the pixels are divided. Their sums are added up afterwards, so it shows in the result, and follows from the
/// sizes alone.
pub(super) fn parts(g: &Geometry) -> usize {
    if g.outputs * g.depth() > MANY_WEIGHTS { 1 } else { (g.pixels() / PART_PIXELS).clamp(1, PARTS) }
}

/// The gradient of the weights, in their order, of operands that were compared; or those of the examples, one after the other.
pub(super) fn weight(
    g: &Geometry,
    x: Pixels<'_, f32>,
    y: Pixels<'_, f32>,
    out: &mut [f32],
    [image, other, sums]: [&mut [f32]; 3],
    of_examples: bool,
) {
    let (order, of) = (forward_order(g), Image::of_input(g));
    let (parts, width) = (if of_examples { g.batch } else { parts(g) }, width());
    let len = g.groups * order.packed_len(width);
    assert!(sums.len() == parts * len, "convolution: sums that do not fit {g:?}");
    let image = of.of(x, image);
    let slopes = Image::of_slopes(g).of(y, other);
    let joined = joined(taps(g, &of));
    // Rows that belong together: those of a tap, or some of them, if it is the weights that are divided.
    let cut = |tap: Tap| {
        (0..tap.len).step_by(ROWS).map(move |c| Tap {
            offset: tap.offset + c,
            row: tap.row + c,
            len: ROWS.min(tap.len - c),
        })
    };
    let rows: Vec<Vec<Tap>> =
        if parts > 1 { vec![joined] } else { joined.into_iter().flat_map(cut).map(|tap| vec![tap]).collect() };
    let each = g.pixels().div_ceil(parts);
    let strides = of.strides();
    let work = Gradient { g, image, strides, order, slopes, sums: sums.as_mut_ptr() };
    let (rows, all, level) = (&rows, &work, level());
    let on = |i: usize| {
        let (part, rest) = (i % parts, i / parts);
        let (group, taps) = (rest % g.groups, &rows[rest / g.groups]);
        let pixels = (part * each).min(g.pixels())..((part + 1) * each).min(g.pixels());
        let first = part * len + group * order.packed_len(width);
        // SAFETY: the processor has what `level` reports; parts have sums of their own, and the other pieces rows.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => all.part::<Avx512>(group, taps, pixels, first),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => all.part::<Avx2>(group, taps, pixels, first),
                Level::Portable => all.part::<Portable>(group, taps, pixels, first),
            }
        }
    };
    let count = parts * g.groups * rows.len();
    if g.pixels().saturating_mul(g.outputs * g.depth()) < LEAST {
        (0..count).for_each(on)
    } else {
        parallel::share(count, &on)
    }

    let of_group = g.group_outputs() * g.depth();
    let unpack_all = |(sums, out): (&mut [f32], &mut [f32])| {
        for (sums, out) in sums.chunks_mut(len / g.groups).zip(out.chunks_mut(of_group)) {
            unpack(order, width, sums, out);
        }
    };
    if of_examples {
        let all: Vec<_> = sums.chunks_mut(len).zip(out.chunks_mut(g.outputs * g.depth())).collect();
        return parallel::for_each(all, &unpack_all);
    }
    let (first, others) = sums.split_at_mut(len);
    if !others.is_empty() {
        parallel::for_blocks(first, GRAIN, |start, first| {
            for other in others.chunks(len) {
                first.iter_mut().zip(&other[start..]).for_each(|(a, b)| *a += b);
            }
        });
    }
    unpack_all((first, out));
}

/// The gradient of the weights, part by part.
struct Gradient<'a> {
    g: &'a Geometry,
    image: &'a [f32],
    strides: [usize; 4],
    order: Order,
    /// The gradient of the output, pixel by pixel.
    slopes: &'a [f32],
    sums: *mut f32,
}

// SAFETY: threads write different parts of the sums.
unsafe impl Sync for Gradient<'_> {}

impl Gradient<'_> {
    /// Computes the rows of some taps for some pixels, into the sums from number `first` on.
    ///
    /// # Safety
    /// Nobody else may use these rows of the sums, and the processor must have the set.
    unsafe fn part<I: Tiles>(&self, group: usize, taps: &[Tap], pixels: Range<usize>, first: usize) {
        let (g, order, width) = (self.g, self.order, I::F32::WIDTH);
        let sums = self.sums.wrapping_add(first);
        let image = self.image.as_ptr().wrapping_add(group * order.inner);
        for strip in 0..order.strips(width) {
            let (start, _, row) = order.strip(strip, width);
            for tap in taps {
                // SAFETY: these rows are the caller's.
                unsafe { std::slice::from_raw_parts_mut(sums.add(start + tap.row * row), tap.len * row) }.fill(0.0);
            }
        }
        let mut packed = Scratch::new(PIXELS * order.cols.next_multiple_of(width));
        let packed = packed.as_mut_slice();
        let mut lines = Vec::new();
        let mut next = pixels.start;
        while next < pixels.end {
            let count = PIXELS.min(pixels.end - next);
            self.lines(next, count, &mut lines);
            let from = self.slopes[next * g.outputs + group * order.cols..].as_ptr();
            let from = Block { data: from, row_stride: g.outputs, col_stride: 1 };
            // SAFETY: the pixels are there, and the buffer takes as many.
            unsafe { I::enter(Strips { from, k: count, cols: order.cols, to: packed.as_mut_ptr() }) };
            for strip in 0..order.strips(width) {
                let (start, _, row) = order.strip(strip, width);
                let slopes = packed[strip * VECTORS * width * count..].as_ptr();
                for tap in taps {
                    let mut c = 0;
                    while c < tap.len {
                        let height = height::<I>(tap.len - c);
                        let tile = Slopes {
                            lines: &lines,
                            image: image.wrapping_add(tap.offset + c),
                            step: self.strides[3] * g.stride[2],
                            slopes,
                            sums: sums.wrapping_add(start + (tap.row + c) * row),
                        };
                        // SAFETY: the lines lie in the image as far as the taps do, which `Image` was made for.
                        unsafe { I::slopes(height, row / width)(&tile) };
                        c += height;
                    }
                }
            }
            next += count;
        }
    }

    /// The lines that some pixels are on.
    fn lines(&self, first: usize, count: usize, lines: &mut Vec<Line>) {
        let [d, h, w] = self.g.output;
        let stride = self.g.stride;
        lines.clear();
        let mut pixel = first;
        while pixel < first + count {
            let index = [
                pixel / (d * h * w),
                pixel / (h * w) % d * stride[0],
                pixel / w % h * stride[1],
                pixel % w * stride[2],
            ];
            let len = (w - pixel % w).min(first + count - pixel);
            let image = index.iter().zip(self.strides).map(|(i, s)| i * s).sum();
            lines.push(Line { image, slope: pixel - first, len });
            pixel += len;
        }
    }
}

/// The height of the next tile of so many rows: the tallest, unless another divides them.
fn height<I: Tiles>(rows: usize) -> usize {
    let dividing = I::HEIGHTS.iter().take(2).copied().find(|height| rows.is_multiple_of(*height));
    dividing.or(I::HEIGHTS.iter().copied().find(|height| *height <= rows)).unwrap_or(1)
}
