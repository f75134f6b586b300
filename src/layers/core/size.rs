//! How large a model will be, before it is made.

use std::ops::{Add, Mul};

use crate::error::{Error, Result};
use crate::memory;

/// A number of parameters. Sizes may come from a file and be anything: what is too large stays at the largest number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(u128);

impl Count {
    pub(crate) const fn new(n: usize) -> Self {
        Self(n as u128)
    }

    /// The number, or the largest there is.
    pub(crate) fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Add<usize> for Count {
    type Output = Self;

    fn add(self, other: usize) -> Self {
        self + Self::new(other)
    }
}

impl Mul for Count {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(self.0.saturating_mul(other.0))
    }
}

impl Mul<usize> for Count {
    type Output = Self;

    fn mul(self, other: usize) -> Self {
        self * Self::new(other)
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self(0), Add::add)
    }
}

/// What a tensor takes besides its elements, in bytes: its handle and that of its gradient, its block's head and rounding.
const TENSOR: usize = 1024;

/// Checks that a model with so many parameters of type `F32`, in so many tensors, is not begun in vain.
#[track_caller]
pub(crate) fn check_memory(op: &'static str, parameters: Count, tensors: Count) -> Result<()> {
    if memory::holds((parameters * 4 + tensors * TENSOR).0) {
        return Ok(());
    }
    Err(Error::argument(op, "a model of these sizes does not fit into memory"))
}

#[cfg(test)]
mod tests;
