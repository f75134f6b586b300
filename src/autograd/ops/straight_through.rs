//! A value of one tensor with the gradient of another.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// # Straight-through gradients
impl Tensor {
    /// `value`, of which the gradient is taken as if it were this tensor (Bengio et al., *Estimating or propagating gradients through
    /// stochastic neurons for conditional computation*, 2013): for steps that have no slope of their own, such as rounding.
    ///
    /// Gradient: `g`; none of `value`.
    ///
    /// # Errors
    /// If the shapes or types differ.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![0.2, 1.7].tracked()?;
    /// let y = x.straight_through(&x.round())?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 2.0]);
    /// assert_eq!(y.square().sum().backward()?.wrt(&x)?.to_vec::<f32>()?, [0.0, 4.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "STE")]
    #[track_caller]
    pub fn straight_through(&self, value: &Tensor) -> Result<Tensor> {
        if self.shape() != value.shape() || self.dtype() != value.dtype() {
            let (own, given) = (self.shape(), value.shape());
            let message = format!("{given:?} of {} in the place of {own:?} of {}", value.dtype(), self.dtype());
            return Err(Error::shape("straight_through", message));
        }
        Ok(record("straight_through", value.detach(), &[self], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            tape.keeps_examples(self, self.rank() > 0);
        }))
    }
}
