//! Random masking.

use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::exec::random::dropout_mask;

/// # Dropout
impl Tensor {
    /// Sets each element to zero with probability `p` and divides the others by `1 − p`. Gradient: masked and scaled in
    /// the same way.
    ///
    /// # Errors
    /// If `p` is not a probability, or the elements are not `F32` or `F64`.
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        self.expect_float("dropout", "the input")?;
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument("dropout", format!("p is {p}, expected a probability from 0 to 1")));
        }
        self.mul(&dropout_mask(self.shape(), self.dtype(), p, rng))
    }
}
