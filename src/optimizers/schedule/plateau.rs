//! Lowering the learning rate when the loss stops falling.

use serde::{Deserialize, Serialize};

use super::{Schedule, ScheduleState};
use crate::config::configurable;
use crate::count::IntoCount;
use crate::error::Result;
use crate::optimizers::options::{below_one, not_negative};

/// Multiplies the learning rate by a factor when the loss has not improved for a number of epochs: PyTorch's
/// `ReduceLROnPlateau`, with its options and defaults.
///
/// ```
/// use demotic::optimizers::schedule::{ReduceOnPlateau, Schedule};
///
/// let mut schedule = ReduceOnPlateau::new().patience(1).factor(0.5);
/// let mut rate = 0.1;
/// for loss in [3.0, 2.0, 2.0, 2.0] {
///     rate = schedule.next_rate(rate, loss)?;
/// }
/// assert_eq!(rate, 0.05);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "ReduceLROnPlateau")]
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceOnPlateau {
    maximize: bool,
    factor: f64,
    patience: u64,
    threshold: Threshold,
    cooldown: u64,
    min_rate: f64,
    eps: f64,
    best: Option<f64>,
    /// Epochs in a row that were no improvement.
    bad: u64,
    /// Epochs of rest that are left.
    rest: u64,
}

configurable!(
    ReduceOnPlateau { maximize, factor, patience, threshold, cooldown, min_rate, eps; state best, bad, rest }, check
);

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Threshold {
    Relative(f64),
    Absolute(f64),
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        Self::new()
    }
}

impl ReduceOnPlateau {
    /// Divides the rate by 10 after more than 10 epochs without improvement.
    #[must_use]
    pub fn new() -> Self {
        Self {
            maximize: false,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            min_rate: 0.0,
            eps: 1e-8,
            best: None,
            bad: 0,
            rest: 0,
        }
    }

    /// Watches a measure that should rise, such as an accuracy (`mode="max"` in PyTorch). Default: one that should fall.
    #[must_use]
    pub fn maximize(mut self) -> Self {
        self.maximize = true;
        self
    }

    /// What the rate is multiplied by: at least 0, less than 1. Default 0.1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// How many epochs in a row may pass without improvement; the next one lowers the rate. Default 10.
    #[must_use]
    pub fn patience(mut self, epochs: impl IntoCount) -> Self {
        let epochs = epochs.into_count();
        self.patience = epochs;
        self
    }

    /// What counts as improvement: a loss below `best · (1 − threshold)`, or a measure above `best · (1 + threshold)`.
    /// At least 0, default 1e-4.
    ///
    /// For losses below zero, the bound lies on the far side of the best loss, as in PyTorch; use
    /// [`absolute_threshold`](Self::absolute_threshold) for them.
    #[must_use]
    pub fn threshold(mut self, relative: f64) -> Self {
        self.threshold = Threshold::Relative(relative);
        self
    }

    /// The same with a difference: a loss below `best − threshold`, or a measure above `best + threshold`
    /// (`threshold_mode="abs"` in PyTorch). At least 0.
    #[must_use]
    pub fn absolute_threshold(mut self, difference: f64) -> Self {
        self.threshold = Threshold::Absolute(difference);
        self
    }

    /// How many epochs to let pass after lowering the rate before counting again. Default 0.
    #[must_use]
    pub fn cooldown(mut self, epochs: impl IntoCount) -> Self {
        let epochs = epochs.into_count();
        self.cooldown = epochs;
        self
    }

    /// The lowest rate. Default 0.
    #[must_use]
    pub fn min_rate(mut self, rate: f64) -> Self {
        self.min_rate = rate;
        self
    }

    /// Changes of the rate that are not larger than this are left out. Default 1e-8.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    fn improves(&self, loss: f64) -> bool {
        let Some(best) = self.best else {
            // Anything but the worst value there is: not NaN, and not infinite on the wrong side.
            return if self.maximize { loss > f64::NEG_INFINITY } else { loss < f64::INFINITY };
        };
        match (self.threshold, self.maximize) {
            (Threshold::Relative(t), false) => loss < best * (1.0 - t),
            (Threshold::Relative(t), true) => loss > best * (1.0 + t),
            (Threshold::Absolute(t), false) => loss < best - t,
            (Threshold::Absolute(t), true) => loss > best + t,
        }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let (Threshold::Relative(threshold) | Threshold::Absolute(threshold)) = self.threshold;
        below_one("ReduceOnPlateau", "the factor", self.factor)?;
        not_negative("ReduceOnPlateau", "the threshold", threshold)?;
        not_negative("ReduceOnPlateau", "min_rate", self.min_rate)?;
        not_negative("ReduceOnPlateau", "eps", self.eps)
    }
}

impl Schedule for ReduceOnPlateau {
    #[track_caller]
    fn next_rate(&mut self, rate: f64, loss: f64) -> Result<f64> {
        self.check()?;
        if self.improves(loss) {
            (self.best, self.bad) = (Some(loss), 0);
        } else {
            self.bad = self.bad.saturating_add(1);
        }
        if self.rest > 0 {
            (self.rest, self.bad) = (self.rest - 1, 0);
        }
        if self.bad <= self.patience {
            return Ok(rate);
        }
        (self.rest, self.bad) = (self.cooldown, 0);
        let lower = (rate * self.factor).max(self.min_rate);
        Ok(if rate - lower > self.eps { lower } else { rate })
    }

    fn state(&self) -> ScheduleState {
        let (bad, rest) = (Some(self.bad as f64), Some(self.rest as f64));
        ScheduleState::new("ReduceOnPlateau", [("best", self.best), ("bad", bad), ("rest", rest)])
    }

    #[track_caller]
    fn load_state(&mut self, state: &ScheduleState) -> Result<()> {
        let [best, bad, rest] = state.read("ReduceOnPlateau", ["best", "bad", "rest"])?;
        (self.best, self.bad, self.rest) = (best, bad.unwrap_or(0.0) as u64, rest.unwrap_or(0.0) as u64);
        Ok(())
    }
}
