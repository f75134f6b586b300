//! Pseudoinverses and least squares, norms, the exponential.

use super::equations::solution;
use super::spectral::svd_of;
use super::{identity, matrix_sizes, wide, wide_square};
use crate::autograd::record;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A norm of matrices, for [`Tensor::matrix_norm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatrixNorm {
    /// The root of the sum of all squares (`"fro"` in PyTorch).
    Frobenius,
    /// The sum of the singular values (`"nuc"`).
    Nuclear,
    /// The largest sum of magnitudes of a column.
    One,
    /// The smallest one.
    MinusOne,
    /// The largest singular value.
    Two,
    /// The smallest one.
    MinusTwo,
    /// The largest sum of magnitudes of a row.
    Inf,
    /// The smallest one.
    MinusInf,
}

/// # Functions of matrices
/// With the feature `linalg`. Computed in `F64`; gradients of gradients included.
///
/// ```
/// use demotic::tensor;
///
/// let a = tensor![[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]];
/// assert!(a.pinv()?.allclose(&tensor![[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]], 1e-6, 1e-6, false)?);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The pseudoinverse of Moore and Penrose, `[.., n, m]`. Singular values of at most `max(m, n) · 2⁻⁵²` times the largest one count
    /// as 0.
    ///
    /// # Errors
    /// If this is no matrix, or has NaN or infinite values.
    #[track_caller]
    pub fn pinv(&self) -> Result<Tensor> {
        Ok(pseudoinverse("pinv", &wide("pinv", self)?)?.to_dtype(self.dtype()))
    }

    /// The `X` for which `A X` is nearest to `B` in the sense of least squares and, if there are several, the shortest of them:
    /// `[.., m, n]` and `[.., m, k]` give `[.., n, k]`. Batches broadcast.
    ///
    /// # Errors
    /// If sizes or types do not fit, or a matrix has NaN or infinite values.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// // The line through three points that is nearest to them.
    /// let x = tensor![[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]].lstsq(&tensor![[1.0], [3.0], [5.0]])?;
    /// assert_eq!(x.round().to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn lstsq(&self, b: &Tensor) -> Result<Tensor> {
        b.expect_dtype("lstsq", "the right side", self.dtype())?;
        let (a, right) = (wide("lstsq", self)?, wide("lstsq", b)?);
        if matrix_sizes(&a).0 != matrix_sizes(&right).0 {
            let message = format!("a matrix of {:?} and a right side of {:?} do not fit", self.shape(), b.shape());
            return Err(Error::shape("lstsq", message).with_help("[.., m, n] takes [.., m, k]"));
        }
        Ok(pseudoinverse("lstsq", &a)?.matmul(&right)?.to_dtype(self.dtype()))
    }

    /// A norm of each matrix: `[.., m, n]` gives `[..]`.
    ///
    /// # Errors
    /// If this is no matrix, or an empty one; if the norm is one of singular values, and there are NaN or infinite values.
    ///
    /// ```
    /// use demotic::autograd::MatrixNorm;
    /// use demotic::tensor;
    ///
    /// let x = tensor![[3.0, 0.0], [0.0, -4.0]];
    /// assert_eq!(x.matrix_norm(MatrixNorm::Frobenius)?.item()?, 5.0);
    /// assert_eq!(x.matrix_norm(MatrixNorm::Nuclear)?.round().item()?, 7.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn matrix_norm(&self, norm: MatrixNorm) -> Result<Tensor> {
        let x = wide("matrix_norm", self)?;
        if matrix_sizes(&x).0 == 0 || matrix_sizes(&x).1 == 0 {
            return Err(Error::shape("matrix_norm", format!("shape {:?} has no elements in a matrix", self.shape())));
        }
        let sums = |dim: isize| x.abs().sum_dims(&[dim], false);
        let values = || svd_of("matrix_norm", &x).map(|(_, s, _)| s);
        let found = match norm {
            MatrixNorm::Frobenius => x.norm_dims(2.0, &[-2, -1], false),
            MatrixNorm::Nuclear => values()?.sum_dims(&[-1], false),
            MatrixNorm::One => sums(-2)?.amax(&[-1], false),
            MatrixNorm::MinusOne => sums(-2)?.amin(&[-1], false),
            MatrixNorm::Two => values()?.amax(&[-1], false),
            MatrixNorm::MinusTwo => values()?.amin(&[-1], false),
            MatrixNorm::Inf => sums(-1)?.amax(&[-1], false),
            MatrixNorm::MinusInf => sums(-1)?.amin(&[-1], false),
        };
        Ok(found?.to_dtype(self.dtype()))
    }

    /// The exponential of a square matrix, `1 + A + A²/2 + A³/6 + …`, by Padé's approximant of degree 13, scaling and squaring
    /// (Higham, 2005).
    ///
    /// # Errors
    /// If this is no square matrix, or has NaN or infinite values.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[0.0, 2.0], [0.0, 0.0]].matrix_exp()?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0, 0.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "expm")]
    #[track_caller]
    pub fn matrix_exp(&self) -> Result<Tensor> {
        let x = wide_square("matrix_exp", self)?;
        if x.is_empty() {
            return Ok(self.clone());
        }
        Ok(exponential(&x)?.to_dtype(self.dtype()))
    }
}

#[track_caller]
fn pseudoinverse(op: &'static str, x: &Tensor) -> Result<Tensor> {
    let _timer = crate::profile::op("pinv");
    let out = {
        let _unrecorded = crate::autograd::pause_recording();
        let (u, s, vt) = svd_of(op, x)?;
        let (rows, columns) = matrix_sizes(x);
        if rows * columns == 0 {
            x.t().packed()
        } else {
            let bound = s.amax(&[-1], true)?.mul_scalar(rows.max(columns) as f64 * f64::EPSILON);
            let counts = s.gt(&bound)?;
            let inverse = counts.where_(&s.reciprocal(), &s.zeros_like())?;
            vt.t().mul(&inverse.unsqueeze(-2)?)?.matmul(&u.t())?
        }
    };
    Ok(record("pinv", out, &[x], |tape| {
        let a = x.clone();
        tape.edge_with_output(x, move |g, p| pinv_gradient(&a, g, p));
    }))
}

/// The gradient of a pseudoinverse `p` of `a` (Golub and Pereyra, 1973), in products with the smaller size inside.
fn pinv_gradient(a: &Tensor, g: &Tensor, p: &Tensor) -> Result<Tensor> {
    let (gt, pt) = (g.t(), p.t());
    let (rows, columns) = matrix_sizes(a);
    if rows <= columns {
        let k = gt.matmul(p)?;
        let kpt = k.matmul(&pt)?;
        let rest = pt.matmul(p)?.matmul(&gt.sub(&k.matmul(a)?)?)?;
        return kpt.sub(&p.matmul(&k)?.t())?.sub(&a.matmul(p)?.matmul(&kpt)?)?.add(&rest);
    }
    let k = p.matmul(&gt)?;
    let ptk = pt.matmul(&k)?;
    let rest = gt.sub(&a.matmul(&k)?)?.matmul(p)?.matmul(&pt)?;
    rest.sub(&k.matmul(p)?.t())?.add(&ptk)?.sub(&ptk.matmul(p)?.matmul(a)?)
}

/// The coefficients of Padé's approximant of degree 13.
const PADE: [f64; 14] = [
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
];

/// Below this norm, the approximant is exact to the last place.
const PADE_NORM: f64 = 5.371920351148152;

/// More halvings than this are needed for matrices whose exponential is infinite or 0, or all whose digits are lost.
const HALVINGS: f64 = 1100.0;

#[track_caller]
fn exponential(x: &Tensor) -> Result<Tensor> {
    let norm = x.detach().abs().sum_dims(&[-2], false)?.max()?.item()?;
    if !norm.is_finite() {
        return Err(Error::numeric("matrix_exp", "the matrix has NaN or infinite values"));
    }
    // The same for all of a batch.
    let halvings = (norm / PADE_NORM).log2().ceil().clamp(0.0, HALVINGS);
    let x = x.mul_scalar(0.5f64.powf(halvings));
    let one = identity(matrix_sizes(&x).0)?;
    let x2 = x.matmul(&x)?;
    let x4 = x2.matmul(&x2)?;
    let x6 = x4.matmul(&x2)?;
    let sum = |c: [f64; 3]| x6.mul_scalar(c[0]).add_alpha(&x4, c[1])?.add_alpha(&x2, c[2]);
    let part = |high: [usize; 3], low: [usize; 4]| {
        let low_part = sum([PADE[low[0]], PADE[low[1]], PADE[low[2]]])?.add(&one.mul_scalar(PADE[low[3]]))?;
        x6.matmul(&sum([PADE[high[0]], PADE[high[1]], PADE[high[2]]])?)?.add(&low_part)
    };
    let odd = x.matmul(&part([13, 11, 9], [7, 5, 3, 1])?)?;
    let even = part([12, 10, 8], [6, 4, 2, 0])?;
    let mut result = solution("matrix_exp", &even.sub(&odd)?, &even.add(&odd)?)?;
    for _ in 0..halvings as u32 {
        result = result.matmul(&result)?;
    }
    Ok(result)
}
