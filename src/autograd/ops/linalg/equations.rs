//! Systems of equations, inverses, determinants.

use super::{fitting, identity, matrix_sizes, wide, wide_square};
use crate::autograd::record;
use crate::error::{Error, Result};
use crate::tensor::exec::linalg as exec;
use crate::tensor::layout::broadcast;
use crate::tensor::{DType, Tensor};

/// # Systems of equations
/// With the feature `linalg`. Computed in `F64`; gradients of gradients included.
///
/// ```
/// use demotic::tensor;
///
/// let a = tensor![[2.0, 0.0], [1.0, 4.0]];
/// assert_eq!(a.solve_triangular(&tensor![[2.0], [9.0]], false)?.to_f64_vec(), [1.0, 2.0]);
/// assert_eq!((a.inv()?.to_f64_vec(), a.det()?.item()?), (vec![0.5, 0.0, -0.125, 0.25], 8.0));
/// let (sign, logarithm) = a.slogdet()?;
/// assert_eq!((sign.item()?, logarithm.exp().round().item()?), (1.0, 8.0));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The solution `X` of `A X = B`, where this is `A`, `[.., n, n]`, and `B` is `[.., n, k]` or, with one dimension less than
    /// `A` and its other sizes, a vector each. Batches broadcast. Gradients: `A⁻ᵀ · g`, and minus that times `Xᵀ`.
    ///
    /// # Errors
    /// If a matrix is singular, or not square, or has NaN or infinite values; if sizes or types do not fit.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[2.0, 1.0], [1.0, 3.0]].solve(&tensor![3.0, 5.0])?;
    /// assert_eq!(x.mul_scalar(5.0).round().to_vec::<f32>()?, [4.0, 7.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn solve(&self, b: &Tensor) -> Result<Tensor> {
        let (a, right, is_vector) = sides("solve", self, b)?;
        finish(solution("solve", &a, &right)?, is_vector, self.dtype())
    }

    /// The same where this is a triangle: the upper one or the lower one, of which the other one is taken for zeros.
    ///
    /// # Errors
    /// As for [`solve`](Self::solve); a zero on the diagonal makes a matrix singular.
    #[track_caller]
    pub fn solve_triangular(&self, b: &Tensor, upper: bool) -> Result<Tensor> {
        let (a, right, is_vector) = sides("solve_triangular", self, b)?;
        finish(triangular("solve_triangular", &a, &right, upper)?, is_vector, self.dtype())
    }

    /// The inverse. Gradient: `−A⁻ᵀ · g · A⁻ᵀ`. To multiply by it, [`solve`](Self::solve) is faster and more exact.
    ///
    /// # Errors
    /// If a matrix is singular, or not square, or has NaN or infinite values.
    #[doc(alias = "inverse")]
    #[track_caller]
    pub fn inv(&self) -> Result<Tensor> {
        Ok(inverse("inv", &wide_square("inv", self)?)?.to_dtype(self.dtype()))
    }

    /// The determinant. Gradient: `g` times the cofactors, also where it is 0.
    ///
    /// # Errors
    /// If a matrix is not square, or has NaN or infinite values.
    #[track_caller]
    pub fn det(&self) -> Result<Tensor> {
        let _timer = crate::profile::op("det");
        let x = wide_square("det", self)?;
        let [sign, log] = fitting("det", self, exec::slogdet(&x)?)?;
        let out = sign.mul(&log.exp())?;
        let det = record("det", out, &[&x], |tape| {
            let x = x.clone();
            tape.edge(&x.clone(), move |g| g.unsqueeze(-1)?.unsqueeze(-1)?.mul(&cofactors(&x)?));
        });
        Ok(det.to_dtype(self.dtype()))
    }

    /// The sign of the determinant, and the logarithm of its magnitude, which cannot overflow. Of a singular matrix they are 0
    /// and minus infinity, and there is no gradient. Gradient, of the logarithm alone: `g · A⁻ᵀ`.
    ///
    /// # Errors
    /// If a matrix is not square, or has NaN or infinite values.
    #[track_caller]
    pub fn slogdet(&self) -> Result<(Tensor, Tensor)> {
        let _timer = crate::profile::op("slogdet");
        let x = wide_square("slogdet", self)?;
        let [sign, log] = fitting("slogdet", self, exec::slogdet(&x)?)?;
        let log = record("slogdet", log, &[&x], |tape| {
            let x = x.clone();
            tape.edge(&x.clone(), move |g| g.unsqueeze(-1)?.unsqueeze(-1)?.mul(&inverse("slogdet", &x)?.t()));
        });
        Ok((sign.to_dtype(self.dtype()), log.to_dtype(self.dtype())))
    }
}

/// Both sides in `F64` with the same batch, the right one as matrices, and whether it was one of vectors.
#[track_caller]
fn sides(op: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor, bool)> {
    b.expect_dtype(op, "the right side", a.dtype())?;
    let left = wide_square(op, a)?;
    let is_vector = b.rank() + 1 == a.rank() && *b.shape() == a.shape()[..b.rank()];
    let right = if is_vector { wide(op, &b.unsqueeze(-1)?)? } else { wide(op, b)? };
    let (n, rows) = (matrix_sizes(&left).0, matrix_sizes(&right).0);
    let batches = [&left, &right].map(|x| &x.shape()[..x.rank() - 2]);
    let (Some(batch), true) = (broadcast(batches[0], batches[1]), n == rows) else {
        let message = format!("a matrix of {:?} and a right side of {:?} do not fit", a.shape(), b.shape());
        return Err(Error::shape(op, message).with_help("[.., n, n] takes [.., n, k], or a vector [.., n] each"));
    };
    let to = |x: &Tensor| x.broadcast_to([&batch[..], &x.shape()[x.rank() - 2..]].concat());
    Ok((to(&left)?, to(&right)?, is_vector))
}

#[track_caller]
fn finish(x: Tensor, is_vector: bool, dtype: DType) -> Result<Tensor> {
    let x = if is_vector { x.squeeze(-1)? } else { x };
    Ok(x.to_dtype(dtype))
}

/// `X` with `a X = b`, in `F64`, of one batch.
#[track_caller]
pub(super) fn solution(op: &'static str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let _timer = crate::profile::op("solve");
    let out = fitting(op, a, exec::solve(a, b)?)?;
    Ok(record("solve", out, &[a, b], |tape| {
        let (left, transposed) = (a.clone(), a.clone());
        tape.edge_with_output(a, move |g, x| Ok(solution("solve", &left.t(), g)?.matmul(&x.t())?.neg()));
        tape.edge(b, move |g| solution("solve", &transposed.t(), g));
    }))
}

/// The same for a triangle.
#[track_caller]
pub(super) fn triangular(op: &'static str, a: &Tensor, b: &Tensor, upper: bool) -> Result<Tensor> {
    let _timer = crate::profile::op("solve_triangular");
    let out = fitting(op, a, exec::solve_triangular(a, b, upper)?)?;
    Ok(record("solve_triangular", out, &[a, b], |tape| {
        let (left, transposed) = (a.clone(), a.clone());
        tape.edge_with_output(a, move |g, x| {
            let of_a = triangular("solve_triangular", &left.t(), g, !upper)?.matmul(&x.t())?.neg();
            if upper { of_a.triu(0) } else { of_a.tril(0) }
        });
        tape.edge(b, move |g| triangular("solve_triangular", &transposed.t(), g, !upper));
    }))
}

#[track_caller]
pub(super) fn inverse(op: &'static str, x: &Tensor) -> Result<Tensor> {
    let one = identity(matrix_sizes(x).0)?;
    solution(op, x, &one.broadcast_to(x.shape())?)
}

/// The cofactors of each element: of `U S Vᵀ`, `det(U Vᵀ) · U G Vᵀ`, where `G` has on its diagonal the products of all other
/// singular values.
fn cofactors(x: &Tensor) -> Result<Tensor> {
    let (u, s, vt) = super::spectral::svd_of("det", x)?;
    let sign = {
        let _unrecorded = crate::autograd::pause_recording();
        let sign = |x: &Tensor| -> Result<Tensor> {
            let [sign, _] = fitting("det", x, exec::slogdet(x)?)?;
            Ok(sign)
        };
        sign(&u)?.mul(&sign(&vt)?)?
    };
    let one = identity(matrix_sizes(x).0)?;
    // In row i, all singular values but the i-th, and 1 in its place.
    let others = one.eq(&one.ones_like())?.where_(&one, &s.unsqueeze(-2)?)?.prod_dims(&[-1], false)?;
    u.mul(&others.unsqueeze(-2)?)?.matmul(&vt)?.mul(&sign.unsqueeze(-1)?.unsqueeze(-1)?)
}
