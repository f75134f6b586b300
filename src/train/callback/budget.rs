//! Ends of runs that have used what they may use.

use std::time::{Duration, Instant};

use super::{Callback, Context};
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::io::Checkpoint;
use crate::memory;
use crate::train::history::{Epoch, StepReport};

/// Ends a run when it has taken so long, with everything that an end brings: a checkpoint, the best parameters of early stopping.
/// What it took before it was [resumed](crate::train::Trainer::resume) counts.
///
/// ```
/// use std::time::Duration;
///
/// use demotic::prelude::*;
/// use demotic::train::{Ended, TimeBudget};
///
/// let mut rng = Rng::seed(0);
/// let data = TensorDataset::new(Tensor::ones([8, 1])?, Tensor::ones([8, 1])?)?;
/// let history = Trainer::new(losses::mse, Adam::new(0.01))
///     .epochs(1_000_000_000)
///     .callback(TimeBudget::new(Duration::from_millis(50)))
///     .fit(&mut Linear::new(1, 1, &mut rng)?, &data, &mut rng)?;
/// assert_eq!(history.ended, Ended::StoppedEarly);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TimeBudget {
    seconds: f64,
    /// Seconds of earlier runs, and when this one began.
    used: f64,
    begun: Option<Instant>,
}

configurable!(TimeBudget { seconds: required; state used, begun } = Self::new(Duration::ZERO), check);

/// The name in a checkpoint.
const TIME: &str = "time_budget";

impl TimeBudget {
    /// Ends runs after so long a time, at the end of the step that they are at.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self { seconds: time.as_secs_f64(), used: 0.0, begun: None }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        match self.seconds >= 0.0 {
            true => Ok(()),
            false => Err(Error::argument("TimeBudget", format!("{} seconds, expected at least 0", self.seconds))),
        }
    }

    fn total(&self) -> f64 {
        self.used + self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }

    fn look(&self, run: &mut Context<'_>) {
        if self.total() >= self.seconds {
            run.stop();
        }
    }
}

impl Callback for TimeBudget {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        if !run.is_resumed() {
            self.used = 0.0;
        }
        self.begun = Some(Instant::now());
        Ok(())
    }

    fn batch_end(&mut self, run: &mut Context<'_>, _: &StepReport) -> Result<()> {
        self.look(run);
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut Context<'_>, _: &Epoch) -> Result<()> {
        self.look(run);
        Ok(())
    }

    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        Ok(checkpoint.numbers(TIME, [self.total()]))
    }

    /// A run that was begun without it has the whole time.
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        self.used = saved.get_numbers(TIME).ok().and_then(|numbers| numbers.first().copied()).unwrap_or(0.0);
        self.begun = None;
        Ok(())
    }
}

/// Ends a run when tensors have used more memory than so many bytes, with everything that an end brings: a checkpoint, for one. It
/// counts what [`memory::stats`] does, in the whole process, and begins a new measurement of the peak. What a run will need can be
/// known before it begins: see [`Trainer::memory_limit`](crate::train::Trainer::memory_limit).
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    bytes: u64,
}

configurable!(MemoryBudget { bytes: required } = Self::new(0));

impl MemoryBudget {
    /// Ends runs whose tensors have used more than so many bytes, at the end of the step that they are at.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self { bytes }
    }
}

impl Callback for MemoryBudget {
    fn fit_begin(&mut self, _: &mut Context<'_>) -> Result<()> {
        memory::reset_peak();
        Ok(())
    }

    fn batch_end(&mut self, run: &mut Context<'_>, _: &StepReport) -> Result<()> {
        let stats = memory::stats();
        if stats.peak_bytes.max(stats.current_bytes) as u64 > self.bytes {
            run.stop();
        }
        Ok(())
    }
}
