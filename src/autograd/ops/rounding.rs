//! Rounding, absolute value, sign and remainder.

use super::arithmetic::integer_map;
use super::{FloatOp, Pair, fused, record, unary, unary_linear};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::kernels::ops;

/// # Rounding and signs
impl Tensor {
    /// The largest whole number that is not above `x`. Integers stay as they are. Gradient: 0.
    #[must_use]
    pub fn floor(&self) -> Tensor {
        round("floor", self, ops::Floor)
    }

    /// The smallest whole number that is not below `x`. Integers stay as they are. Gradient: 0.
    #[must_use]
    pub fn ceil(&self) -> Tensor {
        round("ceil", self, ops::Ceil)
    }

    /// The nearest whole number, halves to the even one. Integers stay as they are. Gradient: 0.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![0.5, 1.5, 2.5].round().to_vec::<f32>()?, [0.0, 2.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn round(&self) -> Tensor {
        round("round", self, ops::Round)
    }

    /// `x` without its fraction: rounded towards zero. Integers stay as they are. Gradient: 0.
    #[must_use]
    pub fn trunc(&self) -> Tensor {
        round("trunc", self, ops::Trunc)
    }

    /// `|x|`. Integers give `I64`, wrapping around. Gradient: `g · sign(x)`, 0 at 0.
    #[must_use]
    pub fn abs(&self) -> Tensor {
        if !self.dtype().is_float() {
            return integer_map(self, ops::Abs);
        }
        unary("abs", self, ops::Abs, fused(ops::AbsGrad, |g, x| g.mul(&x.sign())))
    }

    /// −1, 0 or 1, and 0 for NaN. Integers give `I64`. Gradient: 0.
    #[must_use]
    pub fn sign(&self) -> Tensor {
        if !self.dtype().is_float() {
            return integer_map(self, ops::Sign);
        }
        unary_linear("sign", self, ops::Sign, |g| Ok(g.zeros_like()))
    }

    /// The remainder of `a / b` with the sign of `b`: `a − b ⌊a / b⌋`. Integers stay integers; what is left of a
    /// division by zero is NaN, for integers 0. Gradients: `g` and `−g ⌊a / b⌋`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn remainder(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("remainder");
        let out = Pair::new("remainder", self, other)?.run_number(ops::Rem);
        Ok(record("remainder", out, &[self, other], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            let (a, b) = (self.for_gradient(), other.for_gradient());
            // The quotient of what the remainder leaves is whole but for rounding; that of `a` could lie on the wrong
            // side of a whole number. It does not change with either; recorded, an infinite one would turn that into NaN.
            tape.edge_with_output(other, move |g, r| g.mul(&a.sub(r)?.div(&b)?.round().neg().detach()));
        }))
    }
}

fn round(name: &'static str, x: &Tensor, op: impl FloatOp) -> Tensor {
    if !x.dtype().is_float() {
        return x.clone();
    }
    unary_linear(name, x, op, |g| Ok(g.zeros_like()))
}
