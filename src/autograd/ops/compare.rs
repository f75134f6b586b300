//! Comparisons and logic. The results are truth values, which carry no gradient.

use crate::error::Result;
use crate::tensor::exec::binary::{self, CompareOp, LogicOp};
use crate::tensor::exec::unary::{self, ClassOp};
use crate::tensor::{DType, Tensor};

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
                binary::compare(stringify!($name), CompareOp::$Op, self, other)
            }

            #[doc = concat!("`x ", $sign, " c` for every element, as truth values. ", $special)]
            ///
            /// The number is rounded to the type of a floating-point tensor; integers are compared with it as it is.
            #[must_use]
            pub fn $with_scalar(&self, c: f64) -> Tensor {
                let _timer = crate::profile::op(stringify!($with_scalar));
                binary::compare_with_number(CompareOp::$Op, self, c)
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

/// # Kinds of numbers, and logic
impl Tensor {
    /// Whether each element is NaN.
    #[doc(alias = "isnan")]
    #[must_use]
    pub fn is_nan(&self) -> Tensor {
        classify("is_nan", ClassOp::Nan, self)
    }

    /// Whether each element is infinite.
    #[doc(alias = "isinf")]
    #[must_use]
    pub fn is_inf(&self) -> Tensor {
        classify("is_inf", ClassOp::Infinite, self)
    }

    /// Whether each element is a number, neither infinite nor NaN.
    #[doc(alias = "isfinite")]
    #[must_use]
    pub fn is_finite(&self) -> Tensor {
        classify("is_finite", ClassOp::Finite, self)
    }

    /// Whether both `a` and `b` hold, element by element.
    ///
    /// # Errors
    /// If an operand is not made of truth values, or the shapes do not broadcast.
    #[track_caller]
    pub fn logical_and(&self, other: &Tensor) -> Result<Tensor> {
        logic("logical_and", LogicOp::And, self, other)
    }

    /// Whether `a` or `b` or both hold, element by element.
    ///
    /// # Errors
    /// If an operand is not made of truth values, or the shapes do not broadcast.
    #[track_caller]
    pub fn logical_or(&self, other: &Tensor) -> Result<Tensor> {
        logic("logical_or", LogicOp::Or, self, other)
    }

    /// Whether exactly one of `a` and `b` holds, element by element.
    ///
    /// # Errors
    /// If an operand is not made of truth values, or the shapes do not broadcast.
    #[track_caller]
    pub fn logical_xor(&self, other: &Tensor) -> Result<Tensor> {
        logic("logical_xor", LogicOp::Xor, self, other)
    }

    /// The opposite of each truth value.
    ///
    /// # Errors
    /// If the elements are not truth values.
    #[track_caller]
    pub fn logical_not(&self) -> Result<Tensor> {
        let _timer = crate::profile::op("logical_not");
        self.expect_dtype("logical_not", "the input", DType::Bool)?;
        Ok(binary::compare_with_number(CompareOp::Eq, self, 0.0))
    }
}

fn classify(name: &'static str, op: ClassOp, x: &Tensor) -> Tensor {
    let _timer = crate::profile::op(name);
    unary::classify(op, x)
}

#[track_caller]
fn logic(name: &'static str, op: LogicOp, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    binary::logic(name, op, a, b)
}
