//! Conversion between element types.

use super::record;
use crate::tensor::{DType, Tensor};

/// # Other element types
impl Tensor {
    /// The elements as another type: rounded to the nearest value, towards zero and saturating for integers, `x ≠ 0` for
    /// truth values.
    ///
    /// Gradient: converted back, without regard to the rounding; that of a 16-bit tensor is `F32`
    /// ([`DType::gradient`]). Integers and truth values carry none.
    ///
    /// ```
    /// use demotic::{DType, tensor};
    ///
    /// let w = tensor![1.0, 2.0].tracked()?;
    /// let loss = w.to_dtype(DType::BF16).square().sum();
    /// assert_eq!(loss.backward()?.wrt(&w)?.to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn to_dtype(&self, dtype: DType) -> Tensor {
        let _timer = crate::profile::op("to_dtype");
        record("to_dtype", self.cast(dtype), &[self], |tape| {
            let old = self.dtype().gradient().unwrap_or(self.dtype());
            tape.edge(self, move |g| Ok(g.to_dtype(old)));
        })
    }
}
