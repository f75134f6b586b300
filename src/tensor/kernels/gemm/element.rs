//! The element types that have products, and who computes them.

use num_traits::Float;

use super::few::Few;
use super::pack::{Block, Strip};
use super::product::Product;
use super::{MatRef, split};
use crate::tensor::kernels::simd::dispatch;

/// An element type that has a matrix product: `f32`, with kernels of our own, and `f64`, which is left to `matrixmultiply`.
pub(crate) trait Gemm: Float + Send + Sync + 'static {
    /// Computes a product, on several threads if `divide` and it is worth it.
    ///
    /// # Safety
    /// As for [`Product`].
    unsafe fn multiply(product: &Product<'_, Self>, divide: bool);

    /// Copies a matrix to rows that are `row_stride` apart.
    ///
    /// # Safety
    /// Both must lie within their memory.
    unsafe fn copy_matrix(from: MatRef<'_, Self>, to: *mut Self, row_stride: usize);

    /// `c = alpha · a·b + beta · c`, as `matrixmultiply` computes it. Strides are those of rows and of columns.
    ///
    /// # Safety
    /// The pointers and strides must describe matrices that may be read (`a`, `b`) and written (`c`).
    #[expect(clippy::too_many_arguments, reason = "the library's")]
    unsafe fn by_library(
        m: usize,
        k: usize,
        n: usize,
        alpha: Self,
        a: *const Self,
        a_strides: [usize; 2],
        b: *const Self,
        b_strides: [usize; 2],
        beta: Self,
        c: *mut Self,
        c_strides: [usize; 2],
    );
}

/// A stride that is used lies within a slice, and so is never too large.
fn to_signed(stride: usize) -> isize {
    isize::try_from(stride).unwrap_or(0)
}

macro_rules! by_library {
    ($t:ty, $library:path) => {
        unsafe fn by_library(
            m: usize,
            k: usize,
            n: usize,
            alpha: $t,
            a: *const $t,
            a_strides: [usize; 2],
            b: *const $t,
            b_strides: [usize; 2],
            beta: $t,
            c: *mut $t,
            c_strides: [usize; 2],
        ) {
            let ([ra, ca], [rb, cb], [rc, cc]) =
                (a_strides.map(to_signed), b_strides.map(to_signed), c_strides.map(to_signed));
            // SAFETY: the caller vouches for the matrices.
            unsafe { $library(m, k, n, alpha, a, ra, ca, b, rb, cb, beta, c, rc, cc) }
        }
    };
}

impl Gemm for f32 {
    unsafe fn multiply(product: &Product<'_, f32>, divide: bool) {
        // SAFETY: passed on.
        unsafe {
            match Few::new(product) {
                Some(few) => split::few(&few, divide),
                None => split::blocked(product, divide),
            }
        }
    }

    unsafe fn copy_matrix(from: MatRef<'_, f32>, to: *mut f32, row_stride: usize) {
        let MatRef { rows, cols, .. } = from;
        let from = Block { data: from.data.as_ptr(), row_stride: from.row_stride, col_stride: from.col_stride };
        dispatch(Strip { from, k: rows, cols, stride: row_stride, slack: false, to });
    }

    by_library!(f32, matrixmultiply::sgemm);
}

impl Gemm for f64 {
    unsafe fn multiply(product: &Product<'_, f64>, divide: bool) {
        // SAFETY: passed on.
        unsafe { split::library(product, divide) }
    }

    unsafe fn copy_matrix(from: MatRef<'_, f64>, to: *mut f64, row_stride: usize) {
        for i in 0..from.rows {
            for j in 0..from.cols {
                // SAFETY: the caller's promise.
                unsafe { *to.add(i * row_stride + j) = from.data[i * from.row_stride + j * from.col_stride] };
            }
        }
    }

    by_library!(f64, matrixmultiply::dgemm);
}
