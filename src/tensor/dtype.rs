//! Element types.

use std::fmt;

use half::{bf16, f16};

/// The type of a tensor's elements.
///
/// Arithmetic and gradients are computed in [`F32`](DType::F32) and [`F64`](DType::F64). The 16-bit types store
/// values, and gradients flow through them in `F32`; integers serve as indices and counts, the narrow ones where memory
/// counts; booleans as masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum DType {
    /// 32-bit floating point, the default.
    F32,
    /// 64-bit floating point.
    F64,
    /// bfloat16: the range of `F32` with 8 bits of precision.
    BF16,
    /// IEEE half precision: 11 bits of precision, at most 65504.
    F16,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
    /// Truth value, one byte each.
    Bool,
    /// 32-bit signed integer.
    I32,
    /// 8-bit signed integer.
    I8,
}

/// The end of the advice for two types that differ: how single and double precision usually get mixed.
pub(crate) fn literals(a: DType, b: DType) -> &'static str {
    match (a, b) {
        (DType::F32, DType::F64) | (DType::F64, DType::F32) => {
            "; Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32"
        }
        _ => "",
    }
}

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::U8 | Self::I8 | Self::Bool => 1,
        }
    }

    /// Whether the type holds fractions: `F32`, `F64`, `BF16` and `F16`.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::BF16 | Self::F16)
    }

    /// Whether the type is one to compute in, and gradients are of it: `F32` and `F64`.
    #[must_use]
    pub const fn is_differentiable(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// The type that elements of this type are computed in: `F32` for the 16-bit types, `I64` for integers and truth values.
    /// Elements are converted block by block, on the way to the loops and back.
    #[must_use]
    pub const fn compute(self) -> Self {
        match self {
            Self::F32 | Self::BF16 | Self::F16 => Self::F32,
            Self::F64 => Self::F64,
            Self::I64 | Self::I32 | Self::I8 | Self::U8 | Self::Bool => Self::I64,
        }
    }

    /// The type of the gradient of a tensor of this type: the type itself for `F32` and `F64`, `F32` for the 16-bit types,
    /// whose range and precision are not enough for sums of gradients. Integers and truth values have none.
    #[must_use]
    pub const fn gradient(self) -> Option<Self> {
        match self {
            Self::F32 | Self::F64 => Some(self),
            Self::BF16 | Self::F16 => Some(Self::F32),
            Self::I64 | Self::I32 | Self::I8 | Self::U8 | Self::Bool => None,
        }
    }
}

/// The lower-case name: `f32`, `bool` …
impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Bool => "bool",
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that a tensor can hold: `f32`, `f64`, [`half::bf16`], [`half::f16`], `i64`, `i32`, `i8`, `u8`
/// and `bool`.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The matching [`DType`].
    const DTYPE: DType;

    /// The nearest value to `x`: rounded for floating point, truncated towards zero and saturated for integers,
    /// `x ≠ 0` for truth values.
    fn from_f64(x: f64) -> Self;

    /// The value as `f64` (exact, except for `i64` beyond 2⁵³).
    fn to_f64(self) -> f64;
}

macro_rules! elements {
    ($($t:ty, $dtype:ident, |$x:ident| $from:expr, |$y:ident| $to:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            #[inline]
            fn from_f64($x: f64) -> Self { $from }
            #[inline]
            fn to_f64(self) -> f64 { let $y = self; $to }
        }
    )*};
}

elements! {
    f32, F32, |x| x as f32, |y| f64::from(y);
    f64, F64, |x| x, |y| y;
    bf16, BF16, |x| bf16::from_f64(x), |y| f64::from(y);
    f16, F16, |x| f16::from_f64(x), |y| f64::from(y);
    i64, I64, |x| x as i64, |y| y as f64;
    i32, I32, |x| x as i32, |y| f64::from(y);
    i8, I8, |x| x as i8, |y| f64::from(y);
    u8, U8, |x| x as u8, |y| f64::from(y);
    bool, Bool, |x| x != 0.0, |y| f64::from(u8::from(y));
}

/// The element types in which arithmetic and gradients are computed: `f32` and `f64`.
pub trait Float: Element + num_traits::Float + num_traits::FloatConst {}

impl Float for f32 {}
impl Float for f64 {}

/// Runs `$body` with `$T` standing for the Rust type of a floating-point `$dtype` (`F32` or `F64`).
/// Any other type runs `$other`.
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        match $dtype {
            $crate::tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            _ => $other,
        }
    };
}
pub(crate) use with_float;

/// Runs `$body` with `$T` standing for the Rust type of any `$dtype`.
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::tensor::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            $crate::tensor::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::tensor::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::tensor::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::tensor::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::tensor::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::tensor::DType::Bool => {
                type $T = bool;
                $body
            }
        }
    };
}
pub(crate) use with_element;

#[cfg(test)]
mod tests;
