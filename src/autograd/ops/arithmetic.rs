//! Addition, subtraction, multiplication, division and their operators.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Pair, fused, fused_ternary, record, scalars, unary, unary_linear};
use crate::error::{Error, Result};
use crate::tensor::argument::RoundingMode;
use crate::tensor::kernels::map::{self, Unary};
use crate::tensor::kernels::ops;
use crate::tensor::{DType, Tensor};

/// # Arithmetic
impl Tensor {
    /// `a + b`, element by element. Gradient: `g` for both.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast. This holds for all operations on two tensors.
    #[track_caller]
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("add");
        let out = Pair::new("add", self, other)?.run_number(ops::Add);
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
        let out = Pair::new("sub", self, other)?.run_number(ops::Sub);
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
        let out = Pair::new("mul", self, other)?.run_number(ops::Mul);
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
        let out = Pair::new("div", self, other)?.run_float(ops::Div);
        Ok(record("div", out, &[self, other], |tape| {
            let (a, b) = (self.for_gradient(), other.for_gradient());
            let divisor = b.clone();
            tape.edge(self, move |g| g.div(&divisor));
            tape.edge_with_output(other, move |g, y| {
                fused_ternary(ops::DivGrad, [g, &a, &b], || Ok(g.mul(&y.div(&b)?)?.neg()))
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
        let pair = Pair::new("div_mode", self, other)?;
        Ok(whole_quotient(
            match rounding {
                RoundingMode::Floor => pair.run_number(ops::DivFloor),
                RoundingMode::Trunc => pair.run_number(ops::DivTrunc),
            },
            self,
            other,
        ))
    }

    /// `⌊a / b⌋`, element by element: [`div_mode`](Self::div_mode) with [`RoundingMode::Floor`], Python's `//`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn floor_divide(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("floor_divide");
        Ok(whole_quotient(Pair::new("floor_divide", self, other)?.run_number(ops::DivFloor), self, other))
    }

    /// `−x`. Integers wrap around. Gradient: `−g`.
    #[must_use]
    pub fn neg(&self) -> Tensor {
        if !self.dtype().is_float() {
            return integer_map(self, ops::MulScalar(-1));
        }
        unary_linear("neg", self, ops::Neg, |g| Ok(g.neg()))
    }

    /// `x²`, as `F32` for integers. Gradient: `2 x · g`.
    #[must_use]
    pub fn square(&self) -> Tensor {
        unary("square", self, ops::Square, |g, x| g.mul_scalar(2.0).mul(x))
    }

    /// `x + c` for every element, as `F32` for integers. Gradient: `g`.
    #[must_use]
    pub fn add_scalar(&self, c: f64) -> Tensor {
        unary_linear("add_scalar", self, scalars!(AddScalar(c)), |g| Ok(g.clone()))
    }

    /// `c · x` for every element, as `F32` for integers. Gradient: `c · g`.
    #[must_use]
    pub fn mul_scalar(&self, c: f64) -> Tensor {
        unary_linear("mul_scalar", self, scalars!(MulScalar(c)), move |g| Ok(g.mul_scalar(c)))
    }

    /// `x / c` for every element, as `F32` for integers. Gradient: `g / c`.
    #[must_use]
    pub fn div_scalar(&self, c: f64) -> Tensor {
        unary_linear("div_scalar", self, scalars!(DivScalar(c)), move |g| Ok(g.div_scalar(c)))
    }

    /// `c − x` for every element, as `F32` for integers. Gradient: `−g`.
    #[must_use]
    pub fn rsub_scalar(&self, c: f64) -> Tensor {
        unary_linear("rsub_scalar", self, scalars!(RSubScalar(c)), |g| Ok(g.neg()))
    }

    /// `c / x` for every element, as `F32` for integers. Gradient: `−c · g / x²`.
    #[must_use]
    pub fn rdiv_scalar(&self, c: f64) -> Tensor {
        let vjp = fused(scalars!(RDivGrad { c }), move |g, x| Ok(g.mul(&x.rdiv_scalar(c).div(x)?)?.neg()));
        unary("rdiv_scalar", self, scalars!(RDivScalar(c)), vjp)
    }
}

/// `a + sign · alpha · b`.
#[track_caller]
fn add_multiple(name: &'static str, a: &Tensor, b: &Tensor, alpha: f64, sign: f64) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    let pair = Pair::new(name, a, b)?;
    if !a.dtype().is_float() {
        let numbers = |x: &Tensor| if x.dtype() == DType::Bool { x.cast(DType::I64) } else { x.clone() };
        let (a, b) = (numbers(a), multiple(name, &numbers(b), alpha)?);
        return if sign < 0.0 { a.sub(&b) } else { a.add(&b) };
    }
    let factor = sign * alpha;
    let out = pair.run_float(scalars!(AddScaled { factor }));
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
        DType::U8 => Pair::with_scalar(x, &Tensor::build::<u8>(&[], |out| out.fill(whole as u8))).run_number(ops::Mul),
        _ => integer_map(x, ops::MulScalar(whole)),
    })
}

/// A quotient that was rounded: a step function, whose gradient is 0.
fn whole_quotient(out: Tensor, a: &Tensor, b: &Tensor) -> Tensor {
    record("div_mode", out, &[a, b], |tape| {
        tape.edge(a, |g| Ok(g.zeros_like()));
        tape.edge(b, |g| Ok(g.zeros_like()));
    })
}

/// Applies a kernel to integers; truth values and `U8` become `I64` first.
pub(super) fn integer_map(x: &Tensor, op: impl Unary<i64>) -> Tensor {
    let x = x.packed().cast(DType::I64);
    Tensor::build::<i64>(x.shape(), |out| map::unary(op, x.data(), out))
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
    Add add, |x, c| x.add_scalar(c), integer_map(x, ops::AddScalar(c)),
        reversed x.add_scalar(c), integer_map(x, ops::AddScalar(c));
    Sub sub, |x, c| x.add_scalar(-c), integer_map(x, ops::AddScalar(c.wrapping_neg())),
        reversed x.rsub_scalar(c), integer_map(x, ops::RSubScalar(c));
    Mul mul, |x, c| x.mul_scalar(c), integer_map(x, ops::MulScalar(c)),
        reversed x.mul_scalar(c), integer_map(x, ops::MulScalar(c));
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
