//! Products of strided matrices, with the bias and the activation that usually follow.

/// A strided view of a matrix: element `(i, j)` is `data[i * row_stride + j * col_stride]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatRef<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

/// What happens to each finished element of the result before it is stored: `+ bias[column]`, then `max(0, ·)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epilogue<'a, T> {
    pub(crate) bias: Option<&'a [T]>,
    pub(crate) relu: bool,
}

impl<T> Epilogue<'_, T> {
    /// Stores the product as it is.
    pub(crate) const NONE: Self = Self { bias: None, relu: false };
}

/// An element type that has a matrix product: `f32` and `f64`.
pub(crate) trait Gemm: num_traits::Float + Send + Sync + 'static {
    /// # Safety
    /// The pointers and strides must describe matrices of m × k, k × n and m × n that lie within their buffers,
    /// and `c` must be free of other references.
    #[expect(clippy::too_many_arguments)]
    unsafe fn raw(
        shape: (usize, usize, usize),
        alpha: Self,
        a: *const Self,
        a_strides: (isize, isize),
        b: *const Self,
        b_strides: (isize, isize),
        beta: Self,
        c: *mut Self,
        c_row_stride: isize,
    );
}

macro_rules! through_matrixmultiply {
    ($t:ty, $f:path) => {
        impl Gemm for $t {
            unsafe fn raw(
                (m, k, n): (usize, usize, usize),
                alpha: Self,
                a: *const Self,
                (rsa, csa): (isize, isize),
                b: *const Self,
                (rsb, csb): (isize, isize),
                beta: Self,
                c: *mut Self,
                c_row_stride: isize,
            ) {
                // SAFETY: the caller vouches for the pointers and strides.
                unsafe { $f(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, c_row_stride, 1) }
            }
        }
    };
}
through_matrixmultiply!(f32, matrixmultiply::sgemm);
through_matrixmultiply!(f64, matrixmultiply::dgemm);

/// The number of elements from the first to the last of a strided matrix, or `None` if that overflows.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    (rows - 1).checked_mul(row_stride)?.checked_add((cols - 1).checked_mul(col_stride)?)?.checked_add(1)
}

impl<T> MatRef<'_, T> {
    fn fits(&self) -> bool {
        extent(self.rows, self.cols, self.row_stride, self.col_stride).is_some_and(|n| n <= self.data.len())
    }
}

/// `c = alpha · a·b + beta · c`, then the epilogue. `c` is row-major with unit column stride.
///
/// With `beta == 0`, `c` is not read, so stale NaNs do not leak. Shapes are the caller's business: operands that do
/// not fit each other or their buffers leave `c` as it is.
pub(crate) fn gemm<T: Gemm>(
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    beta: T,
    c: &mut [T],
    c_row_stride: usize,
    epilogue: Epilogue<'_, T>,
) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let fits = a.fits()
        && b.fits()
        && b.rows == k
        && (c_row_stride >= n || m <= 1)
        && extent(m, n, c_row_stride, 1).is_some_and(|need| need <= c.len())
        && epilogue.bias.is_none_or(|bias| bias.len() == n);
    debug_assert!(fits, "gemm: operands that do not fit");
    if !fits || m == 0 || n == 0 {
        return;
    }
    // SAFETY: `fits` has just shown that every index the strides can produce lies within its slice.
    unsafe {
        T::raw(
            (m, k, n),
            alpha,
            a.data.as_ptr(),
            (a.row_stride as isize, a.col_stride as isize),
            b.data.as_ptr(),
            (b.row_stride as isize, b.col_stride as isize),
            beta,
            c.as_mut_ptr(),
            c_row_stride as isize,
        );
    }
    for row in c.chunks_mut(c_row_stride.max(n)).take(m) {
        let row = &mut row[..n];
        if let Some(bias) = epilogue.bias {
            row.iter_mut().zip(bias).for_each(|(c, &b)| *c = *c + b);
        }
        if epilogue.relu {
            row.iter_mut().filter(|c| **c < T::zero()).for_each(|c| *c = T::zero());
        }
    }
}

/// `batch` products of the same shape, `c[i] = alpha · a(i)·b(i) + beta · c[i]`, with `c[i]` at `i * c_batch_stride`.
#[expect(clippy::too_many_arguments)]
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
    for (i, c) in c.chunks_mut(c_batch_stride.max(1)).take(batch).enumerate() {
        gemm(alpha, a(i), b(i), beta, c, c_row_stride, epilogue);
    }
}
