//! Histograms of weights and gradients as a callback.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Callback, Context};
use crate::autograd::Gradients;
use crate::count::IntoCount;
use crate::error::Result;
use crate::train::histogram::{Histogram, gradient_histograms, weight_histograms};
use crate::train::history::is_due;

/// How many times are kept unless another number is asked for.
const KEPT: usize = 100;

/// Weights and gradients of a model at one step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HistogramRecord {
    /// The step of which these are the gradients; the weights are those before it.
    pub step: u64,
    /// The weights, by the paths of parameters.
    pub weights: Vec<(String, Histogram)>,
    /// The gradients.
    pub gradients: Vec<(String, Histogram)>,
}

/// Keeps [histograms](Histogram) of all weights and gradients after every so many steps: the last hundred times, or as many as asked for.
/// Clones share them, so one goes into the run, and the other one tells.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::Histograms;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// let histograms = Histograms::every(5);
/// Trainer::new(losses::mse, Sgd::new(0.1))
///     .callback(histograms.clone())
///     .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
/// let records = histograms.records();
/// assert_eq!(records.iter().map(|record| record.step).collect::<Vec<_>>(), [5, 10, 15, 20]);
/// assert_eq!(records[0].gradients[1].0, "bias");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Histograms {
    every: u64,
    keep: usize,
    records: Arc<Mutex<VecDeque<HistogramRecord>>>,
}

impl Histograms {
    /// Histograms of every so many steps.
    #[must_use]
    pub fn every(steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        Self { every: steps, keep: KEPT, records: Arc::default() }
    }

    /// How many times are kept, the latest ones.
    #[must_use]
    pub fn keep(mut self, times: usize) -> Self {
        self.keep = times;
        self
    }

    /// What is kept, in the order of the steps.
    #[must_use]
    pub fn records(&self) -> Vec<HistogramRecord> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Callback for Histograms {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        run.check_interval(self.every)?;
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    fn gradients(&mut self, run: &mut Context<'_>, gradients: &mut Gradients) -> Result<()> {
        let step = run.steps().saturating_add(1);
        if is_due(self.every, step) {
            let record = HistogramRecord {
                step,
                weights: weight_histograms(run.model()),
                gradients: gradient_histograms(run.model(), gradients),
            };
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.push_back(record);
            while records.len() > self.keep {
                records.pop_front();
            }
        }
        Ok(())
    }
}
