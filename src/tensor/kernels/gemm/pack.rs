//! Copies blocks of the operands into strips, in the order in which the tiles read them.
//!
//! A block is read by rows of `k`: for `a` it is the transposed one.

use crate::tensor::kernels::simd::{Isa, Kernel, Vector};

use super::tile::VECTORS;

/// How many rows ahead are fetched into the cache.
const AHEAD: usize = 8;

/// A part of an operand: its first element and its strides.
#[derive(Clone, Copy)]
pub(in crate::tensor::kernels) struct Block {
    pub(in crate::tensor::kernels) data: *const f32,
    pub(in crate::tensor::kernels) row_stride: usize,
    pub(in crate::tensor::kernels) col_stride: usize,
}

impl Block {
    /// The block from this row and column on.
    pub(super) fn at(self, row: usize, col: usize) -> Self {
        // Wrapping: the strides of a matrix without elements may be anything.
        Self { data: self.data.wrapping_add(row * self.row_stride + col * self.col_stride), ..self }
    }
}

/// Packs one strip: `k` rows of `cols` elements, `stride` apart in `to`.
///
/// Whoever makes one vouches that `from` holds `k × cols` elements, and that `to` takes `k` rows of `cols`.
pub(in crate::tensor::kernels) struct Strip {
    pub(in crate::tensor::kernels) from: Block,
    pub(in crate::tensor::kernels) k: usize,
    pub(in crate::tensor::kernels) cols: usize,
    pub(in crate::tensor::kernels) stride: usize,
    /// Whether there is room for a vector in place of the last elements of each row, over what is written later.
    pub(in crate::tensor::kernels) slack: bool,
    pub(in crate::tensor::kernels) to: *mut f32,
}

impl Kernel for Strip {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        for j in (0..self.cols).step_by(I::F32::WIDTH) {
            let cols = (self.cols - j).min(I::F32::WIDTH);
            let part = Self { from: self.from.at(0, j), cols, to: self.to.wrapping_add(j), ..self };
            // SAFETY: a part of what the maker vouches for, no wider than a vector.
            unsafe {
                match (part.from.row_stride, part.from.col_stride) {
                    (_, 1) => copy::<I::F32>(part),
                    (1, _) => transpose::<I::F32>(part),
                    (_, _) => gather(part),
                }
            }
        }
    }
}

/// Packs strips of [`VECTORS`] vectors, one after the other. The last one takes as many vectors as it needs.
///
/// Whoever makes one vouches that `from` holds `k × cols` elements, and that `to` takes `k` rows of `cols`, rounded up to
/// vectors.
pub(in crate::tensor::kernels) struct Strips {
    pub(in crate::tensor::kernels) from: Block,
    pub(in crate::tensor::kernels) k: usize,
    pub(in crate::tensor::kernels) cols: usize,
    pub(in crate::tensor::kernels) to: *mut f32,
}

impl Kernel for Strips {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { from, k, cols, to } = self;
        let width = VECTORS * I::F32::WIDTH;
        // Rows that are contiguous are read whole, so that a large matrix is streamed, not visited in narrow strips.
        let streamed = if from.col_stride == 1 { cols - cols % width } else { 0 };
        // SAFETY: all indices lie within what the maker vouches for.
        unsafe {
            for p in 0..if streamed > 0 { k } else { 0 } {
                for j in (0..streamed).step_by(16) {
                    I::F32::prefetch(from.at(p + AHEAD, j).data);
                }
                for j in (0..streamed).step_by(width) {
                    for v in (0..width).step_by(I::F32::WIDTH) {
                        I::F32::load(from.at(p, j + v).data).store(to.add(j * k + p * width + v));
                    }
                }
            }
            for j in (streamed..cols).step_by(width) {
                let cols = (cols - j).min(width);
                let stride = cols.next_multiple_of(I::F32::WIDTH);
                Strip { from: from.at(0, j), k, cols, stride, slack: true, to: to.add(j * k) }.run::<I>();
            }
        }
    }
}

#[inline(always)]
unsafe fn copy<V: Vector>(strip: Strip) {
    // SAFETY: see `Strip`.
    unsafe {
        let mask = V::mask(strip.cols);
        for p in 0..strip.k {
            V::prefetch(strip.from.at(p + AHEAD, 0).data);
            let row = V::load_first(strip.from.at(p, 0).data, mask);
            let to = strip.to.add(p * strip.stride);
            if strip.slack { row.store(to) } else { row.store_first(to, mask) }
        }
    }
}

/// Transposes square blocks of vectors in registers.
#[inline(always)]
unsafe fn transpose<V: Vector>(strip: Strip) {
    let Strip { from, k, cols, stride, to, slack } = strip;
    // SAFETY: see `Strip`.
    unsafe {
        let whole = if cols == V::WIDTH || slack { k - k % V::WIDTH } else { 0 };
        for p in (0..whole).step_by(V::WIDTH) {
            let mut square = [V::splat(0.0); 16];
            for (j, row) in square.iter_mut().enumerate().take(V::WIDTH) {
                if j < cols {
                    *row = V::load(from.at(p, j).data);
                }
            }
            V::transpose(&mut square);
            for (i, row) in square.into_iter().enumerate().take(V::WIDTH) {
                row.store(to.add((p + i) * stride));
            }
        }
        let wide = V::mask(cols);
        for p in (whole..k).step_by(V::WIDTH) {
            let depth = (k - p).min(V::WIDTH);
            let deep = V::mask(depth);
            let mut square = [V::splat(0.0); 16];
            for (j, row) in square.iter_mut().enumerate().take(cols) {
                *row = V::load_first(from.at(p, j).data, deep);
            }
            V::transpose(&mut square);
            for (i, row) in square.into_iter().enumerate().take(depth) {
                let to = to.add((p + i) * stride);
                if slack { row.store(to) } else { row.store_first(to, wide) }
            }
        }
    }
}

#[inline(always)]
unsafe fn gather(strip: Strip) {
    for p in 0..strip.k {
        for j in 0..strip.cols {
            // SAFETY: see `Strip`.
            unsafe { *strip.to.add(p * strip.stride + j) = *strip.from.at(p, j).data }
        }
    }
}
