//! Getting values out of tensors.

use super::Tensor;
use super::dtype::{DType, Element, with_element};
use crate::error::{Error, Result};

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
        Ok(with_element!(self.dtype(), T => self.data::<T>()[0].to_f64()))
    }

    /// The elements in row-major order, each converted to `f64`.
    #[must_use]
    pub fn to_f64_vec(&self) -> Vec<f64> {
        let x = self.packed();
        with_element!(self.dtype(), T => x.data::<T>().iter().map(|x| x.to_f64()).collect())
    }

    #[track_caller]
    fn check_type<T: Element>(&self, op: &'static str) -> Result<()> {
        if T::DTYPE == self.dtype() {
            return Ok(());
        }
        let message = format!("the elements are {}, not {}", self.dtype(), T::DTYPE);
        Err(Error::dtype(op, message).with_help(format!("convert with to_dtype(DType::{:?})", T::DTYPE)))
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
        Err(Error::dtype(op, message).with_help(format!("convert with to_dtype(DType::{dtype:?})")))
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
}
