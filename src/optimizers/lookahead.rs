//! Lookahead.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::divided::Divided;
use super::options::fraction;
use super::wrapped::{Shadow, load_count, own_name, save_count, settings_of_inner, unwrapped, wrapped_name};
use super::{Averages, Optimizer, OptimizerState};
use crate::autograd::{Gradients, pause_recording};
use crate::config::configurable;
use crate::count::IntoCount;
use crate::error::{Error, Here, Result};
use crate::layers::Module;

const NAME: &str = "Lookahead";
const SLOW: &str = "slow";
const STEPS: &str = "lookahead.steps";

/// Lookahead (Zhang et al., 2019) around any optimizer: every `k` steps, the parameters go back to a part of the way from where
/// they were `k` steps before.
///
/// With slow weights `s`, which begin as the parameters before the first step, after each `k` steps of the optimizer inside:
///
/// ```text
/// s ← s + alpha · (p − s)
/// p ← s
/// ```
///
/// ```
/// use demotic::optimizers::Lookahead;
/// use demotic::prelude::*;
///
/// let mut opt = Lookahead::new(Adam::new(1e-3), 5, 0.5);
/// # let mut model = Linear::new(2, 1, &mut Rng::seed(0))?;
/// # let grads = model.forward(&tensor![[1.0, 2.0]], &mut Mode::eval())?.sum().backward()?;
/// opt.step(&mut model, &grads)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lookahead<O> {
    inner: O,
    k: u64,
    alpha: f64,
    steps: u64,
    slow: Shadow,
}

configurable!(
    [O: Optimizer + Serialize + DeserializeOwned] Lookahead<O> { inner, k, alpha; state steps, slow }
        = |fields| Self::new(fields.get("inner")?, 5, 0.5), check
);

impl<O: Optimizer> Lookahead<O> {
    /// Around an optimizer: how many of its steps make one of the slow weights, at least 1, and which part of the way these
    /// go, from 0 to 1. 5 and 0.5 are usual.
    #[must_use]
    pub fn new(inner: O, k: impl IntoCount, alpha: f64) -> Self {
        let k = k.into_count();
        Self { inner, k, alpha, steps: 0, slow: Shadow::default() }
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        fraction(NAME, "alpha", self.alpha)?;
        if self.k == 0 {
            return Err(Error::argument(NAME, "k is 0, expected at least 1"));
        }
        Ok(())
    }
}

impl<O: Optimizer> Lookahead<O> {
    /// A step with one of the optimizer inside.
    #[track_caller]
    fn step_by(
        &mut self,
        model: &mut dyn Module,
        step: &mut dyn FnMut(&mut O, &mut dyn Module) -> Result<()>,
    ) -> Result<()> {
        self.check()?;
        // Behind the step, nothing may go wrong.
        self.slow.check(NAME, model)?;
        let _unrecorded = pause_recording();
        let mut slow = self.slow.clone();
        // Parameters that were frozen until now begin here.
        slow.update(model, &|slow, value| Ok(slow.unwrap_or(value).clone()))?;
        step(&mut self.inner, model).here()?;
        self.slow = slow;
        self.steps = self.steps.saturating_add(1);
        if self.steps.is_multiple_of(self.k) {
            self.slow.update(model, &|slow, value| {
                let slow = slow.unwrap_or(value);
                slow.add_alpha(&value.sub(slow)?, self.alpha)
            })?;
            self.slow.put_into_trained(model)?;
        }
        Ok(())
    }
}

impl<O: Optimizer> Optimizer for Lookahead<O> {
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
        self.slow.save(&own(SLOW), &mut state);
        save_count(&own(STEPS), self.steps, &mut state);
        state
    }

    #[track_caller]
    fn load_state(&mut self, mut state: OptimizerState) -> Result<()> {
        let inner = unwrapped(NAME, &state.optimizer)?;
        let own = |name: &str| own_name(name, NAME, &inner);
        state.optimizer = inner.clone();
        let steps = load_count(&own(STEPS), &mut state);
        let slow = Shadow::load(&own(SLOW), &mut state);
        self.inner.load_state(state)?;
        (self.steps, self.slow) = (steps, slow);
        Ok(())
    }

    fn averages(&mut self) -> Option<&mut dyn Averages> {
        self.inner.averages()
    }
}
