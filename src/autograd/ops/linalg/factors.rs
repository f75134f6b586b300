//! Cholesky's decomposition and that into orthogonal and triangular factors.

use super::equations::triangular;
use super::{fitting, matrix_sizes, wide, wide_square};
use crate::autograd::{MultiFunction, OutputGradients, Saved, Sink, apply_many, record};
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::exec::linalg as exec;

/// # Decompositions of matrices
/// With the feature `linalg`. Computed in `F64`; gradients of gradients included. They are those of PyTorch, also where a
/// factor is not unique.
///
/// ```
/// use demotic::tensor;
///
/// let a = tensor![[3.0, 1.0], [4.0, 2.0]];
/// let (q, r) = a.qr()?;
/// assert!(q.matmul(&r)?.allclose(&a, 1e-5, 1e-6, false)?);
/// assert_eq!(r.to_f64_vec()[2], 0.0);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The lower triangle `L` with `L Lᵀ = A`, of a symmetric, positive definite matrix `[.., n, n]`, of which the lower triangle
    /// is read. The gradient is that of a symmetric matrix.
    ///
    /// # Errors
    /// If a matrix is not positive definite, or not square, or has NaN or infinite values.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let l = tensor![[4.0, 2.0], [2.0, 10.0]].cholesky()?;
    /// assert_eq!(l.to_vec::<f32>()?, [2.0, 0.0, 1.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn cholesky(&self) -> Result<Tensor> {
        let _timer = crate::profile::op("cholesky");
        let x = wide_square("cholesky", self)?;
        let out = fitting("cholesky", self, exec::cholesky(&x)?)?;
        let l = record("cholesky", out, &[&x], |tape| {
            tape.edge_with_output(&x, |g, l| {
                let inner = l.t().matmul(g)?.tril(0)?;
                let half = inner.sub(&inner.diagonal(0, -2, -1)?.mul_scalar(0.5).diag_embed(0, -2, -1)?)?;
                let left = triangular("cholesky", &l.t(), &half, true)?;
                let both = triangular("cholesky", &l.t(), &left.t(), true)?;
                Ok(both.add(&both.t())?.mul_scalar(0.5))
            });
        });
        Ok(l.to_dtype(self.dtype()))
    }

    /// `Q`, `[.., m, k]`, with orthogonal columns of length 1, and the upper triangle `R`, `[.., k, n]`, with `Q R = A`; `k` is the
    /// smaller size. The signs on the diagonal of `R` are LAPACK's.
    ///
    /// # Errors
    /// If this is no matrix, or has NaN or infinite values. The gradient fails if the first `k` columns are singular.
    #[track_caller]
    pub fn qr(&self) -> Result<(Tensor, Tensor)> {
        let x = wide("qr", self)?;
        let found = apply_many(Qr, &[&x])?;
        let [q, r] = &found[..] else { return Err(bug!("qr", "{} results", found.len())) };
        Ok((q.to_dtype(self.dtype()), r.to_dtype(self.dtype())))
    }
}

struct Qr;

impl MultiFunction for Qr {
    fn name(&self) -> &'static str {
        "qr"
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x] = inputs else { return Err(bug!("qr", "{} inputs", inputs.len())) };
        Ok(fitting("qr", x, exec::qr(x)?)?.into())
    }

    fn keeps_output(&self, _: usize) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (q, r) = (saved.output_at(0)?, saved.output_at(1)?);
        let (of_q, of_r) = (grads.or_zeros(0)?, grads.or_zeros(1)?);
        let (rows, columns) = matrix_sizes(&saved.inputs()[0]);
        if rows >= columns {
            return sink.give(0, square_gradient(q, r, &of_q, &of_r)?);
        }
        // The first columns X have Q and a square part of R; of the others, Y, the rest of R is Qᵀ Y.
        let (left, more) = (rows, columns - rows);
        let y = saved.inputs()[0].narrow(-1, left, more)?;
        let (of_left, of_more) = (of_r.narrow(-1, 0, left)?, of_r.narrow(-1, left, more)?);
        let of_q = of_q.add(&y.matmul(&of_more.t())?)?;
        let of_x = square_gradient(q, &r.narrow(-1, 0, left)?, &of_q, &of_left)?;
        sink.give(0, Tensor::cat(&[&of_x, &q.matmul(&of_more)?], -1)?)
    }
}

/// The gradient of a matrix with at least as many rows as columns.
fn square_gradient(q: &Tensor, r: &Tensor, of_q: &Tensor, of_r: &Tensor) -> Result<Tensor> {
    let m = of_r.matmul(&r.t())?.sub(&q.t().matmul(of_q)?)?.triu(0)?;
    let diagonal = m.diagonal(0, -2, -1)?.diag_embed(0, -2, -1)?;
    let symmetric = m.add(&m.t())?.sub(&diagonal)?;
    let inner = of_q.add(&q.matmul(&symmetric)?)?;
    // X R⁻ᵀ is the transpose of R⁻¹ Xᵀ.
    Ok(triangular("qr", r, &inner.t(), true)?.t())
}
