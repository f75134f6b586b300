//! Choices made by truth values.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::argument::{Fill, FillValue};
use crate::tensor::exec::binary::choose;
use crate::tensor::layout::broadcast;
use crate::tensor::{DType, Tensor};

/// # Choosing by a mask
impl Tensor {
    /// `a` where this tensor of truth values holds, else `b`; all three broadcast. Gradients: `g` where each was taken,
    /// else 0.
    ///
    /// # Errors
    /// If this tensor is not made of truth values, the types of `a` and `b` differ, or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let x = tensor![-1.0, 2.0];
    /// let y = x.gt_scalar(0.0).where_(&x, &Tensor::scalar(0.0))?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "where")]
    #[track_caller]
    pub fn where_(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("where");
        let out = choose("where", self, a, b)?;
        Ok(record("where", out, &[a, b], |tape| {
            let condition = self.clone();
            tape.edge(a, move |g| g.masked_fill(&condition.logical_not()?, 0.0));
            let condition = self.clone();
            tape.edge(b, move |g| g.masked_fill(&condition, 0.0));
        }))
    }

    /// `value` where `mask` holds, else `x`; both broadcast. The value is a number, or a tensor (of one element, or of any shape
    /// that broadcasts). Gradients: `g` where the mask does not hold, else 0; for a tensor as the value, `g` where it holds.
    ///
    /// # Errors
    /// If the mask is not made of truth values, the shapes do not broadcast, an integer type has no such value, or a tensor as
    /// the value has another type.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![1.0, -2.0, 3.0];
    /// let negative = x.lt_scalar(0.0);
    /// assert_eq!(x.masked_fill(&negative, 0.0)?.to_vec::<f32>()?, [1.0, 0.0, 3.0]);
    /// assert_eq!(x.masked_fill(&negative, &x.max()?)?.to_vec::<f32>()?, [1.0, 3.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl FillValue) -> Result<Tensor> {
        match value.as_fill() {
            Fill::Number(value) => self.fill_with_number(mask, value),
            Fill::Tensor(value) => self.fill_with_tensor(mask, value),
        }
    }

    #[track_caller]
    fn fill_with_tensor(&self, mask: &Tensor, value: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("masked_fill");
        self.expect_mask(mask)?;
        value.expect_dtype("masked_fill", "the value", self.dtype())?;
        let out = choose("masked_fill", mask, value, self)?;
        Ok(record("masked_fill", out, &[self, value], |tape| {
            let own = mask.clone();
            tape.edge(self, move |g| g.masked_fill(&own, 0.0));
            let mask = mask.clone();
            tape.edge(value, move |g| g.masked_fill(&mask.logical_not()?, 0.0));
        }))
    }

    #[track_caller]
    fn expect_mask(&self, mask: &Tensor) -> Result<()> {
        mask.expect_dtype("masked_fill", "the mask", DType::Bool)?;
        if broadcast(mask.shape(), self.shape()).is_none() {
            let message = format!("a mask of shape {:?} does not broadcast with {:?}", mask.shape(), self.shape());
            return Err(Error::shape("masked_fill", message));
        }
        Ok(())
    }

    #[track_caller]
    fn fill_with_number(&self, mask: &Tensor, value: f64) -> Result<Tensor> {
        let _timer = crate::profile::op("masked_fill");
        self.expect_mask(mask)?;
        let fill = Tensor::number(self.dtype(), value);
        if !self.dtype().is_float() && fill.as_f64() != value {
            return Err(Error::argument("masked_fill", format!("{value} is not a value of type {}", self.dtype())));
        }
        Ok(record("masked_fill", choose("masked_fill", mask, &fill, self)?, &[self], |tape| {
            let mask = mask.clone();
            tape.edge(self, move |g| g.masked_fill(&mask, 0.0));
        }))
    }
}
