//! Averages of weights.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::divided::Divided;
use super::options::below_one;
use super::wrapped::{Shadow, load_count, own_name, save_count, settings_of_inner, unwrapped, wrapped_name};
use super::{Optimizer, OptimizerState};
use crate::autograd::{Gradients, pause_recording};
use crate::config::configurable;
use crate::count::IntoCount;
use crate::error::{Error, Here, Result};
use crate::layers::Module;

const NAME: &str = "Averaged";
const AVERAGE: &str = "average";
const TRAINED: &str = "trained";
const COUNT: &str = "averaged.count";
const STEPS: &str = "averaged.steps";

/// An optimizer, and beside it a running average of the parameters. The average often does better than the parameters
/// themselves, which jump around the minimum (Polyak and Juditsky, 1992; Izmailov et al., 2018). PyTorch's `AveragedModel`.
///
/// Training goes on as without it; [`swap`](Self::swap) gives the model the averages, for evaluating or saving it, and its own
/// values back. A [`Trainer`](crate::train::Trainer) does that by
/// [`evaluate_averages`](crate::train::Trainer::evaluate_averages).
///
/// ```
/// use demotic::optimizers::Averaged;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = Linear::new(2, 1, &mut rng)?;
/// let (x, y) = (tensor![[1.0, 2.0], [3.0, 1.0]], tensor![[1.0], [2.0]]);
/// let mut opt = Averaged::ema(Adam::new(0.1), 0.9);
/// for _ in 0..100 {
///     let loss = losses::mse(&model.forward(&x, &mut Mode::eval())?, &y)?;
///     opt.step(&mut model, &loss.backward()?)?;
/// }
/// opt.swap(&mut model)?;
/// let error = metrics::rmse(&model.predict(&x)?, &y)?;
/// opt.swap(&mut model)?;
/// assert!(error < 0.1);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// The average has the precision of the gradients: of 16-bit parameters, `F32`. Buffers, such as running statistics, are not
/// averaged: [`update_bn`](crate::layers::update_bn) computes those of batch norms anew.
#[derive(Debug, Clone)]
#[doc(alias = "AveragedModel")]
pub struct Averaged<O> {
    inner: O,
    /// How much an exponential average keeps; absent for the plain mean.
    decay: Option<f64>,
    start: u64,
    every: u64,
    steps: u64,
    /// How many values are in the averages.
    count: u64,
    average: Shadow,
    /// The model's own values, while it holds the averages.
    trained: Option<Shadow>,
}

configurable!(
    [O: Optimizer + Serialize + DeserializeOwned] Averaged<O> {
        inner, decay, start, every; state steps, count, average, trained
    } = |fields| Self::new(fields.get("inner")?, None), check
);

impl<O: Optimizer> Averaged<O> {
    fn new(inner: O, decay: Option<f64>) -> Self {
        let (average, trained) = Default::default();
        Self { inner, decay, start: 0, every: 1, steps: 0, count: 0, average, trained }
    }

    /// An exponential moving average: after each step, `average ← decay · average + (1 − decay) · p`. It begins with the
    /// parameters after the first step. 0.999 is usual; the average is that of the last 1 / (1 − decay) steps, roughly.
    #[must_use]
    #[doc(alias = "EMA")]
    pub fn ema(inner: O, decay: f64) -> Self {
        Self::new(inner, Some(decay))
    }

    /// The mean of the parameters after all steps (stochastic weight averaging, Izmailov et al., 2018): usually
    /// [from a late step on](Self::start) and [once in each epoch](Self::every), with a constant learning rate.
    #[must_use]
    #[doc(alias = "SWA")]
    pub fn mean(inner: O) -> Self {
        Self::new(inner, None)
    }

    /// How many steps to let pass before the first one that counts. Default 0.
    #[must_use]
    pub fn start(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.start = steps;
        self
    }

    /// To take one of so many steps into the average, at least 1. Default 1.
    #[must_use]
    pub fn every(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.every = steps;
        self
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// How many steps are in the averages.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether the model holds the averages.
    #[must_use]
    pub fn is_swapped(&self) -> bool {
        self.trained.is_some()
    }

    /// Gives the model the averages or, if it holds them, its own values back, bit for bit.
    ///
    /// # Errors
    /// If there are no averages yet, or the model is another one.
    #[track_caller]
    pub fn swap(&mut self, model: &mut dyn Module) -> Result<()> {
        let _unrecorded = pause_recording();
        if let Some(trained) = &self.trained {
            trained.check_values(NAME, model)?;
            trained.put(model)?;
            self.trained = None;
            return Ok(());
        }
        if self.average.is_empty() {
            let message = format!("no averages yet, after {} steps", self.steps);
            return Err(
                Error::state(NAME, message).with_help("they begin with the first step that counts: see start()")
            );
        }
        self.average.check(NAME, model)?;
        let trained = self.average.own_values(model);
        self.average.put(model)?;
        self.trained = Some(trained);
        Ok(())
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        if let Some(decay) = self.decay {
            below_one(NAME, "the decay", decay)?;
        }
        if self.every == 0 {
            return Err(Error::argument(NAME, "every is 0, expected at least 1"));
        }
        Ok(())
    }

    /// Takes the model's values into the averages.
    #[track_caller]
    fn take_in(&mut self, model: &dyn Module) -> Result<()> {
        let _unrecorded = pause_recording();
        let count = self.count.saturating_add(1);
        let weight = self.decay.map_or(1.0 / count as f64, |decay| 1.0 - decay);
        self.average.update(model, &|average, value| match average {
            Some(average) => average.add(&value.sub(average)?.mul_scalar(weight)),
            None => Ok(value.clone()),
        })?;
        self.count = count;
        Ok(())
    }
}

/// Averages of parameters that an [`Optimizer`] keeps: see [`Optimizer::averages`].
pub trait Averages {
    /// How many steps are in the averages.
    fn count(&self) -> u64;

    /// Whether the model holds the averages.
    fn is_swapped(&self) -> bool;

    /// Gives the model the averages or, if it holds them, its own values back, bit for bit.
    ///
    /// # Errors
    /// If there are no averages yet, or the model is another one.
    #[track_caller]
    fn swap(&mut self, model: &mut dyn Module) -> Result<()>;
}

impl<O: Optimizer> Averages for Averaged<O> {
    fn count(&self) -> u64 {
        self.count
    }

    fn is_swapped(&self) -> bool {
        self.trained.is_some()
    }

    #[track_caller]
    fn swap(&mut self, model: &mut dyn Module) -> Result<()> {
        Averaged::swap(self, model)
    }
}

impl<O: Optimizer> Averaged<O> {
    /// A step with one of the optimizer inside.
    #[track_caller]
    fn step_by(
        &mut self,
        model: &mut dyn Module,
        step: &mut dyn FnMut(&mut O, &mut dyn Module) -> Result<()>,
    ) -> Result<()> {
        self.check()?;
        if self.is_swapped() {
            return Err(Error::state(NAME, "the model holds the averages, which are not to be trained")
                .with_help("swap() gives it its own values back"));
        }
        // Behind the step, nothing may go wrong.
        self.average.check(NAME, model)?;
        step(&mut self.inner, model).here()?;
        self.steps = self.steps.saturating_add(1);
        if self.steps > self.start && (self.steps - self.start - 1).is_multiple_of(self.every) {
            self.take_in(model)?;
        }
        Ok(())
    }
}

impl<O: Optimizer> Optimizer for Averaged<O> {
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module, grads: &Gradients) -> Result<()> {
        self.step_by(model, &mut |inner, model| inner.step(model, grads))
    }

    #[track_caller]
    fn step_divided(&mut self, model: &mut dyn Module, grads: &Gradients, divided: &Divided<'_>) -> Result<()> {
        self.step_by(model, &mut |inner, model| inner.step_divided(model, grads, divided))
    }

    settings_of_inner!();

    fn state(&self) -> OptimizerState {
        let mut state = self.inner.state();
        let inner = state.optimizer.clone();
        let own = |name: &str| own_name(name, NAME, &inner);
        state.optimizer = wrapped_name(NAME, &inner);
        self.average.save(&own(AVERAGE), &mut state);
        if let Some(trained) = &self.trained {
            trained.save(&own(TRAINED), &mut state);
        }
        save_count(&own(COUNT), self.count, &mut state);
        save_count(&own(STEPS), self.steps, &mut state);
        state
    }

    #[track_caller]
    fn load_state(&mut self, mut state: OptimizerState) -> Result<()> {
        let inner = unwrapped(NAME, &state.optimizer)?;
        let own = |name: &str| own_name(name, NAME, &inner);
        state.optimizer = inner.clone();
        let count = load_count(&own(COUNT), &mut state);
        let steps = load_count(&own(STEPS), &mut state);
        let trained = Shadow::load(&own(TRAINED), &mut state);
        let average = Shadow::load(&own(AVERAGE), &mut state);
        self.inner.load_state(state)?;
        (self.count, self.steps, self.average) = (count, steps, average);
        self.trained = (!trained.is_empty()).then_some(trained);
        Ok(())
    }

    fn averages(&mut self) -> Option<&mut dyn Averages> {
        Some(self)
    }
}
