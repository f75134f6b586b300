//! Losses of regions that are to cover each other.

use super::weighting::{Weighting, option, pair};
use super::{Loss, Reduction};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

reducible!(@new Dice, Tversky);
reducible!(@weighted Dice, Tversky);
configurable!(Dice { apart, smooth: set, weighting: weighting });
configurable!(Tversky { alpha, beta, apart, smooth: set, weighting: weighting } = Self::default(), check);

/// The mean over all examples of 1 less the coefficient of Dice (1945), `1 − (2 Σ p y + s) / (Σ p + Σ y + s)`, of probabilities `p` and
/// targets `y` of the same shape, `[n, …]`: of each pixel, whether it belongs to what is sought. `s` is 10⁻⁷.
///
/// Of logits, take [`Tensor::sigmoid`] or [`Tensor::softmax`] first. As large regions count no more than small ones, it is the
/// loss for those who look for little on much. Keras has `s` below the bar alone, so that finding nothing where there is nothing costs 1
/// there; here it costs 0.
///
/// # Errors
/// If shapes or types differ, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::dice(&tensor![[1.0, 1.0, 0.0, 0.0]], &tensor![[0.0, 1.0, 1.0, 0.0]])?;
/// assert!((loss.item()? - 0.5).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn dice(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    Dice::new().loss(probabilities, target)
}

/// The mean over all examples of 1 less the index of Tversky, `1 − (Σ p y + s) / (Σ p y + alpha Σ p (1 − y) + beta Σ (1 − p) y + s)`
/// (Salehi, Erdogmus and Gholipour, 2017), of probabilities `p` and targets `y` of the same shape, `[n, …]`. With `alpha = beta = ½`
/// it is [`dice`]; a larger `beta` makes what is missed worse than what is found in error. Keras has the two the other way round.
///
/// # Errors
/// If shapes or types differ, there are no examples, or a factor is negative.
///
/// ```
/// use demotic::{losses, tensor};
///
/// let loss = losses::tversky(&tensor![[1.0, 0.0, 0.0, 0.0]], &tensor![[1.0, 1.0, 0.0, 0.0]], 0.3, 0.7)?;
/// assert!((loss.item()? - (1.0 - 1.0 / 1.7)).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn tversky(probabilities: &Tensor, target: &Tensor, alpha: f64, beta: f64) -> Result<Tensor> {
    Tversky::new().factors(alpha, beta)?.loss(probabilities, target)
}

/// 1 less the part of each region that is covered, from the sums over it: those of `p y`, `p` and `y`. The first `apart` dimensions
/// number the regions.
#[track_caller]
fn uncovered(
    name: &'static str,
    [apart, rank]: [usize; 2],
    smooth: f64,
    [p, y]: [&Tensor; 2],
    parts: &dyn Fn([&Tensor; 3]) -> Result<[Tensor; 2]>,
) -> Result<Tensor> {
    if apart >= rank && apart > 0 {
        let message = format!("{apart} dimensions of regions in a prediction of shape {:?}", p.shape());
        return Err(Error::shape(name, message).with_help("a region has dimensions of its own: [n, ..]"));
    }
    let dims: Vec<isize> = (apart as isize..rank as isize).collect();
    let sum = |x: &Tensor| x.sum_dims(&dims, false);
    let [over, under] = parts([&sum(&p.mul(y)?)?, &sum(p)?, &sum(y)?])?;
    Ok(over.add_scalar(smooth).div(&under.add_scalar(smooth))?.rsub_scalar(1.0))
}

/// What is added above and below the fraction bar, unless an option says otherwise; as in Keras.
const SMOOTH: f64 = 1e-7;

/// The options of both.
macro_rules! regions {
    ($Loss:ident, $name:literal) => {
        impl $Loss {
            /// How many of the first dimensions number regions that count on their own. Default 1: each example; 2 is for classes of examples;
            /// 0 makes one region of the whole batch, as Keras does.
            #[must_use]
            pub fn apart(mut self, dims: usize) -> Self {
                self.apart = dims;
                self
            }

            /// What is added above and below the fraction bar, which makes nothing a good prediction of nothing. Default 10⁻⁷; 1 is usual
            /// too.
            ///
            /// # Errors
            /// If it is not positive.
            #[track_caller]
            pub fn smooth(mut self, smooth: f64) -> Result<Self> {
                let allowed = smooth > 0.0 && smooth.is_finite();
                self.smooth = option($name, "smooth", smooth, allowed, "a positive number")?;
                Ok(self)
            }
        }
    };
}

regions!(Dice, "dice");
regions!(Tversky, "tversky");

/// [`dice`] with options.
#[derive(Debug, Clone)]
pub struct Dice {
    apart: usize,
    smooth: f64,
    weighting: Weighting,
}

impl Default for Dice {
    fn default() -> Self {
        Self { apart: 1, smooth: SMOOTH, weighting: Weighting::default() }
    }
}

impl Loss for Dice {
    #[track_caller]
    fn loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (p, y) = pair("dice", probabilities, target)?;
        let parts = |[both, p, y]: [&Tensor; 3]| Ok([both.mul_scalar(2.0), p.add(y)?]);
        let losses = uncovered("dice", [self.apart, p.rank()], self.smooth, [&p, &y], &parts)?;
        self.weighting.finish("dice", &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}

/// [`tversky`] with options.
#[derive(Debug, Clone)]
pub struct Tversky {
    alpha: f64,
    beta: f64,
    apart: usize,
    smooth: f64,
    weighting: Weighting,
}

impl Default for Tversky {
    fn default() -> Self {
        Self { alpha: 0.5, beta: 0.5, apart: 1, smooth: SMOOTH, weighting: Weighting::default() }
    }
}

impl Tversky {
    /// How much counts what is found in error, `alpha`, and what is missed, `beta`. Default ½ of each.
    ///
    /// # Errors
    /// If one is negative or not finite.
    #[track_caller]
    pub fn factors(mut self, alpha: f64, beta: f64) -> Result<Self> {
        (self.alpha, self.beta) = (alpha, beta);
        self.check()?;
        Ok(self)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let allowed = |x: f64| x >= 0.0 && x.is_finite();
        option("tversky", "alpha", self.alpha, allowed(self.alpha), "a number of at least 0")?;
        option("tversky", "beta", self.beta, allowed(self.beta), "a number of at least 0").map(drop)
    }
}

impl Loss for Tversky {
    #[track_caller]
    fn loss(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (p, y) = pair("tversky", probabilities, target)?;
        let parts = |[both, p, y]: [&Tensor; 3]| {
            let in_error = p.sub(both)?.mul_scalar(self.alpha);
            let missed = y.sub(both)?.mul_scalar(self.beta);
            Ok([both.clone(), both.add(&in_error)?.add(&missed)?])
        };
        let losses = uncovered("tversky", [self.apart, p.rank()], self.smooth, [&p, &y], &parts)?;
        self.weighting.finish("tversky", &losses)
    }

    fn count(&self, target: &Tensor) -> f64 {
        self.weighting.count(target)
    }
}
