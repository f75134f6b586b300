//! Losses of numbers.

use super::{Loss, Reduction, check_pair, configurable, in_single};
use crate::autograd::ops::squared_error::squared_error;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(Mse, Mae);
// The constructor of Huber's loss takes its threshold.
reducible!(@option Huber);

configurable!(Mse { reduction });
configurable!(Mae { reduction });
configurable!(Huber { delta: required, reduction } = Self { delta: 1.0, reduction: Reduction::Mean }, check);

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
#[doc(alias = "l1_loss")]
#[track_caller]
pub fn mae(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    Mae::new().loss(prediction, target)
}

/// The mean Huber loss: `½ d²` for differences up to `delta`, `delta · (|d| − ½ delta)` beyond (Huber, 1964).
///
/// # Errors
/// If shapes or types differ, there are no examples, or `delta` is not positive.
#[track_caller]
pub fn huber(prediction: &Tensor, target: &Tensor, delta: f64) -> Result<Tensor> {
    Huber::new(delta)?.loss(prediction, target)
}

/// [`mse`] with options.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mse {
    reduction: Reduction,
}

impl Loss for Mse {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        if let Some((prediction, target)) = in_single(prediction, target) {
            return self.loss(&prediction, &target);
        }
        check_pair("mse", prediction, target)?;
        let mean = match self.reduction {
            Reduction::Mean => true,
            Reduction::Sum => false,
            Reduction::None => return Ok(prediction.sub(target)?.square()),
        };
        squared_error(prediction, target, mean)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
    }
}

/// [`mae`] with options.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mae {
    reduction: Reduction,
}

impl Loss for Mae {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        if let Some((prediction, target)) = in_single(prediction, target) {
            return self.loss(&prediction, &target);
        }
        check_pair("mae", prediction, target)?;
        Ok(self.reduction.apply(&prediction.sub(target)?.abs()))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
    }
}

/// [`huber`] with options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huber {
    delta: f64,
    reduction: Reduction,
}

impl Huber {
    /// The mean over all elements; differences beyond `delta` count linearly.
    ///
    /// # Errors
    /// If `delta` is not positive.
    #[track_caller]
    pub fn new(delta: f64) -> Result<Self> {
        let huber = Self { delta, reduction: Reduction::Mean };
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
        if let Some((prediction, target)) = in_single(prediction, target) {
            return self.loss(&prediction, &target);
        }
        check_pair("huber", prediction, target)?;
        let distance = prediction.sub(target)?.abs();
        // With c = min(|d|, δ), both branches are c · (|d| − ½ c).
        let near = distance.clamp_max(self.delta);
        let losses = near.mul(&distance.sub(&near.mul_scalar(0.5))?)?;
        Ok(self.reduction.apply(&losses))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.reduction.count(target.numel() as f64)
    }
}
