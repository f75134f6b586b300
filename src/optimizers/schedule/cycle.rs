//! Curves that go up and down.

use serde::{Deserialize, Serialize};

use crate::config::configurable;
use crate::count::IntoCount;
use crate::error::{Error, Result};
use crate::optimizers::options::{below_one, fraction, not_negative, positive};

/// One cycle of the learning rate (Smith and Topin, 2019), for [`Curve::one_cycle`](super::Curve::one_cycle): from a low rate up
/// to the largest one, and down to a far lower one. PyTorch's `OneCycleLR`, with its options and defaults.
///
/// ```
/// use demotic::optimizers::Sgd;
/// use demotic::optimizers::schedule::{Curve, OneCycle, Schedule};
///
/// // Momentum is low where the rate is high.
/// let curve = Curve::one_cycle(OneCycle::new(0.1, 100).pct_start(0.25).cycle_momentum(0.85, 0.95));
/// assert!((curve.at(0)? - 0.1 / 25.0).abs() < 1e-15);
/// assert_eq!(curve.at(24)?, 0.1);
/// assert_eq!(curve.momentum_at(24)?, Some(0.85));
/// let mut opt = Sgd::new(0.1).momentum(0.9);
/// curve.start(&mut opt)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[doc(alias = "OneCycleLR")]
pub struct OneCycle {
    pub(super) max_rate: f64,
    steps: u64,
    pct_start: f64,
    linear: bool,
    three_phase: bool,
    div_factor: f64,
    final_div_factor: f64,
    momentum: Option<(f64, f64)>,
}

configurable!(
    OneCycle {
        max_rate: required,
        steps: required,
        pct_start,
        linear,
        three_phase,
        div_factor,
        final_div_factor,
        momentum
    } = Self::new(0.0, 1),
    check
);

impl OneCycle {
    /// A cycle with this largest rate, in so many steps.
    #[must_use]
    pub fn new(max_rate: f64, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        Self {
            max_rate,
            steps,
            pct_start: 0.3,
            linear: false,
            three_phase: false,
            div_factor: 25.0,
            final_div_factor: 1e4,
            momentum: None,
        }
    }

    /// The part of the steps in which the rate rises: from 0 to 1. Default 0.3.
    #[must_use]
    pub fn pct_start(mut self, part: f64) -> Self {
        self.pct_start = part;
        self
    }

    /// Goes along straight lines (`anneal_strategy="linear"`) instead of half cosines.
    #[must_use]
    pub fn linear(mut self) -> Self {
        self.linear = true;
        self
    }

    /// Goes down as it went up, and then, in a third phase, to the end. Default: down to the end at once.
    #[must_use]
    pub fn three_phase(mut self) -> Self {
        self.three_phase = true;
        self
    }

    /// The first rate is the largest one divided by this, above 0. Default 25.
    #[must_use]
    pub fn div_factor(mut self, factor: f64) -> Self {
        self.div_factor = factor;
        self
    }

    /// The last rate is the first one divided by this, above 0. Default 10,000.
    #[must_use]
    pub fn final_div_factor(mut self, factor: f64) -> Self {
        self.final_div_factor = factor;
        self
    }

    /// Also moves the momentum of the optimizer, from `max` to `base` where the rate is largest, and back: β₁ of an optimizer that
    /// has betas. At least 0, less than 1; PyTorch's defaults are 0.85 and 0.95, and it always does so. An optimizer without momentum
    /// is an error then.
    #[must_use]
    pub fn cycle_momentum(mut self, base: f64, max: f64) -> Self {
        self.momentum = Some((base, max));
        self
    }

    /// A number that begins as `first`, gets to `middle` where the rate is largest, goes back to `first` with three phases, and
    /// ends as `last`.
    fn between(&self, step: u64, first: f64, middle: f64, last: f64) -> f64 {
        let (steps, step) = (self.steps as f64, step.min(self.steps - 1) as f64);
        let up = self.pct_start * steps - 1.0;
        let phases = if self.three_phase {
            [(up, first, middle), (2.0 * up, middle, first), (steps - 1.0, first, last)]
        } else {
            [(up, first, middle), (steps - 1.0, middle, last), (steps - 1.0, middle, last)]
        };
        let (mut start, mut now) = (0.0, last);
        for (i, (end, from, to)) in phases.into_iter().enumerate() {
            if step <= end || i == 2 {
                // A phase without length is over when it begins.
                let done = if end > start { (step - start) / (end - start) } else { 1.0 };
                now = if self.linear {
                    from + (to - from) * done
                } else {
                    to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * done).cos())
                };
                break;
            }
            start = end;
        }
        now
    }

    pub(super) fn rate(&self, step: u64) -> f64 {
        let first = self.max_rate / self.div_factor;
        self.between(step, first, self.max_rate, first / self.final_div_factor)
    }

    pub(super) fn momentum(&self, step: u64) -> Option<f64> {
        self.momentum.map(|(base, max)| self.between(step, max, base, max))
    }

    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::argument("OneCycle", "the number of steps is 0, expected at least 1"));
        }
        fraction("OneCycle", "pct_start", self.pct_start)?;
        positive("OneCycle", "div_factor", self.div_factor)?;
        positive("OneCycle", "final_div_factor", self.final_div_factor)?;
        check_momentum("OneCycle", self.momentum)
    }
}

/// The learning rate between two bounds, up and down along straight lines (Smith, 2017), for
/// [`Curve::cyclic`](super::Curve::cyclic): PyTorch's `CyclicLR`, with its options and defaults.
///
/// ```
/// use demotic::optimizers::schedule::{Curve, Cyclic};
///
/// // Up in four steps, down in four, and each time half as high.
/// let curve = Curve::cyclic(Cyclic::new(0.1, 0.5).step_sizes(4, 4).triangular2());
/// assert_eq!((curve.at(0)?, curve.at(4)?, curve.at(8)?), (0.1, 0.5, 0.1));
/// assert!((curve.at(12)? - 0.3).abs() < 1e-15);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[doc(alias = "CyclicLR")]
pub struct Cyclic {
    base_rate: f64,
    pub(super) max_rate: f64,
    up: u64,
    down: u64,
    scale: Scale,
    momentum: Option<(f64, f64)>,
}

configurable!(
    Cyclic { base_rate: required, max_rate: required, up, down, scale, momentum } = Self::new(0.0, 0.0),
    check
);

/// How the height of a cycle changes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scale {
    Constant,
    /// Half of it in each cycle.
    Halved,
    /// Times this in each step.
    Power(f64),
}

impl Cyclic {
    /// Cycles between these rates, 2,000 steps up and as many down, always as high.
    #[must_use]
    pub fn new(base_rate: f64, max_rate: f64) -> Self {
        Self { base_rate, max_rate, up: 2000, down: 2000, scale: Scale::Constant, momentum: None }
    }

    /// The number of steps up, and that of steps down; at least 1. Default 2,000 each.
    #[must_use]
    pub fn step_sizes(mut self, up: impl IntoCount, down: impl IntoCount) -> Self {
        let (up, down) = (up.into_count(), down.into_count());
        (self.up, self.down) = (up, down);
        self
    }

    /// Each cycle is half as high as the one before (`mode="triangular2"`).
    #[must_use]
    pub fn triangular2(mut self) -> Self {
        self.scale = Scale::Halved;
        self
    }

    /// The height is multiplied by `gamma` in each step, which is between 0 and 1 (`mode="exp_range"`).
    #[must_use]
    pub fn exp_range(mut self, gamma: f64) -> Self {
        self.scale = Scale::Power(gamma);
        self
    }

    /// Also moves the momentum of the optimizer, from `max` down to `base` where the rate is highest: β₁ of an optimizer that has
    /// betas. At least 0, less than 1; PyTorch's defaults are 0.8 and 0.9, and it does so unless told otherwise. An optimizer without
    /// momentum is an error then.
    #[must_use]
    pub fn cycle_momentum(mut self, base: f64, max: f64) -> Self {
        self.momentum = Some((base, max));
        self
    }

    /// How far from the lower to the upper bound.
    fn height(&self, step: u64) -> f64 {
        let total = self.up.saturating_add(self.down);
        let (cycle, past) = (step / total, step % total);
        let height =
            if past <= self.up { past as f64 / self.up as f64 } else { (total - past) as f64 / self.down as f64 };
        height
            * match self.scale {
                Scale::Constant => 1.0,
                Scale::Halved => 0.5f64.powf(cycle as f64),
                Scale::Power(gamma) => gamma.powf(step as f64),
            }
    }

    pub(super) fn rate(&self, step: u64) -> f64 {
        self.base_rate + (self.max_rate - self.base_rate) * self.height(step)
    }

    pub(super) fn momentum(&self, step: u64) -> Option<f64> {
        self.momentum.map(|(base, max)| max - (max - base) * self.height(step))
    }

    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        not_negative("Cyclic", "the lower rate", self.base_rate)?;
        if self.base_rate > self.max_rate {
            let message = format!("the lower rate {} is above the upper one {}", self.base_rate, self.max_rate);
            return Err(Error::argument("Cyclic", message));
        }
        if self.up == 0 || self.down == 0 {
            return Err(Error::argument("Cyclic", "the number of steps is 0, expected at least 1"));
        }
        if let Scale::Power(gamma) = self.scale {
            fraction("Cyclic", "gamma", gamma)?;
        }
        check_momentum("Cyclic", self.momentum)
    }
}

#[track_caller]
fn check_momentum(op: &str, bounds: Option<(f64, f64)>) -> Result<()> {
    let Some((base, max)) = bounds else { return Ok(()) };
    below_one(op, "the lower momentum", base)?;
    below_one(op, "the upper momentum", max)
}
