//! Rates that are a product over all steps so far.

use std::fmt;
use std::sync::Arc;

use super::{Schedule, ScheduleState};
use crate::error::{Error, Result};

/// Multiplies the learning rate by `f(t)` before step `t`, which is counted from 0; the first step takes the rate as it is: PyTorch's
/// `MultiplicativeLR`. A factor of the rate itself, as a function of the step, is [`Curve::function`](super::Curve::function).
///
/// ```
/// use demotic::optimizers::schedule::{Multiplicative, Schedule};
///
/// let mut schedule = Multiplicative::new(|t| if t % 2 == 0 { 0.5 } else { 1.0 });
/// let mut rates = vec![schedule.first_rate(0.8)?];
/// for _ in 0..4 {
///     let rate = schedule.next_rate(rates[rates.len() - 1], f64::NAN)?;
///     rates.push(rate);
/// }
/// assert_eq!(rates, [0.8, 0.8, 0.4, 0.4, 0.2]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "MultiplicativeLR")]
#[derive(Clone)]
pub struct Multiplicative {
    f: Arc<dyn Fn(u64) -> f64 + Send + Sync>,
    step: u64,
}

impl Multiplicative {
    /// With these factors, which are finite and not negative.
    #[must_use]
    pub fn new(f: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        Self { f: Arc::new(f), step: 0 }
    }
}

impl fmt::Debug for Multiplicative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Multiplicative(step {})", self.step)
    }
}

impl Schedule for Multiplicative {
    #[track_caller]
    fn next_rate(&mut self, rate: f64, _: f64) -> Result<f64> {
        let step = self.step.saturating_add(1);
        let factor = (self.f)(step);
        let next = rate * factor;
        if factor < 0.0 || !next.is_finite() {
            let message = format!("the function gave {factor} at step {step}, for a rate of {rate}");
            return Err(Error::argument("Multiplicative", message)
                .with_help("factors are finite and not negative, and so is the rate"));
        }
        self.step = step;
        Ok(next)
    }

    fn state(&self) -> ScheduleState {
        ScheduleState::new("Multiplicative", [("step", Some(self.step as f64))])
    }

    #[track_caller]
    fn load_state(&mut self, state: &ScheduleState) -> Result<()> {
        let [step] = state.read("Multiplicative", ["step"])?;
        self.step = step.unwrap_or(0.0) as u64;
        Ok(())
    }
}
