//! Convolutions of each channel by itself, of `f32` with the channels last: a vector is some channels of a pixel.
//!
//! A few neighbouring pixels share the weights that are loaded. Channels that do not fill the last vector are worked on twice: it ends
//! where the channels do.

use std::ops::Range;

use super::correlation::Finish;
use super::direct::images;
use super::geometry::{Geometry, Pixels};
use super::image::Image;
use super::runs::{Run, Seen, Walk};
use super::{GRAIN, enter, width};
use crate::parallel;
use crate::tensor::kernels::simd::{Isa, Kernel, Vector, level};

/// Pixels that are worked on together.
const TOGETHER: usize = 4;
/// With fewer channels than these, of which the widest vector has as many, pixels of one channel are worked on side by side instead.
const LEAST_CHANNELS: usize = 16;
/// Multiplications that are worth another thread.
const WORTH: usize = 1 << 19;
/// Into how many parts the pixels are divided at most, each of which makes a gradient of the weights of its own, and the pixels that
/// each has at least.
const PARTS: usize = 16;
const PART_PIXELS: usize = 32;

/// Weights that are gone through for all pixels of a block before the next ones: they stay in the first-level cache.
const CACHED: usize = 4096;

/// Whether these functions are the ones for a convolution.
pub(super) fn suits(g: &Geometry) -> bool {
    g.groups == g.channels && g.outputs == g.channels && g.channels >= LEAST_CHANNELS
}

/// The elements between the weights of one place of the kernel and those of the next.
fn row(g: &Geometry) -> usize {
    g.channels.next_multiple_of(width())
}

/// The elements that packed weights take.
pub(super) fn packed_len(g: &Geometry) -> usize {
    g.places() * row(g)
}

/// Into how many parts the pixels are divided for the gradient of the weights: that shows in the result, and follows from the sizes
/// alone.
pub(super) fn parts(g: &Geometry) -> usize {
    let work = g.pixels().saturating_mul(g.channels).saturating_mul(g.places());
    (work / WORTH).clamp(1, PARTS).min((g.pixels() / PART_PIXELS).max(1))
}

/// Calls `f` with the numbers of each weight and of its copies: the last vector may have some once more.
fn for_weights(g: &Geometry, f: &mut dyn FnMut(usize, usize)) {
    let (places, row, width) = (g.places(), row(g), width());
    for place in 0..places {
        for slot in 0..row {
            let first = (slot / width * width).min(g.channels - width);
            f((first + slot % width) * places + place, place * row + slot);
        }
    }
}

/// Packs weights: for each place of the kernel those of all channels.
pub(super) fn pack(g: &Geometry, w: &[f32], packed: &mut [f32]) {
    assert!(packed.len() == packed_len(g) && w.len() == g.depth() * g.outputs, "convolution: packed weights");
    for_weights(g, &mut |weight, slot| packed[slot] = w[weight]);
}

/// The convolution.
pub(super) fn forward(
    g: &Geometry,
    x: Pixels<'_, f32>,
    packed: &[f32],
    finish: Finish<'_>,
    out: &mut [f32],
    image: &mut [f32],
) {
    let [of, _] = images(g);
    sums(g, &Walk::of_outputs(g, g.channels), of.of(x, image), of, packed, finish, out);
}

/// The gradient of the input.
pub(super) fn input(
    g: &Geometry,
    y: Pixels<'_, f32>,
    packed: &[f32],
    finish: Finish<'_>,
    out: &mut [f32],
    image: &mut [f32],
) {
    let [_, of] = images(g);
    sums(g, &Walk::of_inputs(g, g.channels, 1), of.of(y, image), of, packed, finish, out);
}

fn sums(g: &Geometry, walk: &Walk, from: &[f32], of: Image, packed: &[f32], finish: Finish<'_>, out: &mut [f32]) {
    let channels = g.channels;
    let pixels = g.batch * walk.area();
    let fits = from.len() >= of.len()
        && packed.len() == packed_len(g)
        && out.len() == pixels * channels
        && [finish.scale, finish.bias].iter().all(|x| x.is_none_or(|x| x.len() == channels))
        && finish.beside.is_none_or(|x| x.len() == out.len());
    assert!(fits, "convolution: operands that do not fit {g:?}");
    let [example, ..] = of.strides();
    let work = Work { channels, row: row(g), weights: packed.as_ptr().cast_mut(), finish, out: out.as_mut_ptr() };
    let (work, level, slots) = (&work, level(), slots(walk));
    parallel::for_ranges(pixels, (WORTH / (channels * walk.places())).max(1), &|range: Range<usize>| {
        let out = work.out.wrapping_add(range.start * channels);
        for first in (0..work.row).step_by(slots) {
            let slots = first..work.row.min(first + slots);
            walk.runs(range.clone(), &mut |run, seen| {
                let from = from[run.example * example..].as_ptr();
                // SAFETY: the processor has what `level` reports.
                unsafe { enter(level, Sums { work, run, seen, from, out, slots: slots.clone() }) };
            });
        }
    });
}

/// The gradient of the weights, in their order.
pub(super) fn weight(
    g: &Geometry,
    x: Pixels<'_, f32>,
    y: Pixels<'_, f32>,
    out: &mut [f32],
    [image, other, sums]: [&mut [f32]; 3],
) {
    let ([of_x, of_y], channels, pixels) = (images(g), g.channels, g.pixels());
    let (x, y) = (of_x.of(x, image), of_y.of(y, other));
    let (parts, len) = (parts(g), packed_len(g));
    let fits = x.len() >= of_x.len() && y.len() >= of_y.len() && sums.len() == parts * len;
    assert!(fits && out.len() == g.outputs * g.depth(), "convolution: operands that do not fit {g:?}");
    let (walk, [example, ..], each) = (Walk::of_outputs(g, channels), of_x.strides(), pixels.div_ceil(parts));
    let (row, level, slots) = (row(g), level(), slots(&walk));
    parallel::for_blocks(sums, len, |start, sums| {
        sums.fill(0.0);
        let first = (start / len * each).min(pixels);
        let range = first..pixels.min(first + each);
        // What is written here are the weights; the output is only read.
        let out = y[range.start * channels..].as_ptr().cast_mut();
        let work = &Work { channels, row, weights: sums.as_mut_ptr(), finish: Finish::default(), out };
        for first in (0..row).step_by(slots) {
            let slots = first..row.min(first + slots);
            walk.runs(range.clone(), &mut |run, seen| {
                let from = x[run.example * example..].as_ptr();
                // SAFETY: as above.
                unsafe { enter(level, Slopes(Sums { work, run, seen, from, out, slots: slots.clone() })) };
            });
        }
    });
    let (first, others) = sums.split_at_mut(len);
    if !others.is_empty() {
        parallel::for_blocks(first, GRAIN, |start, first| {
            for other in others.chunks(len) {
                first.iter_mut().zip(&other[start..]).for_each(|(a, b)| *a += b);
            }
        });
    }
    for_weights(g, &mut |weight, slot| out[weight] = first[slot]);
}

/// How many channels are worked on together.
fn slots(walk: &Walk) -> usize {
    (CACHED / walk.places()).max(1).next_multiple_of(LEAST_CHANNELS)
}

/// What all runs have in common.
struct Work<'a> {
    channels: usize,
    row: usize,
    weights: *mut f32,
    finish: Finish<'a>,
    out: *mut f32,
}

// SAFETY: threads write different pixels of the output, or weights of their own.
unsafe impl Sync for Work<'_> {}

/// The outputs of a run.
struct Sums<'a> {
    work: &'a Work<'a>,
    run: &'a Run,
    seen: &'a [Seen],
    from: *const f32,
    out: *mut f32,
    /// Their channels.
    slots: Range<usize>,
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let (mut i, count) = (0, self.run.count);
        // SAFETY: the run lies within the output, and what it sees within the source, whose lengths were compared.
        unsafe {
            while i + TOGETHER <= count {
                self.pixels::<I::F32, TOGETHER>(i);
                i += TOGETHER;
            }
            while i < count {
                self.pixels::<I::F32, 1>(i);
                i += 1;
            }
        }
    }
}

impl Sums<'_> {
    /// The elements of the source and of the output that pixel number `i` begins with.
    #[inline(always)]
    fn at(&self, i: usize) -> (*const f32, *mut f32) {
        let to = (self.run.at + i * self.run.step) * self.work.channels;
        (self.from.wrapping_add(i * self.run.from_step), self.out.wrapping_add(to))
    }

    /// Each element is one chain of `mul_add`s over the places that it sees.
    ///
    /// # Safety
    /// All elements must be there, and the processor must have the set of `F`.
    #[inline(always)]
    unsafe fn pixels<F: Vector, const P: usize>(&self, i: usize) {
        let Work { channels, row, weights, finish, out } = *self.work;
        let (mut x, mut to) = ([self.from; P], [self.out; P]);
        for p in 0..P {
            (x[p], to[p]) = self.at(i + p);
        }
        // SAFETY: as the caller vouches; the last vector ends where the channels do.
        unsafe {
            for slot in self.slots.clone().step_by(F::WIDTH) {
                let c = slot.min(channels - F::WIDTH);
                let mut sums = [F::splat(0.0); P];
                for seen in self.seen {
                    let w = F::load(weights.add(seen.place * row + slot));
                    for p in 0..P {
                        sums[p] = F::load(x[p].add(seen.from + c)).mul_add(w, sums[p]);
                    }
                }
                for p in 0..P {
                    let to = to[p].add(c);
                    let (mut sum, bias) = (sums[p], finish.bias.map_or(F::splat(0.0), |x| F::load(x.as_ptr().add(c))));
                    sum = match finish.scale {
                        Some(scale) => sum.mul_add(F::load(scale.as_ptr().add(c)), bias),
                        None => sum.add(bias),
                    };
                    if let Some(beside) = finish.beside {
                        sum = sum.add(F::load(beside.as_ptr().offset(to.cast_const().offset_from(out))));
                    }
                    if finish.relu {
                        sum = sum.max(F::splat(0.0));
                    }
                    sum.store(to);
                }
            }
        }
    }

    /// Each weight is one chain over the pixels, added to what was there.
    ///
    /// # Safety
    /// As for [`pixels`](Self::pixels).
    #[inline(always)]
    unsafe fn slopes<F: Vector, const P: usize>(&self, i: usize) {
        let Work { channels, row, weights, .. } = *self.work;
        let (mut x, mut from) = ([self.from; P], [self.out; P]);
        for p in 0..P {
            (x[p], from[p]) = self.at(i + p);
        }
        // SAFETY: as the caller vouches.
        unsafe {
            for slot in self.slots.clone().step_by(F::WIDTH) {
                let c = slot.min(channels - F::WIDTH);
                let mut y = [F::splat(0.0); P];
                for p in 0..P {
                    y[p] = F::load(from[p].add(c));
                }
                for seen in self.seen {
                    let to = weights.add(seen.place * row + slot);
                    let mut sum = F::load(to);
                    for p in 0..P {
                        sum = F::load(x[p].add(seen.from + c)).mul_add(y[p], sum);
                    }
                    sum.store(to);
                }
            }
        }
    }
}

/// The same, of gradients of the weights: the output is read, the weights are written.
struct Slopes<'a>(Sums<'a>);

impl Kernel for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let (mut i, count) = (0, self.0.run.count);
        // SAFETY: as above; the weights are those of this thread.
        unsafe {
            while i + TOGETHER <= count {
                self.0.slopes::<I::F32, TOGETHER>(i);
                i += TOGETHER;
            }
            while i < count {
                self.0.slopes::<I::F32, 1>(i);
                i += 1;
            }
        }
    }
}
