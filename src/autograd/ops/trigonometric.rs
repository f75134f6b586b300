//! Trigonometric and hyperbolic functions and their inverses. Angles are in radians; integers and truth values become
//! `F32`.

use super::activation::within;
use super::{record, recording, unary};
use crate::error::Result;
use crate::tensor::exec::binary::{self, BinaryOp};
use crate::tensor::exec::unary::{LARGE, UnaryOp};
use crate::tensor::{DType, Tensor};

/// # Trigonometric and hyperbolic functions
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![0.0, 0.5];
/// for again in [x.sin().asin(), x.cos().acos(), x.tan().atan(), x.sinh().asinh(), x.cosh().acosh(), x.tanh().atanh()] {
///     assert!(again.allclose(&x, 1e-5, 1e-6, false)?);
/// }
/// assert_eq!(tensor![0.0].atan2(&tensor![1.0])?.item()?, 0.0);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `sin x`. Gradient: `g · cos x`.
    #[must_use]
    pub fn sin(&self) -> Tensor {
        unary("sin", UnaryOp::Sin, self, |_, g, x| g.mul(&x.cos()))
    }

    /// `cos x`. Gradient: `−g · sin x`.
    #[must_use]
    pub fn cos(&self) -> Tensor {
        unary("cos", UnaryOp::Cos, self, |_, g, x| g.mul(&x.sin().neg()))
    }

    /// `tan x`. Gradient: `g (1 + tan² x)`.
    #[must_use]
    pub fn tan(&self) -> Tensor {
        unary("tan", UnaryOp::Tan, self, |_, g, y| g.mul(&y.square().add_scalar(1.0)))
    }

    /// The angle in [−π/2, π/2] whose sine is `x`; NaN outside of [−1, 1]. Gradient: `g / √(1 − x²)`.
    #[doc(alias = "arcsin")]
    #[must_use]
    pub fn asin(&self) -> Tensor {
        unary("asin", UnaryOp::Asin, self, |_, g, x| g.mul(&one_minus_square(x)?.rsqrt()))
    }

    /// The angle in [0, π] whose cosine is `x`; NaN outside of [−1, 1]. Gradient: `−g / √(1 − x²)`.
    #[doc(alias = "arccos")]
    #[must_use]
    pub fn acos(&self) -> Tensor {
        unary("acos", UnaryOp::Acos, self, |_, g, x| g.mul(&one_minus_square(x)?.rsqrt().neg()))
    }

    /// The angle in (−π/2, π/2) whose tangent is `x`. Gradient: `g / (1 + x²)`.
    #[doc(alias = "arctan")]
    #[must_use]
    pub fn atan(&self) -> Tensor {
        unary("atan", UnaryOp::Atan, self, |_, g, x| {
            let (x, is_large, large) = split_large(x);
            g.mul(&is_large.where_(&large.square(), &x.square().add_scalar(1.0).reciprocal())?)
        })
    }

    /// The angle of the point `(x, y)` seen from the origin, in [−π, π], where `y` is this tensor. Gradients:
    /// `g x / (x² + y²)` for `y` and `−g y / (x² + y²)` for `x`, both 0 at the origin.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[doc(alias = "arctan2")]
    #[track_caller]
    pub fn atan2(&self, x: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("atan2");
        let out = binary::binary("atan2", BinaryOp::Atan2, self, x)?;
        Ok(record("atan2", out, &[self, x], |tape| {
            let (a, b) = (self.for_gradient(), x.for_gradient());
            tape.edge(self, move |g| Ok(angle_slope(g, &b, &a)?.neg()));
            let (a, b) = (self.for_gradient(), x.for_gradient());
            tape.edge(x, move |g| angle_slope(g, &a, &b));
        }))
    }

    /// The hyperbolic sine, `(eˣ − e⁻ˣ) / 2`. Gradient: `g · cosh x`.
    #[must_use]
    pub fn sinh(&self) -> Tensor {
        unary("sinh", UnaryOp::Sinh, self, |_, g, x| g.mul(&x.cosh()))
    }

    /// The hyperbolic cosine, `(eˣ + e⁻ˣ) / 2`. Gradient: `g · sinh x`.
    #[must_use]
    pub fn cosh(&self) -> Tensor {
        unary("cosh", UnaryOp::Cosh, self, |_, g, x| g.mul(&x.sinh()))
    }

    /// The hyperbolic tangent, `(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)`. Gradient: `g (1 − tanh² x)`, computed as `g / cosh² x`.
    #[must_use]
    pub fn tanh(&self) -> Tensor {
        unary("tanh", UnaryOp::Tanh, self, |_, g, x| g.mul(&sech_square(x)))
    }

    /// The inverse hyperbolic sine. Gradient: `g / √(x² + 1)`.
    #[doc(alias = "arcsinh")]
    #[must_use]
    pub fn asinh(&self) -> Tensor {
        unary("asinh", UnaryOp::Asinh, self, |_, g, x| {
            let (x, is_large, large) = split_large(x);
            g.mul(&is_large.where_(&large, &x.square().add_scalar(1.0).rsqrt())?)
        })
    }

    /// The inverse hyperbolic cosine; NaN below 1. Gradient: `g / √(x² − 1)`.
    #[doc(alias = "arccosh")]
    #[must_use]
    pub fn acosh(&self) -> Tensor {
        unary("acosh", UnaryOp::Acosh, self, |_, g, x| {
            g.mul(&x.add_scalar(-1.0).rsqrt())?.mul(&x.add_scalar(1.0).rsqrt())
        })
    }

    /// The inverse hyperbolic tangent; ±∞ for ±1 and NaN beyond. Gradient: `g / (1 − x²)`.
    #[doc(alias = "arctanh")]
    #[must_use]
    pub fn atanh(&self) -> Tensor {
        unary("atanh", UnaryOp::Atanh, self, |_, g, x| g.div(&one_minus_square(x)?))
    }
}

/// `−g a / (a² + b²)`, with both divided by the larger one before they are squared.
fn angle_slope(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !recording::is_enabled() {
        return binary::slope(BinaryOp::Atan2, [g, a, b]);
    }
    let size = a.detach().abs().maximum(&b.detach().abs())?;
    // At the origin and at infinity, where numerators are made 0.
    let settled = size.eq_scalar(0.0).logical_or(&size.is_inf())?;
    let size = size.masked_fill(&settled, 1.0)?;
    let u = a.masked_fill(&settled, 0.0)?.div(&size)?;
    let v = b.masked_fill(&settled, 1.0)?.div(&size)?;
    let square = u.square().add(&v.square())?;
    Ok(g.mul(&u.div(&square)?.div(&size)?)?.neg())
}

/// `x` no larger than what `1 + x²` can tell from `x²`; where it is larger, and `1 / |x|` there. Neither has an infinite
/// gradient that is not taken.
fn split_large(x: &Tensor) -> (Tensor, Tensor, Tensor) {
    let size = x.abs();
    let bounded = x.clamp(Some(-LARGE), Some(LARGE));
    (bounded, size.gt_scalar(LARGE), size.clamp_min(LARGE).reciprocal())
}

/// `1 − tanh²(x)` as `1 / cosh²(x)`, which has its digits at both ends. From the limit on it is 0.
pub(super) fn sech_square(x: &Tensor) -> Tensor {
    let limit = if x.dtype() == DType::F64 { 400.0 } else { 60.0 };
    within(x, limit).cosh().reciprocal().square()
}

/// `1 − x²` as `(1 − x)(1 + x)`, which keeps its digits near ±1. Near 0 the slopes of the two factors would cancel, so the
/// slope is that of the square.
fn one_minus_square(x: &Tensor) -> Result<Tensor> {
    let plain = x.detach();
    let product = plain.rsub_scalar(1.0).mul(&plain.add_scalar(1.0))?;
    Ok(record("one_minus_square", product, &[x], |tape| {
        let input = x.for_gradient();
        tape.edge(x, move |g| Ok(g.mul(&input)?.mul_scalar(-2.0)));
    }))
}
