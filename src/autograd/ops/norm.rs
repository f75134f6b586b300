//! Norms over any set of dimensions.

use super::max_min::shares;
use super::record;
use crate::error::{Error, Result};
use crate::tensor::exec::reduce::{Over, ReduceOp, reduce};
use crate::tensor::{DType, Tensor};

/// # Norms
///
/// ```
/// use demotic::tensor;
///
/// assert_eq!(tensor![[3.0, 4.0], [0.0, -2.0]].norm_dims(2.0, &[1], false)?.to_f64_vec(), [5.0, 2.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The `p`-norm of all elements, `(Σ |x|ᵖ)^(1/p)`, as `F32` for integers.
    ///
    /// 2 gives the Euclidean length, 1 the sum of the absolute values, ∞ and -∞ the largest and smallest of them, 0 how
    /// many elements are not zero; any other number serves as well.
    ///
    /// Gradient: `g · sign(x) · (|x| / y)ᵖ⁻¹` with the result `y`, 0 where `x` or `y` is 0; for ±∞ it is shared equally
    /// among the extremes, for `p = 0` it is 0.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![3.0, -4.0];
    /// assert_eq!(x.norm(2.0).item()?, 5.0);
    /// assert_eq!(x.norm(f64::INFINITY).item()?, 4.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "vector_norm")]
    #[must_use]
    pub fn norm(&self, p: f64) -> Tensor {
        norm(self, p, &Over::all(self))
    }

    /// The [`p`-norm](Self::norm) over some dimensions (none stands for all). With `keepdim` they remain with size 1.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn norm_dims(&self, p: f64, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        Ok(norm(self, p, &Over::dims("norm", self, dims, keepdim)?))
    }
}

pub(super) fn norm(x: &Tensor, p: f64, r: &Over) -> Tensor {
    record("norm", reduce(ReduceOp::Norm(p), x, r), &[x], |tape| {
        let (input, r) = (x.for_gradient(), *r);
        tape.edge_with_output(x, move |g, y| {
            let (g, y) = (g.reshape(&*r.kept)?, y.reshape(&*r.kept)?);
            // A norm of 0 has the gradient 0, of whatever steep function it is the argument.
            let g = g.masked_fill(&y.eq_scalar(0.0), 0.0)?;
            // How a norm grows does not depend on the unit of its elements.
            let unit = if p == 1.0 { None } else { unit(&input, &y, &r, p < 0.0)? };
            let slope = match unit {
                Some(unit) => {
                    let shares = input.div(&unit)?;
                    slope(&shares, &norm(&shares, p, &Over::these(&shares, r.reduced, true)), p, &r)?
                }
                None => slope(&input, &y, p, &r)?,
            };
            g.mul(&slope)
        });
        tape.keeps_examples(x, !r.reduced[0]);
    })
}

/// The largest (or smallest) magnitude of what went into each result of `y` (with the dimensions kept), if there is one that is beyond the
/// numbers which have all digits: too large for a number, or subnormal. Constant, so not recorded.
pub(super) fn unit(x: &Tensor, y: &Tensor, r: &Over, smallest_of: bool) -> Result<Option<Tensor>> {
    let smallest = if y.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let y = y.detach();
    let beyond = y.eq_scalar(f64::INFINITY).logical_or(&y.gt_scalar(0.0).logical_and(&y.lt_scalar(smallest))?)?;
    if beyond.any().item()? == 0.0 {
        return Ok(None);
    }
    // All others stay in the unit that they have.
    let p = if smallest_of { f64::NEG_INFINITY } else { f64::INFINITY };
    let extreme = reduce(ReduceOp::Norm(p), x, &Over::these(x, r.reduced, true));
    let none = beyond.logical_not()?.logical_or(&extreme.is_finite().logical_not()?)?;
    Ok(Some(extreme.masked_fill(&none, 1.0)?))
}

/// How a norm `y` (with the dimensions kept) grows with each element.
pub(super) fn slope(x: &Tensor, y: &Tensor, p: f64, r: &Over) -> Result<Tensor> {
    if p.is_infinite() {
        return x.sign().mul(&shares(&x.abs(), y, r)?);
    }
    if p == 0.0 {
        return Ok(x.zeros_like());
    }
    if p == 1.0 {
        return Ok(x.sign());
    }
    // Infinity in the place of a norm of 0 makes every share 0.
    let share = x.div(&y.masked_fill(&y.eq_scalar(0.0), f64::INFINITY)?)?;
    if p == 2.0 {
        return Ok(share);
    }
    if p > 0.0 && p < 2.0 {
        // A share may be too small for a number where its power is none of that, and the powers of both are not.
        let none = x.eq_scalar(0.0);
        let size = x.abs().masked_fill(&none, 1.0)?.powf(p - 1.0);
        return size.div(&y.masked_fill(&y.eq_scalar(0.0), 1.0)?.powf(p - 1.0))?.mul(&x.sign());
    }
    // The sign is 0 where the share is, but its power may be infinite there: 1 in its place keeps the product 0.
    let size = share.abs().masked_fill(&share.eq_scalar(0.0), 1.0)?;
    size.powf(p - 1.0).mul(&share.sign())
}

/// A norm that measures lengths has `p > 0`.
#[track_caller]
pub(crate) fn expect_length(op: &str, p: f64) -> Result<()> {
    if p > 0.0 { Ok(()) } else { Err(Error::argument(op, format!("p is {p}, expected a number above 0"))) }
}

#[cfg(test)]
mod tests;
