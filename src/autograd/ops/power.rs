//! Powers and roots.

use super::{record, recording, unary};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::binary::{self, BinaryOp};
use crate::tensor::exec::unary::UnaryOp;

/// # Powers and roots
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![4.0, 16.0];
/// assert_eq!(x.pow(&tensor![3.0, 0.5])?.to_f64_vec(), [64.0, 4.0]);
/// assert_eq!((x.sqrt().to_f64_vec(), x.rsqrt().to_f64_vec(), x.reciprocal().to_f64_vec()), (vec![2.0, 4.0], vec![0.5, 0.25], vec![0.25, 0.0625]));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `xᵖ` with the same exponent for every element, as `F32` for integers. `0⁰` is 1; fractional powers of negative
    /// numbers are NaN. Gradient: `g · p xᵖ⁻¹`.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![1.0, 2.0, 3.0].tracked()?;
    /// let y = x.powf(3.0);
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 8.0, 27.0]);
    /// assert_eq!(y.sum().backward()?.wrt(&x)?.to_vec::<f32>()?, [3.0, 12.0, 27.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn powf(&self, exponent: f64) -> Tensor {
        unary("powf", UnaryOp::PowScalar { exponent }, self, |[exponent, _], g, x| {
            // The derivative of a constant; by the formula it would be 0 · ∞ at 0.
            if exponent == 0.0 {
                return Ok(g.zeros_like());
            }
            // What the kernel is better at takes longer.
            if exponent < 1.0 && exponent != -1.0 && !recording::is_enabled() {
                return binary::slope(BinaryOp::Pow, [g, x, &Tensor::number(x.dtype(), exponent)]);
            }
            g.mul(&x.powf(exponent - 1.0).mul_scalar(exponent))
        })
    }

    /// `aᵇ`, element by element. Integers stay integers: they wrap around, and negative powers are truncated towards
    /// zero. Gradients: `g · b aᵇ⁻¹` and `g · aᵇ ln a`; the first is 0 where `b` is, the second where a power of 0 or ∞ does
    /// not change.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn pow(&self, exponent: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("pow");
        let out = binary::binary("pow", BinaryOp::Pow, self, exponent)?;
        Ok(record("pow", out, &[self, exponent], |tape| {
            let (a, b) = (self.for_gradient(), exponent.for_gradient());
            tape.edge(self, move |g| {
                if !recording::is_enabled() {
                    return binary::slope(BinaryOp::Pow, [g, &a, &b]);
                }
                // Where the exponent is 0, so is the gradient; by the formula it would be 0 · ∞ if a⁻¹ is that.
                let constant = b.eq_scalar(0.0).logical_and(&a.detach().reciprocal().is_finite().logical_not()?)?;
                g.mul(&b)?.mul(&a.masked_fill(&constant, 1.0)?.pow(&b.add_scalar(-1.0))?)
            });
            let (a, b) = (self.for_gradient(), exponent.for_gradient());
            tape.edge_with_output(exponent, move |g, y| {
                let of_zero = a.eq_scalar(0.0).logical_and(&b.ge_scalar(0.0))?;
                let constant = of_zero.logical_or(&a.eq_scalar(f64::INFINITY).logical_and(&b.lt_scalar(0.0))?)?;
                g.mul(y)?.mul(&a.masked_fill(&constant, 1.0)?.log())
            });
        }))
    }

    /// `√x`, NaN below 0. Gradient: `g / (2√x)`.
    #[must_use]
    pub fn sqrt(&self) -> Tensor {
        unary("sqrt", UnaryOp::Sqrt, self, |_, g, y| g.div(&y.mul_scalar(2.0)))
    }

    /// `1 / √x`. Gradient: `−g / (2x√x)`.
    #[must_use]
    pub fn rsqrt(&self) -> Tensor {
        unary("rsqrt", UnaryOp::Rsqrt, self, |_, g, y| g.mul(&y.mul_scalar(-0.5).mul(&y.square())?))
    }

    /// `1 / x`. Gradient: `−g / x²`.
    #[doc(alias = "recip")]
    #[must_use]
    pub fn reciprocal(&self) -> Tensor {
        unary("reciprocal", UnaryOp::Reciprocal, self, |_, g, y| g.mul(y)?.mul(&y.neg()))
    }
}
