//! Random masking.

use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::exec::random::dropout_mask;

/// # Dropout
///
/// ```
/// use demotic::{Rng, Tensor};
///
/// let y = Tensor::ones([100])?.dropout(0.5, &mut Rng::seed(0))?;
/// assert!(y.to_f64_vec().iter().all(|y| [0.0, 2.0].contains(y)));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Sets each element to zero with probability `p` and divides the others by `1 − p`. Gradient: masked and scaled in
    /// the same way. 16-bit types are scaled in `F32` and rounded back.
    ///
    /// # Errors
    /// If `p` is not a probability, or the elements are integers or truth values.
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        self.expect_any_float("dropout", "the input")?;
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument("dropout", format!("p is {p}, expected a probability from 0 to 1")));
        }
        let dtype = self.dtype().compute();
        let mask = dropout_mask(self.shape(), dtype, p, rng);
        if dtype == self.dtype() {
            self.mul(&mask)
        } else {
            Ok(self.to_dtype(dtype).mul(&mask)?.to_dtype(self.dtype()))
        }
    }
}
