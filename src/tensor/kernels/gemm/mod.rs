//! Products of matrices in any layout, with the bias that often follows.
//!
//! An element of the result is the same sum in the same order however the work is divided, so it does not depend on
//! the number of threads. Which of three ways computes it depends on the type and the shape alone:
//!
//! - [`few`]: at most four rows or columns. Limited by memory: each operand is read once, in place.
//! - [`blocked`]: everything else. Strips of the operands, packed where that pays, are multiplied tile by tile in
//!   registers (the scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
//! - `matrixmultiply`, for `f64`, which is there for checks of gradients and not for speed, and for large products on
//!   processors without one of our instruction sets.

mod blocked;
mod element;
mod few;
mod pack;
mod product;
mod scratch;
mod split;
mod tile;

#[cfg(test)]
mod tests;

pub(crate) use element::Gemm;
pub(super) use pack::{Block, Strip, Strips};
pub(super) use scratch::Scratch;
pub(super) use split::units;

use product::Product;

/// A strided view of a matrix: element `(i, j)` is `data[i * row_stride + j * col_stride]`. Strides may be 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatRef<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<T> MatRef<'_, T> {
    /// Rows as columns.
    pub(crate) fn t(self) -> Self {
        let Self { data, rows, cols, row_stride, col_stride } = self;
        Self { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// The same matrix, where strides that are never used are 1, for which the kernels are at their best.
    fn plain(self) -> Self {
        let used = |len: usize, stride: usize| if len > 1 { stride } else { 1 };
        Self { row_stride: used(self.rows, self.row_stride), col_stride: used(self.cols, self.col_stride), ..self }
    }
}

/// `c = alpha · a·b + beta · c + bias`, a bias for each column. `c` is row-major, its rows `c_row_stride` apart.
///
/// With `beta == 0`, `c` is not read: stale NaNs do not leak. Large products use several threads.
///
/// The caller has compared the shapes.
pub(crate) fn gemm<T: Gemm>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: &mut [T],
    c_row_stride: usize,
    bias: Option<&[T]>,
) {
    product(alpha, a, b, beta, c, c_row_stride, bias, true);
}

/// `c = alpha · a·b + beta · c` on the calling thread alone: for products that are part of work which is divided among
/// threads already.
pub(super) fn gemm_here<T: Gemm>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: &mut [T],
    c_row_stride: usize,
) {
    product(alpha, a, b, beta, c, c_row_stride, None, false);
}

/// `batch` products of the same shape: `c[i] = a(i)·b(i)`, where `c[i]` begins at `i * c_batch_stride`. The results must not
/// overlap.
///
/// Small products share the threads; large ones take turns and use all of them.
pub(crate) fn gemm_batch<'a, T: Gemm>(
    batch: usize,
    a: &(dyn Fn(usize) -> MatRef<'a, T> + Sync),
    b: &(dyn Fn(usize) -> MatRef<'a, T> + Sync),
    c: &mut [T],
    c_batch_stride: usize,
    c_row_stride: usize,
) {
    if batch == 0 {
        return;
    }
    let stride = c_batch_stride.max(1);
    let c_len = c.len().min(batch.saturating_mul(stride));
    assert!(c.is_empty() || (batch - 1).saturating_mul(stride) < c.len(), "gemm_batch: c is too short");
    let sizes = (a(0).rows, a(0).cols, b(0).cols);
    split::batch(&mut c[..c_len], stride, sizes, &|i, c, divide| {
        product(T::one(), a(i), b(i), T::zero(), c, c_row_stride, None, divide);
    });
}

/// Copies a matrix, such as a transposed one, to rows that are `row_stride` apart.
pub(super) fn copy_matrix<T: Gemm>(from: MatRef<'_, T>, to: &mut [T], row_stride: usize) {
    let MatRef { data, rows, cols, .. } = from;
    let from_fits = extent(rows, cols, from.row_stride, from.col_stride).is_some_and(|need| need <= data.len());
    let to_fits = extent(rows, cols, row_stride, 1).is_some_and(|need| need <= to.len()) && row_stride >= cols;
    assert!(from_fits && to_fits, "copy_matrix: matrices that do not fit");
    // SAFETY: both matrices lie within their slices.
    unsafe { T::copy_matrix(from, to.as_mut_ptr(), row_stride) };
}

#[expect(clippy::too_many_arguments, reason = "those of `gemm`, and whether to use several threads")]
fn product<T: Gemm>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: &mut [T],
    c_row_stride: usize,
    bias: Option<&[T]>,
    divide: bool,
) {
    let (a, b) = (a.plain(), b.plain());
    assert!(fits(a, b, c.len(), c_row_stride, bias), "gemm: operands that do not fit");
    if a.rows > 0 && b.cols > 0 {
        // SAFETY: the operands fit, and `c` is borrowed until the end of this function.
        unsafe { T::multiply(&Product { alpha, a, b, beta, c: c.as_mut_ptr(), c_row_stride, bias }, divide) };
    }
}

fn fits<T>(a: MatRef<'_, T>, b: MatRef<'_, T>, c_len: usize, c_row_stride: usize, bias: Option<&[T]>) -> bool {
    let (m, n) = (a.rows, b.cols);
    a.cols == b.rows
        && extent(m, a.cols, a.row_stride, a.col_stride).is_some_and(|need| need <= a.data.len())
        && extent(b.rows, n, b.row_stride, b.col_stride).is_some_and(|need| need <= b.data.len())
        && extent(m, n, c_row_stride, 1).is_some_and(|need| need <= c_len)
        && (m <= 1 || c_row_stride >= n)
        && bias.is_none_or(|bias| bias.len() == n)
}

/// The elements from the first to the last of a strided matrix, unless there are too many to count.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    let last = (rows - 1).checked_mul(row_stride)?.checked_add((cols - 1).checked_mul(col_stride)?)?;
    last.checked_add(1)
}
