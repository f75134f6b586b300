//! What a curve is at a step.

use super::{Curve, Shape};
use crate::count::IntoCount;
use crate::error::{Error, Result};
use crate::optimizers::options::{fraction, not_negative, positive};

impl Curve {
    /// The rate at a step, counted from 0.
    ///
    /// # Errors
    /// If a rate is negative or not finite, the floor is above the peak, a factor outside of 0 to 1, a number of steps or
    /// of restarts is 0, milestones are not in order, or there are cycles of another curve than a cosine.
    #[track_caller]
    pub fn at(&self, step: impl IntoCount) -> Result<f64> {
        self.rate_at(step.into_count())
    }

    #[track_caller]
    fn rate_at(&self, step: u64) -> Result<f64> {
        self.check()?;
        if step < self.warm_up {
            let done = if self.from_zero { step } else { step + 1 };
            return Ok(self.peak * (done as f64 / self.warm_up as f64));
        }
        let step = step - self.warm_up;
        Ok(match &self.shape {
            Shape::Constant => self.peak,
            Shape::Steps { every, factor } => self.fallen(factor.powf((step / every) as f64)),
            Shape::Milestones { at, factor } => {
                let passed = at.iter().filter(|milestone| **milestone <= step).count();
                self.fallen(factor.powf(passed as f64))
            }
            Shape::Exponential { factor } => self.fallen(factor.powf(step as f64)),
            Shape::Linear { steps } => self.above_floor(left(step, *steps)),
            Shape::Polynomial { steps, power } => self.above_floor(left(step, *steps).powf(*power)),
            Shape::InverseSqrt { scale } => self.fallen((step as f64 / *scale as f64 + 1.0).sqrt().recip()),
            Shape::Cosine { steps } => {
                let done = step.min(*steps) as f64 / *steps as f64;
                self.wave(2.0 * self.cycles.unwrap_or(0.5) * done)
            }
            Shape::CosineRestarts { steps, .. } if step >= *steps => self.floor,
            Shape::CosineRestarts { steps, cycles } => {
                // The part of a cycle that is over, in whole numbers: a restart is not missed by rounding.
                let part = u128::from(step) * u128::from(*cycles) % u128::from(*steps);
                self.wave(part as f64 / *steps as f64)
            }
            Shape::WarmRestarts { first, factor } => {
                let (mut past, mut length) = (step, *first);
                if *factor == 1 {
                    past %= length;
                }
                while past >= length {
                    past -= length;
                    length = length.saturating_mul(*factor);
                }
                self.wave(past as f64 / length as f64)
            }
            Shape::LinearFactors { from, to, steps } => self.fallen(from + (to - from) * (1.0 - left(step, *steps))),
            Shape::OneCycle(options) => options.rate(step).max(self.floor),
            Shape::Cyclic(options) => options.rate(step).max(self.floor),
            Shape::Function(f) => {
                let factor = (f.0)(step);
                if !(factor >= 0.0 && factor.is_finite()) {
                    let message = format!("the function gave {factor} at step {step}");
                    return Err(Error::argument("Curve", message)
                        .with_help("factors of the learning rate are finite, and not negative"));
                }
                self.fallen(factor)
            }
            Shape::Sequence { first, length, next } => match step.checked_sub(*length) {
                None => first.rate_at(step)?.max(self.floor),
                Some(step) => next.rate_at(step)?.max(self.floor),
            },
            Shape::Product(a, b) => (a.rate_at(step)? * b.rate_at(step)?).max(self.floor),
        })
    }

    /// The momentum at a step, counted from 0, of curves that have one: see
    /// [`OneCycle`](crate::optimizers::schedule::OneCycle::cycle_momentum) and
    /// [`Cyclic`](crate::optimizers::schedule::Cyclic::cycle_momentum).
    ///
    /// # Errors
    /// As for [`at`](Self::at).
    #[track_caller]
    pub fn momentum_at(&self, step: impl IntoCount) -> Result<Option<f64>> {
        let step = step.into_count();
        self.check()?;
        let step = step.saturating_sub(self.warm_up);
        match &self.shape {
            Shape::OneCycle(options) => Ok(options.momentum(step)),
            Shape::Cyclic(options) => Ok(options.momentum(step)),
            Shape::Sequence { first, length, next } => match step.checked_sub(*length) {
                None => first.momentum_at(step),
                Some(step) => next.momentum_at(step),
            },
            Shape::Product(a, b) => Ok(a.momentum_at(step)?.or(b.momentum_at(step)?)),
            _ => Ok(None),
        }
    }

    /// The rate times a factor, but not below the floor.
    fn fallen(&self, factor: f64) -> f64 {
        (self.peak * factor).max(self.floor)
    }

    /// A part of the way from the floor to the rate.
    fn above_floor(&self, part: f64) -> f64 {
        self.floor + (self.peak - self.floor) * part
    }

    /// The rate after so many half waves of a cosine.
    fn wave(&self, halves: f64) -> f64 {
        self.floor + (self.peak - self.floor) * (1.0 + (std::f64::consts::PI * halves).cos()) / 2.0
    }

    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
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
        match &self.shape {
            Shape::Steps { every: 0, .. }
            | Shape::Polynomial { steps: 0, .. }
            | Shape::WarmRestarts { first: 0, .. }
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
            Shape::WarmRestarts { factor: 0, .. } => {
                Err(Error::argument("Curve", "the factor of the number of steps is 0, expected at least 1"))
            }
            Shape::Milestones { at, .. } if !at.is_sorted() => {
                Err(Error::argument("Curve", format!("the milestones {at:?} are not in ascending order")))
            }
            Shape::Steps { factor, .. } | Shape::Milestones { factor, .. } | Shape::Exponential { factor } => {
                fraction("Curve", "the factor", *factor)
            }
            Shape::Polynomial { power, .. } => positive("Curve", "the power", *power),
            Shape::LinearFactors { from, to, .. } => {
                fraction("Curve", "the start factor", *from)?;
                fraction("Curve", "the end factor", *to)
            }
            Shape::OneCycle(options) => options.check(),
            Shape::Cyclic(options) => options.check(),
            _ => Ok(()),
        }
    }
}

/// The part of a number of steps that is left after `step`.
fn left(step: u64, steps: u64) -> f64 {
    (steps - step.min(steps)) as f64 / steps as f64
}
