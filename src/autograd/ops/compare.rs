//! Comparisons and logic. The results are truth values, which carry no gradient.

use super::Pair;
use crate::error::Result;
use crate::tensor::dtype::with_element;
use crate::tensor::kernels::map::{self, Binary, Unary};
use crate::tensor::kernels::ops;
use crate::tensor::{DType, Element, Tensor};

/// A comparison on every type that has an order of its own.
trait Comparison: Binary<f32, bool> + Binary<f64, bool> + Binary<i64, bool> + Binary<u8, bool> {}
impl<O: Binary<f32, bool> + Binary<f64, bool> + Binary<i64, bool> + Binary<u8, bool>> Comparison for O {}

macro_rules! comparisons {
    ($($name:ident $with_scalar:ident $Op:ident $sign:literal $special:literal;)*) => {
        /// # Comparisons
        impl Tensor {$(
            #[doc = concat!("`a ", $sign, " b`, element by element, as truth values. ", $special)]
            ///
            /// # Errors
            /// If the element types differ or the shapes do not broadcast.
            #[track_caller]
            pub fn $name(&self, other: &Tensor) -> Result<Tensor> {
                let _timer = crate::profile::op(stringify!($name));
                Ok(compare(&Pair::new(stringify!($name), self, other)?, ops::$Op))
            }

            #[doc = concat!("`x ", $sign, " c` for every element, as truth values. ", $special)]
            ///
            /// The number is rounded to the type of a floating-point tensor; integers are compared with it as it is.
            #[must_use]
            pub fn $with_scalar(&self, c: f64) -> Tensor {
                let _timer = crate::profile::op(stringify!($with_scalar));
                compare_scalar(self, c, ops::$Op)
            }
        )*}
    };
}

comparisons! {
    eq eq_scalar Eq "=" "NaN equals nothing.";
    ne ne_scalar Ne "≠" "NaN differs from everything.";
    lt lt_scalar Lt "<" "False for NaN.";
    le le_scalar Le "≤" "False for NaN.";
    gt gt_scalar Gt ">" "False for NaN.";
    ge ge_scalar Ge "≥" "False for NaN.";
}

fn compare(pair: &Pair<'_>, op: impl Comparison) -> Tensor {
    match pair.dtype() {
        DType::F32 => pair.run::<f32, bool, _>(op),
        DType::F64 => pair.run::<f64, bool, _>(op),
        DType::I64 => pair.run::<i64, bool, _>(op),
        DType::U8 => pair.run::<u8, bool, _>(op),
        DType::F16 | DType::BF16 => pair.converted(DType::F32, |pair| pair.run::<f32, bool, _>(op)),
        DType::Bool => pair.converted(DType::U8, |pair| pair.run::<u8, bool, _>(op)),
    }
}

fn compare_scalar(x: &Tensor, c: f64, op: impl Comparison) -> Tensor {
    // An integer type that the number is not in gives way to `F64`.
    let dtype = match x.dtype() {
        dtype if dtype.is_float() => dtype,
        dtype => with_element!(dtype, T => if T::from_f64(c).to_f64() == c { dtype } else { DType::F64 }),
    };
    let c = with_element!(dtype, T => Tensor::build::<T>(&[], |out| out[0] = T::from_f64(c)));
    compare(&Pair::with_scalar(&x.cast(dtype), &c), op)
}

/// # Kinds of numbers, and logic
impl Tensor {
    /// Whether each element is NaN.
    #[doc(alias = "isnan")]
    #[must_use]
    pub fn is_nan(&self) -> Tensor {
        classify("is_nan", self, ops::IsNan)
    }

    /// Whether each element is infinite.
    #[doc(alias = "isinf")]
    #[must_use]
    pub fn is_inf(&self) -> Tensor {
        classify("is_inf", self, ops::IsInf)
    }

    /// Whether each element is a number, neither infinite nor NaN.
    #[doc(alias = "isfinite")]
    #[must_use]
    pub fn is_finite(&self) -> Tensor {
        classify("is_finite", self, ops::IsFinite)
    }

    /// Whether both `a` and `b` hold, element by element.
    ///
    /// # Errors
    /// If an operand is not made of truth values, or the shapes do not broadcast.
    #[track_caller]
    pub fn logical_and(&self, other: &Tensor) -> Result<Tensor> {
        logic("logical_and", self, other, ops::And)
    }

    /// Whether `a` or `b` or both hold, element by element.
    ///
    /// # Errors
    /// If an operand is not made of truth values, or the shapes do not broadcast.
    #[track_caller]
    pub fn logical_or(&self, other: &Tensor) -> Result<Tensor> {
        logic("logical_or", self, other, ops::Or)
    }

    /// Whether exactly one of `a` and `b` holds, element by element.
    ///
    /// # Errors
    /// If an operand is not made of truth values, or the shapes do not broadcast.
    #[track_caller]
    pub fn logical_xor(&self, other: &Tensor) -> Result<Tensor> {
        logic("logical_xor", self, other, ops::Xor)
    }

    /// The opposite of each truth value.
    ///
    /// # Errors
    /// If the elements are not truth values.
    #[track_caller]
    pub fn logical_not(&self) -> Result<Tensor> {
        let _timer = crate::profile::op("logical_not");
        self.expect_dtype("logical_not", "the input", DType::Bool)?;
        Ok(map_elements::<bool, _>(self, ops::Not))
    }
}

fn classify(name: &'static str, x: &Tensor, op: impl Unary<f32, bool> + Unary<f64, bool>) -> Tensor {
    let _timer = crate::profile::op(name);
    match x.dtype() {
        DType::F64 => map_elements::<f64, _>(x, op),
        _ => map_elements::<f32, _>(&x.cast(DType::F32), op),
    }
}

#[track_caller]
fn logic(name: &'static str, a: &Tensor, b: &Tensor, op: impl Binary<bool>) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    a.expect_dtype(name, "the left operand", DType::Bool)?;
    b.expect_dtype(name, "the right operand", DType::Bool)?;
    Ok(Pair::new(name, a, b)?.run::<bool, bool, _>(op))
}

fn map_elements<T: Element, O: Unary<T, bool>>(x: &Tensor, op: O) -> Tensor {
    let x = x.packed();
    Tensor::build::<bool>(x.shape(), |out| map::unary(op, x.data::<T>(), out))
}
