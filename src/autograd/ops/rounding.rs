//! Rounding, absolute value, sign and remainder.

use super::arithmetic::with_integer;
use super::{record, unary};
use crate::error::Result;
use crate::tensor::exec::binary::{self, BinaryOp};
use crate::tensor::exec::unary::UnaryOp;
use crate::tensor::{DType, Tensor};

/// # Rounding and signs
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![-1.5, 2.25];
/// assert_eq!((x.floor().to_f64_vec(), x.ceil().to_f64_vec(), x.trunc().to_f64_vec()), (vec![-2.0, 2.0], vec![-1.0, 3.0], vec![-1.0, 2.0]));
/// assert_eq!((x.abs().to_f64_vec(), x.sign().to_f64_vec()), (vec![1.5, 2.25], vec![-1.0, 1.0]));
/// assert_eq!(x.remainder(&tensor![2.0])?.to_f64_vec(), [0.5, 0.25]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The largest whole number that is not above `x`. Integers stay as they are. Gradient: 0.
    #[must_use]
    pub fn floor(&self) -> Tensor {
        round("floor", UnaryOp::Floor, self)
    }

    /// The smallest whole number that is not below `x`. Integers stay as they are. Gradient: 0.
    #[must_use]
    pub fn ceil(&self) -> Tensor {
        round("ceil", UnaryOp::Ceil, self)
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
        round("round", UnaryOp::Round, self)
    }

    /// `x` without its fraction: rounded towards zero. Integers stay as they are. Gradient: 0.
    #[must_use]
    pub fn trunc(&self) -> Tensor {
        round("trunc", UnaryOp::Trunc, self)
    }

    /// `|x|`. Integers give `I64`, wrapping around. Gradient: `g · sign(x)`, 0 at 0.
    #[must_use]
    pub fn abs(&self) -> Tensor {
        if !self.dtype().is_float() {
            let x = self.cast(DType::I64);
            return binary::binary_of_like(BinaryOp::Max, &with_integer(BinaryOp::Mul, &x, -1), &x);
        }
        unary("abs", UnaryOp::Abs, self, |_, g, x| g.mul(&x.sign()))
    }

    /// −1, 0 or 1, and 0 for NaN. Integers give `I64`. Gradient: 0.
    #[must_use]
    pub fn sign(&self) -> Tensor {
        if !self.dtype().is_float() {
            return with_integer(BinaryOp::Min, &with_integer(BinaryOp::Max, self, -1), 1);
        }
        unary("sign", UnaryOp::Sign, self, |_, g, _| Ok(g.zeros_like()))
    }

    /// The remainder of `a / b` with the sign of `b`: `a − b ⌊a / b⌋`. Integers stay integers; what is left of a
    /// division by zero is NaN, for integers 0. Gradients: `g` and `−g ⌊a / b⌋`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn remainder(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("remainder");
        let out = binary::binary("remainder", BinaryOp::Rem, self, other)?;
        Ok(record("remainder", out, &[self, other], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            let (a, b) = (self.for_gradient(), other.for_gradient());
            // The quotient of what the remainder leaves is whole but for rounding; that of `a` could lie on the wrong
            // side of a whole number. It does not change with either; recorded, an infinite one would turn that into NaN.
            tape.edge_with_output(other, move |g, r| g.mul(&a.sub(r)?.div(&b)?.round().neg().detach()));
        }))
    }
}

fn round(name: &'static str, op: UnaryOp, x: &Tensor) -> Tensor {
    if !x.dtype().is_float() {
        return x.clone();
    }
    unary(name, op, x, |_, g, _| Ok(g.zeros_like()))
}
