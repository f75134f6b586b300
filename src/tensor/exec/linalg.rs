//! Decompositions of matrices and systems of equations, through the crate `faer`.
//!
//! Operands are of `F64`: operations convert others on the way. Each of them may be a batch, of which the last two dimensions are
//! the matrices. `faer` runs on the calling thread, so that results do not depend on the number of threads.

use faer::linalg::solvers::Solve;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatMut, MatRef, Par, Side};

use crate::error::Result;
use crate::tensor::create::stale;
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

/// The matrix of a batch that an operation does not exist for, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) index: usize,
    pub(crate) what: &'static str,
}

/// Rows and columns of the matrices.
fn sizes(x: &Tensor) -> (usize, usize) {
    match x.shape() {
        [.., rows, columns] => (*rows, *columns),
        _ => (1, 1),
    }
}

/// A shape with other matrices.
fn with_sizes(x: &Tensor, sizes: &[usize]) -> Dims {
    let mut shape = Dims::collect(x.shape()[..x.rank().saturating_sub(2)].iter().copied());
    sizes.iter().for_each(|size| shape.push(*size));
    shape
}

/// An output that is filled row by row.
struct Rows {
    tensor: Tensor,
    each: usize,
}

impl Rows {
    #[track_caller]
    fn new(op: &'static str, x: &Tensor, sizes: &[usize]) -> Result<Self> {
        let tensor = stale(op, &with_sizes(x, sizes), DType::F64)?;
        Ok(Self { tensor, each: sizes.iter().product() })
    }

    /// Fills part `index` from a function of row and column.
    fn fill(&mut self, index: usize, columns: usize, f: &dyn Fn(usize, usize) -> f64) {
        let part = &mut self.tensor.data_mut::<f64>()[index * self.each..][..self.each];
        for (row, values) in part.chunks_mut(columns.max(1)).enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value = f(row, column);
            }
        }
    }
}

/// Calls `f` for each matrix of a batch of which none is empty.
fn for_each<'a>(
    x: &'a Tensor,
    f: &mut dyn FnMut(usize, MatRef<'a, f64>) -> std::result::Result<(), &'static str>,
) -> std::result::Result<(), Unfit> {
    let (rows, columns) = sizes(x);
    if rows * columns == 0 {
        return Ok(());
    }
    for (index, matrix) in x.data::<f64>().chunks_exact(rows * columns).enumerate() {
        if matrix.iter().any(|x| !x.is_finite()) {
            return Err(Unfit { index, what: "has NaN or infinite values" });
        }
        f(index, MatRef::from_row_major_slice(matrix, rows, columns)).map_err(|what| Unfit { index, what })?;
    }
    Ok(())
}

/// What an operation found: its outputs, or the matrix that it does not exist for.
pub(crate) type Found<T> = Result<std::result::Result<T, Unfit>>;

/// The lower triangle `L` with `L Lᵀ = x`. Of `x`, the lower triangle is read.
#[track_caller]
pub(crate) fn cholesky(x: &Tensor) -> Found<Tensor> {
    let (n, x) = (sizes(x).0, x.packed());
    let mut out = Rows::new("cholesky", &x, &[n, n])?;
    let done = for_each(&x, &mut |index, matrix| {
        let factor = matrix.llt(Side::Lower).map_err(|_| "is not positive definite")?;
        let l = factor.L();
        out.fill(index, n, &|i, j| if j <= i { l[(i, j)] } else { 0.0 });
        Ok(())
    });
    Ok(done.map(|()| out.tensor))
}

/// `Q` with orthogonal columns and the upper triangle `R`, of the smaller size, with `Q R = x`.
#[track_caller]
pub(crate) fn qr(x: &Tensor) -> Found<[Tensor; 2]> {
    let ((rows, columns), x) = (sizes(x), x.packed());
    let k = rows.min(columns);
    let (mut q, mut r) = (Rows::new("qr", &x, &[rows, k])?, Rows::new("qr", &x, &[k, columns])?);
    let done = for_each(&x, &mut |index, matrix| {
        let factors = matrix.qr();
        let (of_q, of_r) = (factors.compute_thin_Q(), factors.thin_R());
        q.fill(index, k, &|i, j| of_q[(i, j)]);
        r.fill(index, columns, &|i, j| if i <= j { of_r[(i, j)] } else { 0.0 });
        Ok(())
    });
    Ok(done.map(|()| [q.tensor, r.tensor]))
}

fn owned(x: &[f64], rows: usize, columns: usize) -> Mat<f64> {
    Mat::from_fn(rows, columns, |i, j| x[i * columns + j])
}

/// Elimination ends at a pivot of 0; what comes behind it is divided by that.
fn is_no_pivot(x: f64) -> bool {
    x == 0.0 || x.is_nan()
}

/// `X` with `a X = b`, for batches of one shape.
#[track_caller]
pub(crate) fn solve(a: &Tensor, b: &Tensor) -> Found<Tensor> {
    let ((n, k), a, b) = (sizes(b), a.packed(), b.packed());
    let mut out = Rows::new("solve", &b, &[n, k])?;
    let right = b.data::<f64>();
    let done = for_each(&a, &mut |index, matrix| {
        let factors = matrix.partial_piv_lu();
        if (0..n).any(|i| is_no_pivot(factors.U()[(i, i)])) {
            return Err("is singular");
        }
        let x = factors.solve(owned(&right[index * n * k..][..n * k], n, k));
        out.fill(index, k, &|i, j| x[(i, j)]);
        Ok(())
    });
    Ok(done.map(|()| out.tensor))
}

/// The same for a triangle, of which the other one is not read.
#[track_caller]
pub(crate) fn solve_triangular(a: &Tensor, b: &Tensor, upper: bool) -> Found<Tensor> {
    let ((n, k), a, mut out) = (sizes(b), a.packed(), b.packed());
    let right = out.data_mut::<f64>();
    let done = for_each(&a, &mut |index, matrix| {
        if (0..n).any(|i| matrix[(i, i)] == 0.0) {
            return Err("is singular: there is a zero on its diagonal");
        }
        if k > 0 {
            let x = MatMut::from_row_major_slice_mut(&mut right[index * n * k..][..n * k], n, k);
            match upper {
                true => solve_upper_triangular_in_place(matrix, x, Par::Seq),
                false => solve_lower_triangular_in_place(matrix, x, Par::Seq),
            }
        }
        Ok(())
    });
    Ok(done.map(|()| out))
}

/// The sign of the determinant, and the logarithm of its magnitude: 0 and minus infinity of a singular matrix.
#[track_caller]
pub(crate) fn slogdet(x: &Tensor) -> Found<[Tensor; 2]> {
    let (n, x) = (sizes(x).0, x.packed());
    let (mut sign, mut log) = (Rows::new("slogdet", &x, &[])?, Rows::new("slogdet", &x, &[])?);
    // Of no rows and columns, it is 1.
    sign.tensor.data_mut::<f64>().fill(1.0);
    log.tensor.data_mut::<f64>().fill(0.0);
    let done = for_each(&x, &mut |index, matrix| {
        let factors = matrix.partial_piv_lu();
        let diagonal = || (0..n).map(|i| factors.U()[(i, i)]);
        let (forward, _) = factors.P().arrays();
        let flips = cycles(forward) + diagonal().filter(|x| *x < 0.0).count();
        let is_singular = diagonal().any(is_no_pivot);
        let of_sign = if flips.is_multiple_of(2) { 1.0 } else { -1.0 };
        sign.fill(index, 1, &|_, _| if is_singular { 0.0 } else { of_sign });
        let of_log = || diagonal().map(|x| x.abs().ln()).sum();
        log.fill(index, 1, &|_, _| if is_singular { f64::NEG_INFINITY } else { of_log() });
        Ok(())
    });
    Ok(done.map(|()| [sign.tensor, log.tensor]))
}

/// How many exchanges make a permutation.
fn cycles(places: &[usize]) -> usize {
    let mut seen = vec![false; places.len()];
    let mut exchanges = 0;
    for start in 0..places.len() {
        let mut at = start;
        while !std::mem::replace(&mut seen[at], true) {
            at = places[at];
            exchanges += usize::from(!seen[at]);
        }
    }
    exchanges
}

const UNCONVERGED: &str = "has no decomposition that was found";

/// Eigenvalues in ascending order, and eigenvectors as columns. Of `x`, the lower triangle is read.
#[track_caller]
pub(crate) fn eigh(x: &Tensor) -> Found<[Tensor; 2]> {
    let (n, x) = (sizes(x).0, x.packed());
    let (mut values, mut vectors) = (Rows::new("eigh", &x, &[n])?, Rows::new("eigh", &x, &[n, n])?);
    let done = for_each(&x, &mut |index, matrix| {
        let found = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| UNCONVERGED)?;
        let (u, s) = (found.U(), found.S().column_vector());
        values.fill(index, n, &|_, j| s[j]);
        vectors.fill(index, n, &|i, j| u[(i, j)]);
        Ok(())
    });
    Ok(done.map(|()| [values.tensor, vectors.tensor]))
}

/// `U`, the singular values in descending order, and `Vᵀ`, of the smaller size.
#[track_caller]
pub(crate) fn svd(x: &Tensor) -> Found<[Tensor; 3]> {
    let ((rows, columns), x) = (sizes(x), x.packed());
    let k = rows.min(columns);
    let mut left = Rows::new("svd", &x, &[rows, k])?;
    let (mut values, mut right) = (Rows::new("svd", &x, &[k])?, Rows::new("svd", &x, &[k, columns])?);
    let done = for_each(&x, &mut |index, matrix| {
        let found = matrix.thin_svd().map_err(|_| UNCONVERGED)?;
        let (u, s, v) = (found.U(), found.S().column_vector(), found.V());
        left.fill(index, k, &|i, j| u[(i, j)]);
        values.fill(index, k, &|_, j| s[j]);
        right.fill(index, columns, &|i, j| v[(j, i)]);
        Ok(())
    });
    Ok(done.map(|()| [left.tensor, values.tensor, right.tensor]))
}
