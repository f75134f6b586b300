//! Outputs as sums over taps, tile by tile: the convolution itself, and the gradient of its input.

use std::ops::Range;

use super::tile::{Outputs, TALLEST, Tap, Tiles, VECTORS};
use super::weights::Order;
use super::{LEAST, width};
use crate::parallel::{self, threads};
#[cfg(target_arch = "x86_64")]
use crate::tensor::kernels::simd::{Avx2, Avx512};
use crate::tensor::kernels::simd::{Level, Portable, Vector, level};

/// The rows of weights that are gone through for all pixels before the next ones: with the columns of a strip they stay in the
/// second-level cache.
const DEPTH: usize = 1280;
/// The pixels of a block that goes through all weights before the next one.
const BLOCK: usize = 72 * TALLEST;

/// What becomes of sums: they are multiplied by a number for each channel, a number for each channel is added, then another tensor that
/// lies in memory as the output does, and negative results become 0: whatever there is of all that.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finish<'a> {
    pub(crate) scale: Option<&'a [f32]>,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) beside: Option<&'a [f32]>,
    pub(crate) relu: bool,
}

/// The sums for all pixels of an output, or of those with one residue.
pub(super) struct Correlation<'a> {
    /// From the first pixel's part of it on.
    pub(super) image: &'a [f32],
    pub(super) image_strides: [usize; 4],
    pub(super) taps: &'a [Tap],
    /// The weights of a group, and those of all groups, packed.
    pub(super) order: Order,
    pub(super) weights: &'a [f32],
    pub(super) groups: usize,
    /// How far apart the weights of two groups are.
    pub(super) apart: usize,
    pub(super) finish: Finish<'a>,
    pub(super) batch: usize,
    pub(super) size: [usize; 3],
    pub(super) out: *mut f32,
    pub(super) out_strides: [usize; 4],
}

// SAFETY: threads write different pixels or channels of the output.
unsafe impl Sync for Correlation<'_> {}

impl Correlation<'_> {
    /// # Safety
    /// `out` must take all pixels, and nobody else use them.
    pub(super) unsafe fn run(&self) {
        let width = width();
        let pixels = self.pixels();
        let (rows, strips) = (self.order.rows(), self.order.strips(width));
        if pixels == 0 {
            return;
        }
        self.check(width);

        let work = pixels.saturating_mul(rows).saturating_mul(self.order.cols * self.groups);
        let parts = if work < LEAST || threads() == 1 { 1 } else { (4 * threads()).div_ceil(self.groups) };
        // What is read: the image once for each part of the strips, the weights once for each part of the pixels.
        let (image, weights) = (pixels * self.order.inner, rows * self.order.cols);
        let cost = |by_pixels: usize| {
            let by_strips = parts.div_ceil(by_pixels);
            if by_strips > strips { usize::MAX } else { image * by_strips + weights * by_pixels }
        };
        let by_pixels = (1..=parts).min_by_key(|n| cost(*n)).unwrap_or(1);
        let block = pixels.div_ceil(by_pixels).next_multiple_of(TALLEST).min(BLOCK);
        let strips_each = strips.div_ceil(parts.div_ceil(by_pixels));
        let (blocks, bands) = (pixels.div_ceil(block), strips.div_ceil(strips_each));
        let level = level();
        let work = |i: usize| {
            let (block_number, rest) = (i % blocks, i / blocks);
            let (band, group) = (rest % bands, rest / bands);
            let places = self.places(block_number * block..pixels.min((block_number + 1) * block));
            let strips = band * strips_each..strips.min((band + 1) * strips_each);
            // SAFETY: the processor has what `level` reports; parts do not overlap, and lie within what was compared above.
            unsafe { self.part_on(level, group, &places, strips) };
        };
        let count = blocks * bands * self.groups;
        if parts == 1 { (0..count).for_each(work) } else { parallel::share(count, &work) }
    }

    /// All of it, on this thread, with vectors of `width`, which are those of the level.
    ///
    /// # Safety
    /// As for [`run`](Self::run), and the processor must have the set.
    pub(super) unsafe fn run_here(&self, level: Level, width: usize) {
        self.check(width);
        let (places, strips) = (self.places(0..self.pixels()), 0..self.order.strips(width));
        for group in 0..self.groups {
            // SAFETY: the caller's promise.
            unsafe { self.part_on(level, group, &places, strips.clone()) };
        }
    }

    /// # Safety
    /// As for [`run_here`](Self::run_here).
    unsafe fn part_on(&self, level: Level, group: usize, places: &[[usize; 2]], strips: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => self.part::<Avx512>(group, places, strips),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => self.part::<Avx2>(group, places, strips),
                Level::Portable => self.part::<Portable>(group, places, strips),
            }
        }
    }

    fn pixels(&self) -> usize {
        self.batch * self.size.iter().product::<usize>()
    }

    /// That all taps of all pixels lie in the image, and there are weights for them.
    fn check(&self, width: usize) {
        let reach = |strides: &[usize; 4]| {
            let sizes = [self.batch, self.size[0], self.size[1], self.size[2]];
            sizes.iter().zip(strides).map(|(n, stride)| (n - 1) * stride).sum::<usize>()
        };
        let deepest = self.taps.iter().map(|tap| tap.offset + tap.len).max().unwrap_or(0);
        let rows = self.order.rows();
        let fits = reach(&self.image_strides) + deepest + (self.groups - 1) * self.order.inner <= self.image.len()
            && self.apart >= self.order.packed_len(width)
            && self.weights.len() >= (self.groups - 1) * self.apart + self.order.packed_len(width)
            && self.taps.iter().all(|tap| tap.row + tap.len <= rows)
            && [self.finish.scale, self.finish.bias]
                .iter()
                .all(|x| x.is_none_or(|x| x.len() == self.groups * self.order.cols));
        assert!(fits, "convolution: taps beyond the image");
    }

    /// # Safety
    /// As for [`run`](Self::run), and the processor must have the set.
    unsafe fn part<I: Tiles>(&self, group: usize, places: &[[usize; 2]], strips: Range<usize>) {
        let image = self.image.as_ptr().wrapping_add(group * self.order.inner);
        let weights = self.weights[group * self.apart..].as_ptr();
        let mut rest = self.taps;
        let mut add = false;
        loop {
            let mut depth = 0;
            let fitting = |tap: &&Tap| {
                depth += tap.len;
                depth <= DEPTH
            };
            let count = rest.iter().take_while(fitting).count().max(1).min(rest.len());
            let (taps, others) = rest.split_at(count);
            for strip in strips.clone() {
                let (start, cols, row) = self.order.strip(strip, I::F32::WIDTH);
                let vectors = row / I::F32::WIDTH;
                let first = group * self.order.cols + strip * VECTORS * I::F32::WIDTH;
                // What follows the last sum.
                let Finish { scale, bias, beside, relu } =
                    if others.is_empty() { self.finish } else { Finish::default() };
                let from = |x: Option<&[f32]>, at: usize| x.map_or(std::ptr::null(), |x| x[at..].as_ptr());
                let mut next = 0;
                while next < places.len() {
                    let left = places.len() - next;
                    let height =
                        I::HEIGHTS.iter().rev().copied().find(|height| *height >= left).unwrap_or(I::HEIGHTS[0]);
                    let rows = left.min(height);
                    let (mut images, mut outs) = ([image; TALLEST], [self.out; TALLEST]);
                    for i in 0..height {
                        let [from, to] = places[next + if i < rows { i } else { 0 }];
                        images[i] = image.wrapping_add(from);
                        outs[i] = self.out.wrapping_add(to + first);
                    }
                    let tile = Outputs {
                        taps,
                        images,
                        outs,
                        rows,
                        weights: weights.wrapping_add(start),
                        add,
                        scale: from(scale, first),
                        bias: from(bias, first),
                        out: self.out,
                        beside: from(beside, 0),
                        relu,
                        last: cols - (vectors - 1) * I::F32::WIDTH,
                    };
                    // SAFETY: the caller's promise.
                    unsafe { I::outputs(height, vectors)(&tile) };
                    next += rows;
                }
            }
            add = true;
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
    }

    fn places(&self, pixels: Range<usize>) -> Vec<[usize; 2]> {
        pixels.map(|pixel| self.place(pixel)).collect()
    }

    /// Where the image of a pixel begins, and where the pixel itself.
    fn place(&self, pixel: usize) -> [usize; 2] {
        let [d, h, w] = self.size;
        let index = [pixel / (d * h * w), pixel / (h * w) % d, pixel / w % h, pixel % w];
        [self.image_strides, self.out_strides].map(|strides| index.iter().zip(strides).map(|(i, s)| i * s).sum())
    }
}
