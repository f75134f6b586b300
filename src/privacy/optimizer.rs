//! An optimizer that sees gradients of limited size, with noise.

use std::panic::Location;

use super::accountant::Spent;
use super::{Accountant, Accounting, PoissonSampler, check_noise};
use crate::autograd::{Gradients, pause_recording};
use crate::error::{Error, Result};
use crate::layers::{Module, Slot, Visitor};
use crate::optimizers::options::{fraction, positive};
use crate::optimizers::{
    Averages, ExampleOptimizer, Optimizer, OptimizerState, settings_of_inner, unwrapped, wrapped_name,
};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

const NAME: &str = "DpOptimizer";
const HISTORY: &str = "privacy.history";
const BOUND: &str = "privacy.max_norm";

/// How gradients of single examples are limited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Clipping {
    /// The norm of all parameters together is at most `max_norm`: by ghost clipping, which never makes the gradients of single examples
    /// of large layers (Li et al., *Large language models can be strong differentially private learners*, 2022), in one pass that keeps the
    /// books (Bu et al., *Differentially private optimization on large model at small cost*, 2023).
    #[default]
    Flat,
    /// The norm of each parameter's gradient is at most `max_norm / √parameters` (McMahan et al., *Learning differentially private
    /// recurrent language models*, 2018). Takes the memory of all gradients of single examples.
    PerLayer,
    /// As [`Flat`](Self::Flat), with a limit that goes where a share of `quantile` of the examples is below it, by factors of
    /// `e^(rate · …)`; how many these are is known with noise of a deviation of `noise`, which the noise of the gradients makes up for
    /// (Andrew et al., *Differentially private learning with adaptive clipping*, 2021).
    Adaptive {
        /// 0.5 for the median.
        quantile: f64,
        /// 0.2 is usual.
        rate: f64,
        /// A twentieth of the expected batch size is usual.
        noise: f64,
    },
}

/// Differentially private training around any optimizer: [`Sgd`](crate::optimizers::Sgd) makes DP-SGD of it (Abadi et al., *Deep
/// learning with differential privacy*, 2016), [`Adam`](crate::optimizers::Adam) DP-Adam.
///
/// The gradient of each example is scaled to a norm of at most `max_norm`; to their sum, normal noise with a deviation of
/// `noise · max_norm` is added, and all of it is divided by the batch size that is *expected*. What it spends is counted.
///
/// [`accumulate`](Self::accumulate) takes the losses of a batch, or of a part of it after the other;
/// [`step_private`](Self::step_private) ends the batch. See the [module](crate::privacy) for a whole training. Layers that mix the
/// examples of a batch, as batch norm does, are refused by their names.
///
/// A [`Trainer`](crate::train::Trainer) does all of that by itself, with its validation, callbacks and checkpoints, if it has the same sampler, the
/// size of batches that this one expects, and a loss of each example; what was spent is part of its checkpoints. It refuses what cannot be
/// combined: accumulated batches, penalties, several ranks, a last batch that is dropped. An empty batch makes a step of noise, which no average
/// counts.
///
/// ```
/// use demotic::losses::{CrossEntropy, Reduction};
/// use demotic::prelude::*;
/// use demotic::privacy::{Accounting, DpOptimizer, PoissonSampler, noise_for};
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([240, 2], 0.0, 1.0, &mut rng)?;
/// let y = x.select(1, 0)?.gt_scalar(0.0).to_dtype(DType::I64);
/// let (train, test) = (TensorDataset::new(x.narrow(0, 0, 200)?, y.narrow(0, 0, 200)?)?, TensorDataset::new(x, y)?);
///
/// let (epochs, delta) = (10, 1e-3);
/// let sampler = PoissonSampler::new(200, 0.2, rng.split())?;
/// let noise = noise_for(Accounting::Rdp, 4.0, delta, 0.2, epochs * sampler.batches_per_epoch())?;
/// let optimizer = DpOptimizer::new(Adam::new(0.02), noise, 1.0, &sampler, rng.split())?.reporting(delta)?;
/// let mut model = sequential![Linear::new(2, 8, &mut rng)?, Tanh, Linear::new(8, 2, &mut rng)?];
/// let history = Trainer::new(CrossEntropy::new().reduction(Reduction::None), optimizer)
///     .epochs(epochs as usize)
///     .batch_size(40)
///     .sampler(sampler)
///     .validation(&test)
///     .metric("accuracy", metrics::accuracy)
///     .fit(&mut model, &train, &mut rng)?;
/// let spent = history.metric("epsilon");
/// assert!(spent.is_sorted() && spent[9] <= 4.0 && spent[9] > 3.9);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Statistics that layers keep in buffers get no noise. Everything about the data that goes elsewhere (losses that are printed, an epoch that is chosen by them, hyper-parameters) reveals more
/// than is counted here.
#[derive(Debug, Clone)]
pub struct DpOptimizer<O> {
    inner: O,
    noise: f64,
    max_norm: f64,
    clipping: Clipping,
    examples: usize,
    rate: f64,
    rng: Rng,
    accountant: Accountant,
    /// For which ε is reported.
    delta: Option<f64>,
    /// The sum of the limited gradients of the present batch.
    sum: Option<Gradients>,
    /// One half for each example of it that was below the limit, less one half for each of the others: whether an example is there
    /// changes this by one half, for which the noise of the count is made.
    below: f64,
}

impl<O: Optimizer> DpOptimizer<O> {
    /// Around an optimizer, with noise in units of `max_norm` (1 is usual, [`noise_for`](super::noise_for) finds what an ε takes) for
    /// batches of this sampler. Without noise nothing is private.
    ///
    /// # Errors
    /// If the noise is negative or no number, or `max_norm` not a finite number above 0.
    #[track_caller]
    pub fn new(inner: O, noise: f64, max_norm: f64, sampler: &PoissonSampler, rng: Rng) -> Result<Self> {
        check_noise(NAME, noise)?;
        positive(NAME, "max_norm", max_norm)?;
        let (examples, rate) = (sampler.examples(), sampler.rate());
        let (clipping, accountant) = Default::default();
        Ok(Self {
            inner,
            noise,
            max_norm,
            clipping,
            examples,
            rate,
            rng,
            accountant,
            delta: None,
            sum: None,
            below: 0.0,
        })
    }

    /// Limits gradients in another way.
    ///
    /// # Errors
    /// If its numbers make no sense, or the noise of an adaptive limit is too small to be made up for: it has to be more than half
    /// of the noise of the gradients.
    #[track_caller]
    pub fn clipping(mut self, clipping: Clipping) -> Result<Self> {
        if let Clipping::Adaptive { quantile, rate, noise } = clipping {
            fraction(NAME, "quantile", quantile)?;
            positive(NAME, "rate", rate)?;
            positive(NAME, "the noise of the count", noise)?;
            if self.noise > 0.0 && 2.0 * noise <= self.noise {
                let message = format!(
                    "a count with a noise of {noise} for gradients with {}, expected more than half",
                    self.noise
                );
                return Err(Error::argument(NAME, message)
                    .with_help("counting spends privacy as well: a twentieth of the batch size is usual"));
            }
        }
        self.clipping = clipping;
        Ok(self)
    }

    /// Counts what is spent in another way than by Rényi divergences.
    #[must_use]
    pub fn accounting(mut self, accounting: Accounting) -> Self {
        self.accountant = self.accountant.counted_by(accounting);
        self
    }

    /// Reports the ε for this δ as `epsilon` among the numbers of each epoch, where a [`Trainer`](crate::train::Trainer) trains.
    ///
    /// # Errors
    /// If it does not lie between 0 and 1.
    #[track_caller]
    pub fn reporting(mut self, delta: f64) -> Result<Self> {
        super::check_delta(NAME, delta)?;
        self.delta = Some(delta);
        Ok(self)
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// What was counted.
    pub fn accountant(&self) -> &Accountant {
        &self.accountant
    }

    /// The present limit of norms.
    pub fn max_norm(&self) -> f64 {
        self.max_norm
    }

    /// What was spent for a given δ.
    ///
    /// # Errors
    /// As for [`Accountant::epsilon`].
    #[track_caller]
    pub fn spent(&self, delta: f64) -> Result<Spent> {
        self.accountant.spent(delta, self.examples)
    }

    /// Adds the limited gradients of examples of the present batch, from the vector of their losses. None of them are fine: a batch may
    /// be empty.
    ///
    /// # Errors
    /// As for [`Tensor::squared_norms_per_example`], or if the norm of a gradient is NaN or infinite. Nothing is added then.
    #[track_caller]
    pub fn accumulate(&mut self, losses: &Tensor) -> Result<()> {
        if losses.shape() == [0] {
            return Ok(());
        }
        let (grads, below) = match self.clipping {
            Clipping::PerLayer => (self.by_layer(losses)?, 0.0),
            Clipping::Flat | Clipping::Adaptive { .. } => self.by_ghosts(losses)?,
        };
        match &mut self.sum {
            Some(sum) => sum.accumulate(grads)?,
            None => self.sum = Some(grads),
        }
        self.below += below;
        Ok(())
    }

    /// The norms on the way, then the gradients weighted by what they ask for.
    #[track_caller]
    fn by_ghosts(&self, losses: &Tensor) -> Result<(Gradients, f64)> {
        let mut below = 0.0;
        let grads = losses.backward_scaled(&mut |norms| {
            let norms = norms.total()?.sqrt();
            below = norms.to_f64_vec().into_iter().map(|norm| if norm <= self.max_norm { 0.5 } else { -0.5 }).sum();
            factors(&norms, self.max_norm)
        })?;
        Ok((grads, below))
    }

    #[track_caller]
    fn by_layer(&self, losses: &Tensor) -> Result<Gradients> {
        let grads = losses.backward_per_example()?;
        let limit = self.max_norm / (grads.len().max(1) as f64).sqrt();
        grads.sum_scaled(&|norms| factors(&norms.sqrt(), limit))
    }

    /// Ends the batch: noise, and a step of the optimizer inside. A batch without examples is noise alone.
    ///
    /// # Errors
    /// Those of the optimizer inside. Model, optimizer and batch are as before then.
    #[track_caller]
    pub fn step_private(&mut self, model: &mut dyn Module) -> Result<()> {
        let _unrecorded = pause_recording();
        let mut rng = self.rng.fork(self.accountant.steps());
        let (noise, count_noise) = match self.clipping {
            Clipping::Adaptive { noise, .. } if self.noise > 0.0 => {
                (1.0 / (self.noise.powi(-2) - (2.0 * noise).powi(-2)).sqrt(), noise)
            }
            _ => (self.noise, 0.0),
        };
        let expected = self.rate * self.examples as f64;
        let mut pairs: Vec<(Tensor, Tensor)> = Vec::new();
        let mut result = Ok(());
        let mut on_slot = |_: &str, slot: Slot<'_>| {
            if let (Slot::Param(param), true) = (slot, result.is_ok())
                && param.is_trainable()
            {
                let dtype = param.dtype().gradient().unwrap_or(DType::F32);
                let sum = self.sum.as_ref().map(|sum| sum.get(param));
                // What no loss depends on is the optimizer's to complain about.
                if let Some(None) = sum {
                    return;
                }
                let mut noisy = || {
                    let mut grad = Tensor::normal(param.shape(), 0.0, noise * self.max_norm, &mut rng)?.to_dtype(dtype);
                    if let Some(sum) = sum.flatten() {
                        grad = grad.add(sum)?;
                    }
                    Ok(grad.mul_scalar(1.0 / expected))
                };
                match noisy() {
                    Ok(grad) => pairs.push((param.value().clone(), grad)),
                    Err(e) => result = Err(e),
                }
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        result?;
        let grads = Gradients::of(pairs.iter().map(|(leaf, grad)| (leaf, grad.clone())));
        self.inner.step(model, &grads)?;
        self.accountant.add(self.noise, self.rate, 1)?;
        if let Clipping::Adaptive { quantile, rate, .. } = self.clipping {
            let share = 0.5 + (self.below + count_noise * rng.normal()) / expected;
            self.max_norm = (self.max_norm * (-rate * (share - quantile)).exp()).clamp(1e-12, 1e12);
        }
        (self.sum, self.below) = (None, 0.0);
        Ok(())
    }
}

/// By what each example is scaled.
#[track_caller]
fn factors(norms: &Tensor, max_norm: f64) -> Result<Tensor> {
    if let Some((i, norm)) = norms.to_f64_vec().into_iter().enumerate().find(|(_, norm)| !norm.is_finite()) {
        return Err(Error::numeric("accumulate", format!("the norm of the gradient of example {i} is {norm}"))
            .with_help("lower the learning rate; look for a division by zero, log(0), or NaN in the data"));
    }
    let _unrecorded = pause_recording();
    Ok(norms.add_scalar(1e-6).rdiv_scalar(max_norm).clamp_max(1.0))
}

impl<O: Optimizer> Optimizer for DpOptimizer<O> {
    /// # Errors
    /// Always: gradients of a whole batch have lost those of its examples.
    #[track_caller]
    fn step(&mut self, _: &mut dyn Module, _: &Gradients) -> Result<()> {
        Err(Error::state(NAME, "gradients of a whole batch cannot be made private any more")
            .with_help("give the losses of its examples to accumulate(&losses), then call step_private(&mut model)"))
    }

    settings_of_inner!();

    /// The state of the optimizer inside and what was spent, not the gradients of a batch that has not ended.
    fn state(&self) -> OptimizerState {
        let mut state = self.inner.state();
        state.optimizer = wrapped_name(NAME, &state.optimizer);
        let rows: Vec<f64> =
            self.accountant.history.iter().flat_map(|of| [of.noise, of.rate, of.steps as f64]).collect();
        let count = rows.len() / 3;
        for (name, values, shape) in [(HISTORY, rows, vec![count, 3]), (BOUND, vec![self.max_norm], vec![1])] {
            if let Ok(values) = Tensor::from_vec(values, &shape[..]) {
                state.shared.insert(name.to_string(), values);
            }
        }
        state
    }

    #[track_caller]
    fn load_state(&mut self, mut state: OptimizerState) -> Result<()> {
        state.optimizer = unwrapped(NAME, &state.optimizer)?;
        let caller = Location::caller();
        let mut take = |name: &str| match state.shared.remove(name) {
            Some(values) => Ok(values.to_f64_vec()),
            None => Err(Error::state(NAME, format!("the state has no `{name}`")).at(caller)),
        };
        let (rows, bound) = (take(HISTORY)?, take(BOUND)?);
        let mut accountant = Accountant { history: Vec::new(), ..self.accountant.clone() };
        for row in rows.chunks(3) {
            let &[noise, rate, steps] = row else { return Err(Error::state(NAME, "the state's history is cut off")) };
            accountant.add(noise, rate, steps as u64)?;
        }
        let &[bound] = &bound[..] else { return Err(Error::state(NAME, "the state has no limit of norms")) };
        positive(NAME, "max_norm", bound)?;
        self.inner.load_state(state)?;
        (self.accountant, self.max_norm, self.sum, self.below) = (accountant, bound, None, 0.0);
        Ok(())
    }

    fn averages(&mut self) -> Option<&mut dyn Averages> {
        self.inner.averages()
    }

    fn sampled(&self) -> Option<(usize, f64)> {
        Some((self.examples, self.rate))
    }

    fn by_example(&mut self) -> Option<&mut dyn ExampleOptimizer> {
        Some(self)
    }

    fn reports(&self) -> Vec<(String, f64)> {
        let spent = |delta| self.accountant.epsilon(delta).unwrap_or(f64::INFINITY);
        self.delta.map(|delta| ("epsilon".to_string(), spent(delta))).into_iter().collect()
    }
}

impl<O: Optimizer> ExampleOptimizer for DpOptimizer<O> {
    #[track_caller]
    fn take_in(&mut self, losses: &Tensor) -> Result<()> {
        self.accumulate(losses)
    }

    #[track_caller]
    fn end_batch(&mut self, model: &mut dyn Module) -> Result<()> {
        self.step_private(model)
    }
}
