//! Addition, subtraction, multiplication, division and their operators.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{record, recording, unary};
use crate::error::{Error, Result};
use crate::tensor::argument::RoundingMode;
use crate::tensor::exec::binary::{self, BinaryOp};
use crate::tensor::exec::unary::UnaryOp;
use crate::tensor::{DType, Tensor};

/// # Arithmetic
///
/// ```
/// use demotic::tensor;
///
/// let (a, b) = (tensor![7.0, -6.0], tensor![2.0, 4.0]);
/// assert_eq!(a.add(&b)?.to_f64_vec(), [9.0, -2.0]);
/// assert_eq!(a.sub(&b)?.to_f64_vec(), [5.0, -10.0]);
/// assert_eq!(a.sub_alpha(&b, 0.5)?.to_f64_vec(), [6.0, -8.0]);
/// assert_eq!(a.mul(&b)?.to_f64_vec(), [14.0, -24.0]);
/// assert_eq!(a.div(&b)?.to_f64_vec(), [3.5, -1.5]);
/// assert_eq!(a.floor_divide(&b)?.to_f64_vec(), [3.0, -2.0]);
/// assert_eq!((a.neg().to_f64_vec(), a.square().to_f64_vec()), (vec![-7.0, 6.0], vec![49.0, 36.0]));
/// // What the operators with a number call.
/// assert_eq!(b.add_scalar(1.0).mul_scalar(6.0).div_scalar(3.0).to_f64_vec(), [6.0, 10.0]);
/// assert_eq!((b.rsub_scalar(1.0).to_f64_vec(), b.rdiv_scalar(1.0).to_f64_vec()), (vec![-1.0, -3.0], vec![0.5, 0.25]));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `a + b`, element by element. Gradient: `g` for both.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast. This holds for all operations on two tensors.
    #[track_caller]
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("add");
        let out = binary::binary("add", BinaryOp::Add, self, other)?;
        Ok(record("add", out, &[self, other], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            tape.edge(other, |g| Ok(g.clone()));
        }))
    }

    /// `a − b`, element by element. Gradients: `g` and `−g`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn sub(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("sub");
        let out = binary::binary("sub", BinaryOp::Sub, self, other)?;
        Ok(record("sub", out, &[self, other], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            tape.edge(other, |g| Ok(g.neg()));
        }))
    }

    /// `a · b`, element by element (for the matrix product see [`matmul`](Self::matmul)). Gradients: `g · b` and
    /// `g · a`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn mul(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("mul");
        let out = binary::binary("mul", BinaryOp::Mul, self, other)?;
        Ok(record("mul", out, &[self, other], |tape| {
            let (a, b) = (self.for_gradient(), other.for_gradient());
            tape.edge(self, move |g| g.mul(&b));
            tape.edge(other, move |g| g.mul(&a));
        }))
    }

    /// `a / b`, element by element. Integers are divided as `F32`. Gradients: `g / b` and `−g · a / b²`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn div(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("div");
        let out = binary::binary("div", BinaryOp::Div, self, other)?;
        Ok(record("div", out, &[self, other], |tape| {
            let (a, b) = (self.for_gradient(), other.for_gradient());
            let divisor = b.clone();
            tape.edge(self, move |g| g.div(&divisor));
            tape.edge_with_output(other, move |g, y| {
                if !recording::is_enabled() {
                    return binary::slope(BinaryOp::Div, [g, &a, &b]);
                }
                Ok(g.mul(&y.div(&b)?)?.neg())
            });
        }))
    }

    /// `a + alpha · b`, element by element, in one pass: PyTorch's `add` with `alpha`. Gradients: `g` and `alpha · g`.
    ///
    /// # Errors
    /// If the element types differ, the shapes do not broadcast, or `alpha` is no whole number for integers.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let y = tensor![1.0, 2.0].add_alpha(&tensor![10.0], 0.5)?;
    /// assert_eq!(y.to_vec::<f32>()?, [6.0, 7.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "axpy")]
    #[track_caller]
    pub fn add_alpha(&self, other: &Tensor, alpha: f64) -> Result<Tensor> {
        add_multiple("add_alpha", self, other, alpha, 1.0)
    }

    /// `a − alpha · b`, element by element, in one pass: PyTorch's `sub` with `alpha`. Gradients: `g` and `−alpha · g`.
    ///
    /// # Errors
    /// If the element types differ, the shapes do not broadcast, or `alpha` is no whole number for integers.
    #[track_caller]
    pub fn sub_alpha(&self, other: &Tensor, alpha: f64) -> Result<Tensor> {
        add_multiple("sub_alpha", self, other, alpha, -1.0)
    }

    /// `a / b` rounded to a whole number, element by element: PyTorch's `div` with `rounding_mode`. Integers stay integers (a
    /// division by zero gives 0). Gradient: 0 for both.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::tensor;
    /// use demotic::tensor::argument::RoundingMode;
    ///
    /// let (a, b) = (tensor![7.0, -7.0], tensor![2.0]);
    /// assert_eq!(a.div_mode(&b, RoundingMode::Floor)?.to_vec::<f32>()?, [3.0, -4.0]);
    /// assert_eq!(a.div_mode(&b, RoundingMode::Trunc)?.to_vec::<f32>()?, [3.0, -3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "rounding_mode")]
    #[track_caller]
    pub fn div_mode(&self, other: &Tensor, rounding: RoundingMode) -> Result<Tensor> {
        let _timer = crate::profile::op("div_mode");
        let op = match rounding {
            RoundingMode::Floor => BinaryOp::DivFloor,
            RoundingMode::Trunc => BinaryOp::DivTrunc,
        };
        Ok(whole_quotient(binary::binary("div_mode", op, self, other)?, self, other))
    }

    /// `⌊a / b⌋`, element by element: [`div_mode`](Self::div_mode) with [`RoundingMode::Floor`], Python's `//`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn floor_divide(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("floor_divide");
        Ok(whole_quotient(binary::binary("floor_divide", BinaryOp::DivFloor, self, other)?, self, other))
    }

    /// `−x`. Integers wrap around. Gradient: `−g`.
    #[must_use]
    pub fn neg(&self) -> Tensor {
        if !self.dtype().is_float() {
            return with_integer(BinaryOp::Mul, self, -1);
        }
        unary("neg", UnaryOp::Neg, self, |_, g, _| Ok(g.neg()))
    }

    /// `x²`, as `F32` for integers. Gradient: `2 x · g`.
    #[must_use]
    pub fn square(&self) -> Tensor {
        unary("square", UnaryOp::Square, self, |_, g, x| g.mul_scalar(2.0).mul(x))
    }

    /// `x + c` for every element, as `F32` for integers. Gradient: `g`.
    #[must_use]
    pub fn add_scalar(&self, c: f64) -> Tensor {
        unary("add_scalar", UnaryOp::AddScalar { c }, self, |_, g, _| Ok(g.clone()))
    }

    /// `c · x` for every element, as `F32` for integers. Gradient: `c · g`.
    #[must_use]
    pub fn mul_scalar(&self, c: f64) -> Tensor {
        unary("mul_scalar", UnaryOp::MulScalar { c }, self, |[c, _], g, _| Ok(g.mul_scalar(c)))
    }

    /// `x / c` for every element, as `F32` for integers. Gradient: `g / c`.
    #[must_use]
    pub fn div_scalar(&self, c: f64) -> Tensor {
        unary("div_scalar", UnaryOp::DivScalar { c }, self, |[c, _], g, _| Ok(g.div_scalar(c)))
    }

    /// `c − x` for every element, as `F32` for integers. Gradient: `−g`.
    #[must_use]
    pub fn rsub_scalar(&self, c: f64) -> Tensor {
        unary("rsub_scalar", UnaryOp::RSubScalar { c }, self, |_, g, _| Ok(g.neg()))
    }

    /// `c / x` for every element, as `F32` for integers. Gradient: `−c · g / x²`.
    #[must_use]
    pub fn rdiv_scalar(&self, c: f64) -> Tensor {
        unary("rdiv_scalar", UnaryOp::RDivScalar { c }, self, |[c, _], g, x| {
            Ok(g.mul(&x.rdiv_scalar(c).div(x)?)?.neg())
        })
    }
}

/// `a + sign · alpha · b`.
#[track_caller]
fn add_multiple(name: &'static str, a: &Tensor, b: &Tensor, alpha: f64, sign: f64) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    binary::check(name, a, b)?;
    if !a.dtype().is_float() {
        let numbers = |x: &Tensor| if x.dtype() == DType::Bool { x.cast(DType::I64) } else { x.clone() };
        let (a, b) = (numbers(a), multiple(name, &numbers(b), alpha)?);
        return if sign < 0.0 { a.sub(&b) } else { a.add(&b) };
    }
    let factor = sign * alpha;
    let out = binary::binary(name, BinaryOp::AddScaled { factor }, a, b)?;
    Ok(record(name, out, &[a, b], |tape| {
        tape.edge(a, |g| Ok(g.clone()));
        tape.edge(b, move |g| Ok(g.mul_scalar(factor)));
    }))
}

/// `alpha · x` in the type of `x`. Integers, which `alpha` must be one of, wrap around.
#[track_caller]
pub(super) fn multiple(name: &'static str, x: &Tensor, alpha: f64) -> Result<Tensor> {
    if x.dtype().is_float() {
        return Ok(x.mul_scalar(alpha));
    }
    let whole = alpha as i64;
    if whole as f64 != alpha {
        let message = format!("alpha is {alpha}, expected a whole number for elements of type {}", x.dtype());
        return Err(Error::argument(name, message));
    }
    Ok(match x.dtype() {
        DType::Bool => with_integer(BinaryOp::Mul, x, whole),
        _ => binary::binary_with_number(BinaryOp::Mul, x, &Tensor::integer(whole)),
    })
}

/// A quotient that was rounded: a step function, whose gradient is 0.
fn whole_quotient(out: Tensor, a: &Tensor, b: &Tensor) -> Tensor {
    record("div_mode", out, &[a, b], |tape| {
        tape.edge(a, |g| Ok(g.zeros_like()));
        tape.edge(b, |g| Ok(g.zeros_like()));
    })
}

/// A function of integers and one number; truth values and narrow integers become `I64` first.
pub(super) fn with_integer(op: BinaryOp, x: &Tensor, c: i64) -> Tensor {
    binary::binary_with_number(op, &x.cast(DType::I64), &Tensor::integer(c))
}

/// `tensor ∘ tensor`, owned or borrowed; a failed operand is passed on, so that `(&a * &b + &c)?` works.
macro_rules! tensor_operators {
    ($($Trait:ident $method:ident;)*) => {$(
        tensor_operators!(@impl $Trait $method, &Tensor, &Tensor);
        tensor_operators!(@impl $Trait $method, &Tensor, Tensor);
        tensor_operators!(@impl $Trait $method, Tensor, &Tensor);
        tensor_operators!(@impl $Trait $method, Tensor, Tensor);

        impl $Trait<&Tensor> for Result<Tensor> {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Result<Tensor> {
                Tensor::$method(&self?, other)
            }
        }
        impl $Trait<Tensor> for Result<Tensor> {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $method(self, other: Tensor) -> Result<Tensor> {
                Tensor::$method(&self?, &other)
            }
        }
        impl $Trait<Result<Tensor>> for &Tensor {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $method(self, other: Result<Tensor>) -> Result<Tensor> {
                Tensor::$method(self, &other?)
            }
        }
        impl $Trait<Result<Tensor>> for Tensor {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $method(self, other: Result<Tensor>) -> Result<Tensor> {
                Tensor::$method(&self, &other?)
            }
        }
    )*};
    (@impl $Trait:ident $method:ident, $A:ty, $B:ty) => {
        impl $Trait<$B> for $A {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $method(self, other: $B) -> Result<Tensor> {
                #[allow(clippy::needless_borrow)]
                Tensor::$method(&self, &other)
            }
        }
    };
}

tensor_operators! {
    Add add;
    Sub sub;
    Mul mul;
    Div div;
}

/// `tensor ∘ number` and `number ∘ tensor`. Whole numbers keep integer tensors integer (except in a division), fractions
/// make them `F32`. One type of each kind: with `f32` as well as `f64`, the type of `(&x * 2.0).sum()` would be unknown.
macro_rules! scalar_operators {
    ($($Trait:ident $method:ident, |$x:ident, $c:ident| $float:expr, $integer:expr, reversed $rfloat:expr, $rinteger:expr;)*) => {$(
        scalar_operators!(@impl $Trait $method f64, |$x, $c| $float, |$x, $c| $rfloat);
        scalar_operators!(@impl $Trait $method i64, |$x, $c| {
            if $x.dtype().is_float() { let $c = $c as f64; $float } else { $integer }
        }, |$x, $c| {
            if $x.dtype().is_float() { let $c = $c as f64; $rfloat } else { $rinteger }
        });
    )*};
    (@impl $Trait:ident $method:ident $Number:ident, |$x:ident, $c:ident| $value:expr, |$y:ident, $d:ident| $reversed:expr) => {
        impl $Trait<$Number> for &Tensor {
            type Output = Tensor;
            fn $method(self, $c: $Number) -> Tensor {
                let $x = self;
                $value
            }
        }
        impl $Trait<&Tensor> for $Number {
            type Output = Tensor;
            fn $method(self, $y: &Tensor) -> Tensor {
                let $d = self;
                $reversed
            }
        }
        impl $Trait<$Number> for Tensor {
            type Output = Tensor;
            fn $method(self, c: $Number) -> Tensor {
                $Trait::$method(&self, c)
            }
        }
        impl $Trait<Tensor> for $Number {
            type Output = Tensor;
            fn $method(self, x: Tensor) -> Tensor {
                $Trait::$method(self, &x)
            }
        }
    };
}

scalar_operators! {
    Add add, |x, c| x.add_scalar(c), with_integer(BinaryOp::Add, x, c),
        reversed x.add_scalar(c), with_integer(BinaryOp::Add, x, c);
    Sub sub, |x, c| x.add_scalar(-c), with_integer(BinaryOp::Add, x, c.wrapping_neg()),
        reversed x.rsub_scalar(c), with_integer(BinaryOp::Add, &with_integer(BinaryOp::Mul, x, -1), c);
    Mul mul, |x, c| x.mul_scalar(c), with_integer(BinaryOp::Mul, x, c),
        reversed x.mul_scalar(c), with_integer(BinaryOp::Mul, x, c);
    Div div, |x, c| x.div_scalar(c), x.div_scalar(c as f64),
        reversed x.rdiv_scalar(c), x.rdiv_scalar(c as f64);
}

impl Neg for &Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        Tensor::neg(&self)
    }
}
