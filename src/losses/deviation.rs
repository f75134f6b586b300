//! Losses of numbers: other ways to count a deviation.

use super::weighting::{Weighting, option, pair};
use super::{Loss, Reduction};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(@new LogCosh, Mape, Msle, SmoothL1);
reducible!(@weighted SmoothL1, Quantile, LogCosh, Mape, Msle);
configurable!(SmoothL1 { beta: set, weighting: weighting });
configurable!(Quantile { q: given, weighting: weighting } = |fields| Self::new(fields.get("q")?)?);
configurable!(LogCosh { weighting: weighting });
configurable!(Mape { weighting: weighting });
configurable!(Msle { weighting: weighting });

/// The mean smooth L1 loss: `½ d²` for differences up to 1, `|d| − ½` beyond (Girshick, *Fast R-CNN*, 2015). Both tensors have
/// the same shape. [`SmoothL1`] has other limits than 1.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::smooth_l1(&tensor![0.5, 3.0], &tensor![0.0, 0.0])?;
/// assert_eq!(loss.item()?, (0.125 + 2.5) / 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn smooth_l1(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    SmoothL1::new().loss(prediction, target)
}

/// The mean quantile loss, also called pinball loss: `q d` where the prediction is too low by `d`, `(1 − q) d` where it is too high
/// (Koenker and Bassett, 1978). The best prediction is the `q`-quantile of what may happen; with `q = ½` the median. Both
/// tensors have the same shape.
///
/// # Errors
/// If shapes or types differ, there are no examples, or `q` is not between 0 and 1.
///
/// ```
/// use demotic::{losses, tensor};
///
/// // Nine times as bad to be too low as to be too high.
/// assert!((losses::quantile(&tensor![1.0], &tensor![3.0], 0.9)?.item()? - 1.8).abs() < 1e-6);
/// assert!((losses::quantile(&tensor![3.0], &tensor![1.0], 0.9)?.item()? - 0.2).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "pinball")]
#[track_caller]
pub fn quantile(prediction: &Tensor, target: &Tensor, q: f64) -> Result<Tensor> {
    Quantile::new(q)?.loss(prediction, target)
}

/// The mean of `log cosh d` over all differences `d`: `½ d²` for small ones, `|d| − log 2` for large ones, and smooth in between. Both
/// tensors have the same shape.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// assert_eq!(losses::log_cosh(&tensor![1000.0], &tensor![0.0])?.item()? as f32, 1000.0 - 2f32.ln());
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn log_cosh(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    LogCosh::new().loss(prediction, target)
}

/// The mean absolute percentage error, `100 · mean(|ŷ − y| / |y|)`. Both tensors have the same shape. Targets closer to 0 than 10⁻⁷
/// count as that, as in Keras.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// assert_eq!(losses::mape(&tensor![90.0, 1.5], &tensor![100.0, 1.0])?.item()?, 30.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "mean_absolute_percentage_error")]
#[track_caller]
pub fn mape(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    Mape::new().loss(prediction, target)
}

/// The mean squared logarithmic error, `mean((log(1 + ŷ) − log(1 + y))²)`, for numbers that are not negative and of very different
/// size. Both tensors have the same shape. Predictions below 10⁻⁷ count as that, as in Keras, and have no gradient: let the model
/// end in something positive, such as [`Tensor::softplus`].
///
/// # Errors
/// If shapes or types differ, there are no examples, or a target is negative.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::msle(&tensor![9.0], &tensor![99.0])?;
/// assert!((loss.item()? - 10f64.ln().powi(2)).abs() < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "mean_squared_logarithmic_error")]
#[track_caller]
pub fn msle(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    Msle::new().loss(prediction, target)
}

/// [`smooth_l1`] with options.
#[derive(Debug, Clone)]
pub struct SmoothL1 {
    beta: f64,
    weighting: Weighting,
}

impl Default for SmoothL1 {
    fn default() -> Self {
        Self { beta: 1.0, weighting: Weighting::default() }
    }
}

impl SmoothL1 {
    /// The difference from which on the loss grows linearly: `½ d² / beta` below, `|d| − ½ beta` beyond. 0 makes it the absolute
    /// difference. Default 1.
    ///
    /// # Errors
    /// If `beta` is negative or not finite.
    #[track_caller]
    pub fn beta(mut self, beta: f64) -> Result<Self> {
        self.beta = option("smooth_l1", "beta", beta, beta >= 0.0 && beta.is_finite(), "a number of at least 0")?;
        Ok(self)
    }
}

impl Loss for SmoothL1 {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("smooth_l1", prediction, target)?;
        let distance = prediction.sub(&target)?;
        if self.beta == 0.0 {
            return self.weighting.finish("smooth_l1", &distance.abs());
        }
        // As in Huber's loss: with c = d between −β and β, all branches are c · (d − ½ c) / β.
        let near = distance.clamp(Some(-self.beta), Some(self.beta));
        let losses = near.mul(&distance.sub(&near.mul_scalar(0.5))?)?.div_scalar(self.beta);
        self.weighting.finish("smooth_l1", &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`quantile`] with options.
#[derive(Debug, Clone)]
pub struct Quantile {
    q: f64,
    weighting: Weighting,
}

impl Quantile {
    /// The loss of the `q`-quantile: its mean over all elements.
    ///
    /// # Errors
    /// If `q` is not between 0 and 1.
    #[track_caller]
    pub fn new(q: f64) -> Result<Self> {
        let q = option("quantile", "q", q, q > 0.0 && q < 1.0, "a number between 0 and 1")?;
        Ok(Self { q, weighting: Weighting::default() })
    }
}

impl Loss for Quantile {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("quantile", prediction, target)?;
        let missing = target.sub(&prediction)?;
        let too_low = missing.relu().mul_scalar(self.q);
        let losses = too_low.add(&missing.neg().relu().mul_scalar(1.0 - self.q))?;
        self.weighting.finish("quantile", &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`log_cosh`] with options.
#[derive(Debug, Clone, Default)]
pub struct LogCosh {
    weighting: Weighting,
}

impl Loss for LogCosh {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("log_cosh", prediction, target)?;
        let difference = prediction.sub(&target)?;
        // cosh d = 1 + 2 sinh²(d/2), which keeps the digits of small differences; |d| + log((1 + exp(−2 |d|)) / 2), which does not
        // overflow.
        let distance = difference.abs();
        let near = difference.clamp(Some(-1.0), Some(1.0)).mul_scalar(0.5).sinh().square().mul_scalar(2.0).log1p();
        let far = distance.add(&distance.mul_scalar(-2.0).exp().log1p())?.add_scalar(-std::f64::consts::LN_2);
        self.weighting.finish("log_cosh", &distance.lt_scalar(1.0).where_(&near, &far)?)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// What counts as 0 in Keras.
const EPSILON: f64 = 1e-7;

/// [`mape`] with options.
#[derive(Debug, Clone, Default)]
pub struct Mape {
    weighting: Weighting,
}

impl Loss for Mape {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("mape", prediction, target)?;
        let share = target.sub(&prediction)?.abs().div(&target.abs().clamp_min(EPSILON))?;
        self.weighting.finish("mape", &share.mul_scalar(100.0))
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`msle`] with options.
#[derive(Debug, Clone, Default)]
pub struct Msle {
    weighting: Weighting,
}

impl Loss for Msle {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (prediction, target) = pair("msle", prediction, target)?;
        if let Some((i, y)) = target.to_f64_vec().into_iter().enumerate().find(|(_, y)| *y < 0.0) {
            return Err(Error::argument("msle", format!("target {i} is {y}, expected no negative number"))
                .with_help("for numbers of both signs use losses::mse"));
        }
        let log = |x: &Tensor| x.clamp_min(EPSILON).log1p();
        self.weighting.finish("msle", &log(&prediction).sub(&log(&target))?.square())
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}
