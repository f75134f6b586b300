//! Rows that are scaled back to a length.

use super::norm::{expect_length, norm, slope};
use super::record;
use super::sum::sum;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::create::check_reduced;
use crate::tensor::exec::reduce::{Over, ReduceOp, narrowed, reduce, shorten_rows, widened};
use crate::tensor::layout::{MAX_DIMS, dim_index};

/// What is added to a norm before it divides.
const EPS: f64 = 1e-7;

/// # Limiting norms
impl Tensor {
    /// The same values in rows that are not too long: one with a [`p`-norm](Self::norm) `n` above `max_norm` is multiplied
    /// by `max_norm / (n + 1e-7)`, as in PyTorch; the others stay as they are. A row is everything with the same index in
    /// dimension `dim`.
    ///
    /// Gradient: in rows that were scaled by `s`, `s · (g − n′ · Σ g x / (n + 1e-7))` with the gradient `n′` of the norm;
    /// `g` in the others.
    ///
    /// # Errors
    /// If `p` is not above 0, there is no dimension `dim`, or `max_norm` is negative or not finite.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[3.0, 4.0], [0.3, 0.4]].renorm(2.0, 0, 1.0)?;
    /// assert_eq!(x.to_vec::<f32>()?, [0.6, 0.8, 0.3, 0.4]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn renorm(&self, p: f64, dim: isize, max_norm: f64) -> Result<Tensor> {
        let _timer = crate::profile::op("renorm");
        expect_length("renorm", p)?;
        expect_limit("renorm", max_norm)?;
        let dim = dim_index("renorm", dim, self.rank())?;
        check_reduced("renorm", self, &across(self, dim).kept)?;
        let mut out = widened(self).packed();
        let norms = row_norms(&out, p, dim);
        shorten_rows(&mut out, dim, &norms, max_norm, EPS);
        Ok(record("renorm", narrowed(out, self.dtype()), &[self], |tape| {
            let (x, r) = (self.for_gradient(), across(self, dim));
            tape.edge(self, move |g| {
                let n = norm(&x, p, &r);
                let inverse = n.add_scalar(EPS).reciprocal();
                // The share of a row first: sums of its elements may be too large for their type.
                let along = sum(&g.mul(&x.mul(&inverse)?)?, &r);
                let across = g.sub(&slope(&x, &n, p, &r)?.mul(&along)?)?;
                n.gt_scalar(max_norm).where_(&across.mul(&inverse.mul_scalar(max_norm))?, g)
            });
        }))
    }
}

/// The limit of a length has to be a number from 0 on.
#[track_caller]
pub(crate) fn expect_limit(op: &str, max_norm: f64) -> Result<()> {
    if max_norm >= 0.0 && max_norm.is_finite() {
        return Ok(());
    }
    Err(Error::argument(op, format!("max_norm is {max_norm}, expected a number from 0 on")))
}

/// The norms of the rows along `dim`, of elements of type `F32` or `F64`. Not recorded.
pub(crate) fn row_norms(x: &Tensor, p: f64, dim: usize) -> Tensor {
    reduce(ReduceOp::Norm(p), x, &across(x, dim))
}

/// Everything but `dim`.
fn across(x: &Tensor, dim: usize) -> Over {
    let mut reduced = [true; MAX_DIMS];
    reduced[dim] = false;
    Over::these(x, reduced, true)
}

/// Shortens, in place, the rows of a table that are too long, so that none is in the end.
pub(crate) fn limit_rows(table: &mut Tensor, p: f64, max_norm: f64) {
    // Rounding may leave a row a little too long. That another time changes nothing matters to those who load what they
    // saved. Rows whose norms are not finite at such a `p` have no end.
    for _ in 0..4 {
        let norms = row_norms(table, p, 0);
        if !shorten_rows(table, 0, &norms, max_norm, EPS) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
