//! Weights in the order in which the tiles read them, and back.
//!
//! Packed weights are strips of [`VECTORS`] vectors of columns; the last one has as many vectors as it needs. A strip has a row for
//! each place of the kernel and each channel that is summed over, places first.

use super::enter;
use super::geometry::Geometry;
use super::tile::VECTORS;
use crate::parallel;
use crate::tensor::kernels::gemm::{Block, Strip};
use crate::tensor::kernels::simd::{Isa, Kernel, Level, Vector, level};

/// The weights of a group: the element for channel `i` that is summed over, column `j` and place `t` is
/// `[i * inner_stride + j * col_stride + t]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) places: usize,
    pub(super) inner: usize,
    pub(super) inner_stride: usize,
    pub(super) cols: usize,
    pub(super) col_stride: usize,
}

impl Order {
    /// The rows of a strip.
    pub(super) fn rows(&self) -> usize {
        self.places * self.inner
    }

    /// The elements that packed weights take.
    pub(super) fn packed_len(&self, width: usize) -> usize {
        self.rows() * self.cols.next_multiple_of(width)
    }

    /// The elements that the weights take.
    fn extent(&self) -> usize {
        (self.inner - 1) * self.inner_stride + (self.cols - 1) * self.col_stride + self.places
    }

    /// The strips, and how many columns are in each but the last.
    pub(super) fn strips(&self, width: usize) -> usize {
        self.cols.div_ceil(VECTORS * width)
    }

    /// Where a strip begins, how many columns it has, and how far its rows are apart.
    pub(super) fn strip(&self, strip: usize, width: usize) -> (usize, usize, usize) {
        let first = strip * VECTORS * width;
        let cols = (self.cols - first).min(VECTORS * width);
        (first * self.rows(), cols, cols.next_multiple_of(width))
    }
}

/// One strip, packed or unpacked.
struct Copied {
    order: Order,
    strip: usize,
    weights: *mut f32,
    packed: *mut f32,
    back: bool,
}

// SAFETY: threads work on different strips, which are different columns of the weights.
unsafe impl Sync for Copied {}

impl Kernel for Copied {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { order, strip, weights, packed, back } = self;
        let Order { places, inner, inner_stride, col_stride, .. } = order;
        let (start, cols, row) = order.strip(strip, I::F32::WIDTH);
        let first = strip * VECTORS * I::F32::WIDTH;
        for col in (0..cols).step_by(I::F32::WIDTH) {
            let width = (cols - col).min(I::F32::WIDTH);
            let weights = weights.wrapping_add((first + col) * col_stride);
            let packed = packed.wrapping_add(start + col);
            // A kernel of one place is a matrix; otherwise the places of each channel are one.
            let (count, depth, depth_stride, apart) =
                if places == 1 { (1, inner, inner_stride, row) } else { (inner, places, 1, inner * row) };
            for i in 0..count {
                let (w, p) = (weights.wrapping_add(i * inner_stride), packed.wrapping_add(i * row));
                let strip = if back {
                    let from = Block { data: p, row_stride: 1, col_stride: apart };
                    Strip { from, k: width, cols: depth, stride: col_stride, slack: false, to: w }
                } else {
                    let from = Block { data: w, row_stride: depth_stride, col_stride };
                    Strip { from, k: depth, cols: width, stride: apart, slack: true, to: p }
                };
                strip.run::<I>();
            }
        }
    }
}

/// Packs weights for vectors of `width`.
pub(super) fn pack(order: Order, width: usize, weights: &[f32], packed: &mut [f32]) {
    assert!(packed.len() == order.packed_len(width) && order.extent() <= weights.len(), "convolution: packed weights");
    each(order, width, weights.as_ptr().cast_mut(), packed.as_mut_ptr(), false);
}

/// Packs one strip of weights, alone.
pub(super) fn pack_strip(order: Order, width: usize, strip: usize, weights: &[f32], packed: &mut [f32], level: Level) {
    let (start, _, row) = order.strip(strip, width);
    assert!(packed.len() == order.rows() * row && order.extent() <= weights.len(), "convolution: a strip of weights");
    let packed = packed.as_mut_ptr().wrapping_sub(start);
    let one = Copied { order, strip, weights: weights.as_ptr().cast_mut(), packed, back: false };
    // SAFETY: the processor has what `level` reports; the strip is all that is written.
    unsafe { enter(level, one) };
}

/// Writes packed weights to where they are from. Their innermost columns must be contiguous, or the places of a channel.
pub(super) fn unpack(order: Order, width: usize, packed: &mut [f32], weights: &mut [f32]) {
    assert!(packed.len() == order.packed_len(width) && order.extent() <= weights.len(), "convolution: packed weights");
    each(order, width, weights.as_mut_ptr(), packed.as_mut_ptr(), true);
}

fn each(order: Order, width: usize, weights: *mut f32, packed: *mut f32, back: bool) {
    let all = Copied { order, strip: 0, weights, packed, back };
    let all = &all;
    let strips = order.strips(width);
    let level = level();
    let work = |strip| {
        let one = Copied { order, strip, weights: all.weights, packed: all.packed, back };
        // SAFETY: the processor has what `level` reports.
        unsafe { enter(level, one) }
    };
    if order.rows() * order.cols < super::GRAIN { (0..strips).for_each(work) } else { parallel::share(strips, &work) }
}

/// The weights as outputs see them.
pub(super) fn forward_order(g: &Geometry) -> Order {
    let (places, inner) = (g.places(), g.group_channels());
    Order { places, inner, inner_stride: places, cols: g.group_outputs(), col_stride: inner * places }
}

/// The weights as pixels of the input see them.
pub(super) fn input_order(g: &Geometry) -> Order {
    let (places, cols) = (g.places(), g.group_channels());
    Order { places, inner: g.group_outputs(), inner_stride: cols * places, cols, col_stride: places }
}
