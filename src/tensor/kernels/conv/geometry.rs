//! The sizes and distances of a convolution.

use std::ops::Range;

/// A convolution as numbers: what is there in each of three spatial dimensions (depth, height, width), of which the first ones are
/// of size 1 where there are fewer.
///
/// Whoever makes one has made sure that the output is the one that belongs to the input, so that all positions can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) outputs: usize,
    /// Divides channels and outputs: those of a group see only each other.
    pub(crate) groups: usize,
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) kernel: [usize; 3],
    pub(crate) stride: [usize; 3],
    /// The zeros in front; those behind follow from the output.
    pub(crate) padding: [usize; 3],
    pub(crate) dilation: [usize; 3],
}

/// The elements of one channel or another, wherever they lie: the strides of batch, channel, depth, height and width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pixels<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) strides: [usize; 5],
}

impl<T> Pixels<'_, T> {
    /// Whether all elements of this many channels are in the data.
    pub(super) fn covers(&self, batch: usize, channels: usize, [d, h, w]: [usize; 3]) -> bool {
        let sizes = [batch, channels, d, h, w];
        let last = sizes
            .iter()
            .zip(self.strides)
            .try_fold(0usize, |last, (size, stride)| last.checked_add(size.saturating_sub(1).checked_mul(stride)?));
        sizes.contains(&0) || last.is_some_and(|last| last < self.data.len())
    }
}

/// Pixels of the input that lie under one place of the kernel as it moves along a row of the output.
pub(super) struct Segment {
    /// The number of the first pixel of the output, within the range that was asked for, and how many there are.
    pub(super) at: usize,
    pub(super) len: usize,
    /// Where the first one's pixel of the input is, and how far apart they are.
    pub(super) from: usize,
    pub(super) step: usize,
}

impl Geometry {
    /// The pixels of a channel of the output, of all examples.
    pub(super) fn pixels(&self) -> usize {
        self.batch * self.area()
    }

    /// The pixels of a channel of the output of one example.
    pub(crate) fn area(&self) -> usize {
        self.output.iter().product()
    }

    /// The places of the kernel.
    pub(super) fn places(&self) -> usize {
        self.kernel.iter().product()
    }

    /// The channels that an output sees.
    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups.max(1)
    }

    /// The outputs that see the same channels.
    pub(super) fn group_outputs(&self) -> usize {
        self.outputs / self.groups.max(1)
    }

    /// The numbers that an output is a sum over.
    pub(crate) fn depth(&self) -> usize {
        self.group_channels() * self.places()
    }

    /// A convolution that leaves the output as it is: its pixels are those of its input.
    pub(super) fn of_output(&self) -> Self {
        Self {
            channels: self.outputs,
            input: self.output,
            kernel: [1; 3],
            stride: [1; 3],
            padding: [0; 3],
            dilation: [1; 3],
            ..*self
        }
    }

    /// The indices of place number `place` of the kernel.
    pub(super) fn place(&self, place: usize) -> [usize; 3] {
        let [_, h, w] = self.kernel;
        [place / (h * w), place / w % h, place % w]
    }

    /// The outputs along dimension `d` for which place `k` of the kernel lies on the input.
    fn inside(&self, d: usize, k: usize) -> Range<usize> {
        // At `o · stride + k · dilation - padding` in the input.
        let (ahead, behind) = (k * self.dilation[d], self.padding[d]);
        let first = behind.saturating_sub(ahead).div_ceil(self.stride[d]);
        let end = (self.input[d] + behind).saturating_sub(ahead).div_ceil(self.stride[d]);
        first..end.min(self.output[d]).max(first)
    }

    /// Where place `k` of the kernel lies on the input for output `o`, for which it does.
    fn under(&self, d: usize, k: usize, o: usize) -> usize {
        o * self.stride[d] + k * self.dilation[d] - self.padding[d]
    }

    /// Calls `f` for all pixels of the input that lie under one place of the kernel for the outputs in a range, which counts through
    /// all examples.
    pub(super) fn segments(
        &self,
        strides: [usize; 5],
        channel: usize,
        place: [usize; 3],
        range: Range<usize>,
        f: &mut dyn FnMut(Segment),
    ) {
        let [_, rows, cols] = self.output;
        let inside: [Range<usize>; 3] = std::array::from_fn(|d| self.inside(d, place[d]));
        let mut pixel = range.start;
        while pixel < range.end {
            let (line, col) = (pixel / cols, pixel % cols);
            let len = (cols - col).min(range.end - pixel);
            let (plane, row) = (line / rows, line % rows);
            let (example, depth) = (plane / self.output[0], plane % self.output[0]);
            let (first, end) = (col.max(inside[2].start), (col + len).min(inside[2].end));
            if inside[0].contains(&depth) && inside[1].contains(&row) && first < end {
                let [d, h, w] = [(0, depth), (1, row), (2, first)].map(|(d, o)| self.under(d, place[d], o));
                let index = [example, channel, d, h, w];
                let from = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
                let at = pixel + (first - col) - range.start;
                f(Segment { at, len: end - first, from, step: self.stride[2] * strides[4] });
            }
            pixel += len;
        }
    }
}
