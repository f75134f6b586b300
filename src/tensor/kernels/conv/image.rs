//! The input of a convolution as its tiles read it: the channels of a pixel lie next to each other, around the pixels is a margin.
//! And where in it the places of the kernel are.

use super::GRAIN;
use super::geometry::{Geometry, Pixels};
use super::tile::Tap;
use crate::parallel;
use crate::tensor::kernels::gemm::{Block, Strip};
use crate::tensor::kernels::simd::dispatch;

/// What a tensor is copied into: the channels of a pixel lie next to each other, as do the pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    batch: usize,
    channels: usize,
    size: [usize; 3],
    /// The pixels in front of the first one, and those of the tensor.
    pub(super) margin: [usize; 3],
    inside: [usize; 3],
}

impl Image {
    /// Of a tensor of which the places from `first` on, as far as `end`, are looked at.
    pub(super) fn new(batch: usize, channels: usize, inside: [usize; 3], first: [isize; 3], end: [isize; 3]) -> Self {
        let margin = first.map(|first| first.min(0).unsigned_abs());
        let size = std::array::from_fn(|d| inside[d].max(end[d].max(0) as usize).saturating_add(margin[d]));
        Self { batch, channels, size, margin, inside }
    }

    /// The input, as the outputs look at it.
    pub(super) fn of_input(g: &Geometry) -> Self {
        let first = g.padding.map(|n| -(n as isize));
        let end = std::array::from_fn(|d| {
            let last = (g.output[d].max(1) - 1) * g.stride[d] + (g.kernel[d] - 1) * g.dilation[d];
            last as isize + 1 - g.padding[d] as isize
        });
        Self::new(g.batch, g.channels, g.input, first, end)
    }

    /// The output, as the pixels of the input look at it.
    pub(super) fn of_output(g: &Geometry) -> Self {
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
    pub(super) fn of_slopes(g: &Geometry) -> Self {
        Self::new(g.batch, g.outputs, g.output, [0; 3], [0; 3])
    }

    pub(super) fn strides(&self) -> [usize; 4] {
        let [d, h, w] = self.size;
        [d * h * w * self.channels, h * w * self.channels, w * self.channels, self.channels]
    }

    /// The elements that it has; as many as there can be if they are too many to count.
    pub(super) fn len(&self) -> usize {
        self.size.iter().fold(self.batch.saturating_mul(self.channels), |len, n| len.saturating_mul(*n))
    }

    /// The elements that have to be copied for it: none, if the tensor is one already.
    pub(super) fn copied_len(&self, strides: [usize; 5]) -> usize {
        let [n, d, h, w] = self.strides();
        let sizes = [self.batch, self.channels, self.size[0], self.size[1], self.size[2]];
        let same = [n, 1, d, h, w].iter().zip(strides).zip(sizes).all(|((a, b), size)| *a == b || size <= 1);
        if same && self.size == self.inside { 0 } else { self.len() }
    }

    /// The elements, copied if that is necessary.
    pub(super) fn of<'a>(&self, x: Pixels<'a, f32>, to: &'a mut [f32]) -> &'a [f32] {
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
pub(super) struct Residue {
    pub(super) first: usize,
    pub(super) count: usize,
}

pub(super) fn residues(g: &Geometry, d: usize) -> impl Iterator<Item = Residue> {
    let (size, stride) = (g.input[d], g.stride[d]);
    (0..stride.min(size)).map(move |first| Residue { first, count: (size - first).div_ceil(stride) })
}

impl Residue {
    /// The places of the kernel under which the pixels are, and for the first pixel for which output.
    pub(super) fn places(&self, g: &Geometry, d: usize) -> impl Iterator<Item = (usize, isize)> {
        let (at, stride) = ((self.first + g.padding[d]) as isize, g.stride[d] as isize);
        let dilation = g.dilation[d];
        (0..g.kernel[d]).filter_map(move |k| {
            let distance = at - (k * dilation) as isize;
            (distance % stride == 0).then_some((k, distance / stride))
        })
    }
}

/// Joins taps that follow each other in the image and in the weights.
pub(super) fn joined(taps: impl Iterator<Item = Tap>) -> Vec<Tap> {
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
pub(super) fn taps(g: &Geometry, image: &Image) -> impl Iterator<Item = Tap> {
    let ([_, d, h, w], len) = (image.strides(), g.group_channels());
    let (g, strides) = (*g, [d, h, w]);
    (0..g.places()).map(move |i| {
        let place = g.place(i);
        let offset = (0..3).map(|d| place[d] * g.dilation[d] * strides[d]).sum();
        Tap { offset, row: i * len, len }
    })
}
