//! Convolutions of `f32` without patches: the channels of a pixel lie next to each other, and the tiles read them where they are.
//!
//! The input is copied into an *image* with a margin of zeros, unless it is one already. An output is then a sum over *taps*: for each
//! place of the kernel, so many numbers on from the pixel. The gradient of the input is the same with the places in reversed order,
//! once for each residue of its pixels by the stride, which see different places. For the gradient of the weights, the tiles run
//! along the lines of the output.

use std::ops::Range;

use super::GRAIN;
use super::geometry::{Geometry, Pixels};
use super::tile::{Line, Outputs, Slopes, TALLEST, Tap, Tiles, VECTORS};
use super::weights::{Order, pack, unpack};
use crate::parallel::{self, threads};
use crate::tensor::kernels::gemm::{Block, Scratch, Strip, Strips};
#[cfg(target_arch = "x86_64")]
use crate::tensor::kernels::simd::{Avx2, Avx512};
use crate::tensor::kernels::simd::{Isa, Level, Portable, Vector, dispatch, level};

/// The rows of weights that are gone through for all pixels before the next ones: with the columns of a strip they stay in the
/// second-level cache.
const DEPTH: usize = 1280;
/// The pixels of a block that goes through all weights before the next one.
const BLOCK: usize = 72 * TALLEST;
/// Multiplications that are worth other threads.
const LEAST: usize = 1 << 21;
/// The pixels whose gradients are packed together.
const PIXELS: usize = 256;
/// Into how many parts the pixels are divided at most, each of which makes a gradient of the weights of its own, and how many each
/// is worth.
const PARTS: usize = 16;
const PART_PIXELS: usize = 512;
/// Weights that are too many for that: they are divided instead, into so many rows.
const MANY_WEIGHTS: usize = 1 << 17;
const ROWS: usize = 128;

/// The elements in a vector of the machine.
pub(super) fn width() -> usize {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => <<Avx512 as Isa>::F32 as Vector>::WIDTH,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => <<Avx2 as Isa>::F32 as Vector>::WIDTH,
        Level::Portable => <<Portable as Isa>::F32 as Vector>::WIDTH,
    }
}

/// What a tensor is copied into: the channels of a pixel lie next to each other, as do the pixels.
#[derive(Debug, Clone, Copy)]
struct Image {
    batch: usize,
    channels: usize,
    size: [usize; 3],
    /// The pixels in front of the first one, and those of the tensor.
    margin: [usize; 3],
    inside: [usize; 3],
}

impl Image {
    /// Of a tensor of which the places from `first` on, as far as `end`, are looked at.
    fn new(batch: usize, channels: usize, inside: [usize; 3], first: [isize; 3], end: [isize; 3]) -> Self {
        let margin = first.map(|first| first.min(0).unsigned_abs());
        let size = std::array::from_fn(|d| inside[d].max(end[d].max(0) as usize).saturating_add(margin[d]));
        Self { batch, channels, size, margin, inside }
    }

    /// The input, as the outputs look at it.
    fn of_input(g: &Geometry) -> Self {
        let first = g.padding.map(|n| -(n as isize));
        let end = std::array::from_fn(|d| {
            let last = (g.output[d].max(1) - 1) * g.stride[d] + (g.kernel[d] - 1) * g.dilation[d];
            last as isize + 1 - g.padding[d] as isize
        });
        Self::new(g.batch, g.channels, g.input, first, end)
    }

    /// The output, as the pixels of the input look at it.
    fn of_output(g: &Geometry) -> Self {
        let (mut first, mut end) = ([0; 3], [0; 3]);
        for d in 0..3 {
            for residue in residues(g, d) {
                for (_, offset) in residue.places(g, d) {
                    first[d] = first[d].min(offset);
                    end[d] = end[d].max(residue.count as isize + offset);
                }
            }
        }
        Self::new(g.batch, g.outputs, g.output, first, end)
    }

    /// The output as it is.
    fn of_slopes(g: &Geometry) -> Self {
        Self::new(g.batch, g.outputs, g.output, [0; 3], [0; 3])
    }

    fn strides(&self) -> [usize; 4] {
        let [d, h, w] = self.size;
        [d * h * w * self.channels, h * w * self.channels, w * self.channels, self.channels]
    }

    /// The elements that it has; as many as there can be if they are too many to count.
    fn len(&self) -> usize {
        self.size.iter().fold(self.batch.saturating_mul(self.channels), |len, n| len.saturating_mul(*n))
    }

    /// The elements that have to be copied for it: none, if the tensor is one already.
    fn copied_len(&self, strides: [usize; 5]) -> usize {
        let [n, d, h, w] = self.strides();
        let sizes = [self.batch, self.channels, self.size[0], self.size[1], self.size[2]];
        let same = [n, 1, d, h, w].iter().zip(strides).zip(sizes).all(|((a, b), size)| *a == b || size <= 1);
        if same && self.size == self.inside { 0 } else { self.len() }
    }

    /// The elements, copied if that is necessary.
    fn of<'a>(&self, x: Pixels<'a, f32>, to: &'a mut [f32]) -> &'a [f32] {
        let len = self.copied_len(x.strides);
        if len == 0 {
            return x.data;
        }
        assert!(to.len() == len, "convolution: an image that does not fit");
        let [.., line, channels] = self.strides();
        let [_, h, _] = self.size;
        let lines = (GRAIN / line.max(1)).max(1);
        parallel::for_blocks(to, lines * line, |start, to| {
            for (i, to) in to.chunks_mut(line).enumerate() {
                let (plane, row) = ((start / line + i) / h, (start / line + i) % h);
                let place = [plane / self.size[0], plane % self.size[0], row];
                self.copy_line(x, place, channels, to);
            }
        });
        to
    }

    fn copy_line(&self, x: Pixels<'_, f32>, [n, d, h]: [usize; 3], channels: usize, to: &mut [f32]) {
        let inside = |d: usize, i: usize| i.checked_sub(self.margin[d]).filter(|i| *i < self.inside[d]);
        let (Some(d), Some(h)) = (inside(0, d), inside(1, h)) else { return to.fill(0.0) };
        let (front, rest) = to.split_at_mut(self.margin[2] * channels);
        let (to, behind) = rest.split_at_mut(self.inside[2] * channels);
        front.fill(0.0);
        behind.fill(0.0);
        if to.is_empty() {
            return;
        }
        let [of_n, of_c, of_d, of_h, of_w] = x.strides;
        let from = &x.data[n * of_n + d * of_d + h * of_h..];
        let of_c = if channels == 1 { 1 } else { of_c };
        let k = self.inside[2];
        assert!((k - 1) * of_w + (channels - 1) * of_c < from.len(), "convolution: a line beyond its tensor");
        if of_c == 1 && of_w == channels {
            return to.copy_from_slice(&from[..to.len()]);
        }
        let from = Block { data: from.as_ptr(), row_stride: of_w, col_stride: of_c };
        // Both lie within their slices, as was just seen.
        dispatch(Strip { from, k, cols: channels, stride: channels, slack: false, to: to.as_mut_ptr() });
    }
}

/// The pixels of an input along one dimension that have the same remainder by the stride, and how many there are.
struct Residue {
    first: usize,
    count: usize,
}

fn residues(g: &Geometry, d: usize) -> impl Iterator<Item = Residue> {
    let (size, stride) = (g.input[d], g.stride[d]);
    (0..stride.min(size)).map(move |first| Residue { first, count: (size - first).div_ceil(stride) })
}

impl Residue {
    /// The places of the kernel under which the pixels are, and for the first pixel for which output.
    fn places(&self, g: &Geometry, d: usize) -> impl Iterator<Item = (usize, isize)> {
        let (at, stride) = ((self.first + g.padding[d]) as isize, g.stride[d] as isize);
        let dilation = g.dilation[d];
        (0..g.kernel[d]).filter_map(move |k| {
            let distance = at - (k * dilation) as isize;
            (distance % stride == 0).then_some((k, distance / stride))
        })
    }
}

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
struct Correlation<'a> {
    /// From the first pixel's part of it on.
    image: &'a [f32],
    image_strides: [usize; 4],
    taps: &'a [Tap],
    /// The weights of a group, and those of all groups, packed.
    order: Order,
    weights: &'a [f32],
    groups: usize,
    finish: Finish<'a>,
    batch: usize,
    size: [usize; 3],
    out: *mut f32,
    out_strides: [usize; 4],
}

// SAFETY: threads write different pixels or channels of the output.
unsafe impl Sync for Correlation<'_> {}

impl Correlation<'_> {
    /// # Safety
    /// `out` must take all pixels, and nobody else use them.
    unsafe fn run(&self) {
        let width = width();
        let pixels = self.batch * self.size.iter().product::<usize>();
        let (rows, strips) = (self.order.rows(), self.order.strips(width));
        if pixels == 0 {
            return;
        }
        let reach = |strides: &[usize; 4]| {
            let sizes = [self.batch, self.size[0], self.size[1], self.size[2]];
            sizes.iter().zip(strides).map(|(n, stride)| (n - 1) * stride).sum::<usize>()
        };
        let deepest = self.taps.iter().map(|tap| tap.offset + tap.len).max().unwrap_or(0);
        let fits = reach(&self.image_strides) + deepest + (self.groups - 1) * self.order.inner <= self.image.len()
            && self.weights.len() == self.groups * self.order.packed_len(width)
            && self.taps.iter().all(|tap| tap.row + tap.len <= rows)
            && [self.finish.scale, self.finish.bias]
                .iter()
                .all(|x| x.is_none_or(|x| x.len() == self.groups * self.order.cols));
        assert!(fits, "convolution: taps beyond the image");

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
            let pixels = block_number * block..pixels.min((block_number + 1) * block);
            let strips = band * strips_each..strips.min((band + 1) * strips_each);
            // SAFETY: the processor has what `level` reports; parts do not overlap, and lie within what was compared above.
            unsafe {
                match level {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => self.part::<Avx512>(group, pixels, strips),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => self.part::<Avx2>(group, pixels, strips),
                    Level::Portable => self.part::<Portable>(group, pixels, strips),
                }
            }
        };
        let count = blocks * bands * self.groups;
        if parts == 1 { (0..count).for_each(work) } else { parallel::share(count, &work) }
    }

    /// # Safety
    /// As for [`run`](Self::run), and the processor must have the set.
    unsafe fn part<I: Tiles>(&self, group: usize, pixels: Range<usize>, strips: Range<usize>) {
        let places: Vec<[usize; 2]> = pixels.map(|pixel| self.place(pixel)).collect();
        let image = self.image.as_ptr().wrapping_add(group * self.order.inner);
        let weights = self.weights[group * self.order.packed_len(I::F32::WIDTH)..].as_ptr();
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

    /// Where the image of a pixel begins, and where the pixel itself.
    fn place(&self, pixel: usize) -> [usize; 2] {
        let [d, h, w] = self.size;
        let index = [pixel / (d * h * w), pixel / (h * w) % d, pixel / w % h, pixel % w];
        [self.image_strides, self.out_strides].map(|strides| index.iter().zip(strides).map(|(i, s)| i * s).sum())
    }
}

/// Joins taps that follow each other in the image and in the weights.
fn joined(taps: impl Iterator<Item = Tap>) -> Vec<Tap> {
    let mut out: Vec<Tap> = Vec::new();
    for tap in taps {
        match out.last_mut() {
            Some(last) if last.offset + last.len == tap.offset && last.row + last.len == tap.row => last.len += tap.len,
            _ => out.push(tap),
        }
    }
    out
}

/// The places of the kernel as outputs see them, one by one.
fn taps(g: &Geometry, image: &Image) -> impl Iterator<Item = Tap> {
    let ([_, d, h, w], len) = (image.strides(), g.group_channels());
    let (g, strides) = (*g, [d, h, w]);
    (0..g.places()).map(move |i| {
        let place = g.place(i);
        let offset = (0..3).map(|d| place[d] * g.dilation[d] * strides[d]).sum();
        Tap { offset, row: i * len, len }
    })
}

/// The weights as outputs see them.
fn forward_order(g: &Geometry) -> Order {
    let (places, inner) = (g.places(), g.group_channels());
    Order { places, inner, inner_stride: places, cols: g.group_outputs(), col_stride: inner * places }
}

/// The weights as pixels of the input see them.
fn input_order(g: &Geometry) -> Order {
    let (places, cols) = (g.places(), g.group_channels());
    Order { places, inner: g.group_outputs(), inner_stride: cols * places, cols, col_stride: places }
}

/// The elements of memory that [`forward`], [`input`] and [`weight`] need: for images, and for weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) image: usize,
    pub(crate) other: usize,
    pub(crate) weights: usize,
}

impl Needs {
    /// Those of [`forward`].
    pub(crate) fn of_forward(g: &Geometry, x: [usize; 5]) -> Self {
        Self { image: Image::of_input(g).copied_len(x), other: 0, weights: packed_len(g) }
    }

    /// Those of [`input`].
    pub(crate) fn of_input(g: &Geometry, y: [usize; 5]) -> Self {
        let weights = g.groups * input_order(g).packed_len(width());
        Self { image: Image::of_output(g).copied_len(y), other: 0, weights }
    }

    /// Those of [`weight`].
    pub(crate) fn of_weight(g: &Geometry, x: [usize; 5], y: [usize; 5]) -> Self {
        let weights = parts(g) * packed_len(g);
        Self { image: Image::of_input(g).copied_len(x), other: Image::of_slopes(g).copied_len(y), weights }
    }
}

/// Sizes beyond which patches are used.
const FARTHEST_STRIDE: usize = 8;
const MOST_PLACES: usize = 1 << 10;
/// Fewer pixels than these do not pay for packing more weights than these.
const FEW_PIXELS: usize = 96;
const FEW_PIXELS_WEIGHTS: usize = 1 << 16;

/// Whether these functions are the ones for a convolution whose weights have to be packed.
pub(crate) fn pays(g: &Geometry) -> bool {
    suits(g) && (g.pixels() >= FEW_PIXELS || g.outputs * g.depth() < FEW_PIXELS_WEIGHTS)
}

/// Whether these functions can compute a convolution: it must have enough outputs to fill a vector, and images that are not much
/// larger than what is in them.
pub(crate) fn suits(g: &Geometry) -> bool {
    let elements = |channels: usize, size: [usize; 3]| {
        size.iter().fold(g.batch.saturating_mul(channels), |len, n| len.saturating_mul(*n))
    };
    let most = elements(g.channels, g.input).saturating_add(elements(g.outputs, g.output)).saturating_mul(4);
    // Beyond that, nothing is small.
    most < usize::MAX
        && g.stride.iter().all(|stride| *stride <= FARTHEST_STRIDE)
        && g.places() <= MOST_PLACES
        && g.group_channels().max(g.group_outputs()) >= 4
        && Image::of_input(g).len() <= most
        && Image::of_output(g).len() <= most
}

/// The elements that weights packed for [`finished`] take.
pub(crate) fn packed_len(g: &Geometry) -> usize {
    g.groups * forward_order(g).packed_len(width())
}

fn packed_weights(g: &Geometry, order: Order, w: &[f32], packed: &mut [f32]) {
    let len = order.packed_len(width());
    let of_group = w.len() / g.groups;
    for (w, packed) in w.chunks(of_group.max(1)).zip(packed.chunks_mut(len.max(1))) {
        pack(order, width(), w, packed);
    }
}

fn check(g: &Geometry, w: usize, out: usize, channels: usize, size: [usize; 3], bias: Option<&[f32]>) {
    let fits = w == g.outputs * g.depth()
        && out == g.batch * channels * size.iter().product::<usize>()
        && bias.is_none_or(|bias| bias.len() == channels);
    assert!(fits, "convolution: operands that do not fit {g:?}");
}

/// The convolution. In `out`, the channels of a pixel lie next to each other.
pub(crate) fn forward(
    g: &Geometry,
    x: Pixels<'_, f32>,
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
    [image, packed]: [&mut [f32]; 2],
) {
    packed_forward(g, w, packed);
    finished(g, x, packed, Finish { bias, ..Finish::default() }, out, image);
}

/// Packs weights for [`finished`].
pub(crate) fn packed_forward(g: &Geometry, w: &[f32], packed: &mut [f32]) {
    assert!(w.len() == g.outputs * g.depth(), "convolution: weights that do not fit {g:?}");
    packed_weights(g, forward_order(g), w, packed);
}

/// The convolution with packed weights, and what becomes of its sums. In `out`, the channels of a pixel lie next to each other.
pub(crate) fn finished(
    g: &Geometry,
    x: Pixels<'_, f32>,
    packed: &[f32],
    finish: Finish<'_>,
    out: &mut [f32],
    image: &mut [f32],
) {
    assert!(x.covers(g.batch, g.channels, g.input), "convolution: an input that does not fit {g:?}");
    check(g, g.outputs * g.depth(), out.len(), g.outputs, g.output, finish.bias);
    assert!(finish.beside.is_none_or(|x| x.len() == out.len()), "convolution: a summand that does not fit {g:?}");
    if out.is_empty() {
        return;
    }
    let (order, of) = (forward_order(g), Image::of_input(g));
    let image = of.of(x, image);
    let [n, d, h, w] = of.strides();
    let taps = joined(taps(g, &of));
    let correlation = Correlation {
        image,
        image_strides: [n, d * g.stride[0], h * g.stride[1], w * g.stride[2]],
        taps: &taps,
        order,
        weights: packed,
        groups: g.groups,
        finish,
        batch: g.batch,
        size: g.output,
        out: out.as_mut_ptr(),
        out_strides: Image::of_slopes(g).strides(),
    };
    // SAFETY: the output has the length that belongs to its size.
    unsafe { correlation.run() };
}

/// The gradient of the input, which is the transposed convolution. In `out`, the channels of a pixel lie next to each other.
pub(crate) fn input(
    g: &Geometry,
    y: Pixels<'_, f32>,
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
    [image, packed]: [&mut [f32]; 2],
) {
    assert!(y.covers(g.batch, g.outputs, g.output), "convolution: a gradient that does not fit {g:?}");
    check(g, w.len(), out.len(), g.channels, g.input, bias);
    if out.is_empty() {
        return;
    }
    let (order, of) = (input_order(g), Image::of_output(g));
    packed_weights(g, order, w, packed);
    let image = of.of(y, image);
    let strides = of.strides();
    let to = Image::new(g.batch, g.channels, g.input, [0; 3], [0; 3]).strides();
    for d in residues(g, 0) {
        for h in residues(g, 1) {
            for w in residues(g, 2) {
                let residue = [&d, &h, &w];
                let places: [Vec<(usize, isize)>; 3] = std::array::from_fn(|d| residue[d].places(g, d).collect());
                let mut taps = Vec::with_capacity(g.places());
                for d in &places[0] {
                    for h in &places[1] {
                        for w in &places[2] {
                            let place = (d.0 * g.kernel[1] + h.0) * g.kernel[2] + w.0;
                            // The margin in front is as wide as the farthest of them.
                            let distances = [d.1, h.1, w.1];
                            let offset =
                                (0..3).map(|i| (distances[i] + of.margin[i] as isize) as usize * strides[1 + i]);
                            let offset = offset.sum();
                            taps.push(Tap { offset, row: place * order.inner, len: order.inner });
                        }
                    }
                }
                let first: usize = residue.iter().zip(&to[1..]).map(|(residue, stride)| residue.first * stride).sum();
                let correlation = Correlation {
                    image,
                    image_strides: strides,
                    taps: &taps,
                    order,
                    weights: packed,
                    groups: g.groups,
                    finish: Finish { bias, ..Finish::default() },
                    batch: g.batch,
                    size: residue.map(|residue| residue.count),
                    out: out[first..].as_mut_ptr(),
                    out_strides: [to[0], to[1] * g.stride[0], to[2] * g.stride[1], to[3] * g.stride[2]],
                };
                // SAFETY: the pixels with this residue lie within the output.
                unsafe { correlation.run() };
            }
        }
    }
}

/// Into how many parts the pixels are divided. Their sums are added up afterwards, so it shows in the result, and follows from the
/// sizes alone.
fn parts(g: &Geometry) -> usize {
    if g.outputs * g.depth() > MANY_WEIGHTS { 1 } else { (g.pixels() / PART_PIXELS).clamp(1, PARTS) }
}

/// The gradient of the weights, in their order.
pub(crate) fn weight(
    g: &Geometry,
    x: Pixels<'_, f32>,
    y: Pixels<'_, f32>,
    out: &mut [f32],
    [image, other, sums]: [&mut [f32]; 3],
) {
    let fits = x.covers(g.batch, g.channels, g.input)
        && y.covers(g.batch, g.outputs, g.output)
        && out.len() == g.outputs * g.depth();
    assert!(fits, "convolution: operands that do not fit {g:?}");
    let (order, of) = (forward_order(g), Image::of_input(g));
    let (parts, width) = (parts(g), width());
    let len = g.groups * order.packed_len(width);
    assert!(sums.len() == parts * len, "convolution: sums that do not fit {g:?}");
    if out.is_empty() {
        return;
    }
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
    if g.pixels().saturating_mul(out.len()) < LEAST {
        (0..count).for_each(on)
    } else {
        parallel::share(count, &on)
    }

    let (first, others) = sums.split_at_mut(len);
    if !others.is_empty() {
        parallel::for_blocks(first, GRAIN, |start, first| {
            for other in others.chunks(len) {
                first.iter_mut().zip(&other[start..]).for_each(|(a, b)| *a += b);
            }
        });
    }
    let of_group = out.len() / g.groups;
    for (sums, out) in first.chunks_mut(len / g.groups).zip(out.chunks_mut(of_group)) {
        unpack(order, width, sums, out);
    }
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
