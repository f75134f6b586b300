//! A learning rate that follows the change of the loss.

use super::{Schedule, ScheduleState};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::optimizers::options::{below_one, not_negative, positive};

/// Lowers the learning rate when the loss changes little, and raises it when the loss changes a lot, within bounds.
///
/// With the relative change `r = (previous − loss) / |previous|`:
///
/// | the loss | | the rate is multiplied by | default |
/// |---|---|---|---|
/// | rises, or is not finite | `r < 0` | [`backoff`](Self::backoff) | 0.5 |
/// | falls a little | `r < small` | [`decrease`](Self::decrease) | 0.9 |
/// | falls | `small ≤ r ≤ large` | 1 | |
/// | falls a lot | `r > large` | [`increase`](Self::increase) | 1.05 |
///
/// The bounds of `r` are set by [`thresholds`](Self::thresholds), 1e-5 and 1e-4 unless told. Near the minimum of a loss that
/// does not reach zero, changes get small and the rate goes down to its lower bound. A rate that is far too small has
/// small changes, too, and stays where it is: begin with a large one. That is safe as long as the loss does not overflow
/// while the rate comes down; starting `k` times too high, the loss grows about `k²`-fold at first, and less each time.
///
/// **Why a rise is an exception.** The rule is often put as "a small change of the loss lowers the rate, a large one raises
/// it", whatever the direction of the change. Taken at its word, it diverges: once the rate exceeds 2 / curvature, even a
/// quadratic loss grows from step to step; growth is a large change, so the rate is raised, and the loss grows faster.
/// So only a large *decrease* may raise the rate, and every increase lowers it (the "bold driver" of Vogl et al., 1988).
///
/// ```
/// use demotic::optimizers::schedule::{AdaptiveRate, Schedule};
///
/// let mut schedule = AdaptiveRate::new(1e-4, 1.0);
/// let mut rate = 0.1;
/// rate = schedule.next_rate(rate, 2.0)?; // nothing to compare with yet
/// rate = schedule.next_rate(rate, 1.0)?; // falls by half
/// assert_eq!(rate, 0.1 * 1.05);
/// rate = schedule.next_rate(rate, 1.5)?; // rises
/// assert_eq!(rate, 0.1 * 1.05 * 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptiveRate {
    min_rate: f64,
    max_rate: f64,
    small: f64,
    large: f64,
    increase: f64,
    decrease: f64,
    backoff: f64,
    previous: Option<f64>,
}

configurable!(
    AdaptiveRate {
        min_rate: required, max_rate: required, small, large, increase, decrease, backoff; state previous
    } = Self::new(0.0, 0.0), check
);

impl AdaptiveRate {
    /// The rule with bounds for the rate, `0 < min_rate ≤ max_rate`.
    #[must_use]
    pub fn new(min_rate: f64, max_rate: f64) -> Self {
        let (small, large) = (1e-5, 1e-4);
        Self { min_rate, max_rate, small, large, increase: 1.05, decrease: 0.9, backoff: 0.5, previous: None }
    }

    /// Which relative decrease of the loss is small, and which is large: `0 ≤ small ≤ large`. Default 1e-5 and 1e-4.
    #[must_use]
    pub fn thresholds(mut self, small: f64, large: f64) -> Self {
        (self.small, self.large) = (small, large);
        self
    }

    /// The factor, at least 1, after a large decrease of the loss. Default 1.05.
    #[must_use]
    pub fn increase(mut self, factor: f64) -> Self {
        self.increase = factor;
        self
    }

    /// The factor, above 0 and at most 1, after a small decrease of the loss. Default 0.9.
    #[must_use]
    pub fn decrease(mut self, factor: f64) -> Self {
        self.decrease = factor;
        self
    }

    /// The factor, above 0 and less than 1, after a rise of the loss. Default 0.5.
    #[must_use]
    pub fn backoff(mut self, factor: f64) -> Self {
        self.backoff = factor;
        self
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let op = "AdaptiveRate";
        positive(op, "the lower bound", self.min_rate)?;
        positive(op, "the upper bound", self.max_rate)?;
        not_negative(op, "the small threshold", self.small)?;
        not_negative(op, "the large threshold", self.large)?;
        positive(op, "increase", self.increase)?;
        positive(op, "decrease", self.decrease)?;
        positive(op, "backoff", self.backoff)?;
        below_one(op, "backoff", self.backoff)?;
        let ordered = [
            (self.min_rate <= self.max_rate, "the lower bound is above the upper one"),
            (self.small <= self.large, "the small threshold is above the large one"),
            (self.decrease <= 1.0, "decrease is above 1"),
            (self.increase >= 1.0, "increase is below 1"),
        ];
        match ordered.iter().find(|(ok, _)| !ok) {
            Some((_, message)) => Err(Error::argument(op, *message)),
            None => Ok(()),
        }
    }

    fn factor(&self, loss: f64) -> f64 {
        if !loss.is_finite() {
            return self.backoff;
        }
        let Some(previous) = self.previous else { return 1.0 };
        let change = (previous - loss) / previous.abs().max(f64::MIN_POSITIVE);
        match change {
            r if r < 0.0 => self.backoff,
            r if r < self.small => self.decrease,
            r if r > self.large => self.increase,
            _ => 1.0,
        }
    }
}

impl Schedule for AdaptiveRate {
    #[track_caller]
    fn first_rate(&self, rate: f64) -> Result<f64> {
        self.check()?;
        Ok(rate.clamp(self.min_rate, self.max_rate))
    }

    #[track_caller]
    fn next_rate(&mut self, rate: f64, loss: f64) -> Result<f64> {
        self.check()?;
        let rate = rate * self.factor(loss);
        if loss.is_finite() {
            self.previous = Some(loss);
        }
        Ok(rate.clamp(self.min_rate, self.max_rate))
    }

    fn state(&self) -> ScheduleState {
        ScheduleState::new("AdaptiveRate", [("previous", self.previous)])
    }

    #[track_caller]
    fn load_state(&mut self, state: &ScheduleState) -> Result<()> {
        let [previous] = state.read("AdaptiveRate", ["previous"])?;
        self.previous = previous;
        Ok(())
    }
}
