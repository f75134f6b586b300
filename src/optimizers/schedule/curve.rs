//! Learning rates that depend on the number of the step alone.

use super::{Schedule, ScheduleState};
use crate::error::{Error, Result};
use crate::optimizers::options::{fraction, not_negative};

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
    Linear { steps: u64 },
    InverseSqrt { scale: u64 },
}

impl Curve {
    fn new(shape: Shape, peak: f64) -> Self {
        Self { shape, peak, floor: 0.0, warm_up: 0, from_zero: false, step: 0 }
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
    /// If a rate is negative or not finite, the floor is above the peak, the factor outside of 0 to 1, or a number of
    /// steps is 0.
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
                self.floor + (self.peak - self.floor) * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0
            }
        })
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("Curve", "the rate", self.peak)?;
        not_negative("Curve", "the floor", self.floor)?;
        if self.floor > self.peak {
            let message = format!("the floor {} is above the rate {}", self.floor, self.peak);
            return Err(Error::argument("Curve", message));
        }
        match self.shape {
            Shape::Steps { every: 0, .. }
            | Shape::Cosine { steps: 0 }
            | Shape::Linear { steps: 0 }
            | Shape::InverseSqrt { scale: 0 } => {
                Err(Error::argument("Curve", "the number of steps is 0, expected at least 1"))
            }
            Shape::Steps { factor, .. } => fraction("Curve", "the factor", factor),
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
