//! Element types.

use std::fmt;

use half::{bf16, f16};

/// The type of a tensor's elements.
///
/// Arithmetic and gradients are computed in [`F32`](DType::F32) and [`F64`](DType::F64). The 16-bit types store
/// values; integers serve as indices and counts; booleans as masks.
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
}

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::U8 | Self::Bool => 1,
        }
    }

    /// Whether the type holds fractions: `F32`, `F64`, `BF16` and `F16`.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::BF16 | Self::F16)
    }

    /// Whether tensors of the type can have gradients: `F32` and `F64`.
    #[must_use]
    pub const fn is_differentiable(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
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
            Self::U8 => "u8",
            Self::Bool => "bool",
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that a tensor can hold: `f32`, `f64`, [`half::bf16`], [`half::f16`], `i64`, `u8` and `bool`.
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
