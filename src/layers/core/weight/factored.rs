//! Weights that are the product of two thin matrices.

use std::fmt;

use crate::error::{Error, Result};
use crate::layers::core::param::Param;
use crate::tensor::Tensor;

/// A weight `left · right`, with `left` of shape `[out, rank]` and `right` of shape `[rank, in]`: a layer multiplies by one after the
/// other. Both are parameters, `weight.left` and `weight.right`.
#[derive(Clone)]
pub struct Factored {
    pub(super) shape: [usize; 2],
    /// `[out, rank]`
    pub left: Param,
    /// `[rank, in]`
    pub right: Param,
    pub(super) turned: bool,
}

crate::module!(Factored { left, right }, plain { shape, turned });

impl Factored {
    /// The product of these.
    ///
    /// # Errors
    /// If they are no matrices, or do not fit each other.
    #[track_caller]
    pub fn new(left: Tensor, right: Tensor) -> Result<Self> {
        let (&[outputs, rank], &[inner, inputs]) = (left.shape(), right.shape()) else {
            let message = format!("factors of shapes {:?} and {:?}, expected matrices", left.shape(), right.shape());
            return Err(Error::shape("factored", message));
        };
        if rank != inner || rank == 0 || left.dtype() != right.dtype() {
            let message =
                format!("{:?} of {} times {:?} of {}", left.shape(), left.dtype(), right.shape(), right.dtype());
            return Err(Error::shape("factored", message));
        }
        Ok(Self { shape: [outputs, inputs], left: Param::new(left)?, right: Param::new(right)?, turned: false })
    }

    /// Whether its inputs came first before.
    #[cfg_attr(not(feature = "linalg"), allow(dead_code, reason = "decompositions need the feature"))]
    pub(crate) fn turned(self, turned: bool) -> Self {
        Self { turned, ..self }
    }

    /// How many numbers a row of `left` has.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.left.shape().last().copied().unwrap_or(0)
    }

    /// The product.
    ///
    /// # Errors
    /// None, unless a factor was replaced by something else.
    #[track_caller]
    pub fn value(&self) -> Result<Tensor> {
        self.left.matmul(&self.right)
    }

    pub(super) fn shared(&self) -> Self {
        Self { shape: self.shape, left: self.left.shared(), right: self.right.shared(), turned: self.turned }
    }
}

impl fmt::Debug for Factored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Factored({:?}, rank {})", self.shape, self.rank())
    }
}
