//! What arguments of operations may be, where that is more than one type: of [`narrow`](Tensor::narrow),
//! [`movedim`](Tensor::movedim), [`repeat_interleave`](Tensor::repeat_interleave) and [`masked_fill`](Tensor::masked_fill).

use super::{DType, Tensor};
use crate::error::{Error, Result};

/// How [`div_mode`](super::Tensor::div_mode) makes a quotient whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoundingMode {
    /// Down, as Python's `//`.
    Floor,
    /// Towards zero, as integers are divided in Rust.
    Trunc,
}

/// How a [quantile](super::Tensor::quantile) that lies between two elements is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Interpolation {
    /// On the line between them.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The nearer one; half way, the one with the even number.
    Nearest,
    /// Their mean.
    Midpoint,
}

/// What becomes of elements that go to one place in [`scatter_reduce`](super::Tensor::scatter_reduce).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScatterReduction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest one.
    Amax,
    /// The smallest one.
    Amin,
    /// Their product.
    Prod,
}

/// A place along a dimension, counted from its end if it is negative: `i32`, `i64`, `isize` or `usize`.
pub trait Start {
    /// The number, of a type that holds all of them.
    fn into_start(self) -> i128;
}

macro_rules! starts {
    ($($t:ty)*) => {$(
        impl Start for $t {
            fn into_start(self) -> i128 {
                self as i128
            }
        }
    )*};
}

starts!(i32 i64 isize usize);

/// One dimension, or a list of them: `-1`, `[0, 1]`, `&dims`.
pub trait DimList {
    /// The dimensions as they were named.
    fn as_dims(&self) -> &[isize];
}

impl DimList for isize {
    fn as_dims(&self) -> &[isize] {
        std::slice::from_ref(self)
    }
}

impl<const N: usize> DimList for [isize; N] {
    fn as_dims(&self) -> &[isize] {
        self
    }
}

impl<const N: usize> DimList for &[isize; N] {
    fn as_dims(&self) -> &[isize] {
        *self
    }
}

impl DimList for &[isize] {
    fn as_dims(&self) -> &[isize] {
        self
    }
}

/// How often each place is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counts {
    /// All the same number of times.
    Each(usize),
    /// A number for each place.
    Listed(Vec<usize>),
}

/// A number of repetitions for all places, or one for each: `2`, `[1, 0, 3]`, or an `I64` vector.
pub trait Repeats {
    /// The numbers.
    ///
    /// # Errors
    /// If they are in a tensor that is no vector of type `I64`, or has negative ones.
    #[track_caller]
    fn into_counts(self) -> Result<Counts>;
}

impl Repeats for usize {
    fn into_counts(self) -> Result<Counts> {
        Ok(Counts::Each(self))
    }
}

impl<const N: usize> Repeats for [usize; N] {
    fn into_counts(self) -> Result<Counts> {
        Ok(Counts::Listed(self.to_vec()))
    }
}

impl<const N: usize> Repeats for &[usize; N] {
    fn into_counts(self) -> Result<Counts> {
        Ok(Counts::Listed(self.to_vec()))
    }
}

impl Repeats for &[usize] {
    fn into_counts(self) -> Result<Counts> {
        Ok(Counts::Listed(self.to_vec()))
    }
}

impl Repeats for &Tensor {
    #[track_caller]
    fn into_counts(self) -> Result<Counts> {
        let op = "repeat_interleave";
        self.expect_dtype(op, "the counts", DType::I64)?;
        if self.rank() > 1 {
            return Err(Error::shape(op, format!("counts of shape {:?}, expected a vector", self.shape())));
        }
        let counts = self.packed();
        let counts = counts.data::<i64>();
        if let Some((i, n)) = counts.iter().enumerate().find(|(_, n)| **n < 0) {
            return Err(Error::argument(op, format!("a count of {n} (element {i}), expected at least 0")));
        }
        let counts = counts.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX));
        Ok(Counts::Listed(counts.collect()))
    }
}

/// What elements are filled with: a number, or a tensor that broadcasts to them and gets a gradient.
pub trait FillValue {
    /// The number or the tensor.
    fn as_fill(&self) -> Fill<'_>;
}

/// See [`FillValue`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Fill<'a> {
    /// The same number everywhere.
    Number(f64),
    /// An element of its own for each place, after broadcasting.
    Tensor(&'a Tensor),
}

impl FillValue for f64 {
    fn as_fill(&self) -> Fill<'_> {
        Fill::Number(*self)
    }
}

impl FillValue for &Tensor {
    fn as_fill(&self) -> Fill<'_> {
        Fill::Tensor(self)
    }
}
