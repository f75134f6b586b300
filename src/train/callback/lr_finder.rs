//! Finding a learning rate by trying all of them.

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Callback, Context};
use crate::config::configurable;
use crate::count::IntoCount;
use crate::error::{Error, Result};
use crate::optimizers::OptimizerState;
use crate::train::early_stopping::Snapshot;
use crate::train::history::StepReport;

/// The test of learning rates of Smith (*Cyclical learning rates for training neural networks*, 2017): steps with rates that grow from very
/// small to too large, and the loss at each.
///
/// [`Trainer::find_learning_rate`](crate::train::Trainer::find_learning_rate) runs it. It is a callback as well, for a loop of your own:
/// it sets the rates, stops the run when the loss has grown to four times its least, and at the end gives model and optimizer back
/// what they had at the beginning. A clone of it, kept aside, has the [curve](Self::curve).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::LrFinder;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([256, 4], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// let mut model = sequential![Linear::new(4, 16, &mut rng)?, Relu, Linear::new(16, 1, &mut rng)?];
/// let mut trainer = Trainer::new(losses::mse, Sgd::new(1e-3));
/// let curve = trainer.find_learning_rate(&LrFinder::new(), &mut model, &data, &mut rng)?;
/// let rate = curve.suggestion().unwrap();
/// assert!((1e-3..1.0).contains(&rate), "{rate}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LrFinder {
    min: f64,
    max: f64,
    steps: u64,
    smoothing: f64,
    diverged: f64,
    state: Arc<Mutex<Search>>,
}

configurable!(LrFinder { min, max, steps, smoothing, diverged; state state } = Self::new(), check);

impl Default for LrFinder {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Default)]
struct Search {
    curve: LrCurve,
    /// The mean that forgets, before it is divided by what it has of the whole.
    mean: f64,
    before: Option<(Snapshot, OptimizerState)>,
    is_over: bool,
}

impl LrFinder {
    /// A hundred steps from 10⁻⁷ to 10.
    #[must_use]
    pub fn new() -> Self {
        Self { min: 1e-7, max: 10.0, steps: 100, smoothing: 0.9, diverged: 4.0, state: Arc::default() }
    }

    /// The first and the last rate.
    #[must_use]
    pub fn range(mut self, min: f64, max: f64) -> Self {
        (self.min, self.max) = (min, max);
        self
    }

    /// How many rates are tried, each in a step.
    #[must_use]
    pub fn steps(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.steps = steps;
        self
    }

    /// How much of the smoothed loss is that of the steps before, from 0 (not smoothed) to less than 1. Default 0.9.
    #[must_use]
    pub fn smoothing(mut self, share: f64) -> Self {
        self.smoothing = share;
        self
    }

    /// Ends the test when the smoothed loss is so many times its least. Default 4; infinity for all steps.
    #[must_use]
    pub fn diverged(mut self, factor: f64) -> Self {
        self.diverged = factor;
        self
    }

    /// What was found.
    #[must_use]
    pub fn curve(&self) -> LrCurve {
        self.search().curve.clone()
    }

    pub(in crate::train) fn num_steps(&self) -> u64 {
        self.steps
    }

    fn search(&self) -> MutexGuard<'_, Search> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rate of step `i`, counted from 0.
    fn rate(&self, i: usize) -> f64 {
        let share = i as f64 / (self.steps.max(2) - 1) as f64;
        self.min * (self.max / self.min).powf(share)
    }

    #[track_caller]
    pub(in crate::train) fn check(&self) -> Result<()> {
        let caller = Location::caller();
        let wrong = |what: String| Err(Error::argument("LrFinder", what).at(caller));
        if !(self.min > 0.0 && self.min < self.max && self.max.is_finite()) {
            return wrong(format!("rates from {} to {}, expected two positive ones that grow", self.min, self.max));
        }
        if self.steps < 2 {
            return wrong(format!("{} steps, expected at least 2", self.steps));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return wrong(format!("smoothing is {}, expected at least 0 and less than 1", self.smoothing));
        }
        if self.diverged.is_nan() || self.diverged <= 1.0 {
            return wrong(format!("diverged is {}, expected more than 1", self.diverged));
        }
        Ok(())
    }
}

impl Callback for LrFinder {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        run.here(self.check())?;
        let before = Some((Snapshot::of(run.model()), run.optimizer().state()));
        *self.search() = Search { before, ..Search::default() };
        run.optimizer().set_learning_rate(self.rate(0));
        Ok(())
    }

    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        let mut search = self.search();
        if search.is_over {
            return Ok(());
        }
        let (i, loss) = (search.curve.rates.len(), report.loss);
        if loss.is_finite() {
            search.mean = self.smoothing * search.mean + (1.0 - self.smoothing) * loss;
            // The first ones have little of the mean yet.
            let smoothed = search.mean / (1.0 - self.smoothing.powi(i as i32 + 1));
            search.curve.rates.push(self.rate(i));
            search.curve.losses.push(loss);
            search.curve.smoothed.push(smoothed);
        }
        let smoothed = search.curve.smoothed.iter().copied();
        let (least, last) = (smoothed.clone().fold(f64::INFINITY, f64::min), smoothed.last().unwrap_or(f64::NAN));
        let has_diverged = !loss.is_finite() || i > 0 && last > self.diverged * least.abs() && last > least;
        if has_diverged || i as u64 + 1 >= self.steps {
            search.is_over = true;
            run.stop();
        } else {
            run.optimizer().set_learning_rate(self.rate(i + 1));
        }
        Ok(())
    }

    fn fit_end(&mut self, run: &mut Context<'_>) -> Result<()> {
        let before = self.search().before.take();
        if let Some((model, optimizer)) = before {
            let restored = model.restore(run.model_mut()).and_then(|()| run.optimizer().load_state(optimizer));
            run.here(restored)?;
        }
        Ok(())
    }
}

/// What [`LrFinder`] finds: the loss of a step with each learning rate.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct LrCurve {
    /// The learning rates, growing.
    pub rates: Vec<f64>,
    /// The loss of the step that was made with each of them, before it.
    pub losses: Vec<f64>,
    /// The losses as means that forget.
    pub smoothed: Vec<f64>,
}

/// So many points at the beginning are not looked at for a suggestion: the smoothed loss is not yet one.
const SKIPPED: usize = 10;

impl LrCurve {
    /// The rate at which the smoothed loss falls most steeply over the logarithm of the rate, without the first ten points (or a tenth of them, if
    /// they are fewer than a hundred) and the last: a good first try, or the largest rate of a schedule. `None` if it falls nowhere.
    #[must_use]
    pub fn suggestion(&self) -> Option<f64> {
        let skipped = SKIPPED.min(self.smoothed.len() / 10);
        let losses = self.smoothed.get(skipped..self.smoothed.len().saturating_sub(1))?;
        // Differences to both sides, and at the ends to one, as of neighbours at the same distance.
        let slope = |i: usize| {
            let (before, after) = (i.saturating_sub(1), (i + 1).min(losses.len() - 1));
            (losses[after] - losses[before]) / (after - before).max(1) as f64
        };
        let steepest = (0..losses.len()).map(|i| (slope(i), i)).reduce(|a, b| if b.0 < a.0 { b } else { a })?;
        (steepest.0 < 0.0).then(|| self.rates[skipped + steepest.1])
    }

    /// The loss over the rate, with the suggestion.
    #[cfg(feature = "plot")]
    #[must_use]
    pub fn chart(&self) -> crate::train::plot::Chart {
        let points = |losses: &[f64]| self.rates.iter().copied().zip(losses.iter().copied()).collect::<Vec<_>>();
        let chart = crate::train::plot::Chart::new("Learning rates")
            .labels("learning rate", "loss")
            .log_x()
            .xy_line("loss of a step", points(&self.losses))
            .xy_line("smoothed", points(&self.smoothed));
        match self.suggestion() {
            Some(rate) => chart.vertical(rate, format!("suggestion: {rate:.2e}")),
            None => chart,
        }
    }
}
