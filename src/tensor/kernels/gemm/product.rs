//! A product whose operands are known to fit.

use std::ops::Range;

use num_traits::Float;

use super::tile::Finish;
use super::unit::Gemm;
use super::{Epilogue, MatRef};

/// `c = alpha · a·b + beta · c`, then the epilogue.
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
    pub(super) epilogue: Epilogue<'a, T>,
}

// SAFETY: threads share a product in order to write different parts of `c`.
unsafe impl<T: Sync + Send> Sync for Product<'_, T> {}

impl<T: Float> Product<'_, T> {
    /// `(m, k, n)`
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.a.rows, self.a.cols, self.b.cols)
    }

    /// What is due after a block of `k`: `beta` enters with the first one, the epilogue follows the last one.
    pub(super) fn finish(&self, first: bool, last: bool) -> Finish<T> {
        let bias = self.epilogue.bias.filter(|_| last);
        Finish {
            alpha: self.alpha,
            beta: if first { self.beta } else { T::one() },
            bias: bias.map_or(std::ptr::null(), <[T]>::as_ptr),
            relu: self.epilogue.relu && last,
        }
    }
}

/// Some rows and columns of a product.
pub(crate) struct Part<'a, T> {
    pub(super) product: &'a Product<'a, T>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

impl<T: Gemm> Part<'_, T> {
    /// Leaves the product to `matrixmultiply`, which has vectors for other processors, and adds the epilogue.
    ///
    /// # Safety
    /// As for [`Product`], and nobody else may use this part of `c`.
    pub(super) unsafe fn by_library(&self) {
        let Product { alpha, a, b, beta, c_row_stride, epilogue, .. } = *self.product;
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
            for i in 0..m {
                let row = std::slice::from_raw_parts_mut(c.add(i * c_row_stride), n);
                if let Some(bias) = epilogue.bias {
                    row.iter_mut().zip(&bias[self.cols.clone()]).for_each(|(x, &bias)| *x = *x + bias);
                }
                if epilogue.relu {
                    row.iter_mut().filter(|x| **x < T::zero()).for_each(|x| *x = T::zero());
                }
            }
        }
    }
}
