//! Getting values out of tensors.

use super::Tensor;
use super::dtype::{DType, Element, literals};
use super::kernels::Read;
use crate::error::{Error, Result};

/// # Reading elements
impl Tensor {
    /// The elements in row-major order.
    ///
    /// # Errors
    /// If `T` is not the tensor's element type; [`to_dtype`](Self::to_dtype) converts.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_type::<T>("to_vec")?;
        Ok(if self.is_contiguous() { self.data().to_vec() } else { self.packed().data().to_vec() })
    }

    /// The elements in row-major order without a copy.
    ///
    /// # Errors
    /// If `T` is not the tensor's element type, or the tensor is not [contiguous](Self::is_contiguous).
    #[track_caller]
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        self.check_type::<T>("as_slice")?;
        if !self.is_contiguous() {
            let message = format!("the tensor of shape {:?} is a strided view", self.shape());
            return Err(Error::state("as_slice", message).with_help("call contiguous() first, or use to_vec()"));
        }
        Ok(self.data())
    }

    /// The elements for writing, in row-major order. They are copied first if another tensor shares them, so
    /// no other tensor changes.
    ///
    /// # Errors
    /// If `T` is not the tensor's element type, or the tensor takes part in a recorded computation.
    #[track_caller]
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        self.check_type::<T>("as_mut_slice")?;
        if self.node.is_some() {
            let message = "writing into a tensor that gradients are recorded for";
            return Err(Error::gradient("as_mut_slice", message).with_help("write into detach()ed values instead"));
        }
        Ok(self.data_mut())
    }

    /// The same for a leaf, whose values may change between the computation of two losses.
    pub(crate) fn leaf_mut<T: Element>(&mut self) -> &mut [T] {
        self.data_mut()
    }

    /// The value of a tensor with exactly one element.
    ///
    /// # Errors
    /// If there are more elements, or none.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let loss = tensor![0.25, 0.75].mean();
    /// assert_eq!(loss.item()?, 0.5);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn item(&self) -> Result<f64> {
        if self.numel() != 1 {
            let message = format!("a tensor of shape {:?} has {} elements, expected one", self.shape(), self.numel());
            return Err(Error::shape("item", message).with_help("reduce it first, for example with mean() or sum()"));
        }
        Ok(self.as_f64())
    }

    /// The elements in row-major order, each converted to `f64`.
    #[must_use]
    pub fn to_f64_vec(&self) -> Vec<f64> {
        let x = self.packed();
        let mut numbers = vec![0.0; x.numel()];
        Read::<f64>::read(&x, 0, 1, &mut numbers);
        numbers
    }

    #[track_caller]
    fn check_type<T: Element>(&self, op: &'static str) -> Result<()> {
        if T::DTYPE == self.dtype() {
            return Ok(());
        }
        let message = format!("the elements are {}, not {}", self.dtype(), T::DTYPE);
        let literals = literals(self.dtype(), T::DTYPE);
        Err(Error::dtype(op, message).with_help(format!("convert with to_dtype(DType::{:?}){literals}", T::DTYPE)))
    }
}

impl Tensor {
    /// Checks that the elements are of one type.
    #[track_caller]
    pub(crate) fn expect_dtype(&self, op: &'static str, what: &str, dtype: DType) -> Result<()> {
        if self.dtype() == dtype {
            return Ok(());
        }
        let message = format!("{what} must be {dtype}, not {}", self.dtype());
        let literals = literals(self.dtype(), dtype);
        Err(Error::dtype(op, message).with_help(format!("convert with to_dtype(DType::{dtype:?}){literals}")))
    }

    /// Checks that arithmetic and gradients are possible.
    #[track_caller]
    pub(crate) fn expect_float(&self, op: &'static str, what: &str) -> Result<()> {
        if self.dtype().is_differentiable() {
            return Ok(());
        }
        let message = format!("{what} must be f32 or f64, not {}", self.dtype());
        Err(Error::dtype(op, message).with_help("convert with to_dtype(DType::F32)"))
    }

    /// The same where 16-bit types are computed in `F32`.
    #[track_caller]
    pub(crate) fn expect_any_float(&self, op: &'static str, what: &str) -> Result<()> {
        if self.dtype().is_float() { Ok(()) } else { self.expect_float(op, what) }
    }

    /// Checks that all numbers are finite, and says where the first is that is not.
    #[track_caller]
    pub(crate) fn expect_finite(&self, op: &'static str, what: &str) -> Result<()> {
        if !self.dtype().is_float() {
            return Ok(());
        }
        let values = self.to_f64_vec();
        let Some(at) = values.iter().position(|x| !x.is_finite()) else { return Ok(()) };
        let shape = self.shape();
        let size = shape.iter().skip(1).product::<usize>().max(1);
        let (row, mut rest) = (at / size, at % size);
        let column = match shape {
            [] | [_] | [_, 1] => String::new(),
            [_, _] => format!(", column {rest}"),
            [_, dims @ ..] => {
                let mut place = vec![0; dims.len()];
                for (i, dim) in dims.iter().enumerate().rev() {
                    (place[i], rest) = (rest % dim, rest / dim);
                }
                format!(", at {place:?}")
            }
        };
        Err(Error::numeric(op, format!("{} in row {row}{column} of {what}", values[at])))
    }
}

#[cfg(test)]
mod tests;
