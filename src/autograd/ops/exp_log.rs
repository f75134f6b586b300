//! Exponentials and logarithms. Integers and truth values become `F32`.

use std::f64::consts::{LN_2, LN_10};

use super::unary;
use crate::tensor::Tensor;
use crate::tensor::exec::unary::UnaryOp;

/// # Exponentials and logarithms
///
/// ```
/// use demotic::tensor;
///
/// assert_eq!((tensor![0.0].exp().item()?, tensor![3.0].exp2().item()?), (1.0, 8.0));
/// assert_eq!((tensor![8.0].log2().item()?, tensor![100.0].log10().item()?), (3.0, 2.0));
/// // Of small numbers, 1 + x would leave nothing.
/// let x = tensor![1e-10];
/// assert_eq!((x.expm1().item()?, x.log1p().item()?), (x.item()?, x.item()?));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `eˣ`. Gradient: `g · eˣ`.
    #[must_use]
    pub fn exp(&self) -> Tensor {
        unary("exp", UnaryOp::Exp, self, |_, g, y| g.mul(y))
    }

    /// `2ˣ`. Gradient: `g · 2ˣ · ln 2`.
    #[must_use]
    pub fn exp2(&self) -> Tensor {
        unary("exp2", UnaryOp::Exp2, self, |_, g, y| g.mul(&y.mul_scalar(LN_2)))
    }

    /// `eˣ − 1`, accurate near zero. Gradient: `g · eˣ`.
    #[must_use]
    pub fn expm1(&self) -> Tensor {
        unary("expm1", UnaryOp::Expm1, self, |_, g, x| g.mul(&x.exp()))
    }

    /// The natural logarithm; −∞ for 0 and NaN below. Gradient: `g / x`.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![1.0, 0.0, -1.0].log().to_vec::<f32>()?;
    /// assert_eq!(x[..2], [0.0, f32::NEG_INFINITY]);
    /// assert!(x[2].is_nan());
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "ln")]
    #[must_use]
    pub fn log(&self) -> Tensor {
        unary("log", UnaryOp::Log, self, |_, g, x| g.div(x))
    }

    /// The logarithm to base 2. Gradient: `g / (x ln 2)`.
    #[must_use]
    pub fn log2(&self) -> Tensor {
        unary("log2", UnaryOp::Log2, self, |_, g, x| g.div_scalar(LN_2).div(x))
    }

    /// The logarithm to base 10. Gradient: `g / (x ln 10)`.
    #[must_use]
    pub fn log10(&self) -> Tensor {
        unary("log10", UnaryOp::Log10, self, |_, g, x| g.div_scalar(LN_10).div(x))
    }

    /// `ln(1 + x)`, accurate near zero. Gradient: `g / (1 + x)`.
    #[doc(alias = "ln_1p")]
    #[must_use]
    pub fn log1p(&self) -> Tensor {
        unary("log1p", UnaryOp::Log1p, self, |_, g, x| g.div(&x.add_scalar(1.0)))
    }
}
