//! Weights, arranged for the products of every step.

use super::super::Real;
use super::super::gemm::{Gemm, MatRef, gemm, gemm_here};

/// Columns of a strip. `gemm` reads one of them in place, however often it is used.
const STRIP: usize = 32;

/// A matrix with which the rows of a block are multiplied at each step.
pub(super) enum Factor<'a, T> {
    /// Strips of columns, one after the other, each row-major.
    Strips { data: &'a [T], rows: usize, cols: usize },
    /// In place, to be used once.
    Whole(MatRef<'a, T>),
}

impl<'a, T: Real + Gemm> Factor<'a, T> {
    /// The transpose of the `rows × cols` weight.
    pub(super) fn transposed(
        weight: &'a [T],
        rows: usize,
        cols: usize,
        time: usize,
        scratch: &mut &'a mut [T],
    ) -> Self {
        Self::new(MatRef { data: weight, rows: cols, cols: rows, row_stride: 1, col_stride: cols }, time, scratch)
    }

    /// The `rows × cols` weight itself.
    pub(super) fn upright(weight: &'a [T], rows: usize, cols: usize, time: usize, scratch: &mut &'a mut [T]) -> Self {
        Self::new(MatRef { data: weight, rows, cols, row_stride: cols, col_stride: 1 }, time, scratch)
    }

    /// Takes what it needs from the scratch.
    fn new(matrix: MatRef<'a, T>, time: usize, scratch: &mut &'a mut [T]) -> Self {
        let MatRef { data, rows, cols, row_stride, col_stride } = matrix;
        if time <= 1 {
            return Self::Whole(matrix);
        }
        let all = std::mem::take(scratch);
        let (strips, rest) = all.split_at_mut((rows * cols).min(all.len()));
        *scratch = rest;
        for (strip, first) in strips.chunks_mut((rows * STRIP).max(1)).zip((0..).step_by(STRIP)) {
            let width = STRIP.min(cols - first);
            // The inner loop reads what is contiguous.
            if col_stride == 1 {
                for (i, row) in strip.chunks_exact_mut(width).enumerate() {
                    row.copy_from_slice(&data[i * row_stride + first..][..width]);
                }
            } else {
                for j in 0..width {
                    let column = &data[(first + j) * col_stride..];
                    for (i, row) in strip.chunks_exact_mut(width).enumerate() {
                        row[j] = column[i * row_stride];
                    }
                }
            }
        }
        Self::Strips { data: strips, rows, cols }
    }

    /// `c = a · self + beta · c` for the `rows` rows of `a`, which are `a_row_stride` apart; those of `c` are
    /// `c_row_stride` apart.
    pub(super) fn product(&self, rows: usize, a: &[T], a_row_stride: usize, beta: T, c: &mut [T], c_row_stride: usize) {
        let a = |cols| MatRef { data: a, rows, cols, row_stride: a_row_stride, col_stride: 1 };
        match *self {
            Self::Whole(matrix) => {
                gemm(T::one(), a(matrix.rows), matrix, beta, c, c_row_stride, None);
            }
            Self::Strips { data, rows: depth, cols } => {
                for (strip, first) in data.chunks((depth * STRIP).max(1)).zip((0..cols).step_by(STRIP)) {
                    let width = STRIP.min(cols - first);
                    let b = MatRef { data: strip, rows: depth, cols: width, row_stride: width, col_stride: 1 };
                    gemm_here(T::one(), a(depth), b, beta, &mut c[first..], c_row_stride);
                }
            }
        }
    }
}
