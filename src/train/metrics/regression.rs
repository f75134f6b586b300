//! Metrics of numbers.

use std::panic::Location;

use super::examples::{check_weights, place};
use super::mean;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Metrics of numbers in which examples have weights.
///
/// Prediction and target have the same shape, `[n]`, `[n, 1]`, or `[n, outputs]`. The functions of the same names count all
/// examples the same.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::Regression;
///
/// let weighted = Regression::new().sample_weights(&tensor![3.0, 1.0]);
/// assert_eq!(weighted.mae(&tensor![1.0, 2.0], &tensor![2.0, 6.0])?, 1.75);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Regression {
    weights: Option<Tensor>,
}

/// Pairs of prediction and target in `outputs` columns, with a weight of each pair.
struct Numbers {
    pairs: Vec<(f64, f64)>,
    outputs: usize,
    weights: Option<Vec<f64>>,
}

impl Numbers {
    fn mean(&self, f: &dyn Fn(f64, f64) -> f64) -> f64 {
        mean(self.pairs.iter().map(|(p, y)| f(*p, *y)), self.weights.as_deref())
    }

    /// The mean over the outputs of a measure of each.
    fn over_outputs(self, f: &dyn Fn(&Self) -> f64) -> f64 {
        if self.outputs == 1 {
            return f(&self);
        }
        let column = |output: usize| {
            let weights = self.weights.as_ref().map(|w| w.iter().skip(output).step_by(self.outputs).copied().collect());
            let pairs = self.pairs.iter().skip(output).step_by(self.outputs).copied().collect();
            f(&Self { pairs, outputs: 1, weights })
        };
        mean((0..self.outputs).map(column), None)
    }

    /// The pairs that weigh something: the others must decide neither whether all are the same nor how large they are, and
    /// their squares may overflow.
    fn counted(&self) -> Self {
        let weights = self.weights.iter().flatten().copied();
        let (pairs, weights) = self.pairs.iter().copied().zip(weights).filter(|(_, weight)| *weight > 0.0).unzip();
        Self { pairs, outputs: self.outputs, weights: Some(weights) }
    }

    /// How much of the spread of the targets is left: `Σ w (f(p, y) − c)² / Σ w (y − ȳ)²`, with `c` the mean of f or 0. 0 if
    /// nothing is left, 1 if targets that are all the same are missed.
    fn unexplained(&self, f: impl Fn(f64, f64) -> f64 + Copy, centered: bool) -> f64 {
        if self.weights.as_ref().is_some_and(|w| w.contains(&0.0) && w.iter().any(|w| *w > 0.0)) {
            return self.counted().unexplained(f, centered);
        }
        // The mean of equal numbers need not be equal to them.
        let constant = |g: &dyn Fn(f64, f64) -> f64| {
            let mut values = self.pairs.iter().map(|(p, y)| g(*p, *y));
            let first = values.next().unwrap_or(0.0);
            values.all(|x| x == first)
        };
        let exact = if centered { constant(&f) } else { self.pairs.iter().all(|(p, y)| f(*p, *y) == 0.0) };
        if exact {
            return 0.0;
        }
        if constant(&|_, y| y) {
            return 1.0;
        }
        // In units of a power of two near the largest target, squares neither overflow nor vanish, and nothing is rounded.
        let largest = self.pairs.iter().map(|(_, y)| y.abs()).fold(0.0, f64::max);
        let unit = largest.log2().floor().exp2();
        let spread = |g: &dyn Fn(f64, f64) -> f64, centered: bool| {
            let scaled = |p: f64, y: f64| g(p / unit, y / unit);
            let center = if centered { self.mean(&scaled) } else { 0.0 };
            // What rounding of the center has left is taken out again.
            let rest = if centered { self.mean(&|p, y| scaled(p, y) - center) } else { 0.0 };
            self.mean(&|p, y| (scaled(p, y) - center - rest).powi(2))
        };
        spread(&f, centered) / spread(&|_, y| y, true)
    }
}

/// The median of the absolute errors of one output.
fn median_error(numbers: &Numbers) -> f64 {
    let weight = |i: usize| numbers.weights.as_ref().map_or(1.0, |weights| weights[i]);
    let mut errors: Vec<(f64, f64)> = Vec::new();
    for (i, (p, y)) in numbers.pairs.iter().enumerate() {
        if weight(i) > 0.0 {
            errors.push(((p - y).abs(), weight(i)));
        }
    }
    crate::order::sort_by_key(&mut errors, |(error, _)| crate::order::key(*error));
    let half = errors.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (i, (error, weight)) in errors.iter().enumerate() {
        below += weight;
        if below >= half {
            return match errors.get(i + 1) {
                // Halves, since a sum could overflow.
                Some((next, _)) if below - half <= f64::EPSILON => error / 2.0 + next / 2.0,
                _ => *error,
            };
        }
    }
    // Only rounding leads here.
    errors.last().map_or(0.0, |(error, _)| *error)
}

impl Regression {
    /// All examples count the same.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much each example counts: `[n]`, or of the shape of the targets; numbers of at least 0.
    #[must_use]
    pub fn sample_weights(mut self, weights: &Tensor) -> Self {
        self.weights = Some(weights.detach());
        self
    }

    #[track_caller]
    fn numbers(&self, name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Numbers> {
        let shape = target.shape();
        if prediction.shape() != shape {
            let message = format!("the prediction has shape {:?}, the target {shape:?}", prediction.shape());
            let error = Error::shape(name, message);
            let same_count = prediction.numel() == target.numel();
            let help = format!("reshape the target to {:?}", prediction.shape());
            return Err(if same_count { error.with_help(help) } else { error });
        }
        if prediction.is_empty() {
            return Err(Error::shape(name, "there are no examples"));
        }
        let caller = Location::caller();
        let [p, y] = [(prediction, "prediction"), (target, "target")].map(|(x, what)| {
            let values = x.to_f64_vec();
            let wrong = values.iter().position(|x| !x.is_finite());
            wrong.map_or(Ok(()), |i| {
                let message = format!("the {what} contains {} at {}", values[i], place(shape, i));
                Err(Error::numeric(name, message).at(caller))
            })?;
            Ok(values)
        });
        let pairs: Vec<(f64, f64)> = p?.into_iter().zip(y?).collect();
        let examples = shape.first().copied().unwrap_or(1);
        let outputs = pairs.len() / examples.max(1);
        let weights = match &self.weights {
            None => None,
            Some(weights) if weights.shape() == shape => Some(weights.to_f64_vec()),
            Some(weights) if weights.shape() == [examples] => {
                Some(weights.to_f64_vec().into_iter().flat_map(|w| std::iter::repeat_n(w, outputs)).collect())
            }
            Some(weights) => {
                let message = format!("weights of shape {:?} for targets of shape {shape:?}", weights.shape());
                return Err(Error::shape(name, message).with_help(format!("give weights of shape [{examples}]")));
            }
        };
        if let Some(weights) = &weights {
            check_weights(name, weights)?;
            if weights.iter().sum::<f64>() == 0.0 {
                return Err(Error::argument(name, "the weights of the examples add up to 0"));
            }
        }
        Ok(Numbers { pairs, outputs, weights })
    }

    /// The mean squared error.
    ///
    /// # Errors
    /// If the shapes differ, there are no examples, or something is not finite. This holds for all metrics of numbers.
    #[track_caller]
    pub fn mse(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        Ok(self.numbers("mse", prediction, target)?.mean(&|p, y| (p - y).powi(2)))
    }

    /// As the function [`rmse`], with weights.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse).
    #[track_caller]
    pub fn rmse(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let numbers = self.numbers("rmse", prediction, target)?;
        let mse = numbers.mean(&|p, y| (p - y).powi(2));
        if mse.is_finite() && mse > 1e-280 {
            return Ok(mse.sqrt());
        }
        // The squares overflow or vanish, the errors do not.
        let unit = numbers.pairs.iter().map(|(p, y)| (p - y).abs()).fold(0.0, f64::max);
        if unit == 0.0 || unit.is_infinite() {
            return Ok(unit);
        }
        Ok(numbers.mean(&|p, y| ((p - y) / unit).powi(2)).sqrt() * unit)
    }

    /// As the function [`mae`], with weights.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse).
    #[track_caller]
    pub fn mae(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        Ok(self.numbers("mae", prediction, target)?.mean(&|p, y| (p - y).abs()))
    }

    /// As the function [`r2`], with weights.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse).
    #[track_caller]
    pub fn r2(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let numbers = self.numbers("r2", prediction, target)?;
        Ok(numbers.over_outputs(&|column| 1.0 - column.unexplained(|p, y| y - p, false)))
    }

    /// As the function [`median_absolute_error`], with weights: half of the weight lies on either side. Where a border between two
    /// errors does so exactly, it is their mean.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse).
    #[track_caller]
    pub fn median_absolute_error(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        Ok(self.numbers("median_absolute_error", prediction, target)?.over_outputs(&median_error))
    }

    /// As the function [`explained_variance`], with weights.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse).
    #[track_caller]
    pub fn explained_variance(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let numbers = self.numbers("explained_variance", prediction, target)?;
        Ok(numbers.over_outputs(&|column| 1.0 - column.unexplained(|p, y| y - p, true)))
    }

    /// As the function [`mape`], with weights.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse).
    #[track_caller]
    pub fn mape(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        Ok(self.numbers("mape", prediction, target)?.mean(&|p, y| (p - y).abs() / y.abs().max(f64::EPSILON)))
    }

    /// As the function [`msle`], with weights.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse), and if a number is −1 or less.
    #[track_caller]
    pub fn msle(&self, prediction: &Tensor, target: &Tensor) -> Result<f64> {
        let numbers = self.numbers("msle", prediction, target)?;
        if let Some(x) = numbers.pairs.iter().flat_map(|(p, y)| [*p, *y]).find(|x| *x <= -1.0) {
            return Err(Error::argument(
                "msle",
                format!("there is no logarithm of 1 + {x}, expected numbers above -1"),
            ));
        }
        Ok(numbers.mean(&|p, y| (p.ln_1p() - y.ln_1p()).powi(2)))
    }

    /// As the function [`pinball`], with weights.
    ///
    /// # Errors
    /// As for [`mse`](Self::mse), and if `quantile` is not between 0 and 1.
    #[track_caller]
    pub fn pinball(&self, prediction: &Tensor, target: &Tensor, quantile: f64) -> Result<f64> {
        if !(0.0..=1.0).contains(&quantile) {
            let message = format!("the quantile is {quantile}, expected a number from 0 to 1");
            return Err(Error::argument("pinball", message));
        }
        let numbers = self.numbers("pinball", prediction, target)?;
        Ok(numbers.mean(&|p, y| if y >= p { quantile * (y - p) } else { (1.0 - quantile) * (p - y) }))
    }
}

/// The mean squared error.
///
/// # Errors
/// If the shapes differ, there are no examples, or something is not finite. This holds for all metrics of numbers.
#[track_caller]
pub fn mse(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().mse(prediction, target)
}

/// The root of the mean squared error: the typical size of an error, in the unit of the target.
///
/// # Errors
/// As for [`mse`].
///
/// ```
/// use demotic::prelude::*;
///
/// assert_eq!(metrics::rmse(&tensor![200.0, 310.0], &tensor![203.0, 306.0])?, 12.5f64.sqrt());
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn rmse(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().rmse(prediction, target)
}

/// The mean absolute error, in the unit of the target.
///
/// # Errors
/// As for [`mse`].
#[track_caller]
pub fn mae(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().mae(prediction, target)
}

/// The share of the target's variance that the prediction explains (R²): 1 is perfect, 0 no better than the mean,
/// negative worse. A constant target gives 1 if it is met exactly and 0 otherwise, as in scikit-learn. Of several outputs
/// (`[n, outputs]`), it is the mean.
///
/// # Errors
/// As for [`mse`].
///
/// ```
/// use demotic::prelude::*;
///
/// let target = tensor![3.0, -0.5, 2.0, 7.0];
/// assert!((metrics::r2(&tensor![2.5, 0.0, 2.0, 8.0], &target)? - 0.948_608).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "r2_score")]
#[track_caller]
pub fn r2(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().r2(prediction, target)
}

/// The share of the target's variance that the prediction explains, if it may be off by a constant: [`r2`] without its mean
/// error.
///
/// # Errors
/// As for [`mse`].
#[track_caller]
pub fn explained_variance(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().explained_variance(prediction, target)
}

/// The mean of `|ŷ − y| / |y|`: the mean absolute error in relation to the target, as a share (0.1 is 10 %). A target of 0
/// counts as 2.2e-16, so that it makes the mean very large.
///
/// # Errors
/// As for [`mse`].
///
/// ```
/// use demotic::prelude::*;
///
/// assert_eq!(metrics::mape(&tensor![75.0, 250.0], &tensor![100.0, 200.0])?, 0.25);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn mape(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().mape(prediction, target)
}

/// The mean of `(log(1 + ŷ) − log(1 + y))²`, for targets over several powers of ten.
///
/// # Errors
/// As for [`mse`], and if a number is −1 or less.
#[track_caller]
pub fn msle(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().msle(prediction, target)
}

/// The mean of `q (y − ŷ)` where the prediction is too low and `(1 − q) (ŷ − y)` where it is too high: least if it is the
/// quantile q of the target.
///
/// # Errors
/// As for [`mse`], and if `quantile` is not between 0 and 1.
#[track_caller]
pub fn pinball(prediction: &Tensor, target: &Tensor, quantile: f64) -> Result<f64> {
    Regression::new().pinball(prediction, target, quantile)
}

/// The median of the absolute errors, which outliers do not move; of several outputs, the mean of their medians.
///
/// # Errors
/// As for [`mse`].
///
/// ```
/// use demotic::prelude::*;
///
/// let target = tensor![1.0, 2.0, 900.0];
/// assert_eq!(metrics::median_absolute_error(&tensor![1.5, 2.0, 3.0], &target)?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn median_absolute_error(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    Regression::new().median_absolute_error(prediction, target)
}

/// The largest absolute error.
///
/// # Errors
/// As for [`mse`].
#[track_caller]
pub fn max_error(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    let numbers = Regression::new().numbers("max_error", prediction, target)?;
    Ok(numbers.pairs.iter().map(|(p, y)| (p - y).abs()).fold(0.0, f64::max))
}
