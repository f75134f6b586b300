//! Conversion between element types.

use super::record;
use crate::tensor::{DType, Tensor};

impl Tensor {
    /// The elements as another type: rounded to the nearest value, towards zero and saturating for integers, `x ≠ 0` for
    /// truth values. Gradient: converted back; integers and truth values carry none.
    #[must_use]
    pub fn to_dtype(&self, dtype: DType) -> Tensor {
        let _timer = crate::profile::op("to_dtype");
        record("to_dtype", self.cast(dtype), &[self], |tape| {
            let old = self.dtype();
            tape.edge(self, move |g| Ok(g.to_dtype(old)));
        })
    }
}
