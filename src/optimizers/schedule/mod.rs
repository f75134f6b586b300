//! Learning rates that change during training.
//!
//! - [`ReduceOnPlateau`] and [`AdaptiveRate`] react to the loss. They are [`Schedule`]s.
//! - [`Curve`] depends on the number of the step alone. It is a [`Schedule`] too, and a plain function of the step with
//!   [`Curve::at`].
//!
//! | PyTorch | here |
//! |---|---|
//! | `StepLR`, `MultiStepLR`, `ExponentialLR` | [`Curve::steps`], [`Curve::milestones`], [`Curve::exponential`] |
//! | `PolynomialLR`, `LinearLR`, `ConstantLR` | [`Curve::polynomial`], [`Curve::linear_factors`], [`Curve::constant_factor`] |
//! | `CosineAnnealingLR`, `CosineAnnealingWarmRestarts` | [`Curve::cosine`], [`Curve::cosine_warm_restarts`] |
//! | `OneCycleLR`, `CyclicLR` | [`Curve::one_cycle`], [`Curve::cyclic`] |
//! | `LambdaLR` | [`Curve::function`]; for one group, [`Curve::group`] |
//! | `MultiplicativeLR` | [`Multiplicative`] |
//! | `SequentialLR`, `ChainedScheduler` | [`Curve::then`], [`Curve::times`] |
//! | `ReduceLROnPlateau` | [`ReduceOnPlateau`] |
//!
//! ```
//! use demotic::layers::Param;
//! use demotic::optimizers::schedule::{ReduceOnPlateau, Schedule};
//! use demotic::optimizers::{Optimizer, Sgd};
//! use demotic::tensor;
//!
//! let mut x = Param::new(tensor![1.0])?;
//! let mut opt = Sgd::new(0.1).momentum(0.9);
//! let mut schedule = ReduceOnPlateau::new().patience(3).factor(0.5);
//! for _epoch in 0..50 {
//!     let loss = x.square().sum();
//!     opt.step(&mut x, &loss.backward()?)?;
//!     schedule.step(&mut opt, loss.item()?)?;
//! }
//! assert!(opt.learning_rate() < 0.1);
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! Options are checked when they are first used, as those of the [optimizers](super), and like them can be read from
//! configuration files:
//!
//! ```
//! use demotic::optimizers::schedule::{Curve, ReduceOnPlateau};
//!
//! let curve: Curve = serde_json::from_str(r#"{"shape": {"cosine": {"steps": 900}}, "rate": 1e-3, "warm_up": 100}"#)?;
//! assert_eq!(curve, Curve::cosine(1e-3, 900).warm_up(100));
//! let plateau: ReduceOnPlateau = serde_json::from_str(r#"{"factor": 0.5, "threshold": {"absolute": 0.01}}"#)?;
//! assert_eq!(plateau, ReduceOnPlateau::new().factor(0.5).absolute_threshold(0.01));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod adaptive;
mod curve;
mod cycle;
mod multiplicative;
mod plateau;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Optimizer;
use crate::error::{Error, Result};

pub use adaptive::AdaptiveRate;
pub use curve::Curve;
pub use cycle::{Cyclic, OneCycle};
pub use multiplicative::Multiplicative;
pub use plateau::ReduceOnPlateau;

/// Decides on the learning rate after each epoch (or each step) of training.
pub trait Schedule: Send + Sync {
    /// The learning rate to begin with, given the optimizer's own.
    ///
    /// # Errors
    /// If an option makes no sense.
    #[track_caller]
    fn first_rate(&self, rate: f64) -> Result<f64> {
        Ok(rate)
    }

    /// The next learning rate, given the present one and the loss (or another measure of success) that it led to.
    ///
    /// # Errors
    /// If an option makes no sense.
    #[track_caller]
    fn next_rate(&mut self, rate: f64, loss: f64) -> Result<f64>;

    /// Sets the learning rate that an optimizer begins with.
    ///
    /// # Errors
    /// If an option makes no sense.
    #[track_caller]
    fn start(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        optimizer.set_learning_rate(self.first_rate(optimizer.learning_rate())?);
        Ok(())
    }

    /// Sets an optimizer's next learning rate.
    ///
    /// # Errors
    /// If an option makes no sense.
    #[track_caller]
    fn step(&mut self, optimizer: &mut dyn Optimizer, loss: f64) -> Result<()> {
        optimizer.set_learning_rate(self.next_rate(optimizer.learning_rate(), loss)?);
        Ok(())
    }

    /// Everything that further rates depend on besides the options, for saving it.
    fn state(&self) -> ScheduleState;

    /// Goes on from a saved state. The options have to be the same.
    ///
    /// # Errors
    /// If the state is of another kind of schedule.
    #[track_caller]
    fn load_state(&mut self, state: &ScheduleState) -> Result<()>;
}

/// What a schedule remembers, as numbers with names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// The kind of schedule: `ReduceOnPlateau`.
    pub schedule: String,
    /// What it remembers. Numbers that it does not have yet are absent.
    pub values: BTreeMap<String, f64>,
}

impl ScheduleState {
    fn new<const N: usize>(schedule: &str, values: [(&str, Option<f64>); N]) -> Self {
        let values = crate::order::map(values.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))));
        Self { schedule: schedule.to_string(), values }
    }

    /// The values under `names`, from a state of the right kind.
    #[track_caller]
    fn read<const N: usize>(&self, schedule: &str, names: [&str; N]) -> Result<[Option<f64>; N]> {
        if self.schedule != schedule {
            return Err(Error::state(schedule, format!("the state is of the schedule `{}`", self.schedule)));
        }
        Ok(names.map(|name| self.values.get(name).copied()))
    }
}

#[cfg(test)]
mod tests;
