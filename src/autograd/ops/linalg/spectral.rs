//! Eigenvalues and singular values.

use super::{fitting, identity, matrix_sizes, wide, wide_square};
use crate::autograd::{MultiFunction, OutputGradients, Saved, Sink, apply_many};
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::exec::linalg as exec;

/// # Eigenvalues and singular values
/// With the feature `linalg`. Computed in `F64`; gradients of gradients included. Those of vectors are defined where no two values
/// are equal, and for losses that do not depend on the signs of the vectors.
///
/// ```
/// use demotic::tensor;
///
/// let a = tensor![[3.0, 0.0], [4.0, 5.0]];
/// let (u, s, vt) = a.svd()?;
/// assert!(u.mul(&s)?.matmul(&vt)?.allclose(&a, 1e-5, 1e-5, false)?);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The eigenvalues of a symmetric matrix `[.., n, n]` in ascending order, `[.., n]`, and the eigenvectors as columns, `[.., n, n]`.
    /// The lower triangle is read.
    ///
    /// # Errors
    /// If a matrix is not square, or has NaN or infinite values.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (values, _) = tensor![[2.0, 1.0], [1.0, 2.0]].eigh()?;
    /// assert_eq!(values.round().to_vec::<f32>()?, [1.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn eigh(&self) -> Result<(Tensor, Tensor)> {
        let x = wide_square("eigh", self)?;
        let found = apply_many(Eigh, &[&x])?;
        let [values, vectors] = &found[..] else { return Err(bug!("eigh", "{} results", found.len())) };
        Ok((values.to_dtype(self.dtype()), vectors.to_dtype(self.dtype())))
    }

    /// `U`, `[.., m, k]`, the singular values `S` in descending order, `[.., k]`, and `Vᵀ`, `[.., k, n]`, with
    /// `U · diag(S) · Vᵀ = A`; `k` is the smaller size (`full_matrices=False` in PyTorch).
    ///
    /// # Errors
    /// If this is no matrix, or has NaN or infinite values.
    #[track_caller]
    pub fn svd(&self) -> Result<(Tensor, Tensor, Tensor)> {
        let (u, s, vt) = svd_of("svd", &wide("svd", self)?)?;
        Ok((u.to_dtype(self.dtype()), s.to_dtype(self.dtype()), vt.to_dtype(self.dtype())))
    }
}

/// The same in `F64`, in the name of an operation.
#[track_caller]
pub(super) fn svd_of(op: &'static str, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let mut found = apply_many(Svd { op }, &[x])?.into_iter();
    match (found.next(), found.next(), found.next()) {
        (Some(u), Some(s), Some(vt)) => Ok((u, s, vt)),
        _ => Err(bug!("svd", "fewer than three results")),
    }
}

/// `x` off the diagonal, divided by the differences of `values`, the column's minus the row's.
fn over_differences(x: &Tensor, values: &Tensor) -> Result<Tensor> {
    let one = identity(matrix_sizes(x).0)?;
    let differences = values.unsqueeze(-2)?.sub(&values.unsqueeze(-1)?)?.add(&one)?;
    x.sub(&x.mul(&one)?)?.div(&differences)
}

struct Eigh;

impl MultiFunction for Eigh {
    fn name(&self) -> &'static str {
        "eigh"
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x] = inputs else { return Err(bug!("eigh", "{} inputs", inputs.len())) };
        Ok(fitting("eigh", x, exec::eigh(x)?)?.into())
    }

    fn keeps_output(&self, _: usize) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (values, v) = (saved.output_at(0)?, saved.output_at(1)?);
        let mut inner = grads.or_zeros(0)?.diag_embed(0, -2, -1)?;
        if let Some(of_v) = grads.get(1) {
            // Of a change of V, only the rotation within it counts.
            let turned = v.t().matmul(of_v)?;
            let rotation = turned.sub(&turned.t())?.mul_scalar(0.5);
            inner = inner.add(&over_differences(&rotation, values)?)?;
        }
        sink.give(0, v.matmul(&inner)?.matmul(&v.t())?)
    }
}

struct Svd {
    op: &'static str,
}

impl MultiFunction for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x] = inputs else { return Err(bug!("svd", "{} inputs", inputs.len())) };
        Ok(fitting(self.op, x, exec::svd(x)?)?.into())
    }

    fn keeps_output(&self, _: usize) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (u, s, vt) = (saved.output_at(0)?, saved.output_at(1)?, saved.output_at(2)?);
        let (rows, columns) = matrix_sizes(&saved.inputs()[0]);
        let mut inner = grads.or_zeros(1)?.diag_embed(0, -2, -1)?;
        let squares = s.square();
        let skew = |x: Tensor| x.sub(&x.t());
        let of_u = grads.get(0);
        let of_vt = grads.get(2);
        if let Some(g) = of_u {
            inner = inner.add(&over_differences(&skew(u.t().matmul(g)?)?, &squares)?.mul(&s.unsqueeze(-2)?)?)?;
        }
        if let Some(g) = of_vt {
            inner = inner.add(&over_differences(&skew(vt.matmul(&g.t())?)?, &squares)?.mul(&s.unsqueeze(-1)?)?)?;
        }
        let mut of_x = u.matmul(&inner)?.matmul(vt)?;
        // What a narrow factor has no room for.
        if let (Some(g), true) = (of_u, rows > columns) {
            let rest = g.sub(&u.matmul(&u.t().matmul(g)?)?)?;
            of_x = of_x.add(&rest.div(&s.unsqueeze(-2)?)?.matmul(vt)?)?;
        }
        if let (Some(g), true) = (of_vt, columns > rows) {
            let rest = g.sub(&g.matmul(&vt.t())?.matmul(vt)?)?;
            of_x = of_x.add(&u.matmul(&rest.div(&s.unsqueeze(-1)?)?)?)?;
        }
        sink.give(0, of_x)
    }
}
