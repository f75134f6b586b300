//! Comparisons and logic. The results are truth values, which carry no gradient.

use crate::error::Result;
use crate::tensor::exec::binary::{self, CompareOp, LogicOp};
use crate::tensor::exec::unary::{self, ClassOp};
use crate::tensor::{DType, Tensor};

macro_rules! comparisons {
    ($($name:ident $with_scalar:ident $Op:ident $sign:literal $special:literal;)*) => {
        /// # Comparisons
        ///
        /// ```
        /// use demotic::tensor;
        ///
        /// let (a, b) = (tensor![1.0, 2.0, 3.0], tensor![2.0]);
        /// let tensors = [a.eq(&b)?, a.ne(&b)?, a.lt(&b)?, a.le(&b)?, a.gt(&b)?, a.ge(&b)?];
        /// assert_eq!(tensors.map(|holds| holds.count_nonzero().to_f64_vec()[0]), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
        /// let c = 2.0;
        /// let numbers = [a.eq_scalar(c), a.ne_scalar(c), a.lt_scalar(c), a.le_scalar(c), a.gt_scalar(c), a.ge_scalar(c)];
        /// assert_eq!(numbers.map(|holds| holds.to_f64_vec()[0]), [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        /// # Ok::<(), demotic::Error>(())
        /// ```
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
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![1.0, f32::NAN, f32::INFINITY];
/// let (nan, inf, finite) = (x.is_nan(), x.is_inf(), x.is_finite());
/// assert_eq!(finite.to_vec::<bool>()?, [true, false, false]);
/// assert_eq!(nan.logical_or(&inf)?.to_vec::<bool>()?, finite.logical_not()?.to_vec::<bool>()?);
/// assert_eq!(nan.logical_and(&inf)?.to_vec::<bool>()?, [false; 3]);
/// assert_eq!(nan.logical_xor(&inf)?.to_vec::<bool>()?, [false, true, true]);
/// # Ok::<(), demotic::Error>(())
/// ```
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
