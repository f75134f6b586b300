//! A product whose operands are known to fit.

use std::ops::Range;

use super::MatRef;
use super::element::Gemm;
use super::tile::Finish;

/// `c = alpha · a·b + beta · c + bias`.
///
/// Whoever makes one has checked that `a` is m × k, `b` k × n, and the bias n long, all within their slices, and holds
/// `c`, m × n with unit column stride, for as long as it is used.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a, T> {
    pub(super) alpha: T,
    pub(super) a: MatRef<'a, T>,
    pub(super) b: MatRef<'a, T>,
    pub(super) beta: T,
    pub(super) c: *mut T,
    pub(super) c_row_stride: usize,
    pub(super) bias: Option<&'a [T]>,
}

// SAFETY: threads share a product in order to write different parts of `c`.
unsafe impl<T: Sync + Send> Sync for Product<'_, T> {}

impl<T> Product<'_, T> {
    /// `(m, k, n)`
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.a.rows, self.a.cols, self.b.cols)
    }
}

impl Product<'_, f32> {
    /// What is due after a block of `k`: `beta` enters with the first one, the bias follows the last one.
    pub(super) fn finish(&self, first: bool, last: bool) -> Finish {
        let bias = self.bias.filter(|_| last);
        Finish {
            alpha: self.alpha,
            beta: if first { self.beta } else { 1.0 },
            bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
        }
    }
}

/// Some rows and columns of a product.
///
/// Whoever makes one vouches that nobody else uses this part of `c` as long as it runs.
pub(super) struct Part<'a, T> {
    pub(super) product: &'a Product<'a, T>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

impl<T: Gemm> Part<'_, T> {
    /// Leaves the product to `matrixmultiply`, and adds the bias.
    ///
    /// # Safety
    /// As for [`Product`], and nobody else may use this part of `c`.
    pub(super) unsafe fn by_library(&self) {
        let Product { alpha, a, b, beta, c_row_stride, bias, .. } = *self.product;
        let (m, n) = (self.rows.len(), self.cols.len());
        let c = self.product.c.wrapping_add(self.rows.start * c_row_stride + self.cols.start);
        // SAFETY: the part lies within the operands, and its elements of `c` are the caller's.
        unsafe {
            T::by_library(
                m,
                a.cols,
                n,
                alpha,
                a.data.as_ptr().wrapping_add(self.rows.start * a.row_stride),
                [a.row_stride, a.col_stride],
                b.data.as_ptr().wrapping_add(self.cols.start * b.col_stride),
                [b.row_stride, b.col_stride],
                beta,
                c,
                [c_row_stride, 1],
            );
            if let Some(bias) = bias {
                for i in 0..m {
                    let row = std::slice::from_raw_parts_mut(c.add(i * c_row_stride), n);
                    row.iter_mut().zip(&bias[self.cols.clone()]).for_each(|(x, &bias)| *x = *x + bias);
                }
            }
        }
    }
}
