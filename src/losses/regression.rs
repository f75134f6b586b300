//! Losses of numbers.

use super::weighting::{Weighting, pair};
use super::{Loss, Reduction};
use crate::autograd::ops::squared_error::squared_error;
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(@new Mse, Mae);
reducible!(@weighted Mse, Mae, Huber);

configurable!(Mse { weighting: weighting });
configurable!(Mae { weighting: weighting });
configurable!(
    Huber { delta: required, weighting: weighting } = Self { delta: 1.0, weighting: Weighting::default() },
    check
);

/// The mean squared error, `mean((ŷ − y)²)`. Both tensors have the same shape.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::mse(&tensor![1.0, 2.0], &tensor![1.0, 4.0])?;
/// assert_eq!(loss.item()?, 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn mse(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    Mse::new().loss(prediction, target)
}

/// The mean absolute error, `mean(|ŷ − y|)`. Both tensors have the same shape.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// assert_eq!(losses::mae(&tensor![1.0, 2.0], &tensor![1.0, 5.0])?.item()?, 1.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "l1_loss")]
#[track_caller]
pub fn mae(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    Mae::new().loss(prediction, target)
}

/// The mean Huber loss: `½ d²` for differences up to `delta`, `delta · (|d| − ½ delta)` beyond (Huber, 1964).
///
/// # Errors
/// If shapes or types differ, there are no examples, or `delta` is not positive.
///
/// ```
/// use demotic::{losses, tensor};
///
/// assert_eq!(losses::huber(&tensor![1.0, 5.0], &tensor![2.0, 2.0], 1.0)?.item()?, (0.5 + 2.5) / 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn huber(prediction: &Tensor, target: &Tensor, delta: f64) -> Result<Tensor> {
    Huber::new(delta)?.loss(prediction, target)
}

/// [`mse`] with options.
#[derive(Debug, Clone, Default)]
pub struct Mse {
    weighting: Weighting,
}

impl Loss for Mse {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("mse", prediction, target)?;
        match (self.weighting.reduction, &self.weighting.weight) {
            (Reduction::Mean, None) => squared_error(&prediction, &target, true),
            (Reduction::Sum, None) => squared_error(&prediction, &target, false),
            _ => self.weighting.finish("mse", &prediction.sub(&target)?.square()),
        }
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`mae`] with options.
#[derive(Debug, Clone, Default)]
pub struct Mae {
    weighting: Weighting,
}

impl Loss for Mae {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("mae", prediction, target)?;
        self.weighting.finish("mae", &prediction.sub(&target)?.abs())
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`huber`] with options.
#[derive(Debug, Clone)]
pub struct Huber {
    delta: f64,
    weighting: Weighting,
}

impl Huber {
    /// The mean over all elements; differences beyond `delta` count linearly.
    ///
    /// # Errors
    /// If `delta` is not positive.
    #[track_caller]
    pub fn new(delta: f64) -> Result<Self> {
        let huber = Self { delta, weighting: Weighting::default() };
        huber.check()?;
        Ok(huber)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let delta = self.delta;
        if !(delta > 0.0 && delta.is_finite()) {
            return Err(Error::argument("huber", format!("delta is {delta}, expected a positive number")));
        }
        Ok(())
    }
}

impl Loss for Huber {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("huber", prediction, target)?;
        let distance = prediction.sub(&target)?;
        // With c = d between −δ and δ, all branches are c · (d − ½ c), whose second derivative at 0 is that of the square.
        let near = distance.clamp(Some(-self.delta), Some(self.delta));
        let losses = near.mul(&distance.sub(&near.mul_scalar(0.5))?)?;
        self.weighting.finish("huber", &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}
