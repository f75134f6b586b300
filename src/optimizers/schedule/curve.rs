//! Learning rates that depend on the number of the step alone.

use super::{Schedule, ScheduleState};
use crate::error::{Error, Result};
use crate::optimizers::options::{fraction, not_negative, positive};

/// A learning rate as a function of the step.
///
/// ```
/// use demotic::optimizers::schedule::Curve;
///
/// // Up to 1e-3 in 100 steps, and down to 1e-5 in the next 900.
/// let curve = Curve::cosine(1e-3, 900).floor(1e-5).warm_up(100);
/// assert_eq!(curve.at(0)?, 1e-5);
/// assert_eq!(curve.at(99)?, 1e-3);
/// assert_eq!(curve.at(1000)?, 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// In a loop, `opt.set_learning_rate(curve.at(step)?)` before each step is all there is to it. As a [`Schedule`], a
/// curve counts the steps itself: [`start`](Schedule::start) before the first one, [`step`](Schedule::step) after each.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    shape: Shape,
    peak: f64,
    floor: f64,
    /// How many waves a cosine has; half of one if it is not said.
    cycles: Option<f64>,
    warm_up: u64,
    /// Whether the warm-up begins with a rate of 0.
    from_zero: bool,
    /// The step of the rate that was given out last.
    step: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Constant,
    Steps { every: u64, factor: f64 },
    Cosine { steps: u64 },
    CosineRestarts { steps: u64, cycles: u64 },
    Linear { steps: u64 },
    LinearFactors { from: f64, to: f64, steps: u64 },
    InverseSqrt { scale: u64 },
}

impl Curve {
    fn new(shape: Shape, peak: f64) -> Self {
        Self { shape, peak, floor: 0.0, cycles: None, warm_up: 0, from_zero: false, step: 0 }
    }

    /// The same rate all the time (after the warm-up).
    #[must_use]
    pub fn constant(rate: f64) -> Self {
        Self::new(Shape::Constant, rate)
    }

    /// `rate · factorⁿ` after `n · every` steps: PyTorch's `StepLR`. The factor is between 0 and 1.
    #[must_use]
    pub fn steps(rate: f64, every: u64, factor: f64) -> Self {
        Self::new(Shape::Steps { every, factor }, rate)
    }

    /// Down along half a cosine in the given number of steps (Loshchilov and Hutter, 2017), and constant from there on:
    /// `floor + (rate − floor) · (1 + cos(π · step / steps)) / 2`.
    #[must_use]
    pub fn cosine(rate: f64, steps: u64) -> Self {
        Self::new(Shape::Cosine { steps }, rate)
    }

    /// Several times down along half a cosine, and at once up again, in the given number of steps in all; the floor from there
    /// on: `get_cosine_with_hard_restarts_schedule_with_warmup` of Hugging Face's `transformers`.
    ///
    /// ```
    /// use demotic::optimizers::schedule::Curve;
    ///
    /// let curve = Curve::cosine_restarts(1.0, 8, 2);
    /// for (step, percent) in [(0, 100.0), (1, 85.0), (2, 50.0), (3, 15.0), (4, 100.0), (7, 15.0), (8, 0.0)] {
    ///     assert_eq!((100.0 * curve.at(step)?).round(), percent);
    /// }
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn cosine_restarts(rate: f64, steps: u64, cycles: u64) -> Self {
        Self::new(Shape::CosineRestarts { steps, cycles }, rate)
    }

    /// From `start_factor · rate` to `end_factor · rate` along a straight line in the given number of steps, and constant from
    /// there on: PyTorch's `LinearLR`, whose `total_iters` is `steps`. The factors are between 0 and 1.
    ///
    /// ```
    /// use demotic::optimizers::schedule::Curve;
    ///
    /// let curve = Curve::linear_factors(0.1, 0.5, 1.0, 4);
    /// assert_eq!((curve.at(0)?, curve.at(2)?, curve.at(9)?), (0.05, 0.1 * 0.75, 0.1));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "LinearLR")]
    #[must_use]
    pub fn linear_factors(rate: f64, start_factor: f64, end_factor: f64, steps: u64) -> Self {
        Self::new(Shape::LinearFactors { from: start_factor, to: end_factor, steps }, rate)
    }

    /// Down along a straight line in the given number of steps, and constant from there on:
    /// `floor + (rate − floor) · (1 − step / steps)`. The usual choice for fine-tuning encoders.
    #[must_use]
    pub fn linear(rate: f64, steps: u64) -> Self {
        Self::new(Shape::Linear { steps }, rate)
    }

    /// Down with the root of the number of steps, without an end (Vaswani et al., 2017): `rate · √(scale / (step + scale))`. The
    /// scale is usually the number of steps of the warm-up.
    #[must_use]
    pub fn inverse_sqrt(rate: f64, scale: u64) -> Self {
        Self::new(Shape::InverseSqrt { scale }, rate)
    }

    /// The number of waves of a [`cosine`](Self::cosine) in its steps, above 0: `num_cycles` of `transformers`. After 0.5, which
    /// is the default, the rate is at the floor; after 1.5 too, having been up once more in between.
    #[doc(alias = "num_cycles")]
    #[must_use]
    pub fn cycles(mut self, cycles: f64) -> Self {
        self.cycles = Some(cycles);
        self
    }

    /// The smallest rate after the warm-up. Default 0.
    #[must_use]
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = floor;
        self
    }

    /// The number of steps in which the rate rises evenly to its peak, before the curve itself begins: 1 step in `n`
    /// takes `1/n` of the peak, the last one the peak. Default 0.
    #[must_use]
    pub fn warm_up(mut self, steps: u64) -> Self {
        (self.warm_up, self.from_zero) = (steps, false);
        self
    }

    /// The same with a rate of 0 in the first step, so that the first step behind the warm-up is the one with the peak: the
    /// convention of `get_cosine_schedule_with_warmup` in Hugging Face's `transformers`. Their number of steps counts the
    /// warm-up, that of a curve does not.
    #[must_use]
    pub fn warm_up_from_zero(mut self, steps: u64) -> Self {
        (self.warm_up, self.from_zero) = (steps, true);
        self
    }

    /// The rate at a step, counted from 0.
    ///
    /// # Errors
    /// If a rate is negative or not finite, the floor is above the peak, a factor outside of 0 to 1, a number of steps or
    /// of restarts is 0, or there are cycles of another curve than a cosine.
    #[track_caller]
    pub fn at(&self, step: u64) -> Result<f64> {
        self.check()?;
        if step < self.warm_up {
            let done = if self.from_zero { step } else { step + 1 };
            return Ok(self.peak * (done as f64 / self.warm_up as f64));
        }
        let step = step - self.warm_up;
        Ok(match self.shape {
            Shape::Constant => self.peak,
            Shape::Steps { every, factor } => (self.peak * factor.powf((step / every) as f64)).max(self.floor),
            Shape::Linear { steps } => {
                let left = (steps - step.min(steps)) as f64 / steps as f64;
                self.floor + (self.peak - self.floor) * left
            }
            Shape::InverseSqrt { scale } => {
                let past = step as f64 / scale as f64 + 1.0;
                (self.peak / past.sqrt()).max(self.floor)
            }
            Shape::Cosine { steps } => {
                let done = step.min(steps) as f64 / steps as f64;
                self.wave(2.0 * self.cycles.unwrap_or(0.5) * done)
            }
            Shape::CosineRestarts { steps, .. } if step >= steps => self.floor,
            Shape::CosineRestarts { steps, cycles } => {
                // The part of a cycle that is over, in whole numbers: a restart is not missed by rounding.
                let part = u128::from(step) * u128::from(cycles) % u128::from(steps);
                self.wave(part as f64 / steps as f64)
            }
            Shape::LinearFactors { from, to, steps } => {
                let done = step.min(steps) as f64 / steps as f64;
                (self.peak * (from + (to - from) * done)).max(self.floor)
            }
        })
    }

    /// The rate after so many half waves of a cosine.
    fn wave(&self, halves: f64) -> f64 {
        self.floor + (self.peak - self.floor) * (1.0 + (std::f64::consts::PI * halves).cos()) / 2.0
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("Curve", "the rate", self.peak)?;
        not_negative("Curve", "the floor", self.floor)?;
        if self.floor > self.peak {
            let message = format!("the floor {} is above the rate {}", self.floor, self.peak);
            return Err(Error::argument("Curve", message));
        }
        if let Some(cycles) = self.cycles {
            positive("Curve", "the number of cycles", cycles)?;
            if !matches!(self.shape, Shape::Cosine { .. }) {
                return Err(Error::argument("Curve", format!("{cycles} cycles of a curve that is no cosine")));
            }
        }
        match self.shape {
            Shape::Steps { every: 0, .. }
            | Shape::Cosine { steps: 0 }
            | Shape::CosineRestarts { steps: 0, .. }
            | Shape::Linear { steps: 0 }
            | Shape::LinearFactors { steps: 0, .. }
            | Shape::InverseSqrt { scale: 0 } => {
                Err(Error::argument("Curve", "the number of steps is 0, expected at least 1"))
            }
            Shape::CosineRestarts { cycles: 0, .. } => {
                Err(Error::argument("Curve", "the number of cycles is 0, expected at least 1"))
            }
            Shape::Steps { factor, .. } => fraction("Curve", "the factor", factor),
            Shape::LinearFactors { from, to, .. } => {
                fraction("Curve", "the start factor", from)?;
                fraction("Curve", "the end factor", to)
            }
            _ => Ok(()),
        }
    }
}

impl Schedule for Curve {
    #[track_caller]
    fn first_rate(&self, _: f64) -> Result<f64> {
        self.at(self.step)
    }

    #[track_caller]
    fn next_rate(&mut self, _: f64, _: f64) -> Result<f64> {
        self.step = self.step.saturating_add(1);
        self.at(self.step)
    }

    fn state(&self) -> ScheduleState {
        ScheduleState::new("Curve", [("step", Some(self.step as f64))])
    }

    #[track_caller]
    fn load_state(&mut self, state: &ScheduleState) -> Result<()> {
        let [step] = state.read("Curve", ["step"])?;
        self.step = step.unwrap_or(0.0) as u64;
        Ok(())
    }
}
