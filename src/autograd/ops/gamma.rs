//! The gamma function's logarithm and its derivatives, and the inverse of the error function.

use super::unary;
use crate::tensor::Tensor;
use crate::tensor::exec::unary::UnaryOp;

/// # Special functions of statistics
///
/// ```
/// use demotic::tensor;
///
/// let hundredths = |x: demotic::Tensor| x.mul_scalar(100.0).round().item();
/// assert_eq!(hundredths(tensor![1.0].digamma())?, -58.0); // Euler's constant
/// assert_eq!(hundredths(tensor![1.0].polygamma(1))?, 164.0); // π² / 6
/// assert_eq!(hundredths(tensor![0.5].erfinv().erf())?, 50.0);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `log |Γ(x)|`, of whose whole arguments it is the logarithm of the factorial of the number before. Gradient:
    /// [`digamma`](Self::digamma).
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1.0, 5.0].lgamma().exp().round().to_vec::<f32>()?, [1.0, 24.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "gammaln")]
    pub fn lgamma(&self) -> Tensor {
        unary("lgamma", UnaryOp::Lgamma, self, |_, g, x| g.mul(&x.digamma()))
    }

    /// The derivative of [`lgamma`](Self::lgamma). At whole numbers below 0 it is NaN.
    #[must_use]
    #[doc(alias = "psi")]
    pub fn digamma(&self) -> Tensor {
        self.polygamma(0)
    }

    /// The derivative of order `order` of [`digamma`](Self::digamma).
    #[must_use]
    pub fn polygamma(&self, order: usize) -> Tensor {
        unary("polygamma", UnaryOp::Polygamma { order: order as f64 }, self, |[order, _], g, x| {
            g.mul(&x.polygamma(order as usize + 1))
        })
    }

    /// The number of which [`erf`](Self::erf) is `x`; ±∞ at ±1, and NaN beyond. Gradient: `g · √π/2 · e^(y²)`.
    #[must_use]
    pub fn erfinv(&self) -> Tensor {
        unary("erfinv", UnaryOp::Erfinv, self, |_, g, y| {
            g.mul(&y.square().exp().mul_scalar(std::f64::consts::PI.sqrt() / 2.0))
        })
    }
}
