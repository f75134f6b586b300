//! Products of matrices in any layout, with the bias and the rectifier that often follow.
//!
//! An element of the result is the same sum in the same order however the work is divided, so it does not depend on
//! the number of threads. Which of three ways computes it depends on the shape alone:
//!
//! - [`few`]: at most four rows or columns. Limited by memory: each operand is read once, in place.
//! - [`blocked`]: everything else. Strips of the operands, packed where that pays, are multiplied tile by tile in
//!   registers (the scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
//! - `matrixmultiply`, for large products on processors that [`unit`] has no vectors for.

mod blocked;
mod few;
mod pack;
mod portable;
mod product;
mod scratch;
mod simd;
mod split;
mod team;
mod tile;
mod unit;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;

#[cfg(test)]
mod tests;

pub(super) use scratch::Scratch;
pub(super) use team::units;
pub(crate) use unit::Gemm;

use few::{Columns, Few};
use pack::{Block, Strip};
use product::{Part, Product};

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
    /// The same matrix, where strides that are never used are 1, for which the kernels are at their best.
    fn plain(self) -> Self {
        let used = |len: usize, stride: usize| if len > 1 { stride } else { 1 };
        Self { row_stride: used(self.rows, self.row_stride), col_stride: used(self.cols, self.col_stride), ..self }
    }
}

/// What happens to each element of the product before it is stored: `+ bias[column]`, then `max(0, ·)`, which keeps
/// NaNs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epilogue<'a, T> {
    pub(crate) bias: Option<&'a [T]>,
    pub(crate) relu: bool,
}

impl<T> Epilogue<'_, T> {
    /// Nothing happens.
    pub(crate) const NONE: Self = Self { bias: None, relu: false };
}

/// `c = alpha · a·b + beta · c`, then the epilogue. `c` is row-major, its rows `c_row_stride` apart.
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
    epilogue: Epilogue<'_, T>,
) {
    product(alpha, a, b, beta, c, c_row_stride, epilogue, true);
}

/// [`gemm`] on the calling thread alone, for products within work that is itself divided among threads.
pub(crate) fn gemm_undivided<T: Gemm>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: &mut [T],
    c_row_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    product(alpha, a, b, beta, c, c_row_stride, epilogue, false);
}

/// `batch` products of the same shape: `c[i] = alpha · a(i)·b(i) + beta · c[i]`, then the epilogue, where `c[i]` begins
/// at `i * c_batch_stride`. The results must not overlap.
///
/// Small products share the threads; large ones take turns and use all of them.
#[expect(clippy::too_many_arguments, reason = "those of `gemm`, which are the field's")]
pub(crate) fn gemm_batch<'a, T: Gemm>(
    batch: usize,
    alpha: T,
    a: impl Fn(usize) -> MatRef<'a, T> + Sync,
    b: impl Fn(usize) -> MatRef<'a, T> + Sync,
    beta: T,
    c: &mut [T],
    c_batch_stride: usize,
    c_row_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    if batch == 0 {
        return;
    }
    let stride = c_batch_stride.max(1);
    let c_len = c.len().min(batch.saturating_mul(stride));
    assert!(c.is_empty() || (batch - 1).saturating_mul(stride) < c.len(), "gemm_batch: c is too short");
    let sizes = (a(0).rows, a(0).cols, b(0).cols);
    split::batch(&mut c[..c_len], stride, sizes, |i, c, divide| {
        product(alpha, a(i), b(i), beta, c, c_row_stride, epilogue, divide);
    });
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
    with_product(alpha, a, b, beta, c, c_row_stride, Epilogue::NONE, |product| {
        let (m, n) = (product.a.rows, product.b.cols);
        // SAFETY: the operands fit, and `c` is borrowed until the end of this function.
        unsafe {
            match Few::new(product) {
                Some(few) => T::on_best_unit(Columns { few: &few, cols: 0..few.n }),
                None => split::part(Part { product, rows: 0..m, cols: 0..n }),
            }
        }
    });
}

/// Copies a matrix, such as a transposed one, to rows that are `row_stride` apart.
pub(super) fn copy_matrix<T: Gemm>(from: MatRef<'_, T>, to: &mut [T], row_stride: usize) {
    let MatRef { data, rows, cols, .. } = from;
    let from_fits = extent(rows, cols, from.row_stride, from.col_stride).is_some_and(|need| need <= data.len());
    let to_fits = extent(rows, cols, row_stride, 1).is_some_and(|need| need <= to.len()) && row_stride >= cols;
    assert!(from_fits && to_fits, "copy_matrix: matrices that do not fit");
    let from = Block { data: data.as_ptr(), row_stride: from.row_stride, col_stride: from.col_stride };
    // SAFETY: both matrices lie within their slices.
    unsafe { T::on_best_unit(Strip { from, k: rows, cols, stride: row_stride, to: to.as_mut_ptr() }) };
}

#[expect(clippy::too_many_arguments, reason = "those of `gemm`, and whether to use several threads")]
fn product<T: Gemm>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: &mut [T],
    c_row_stride: usize,
    epilogue: Epilogue<'_, T>,
    divide: bool,
) {
    with_product(alpha, a, b, beta, c, c_row_stride, epilogue, |product| {
        // SAFETY: the operands fit, and `c` is borrowed until the end of this function.
        unsafe {
            match Few::new(product) {
                Some(few) => split::few(&few, divide),
                None => split::blocked(product, divide),
            }
        }
    });
}

/// Calls `f` with the product, whose operands must fit, if there is anything to compute.
#[expect(clippy::too_many_arguments, reason = "those of `gemm`, and what to do")]
fn with_product<T: Gemm>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: &mut [T],
    c_row_stride: usize,
    epilogue: Epilogue<'_, T>,
    f: impl FnOnce(&Product<'_, T>),
) {
    let (a, b) = (a.plain(), b.plain());
    let fits = fits(a, b, c.len(), c_row_stride, epilogue);
    assert!(fits, "gemm: operands that do not fit");
    if a.rows > 0 && b.cols > 0 {
        f(&Product { alpha, a, b, beta, c: c.as_mut_ptr(), c_row_stride, epilogue });
    }
}

fn fits<T>(a: MatRef<'_, T>, b: MatRef<'_, T>, c_len: usize, c_row_stride: usize, epilogue: Epilogue<'_, T>) -> bool {
    let (m, n) = (a.rows, b.cols);
    a.cols == b.rows
        && extent(m, a.cols, a.row_stride, a.col_stride).is_some_and(|need| need <= a.data.len())
        && extent(b.rows, n, b.row_stride, b.col_stride).is_some_and(|need| need <= b.data.len())
        && extent(m, n, c_row_stride, 1).is_some_and(|need| need <= c_len)
        && (m <= 1 || c_row_stride >= n)
        && epilogue.bias.is_none_or(|bias| bias.len() == n)
}

/// The elements from the first to the last of a strided matrix, unless there are too many to count.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    let last = (rows - 1).checked_mul(row_stride)?.checked_add((cols - 1).checked_mul(col_stride)?)?;
    last.checked_add(1)
}
