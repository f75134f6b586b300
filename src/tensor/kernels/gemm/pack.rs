//! Copies blocks of the operands into strips, in the order in which the tiles read them.
//!
//! A block is read by rows of `k`: for `a` it is the transposed one.

use num_traits::Zero;

use super::simd::{Job, Simd};

/// A part of an operand: its first element and its strides.
#[derive(Clone, Copy)]
pub(super) struct Block<T> {
    pub(super) data: *const T,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl<T> Block<T> {
    /// The block from this row and column on.
    pub(super) fn at(self, row: usize, col: usize) -> Self {
        // Wrapping: the strides of a matrix without elements may be anything.
        Self { data: self.data.wrapping_add(row * self.row_stride + col * self.col_stride), ..self }
    }
}

/// Packs one strip: `k` rows of `cols` elements, `stride` apart in `to`.
pub(super) struct Strip<T> {
    pub(super) from: Block<T>,
    pub(super) k: usize,
    pub(super) cols: usize,
    pub(super) stride: usize,
    pub(super) to: *mut T,
}

impl<T: Copy> Job<T> for Strip<T> {
    /// # Safety
    /// `from` must hold `k × cols` elements, and `to` take `k` rows of `cols`.
    #[inline(always)]
    unsafe fn call<S: Simd<Elem = T>>(self) {
        for j in (0..self.cols).step_by(S::WIDTH) {
            let cols = (self.cols - j).min(S::WIDTH);
            let part = Self { from: self.from.at(0, j), cols, to: self.to.wrapping_add(j), ..self };
            // SAFETY: a part of what the caller vouches for, no wider than a vector.
            unsafe {
                match (part.from.row_stride, part.from.col_stride) {
                    (_, 1) => copy::<S>(part),
                    (1, _) => transpose::<S>(part),
                    (_, _) => gather::<S>(part),
                }
            }
        }
    }
}

/// Packs strips of `S::VECTORS` vectors, one after the other. The last one takes as many vectors as it needs.
pub(super) struct Strips<T> {
    pub(super) from: Block<T>,
    pub(super) k: usize,
    pub(super) cols: usize,
    pub(super) to: *mut T,
}

impl<T: Copy> Job<T> for Strips<T> {
    /// # Safety
    /// `from` must hold `k × cols` elements, and `to` take `k` rows of `cols`, rounded up to vectors.
    #[inline(always)]
    unsafe fn call<S: Simd<Elem = T>>(self) {
        let Self { from, k, cols, to } = self;
        let width = S::VECTORS * S::WIDTH;
        // Rows that are contiguous are read whole, so that a large matrix is streamed, not visited in narrow strips.
        let streamed = if from.col_stride == 1 { cols - cols % width } else { 0 };
        // SAFETY: all indices lie within what the caller vouches for.
        unsafe {
            for p in 0..if streamed > 0 { k } else { 0 } {
                for j in (0..streamed).step_by(width) {
                    for v in (0..width).step_by(S::WIDTH) {
                        S::store(to.add(j * k + p * width + v), S::load(from.at(p, j + v).data));
                    }
                }
            }
            for j in (streamed..cols).step_by(width) {
                let cols = (cols - j).min(width);
                let stride = cols.next_multiple_of(S::WIDTH);
                Strip { from: from.at(0, j), k, cols, stride, to: to.add(j * k) }.call::<S>();
            }
        }
    }
}

#[inline(always)]
unsafe fn copy<S: Simd>(strip: Strip<S::Elem>) {
    // SAFETY: see `Strip::call`.
    unsafe {
        let mask = S::mask(strip.cols);
        for p in 0..strip.k {
            let row = S::load_first(strip.from.at(p, 0).data, mask);
            S::store_first(strip.to.add(p * strip.stride), row, mask);
        }
    }
}

/// Transposes square blocks of vectors in registers. Zipping the upper half of the rows with the lower half moves the
/// top bit of the row number to the bottom of the column number; after as many rounds as there are bits, the two have
/// changed places.
#[inline(always)]
unsafe fn transpose<S: Simd>(strip: Strip<S::Elem>) {
    const MOST: usize = 16;
    const { assert!(S::WIDTH <= MOST && S::WIDTH.is_power_of_two()) };
    // SAFETY: see `Strip::call`.
    unsafe {
        let wide = S::mask(strip.cols);
        for p in (0..strip.k).step_by(S::WIDTH) {
            let depth = (strip.k - p).min(S::WIDTH);
            let deep = S::mask(depth);
            let mut rows = [S::splat(S::Elem::zero()); MOST];
            for (j, row) in rows.iter_mut().enumerate().take(S::WIDTH) {
                if j < strip.cols {
                    *row = S::load_first(strip.from.at(p, j).data, deep);
                }
            }
            for _ in 0..S::WIDTH.ilog2() {
                let mut zipped = rows;
                for i in 0..S::WIDTH / 2 {
                    (zipped[2 * i], zipped[2 * i + 1]) = S::zip(rows[i], rows[i + S::WIDTH / 2]);
                }
                rows = zipped;
            }
            for (i, row) in rows.into_iter().enumerate().take(S::WIDTH) {
                if i < depth {
                    S::store_first(strip.to.add((p + i) * strip.stride), row, wide);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn gather<S: Simd>(strip: Strip<S::Elem>) {
    for p in 0..strip.k {
        for j in 0..strip.cols {
            // SAFETY: see `Strip::call`.
            unsafe { *strip.to.add(p * strip.stride + j) = *strip.from.at(p, j).data }
        }
    }
}
