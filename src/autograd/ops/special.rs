//! The error function.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::unary;
use crate::tensor::Tensor;
use crate::tensor::exec::unary::UnaryOp;

/// # Error functions
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![0.0, 10.0];
/// assert_eq!((x.erf().to_f64_vec(), x.erfc().to_f64_vec()[0]), (vec![0.0, 1.0], 1.0));
/// assert!(x.erfc().to_f64_vec()[1] < 1e-40);
/// ```
impl Tensor {
    /// The error function, `2/√π · ∫₀ˣ exp(−t²) dt`, as `F32` for integers. Gradient: `g · 2/√π · exp(−x²)`.
    #[must_use]
    pub fn erf(&self) -> Tensor {
        unary("erf", UnaryOp::Erf, self, |_, g, x| g.mul(&slope(x)))
    }

    /// `1 − erf(x)`, accurate where that is small. Gradient: `−g · 2/√π · exp(−x²)`.
    #[must_use]
    pub fn erfc(&self) -> Tensor {
        unary("erfc", UnaryOp::Erfc, self, |_, g, x| g.mul(&slope(x).neg()))
    }
}

/// The derivative of the error function.
fn slope(x: &Tensor) -> Tensor {
    x.square().neg().exp().mul_scalar(FRAC_2_SQRT_PI)
}
