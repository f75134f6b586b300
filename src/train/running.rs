//! Metrics that see the data batch by batch, and keep a few numbers of each instead of all predictions.
//!
//! The functions in [`metrics`] take all predictions at once. For those that a [`Trainer`](super::Trainer) is given by name
//! (`metrics::rmse`, not a closure around it) it takes the structs here by itself, so that an evaluation needs the memory of one
//! batch. A measure of your own does the same by implementing [`Metric`].
//!
//! | metrics of | batch by batch | keeps |
//! |---|---|---|
//! | numbers | [`RunningNumbers`], and [`RunningRmse`] and its like | a few numbers for each output |
//! | predicted classes, the confusion matrix, the report | [`RunningClasses`] | a number for each pair of classes |
//! | probabilities, by means over examples (log loss, Brier, top-k) | [`RunningScores`] | two numbers |
//! | tokens | [`RunningPerplexity`], [`RunningExactMatch`] | two numbers |
//! | an order of all examples (areas under curves, calibration, medians) | [`at_once`] | all predictions |
//! | anything else that is a mean | [`averaged`] | two numbers |
//!
//! Two of a kind that saw different batches are joined by [`Metric::merge`].

mod classes;
mod kept;
mod means;
mod numbers;

use std::any::{Any, TypeId};

pub use classes::{RunningClasses, RunningScores};
pub(super) use kept::joined;
pub use kept::{AtOnce, RunningF1, RunningR2, at_once};
pub use means::{
    Averaged, RunningAccuracy, RunningExactMatch, RunningMae, RunningMse, RunningPerplexity, RunningRmse, averaged,
};
pub use numbers::RunningNumbers;

use super::metrics::{self, Classification};
use crate::error::{Error, Result};
use crate::losses;
use crate::tensor::Tensor;

/// A measure that is computed batch by batch.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::running::Metric;
///
/// /// The largest error.
/// #[derive(Default)]
/// struct Worst(f64);
///
/// impl Metric for Worst {
///     fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
///         self.0 = self.0.max((prediction - target)?.abs().max()?.item()?);
///         Ok(())
///     }
///     fn value(&self) -> Result<f64> {
///         Ok(self.0)
///     }
///     fn fresh(&self) -> Box<dyn Metric> {
///         Box::new(Self::default())
///     }
/// }
///
/// let mut worst = Worst::default();
/// worst.update(&tensor![[1.0], [2.0]], &tensor![[1.5], [2.0]])?;
/// worst.update(&tensor![[7.0]], &tensor![[4.0]])?;
/// assert_eq!(worst.value()?, 3.0);
/// let trainer = Trainer::new(losses::mse, Adam::new(1e-3)).metric("rmse", metrics::rmse).running_metric("worst", worst);
/// # Ok::<(), demotic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not see the data batch by batch",
    note = "a function of predictions and targets is given to `Trainer::metric`; `running::averaged(function)` takes the mean of its \
            values over the batches"
)]
pub trait Metric: Any + Send + Sync {
    /// Takes the predictions and targets of a batch.
    ///
    /// # Errors
    /// If the shapes or types do not fit.
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()>;

    /// The same with a weight for each example, a number of at least 0.
    ///
    /// # Errors
    /// If the shapes or types do not fit, or, by default, that the metric has no weights.
    #[track_caller]
    fn update_weighted(&mut self, prediction: &Tensor, target: &Tensor, weights: &Tensor) -> Result<()> {
        let _ = (prediction, target, weights);
        Err(Error::state("Metric", "this metric has no weights of examples"))
    }

    /// Adds what another one of the same kind has seen: the rest of the data, on another thread or machine.
    ///
    /// # Errors
    /// If it is of another kind, or, by default, that the metric cannot be joined.
    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let _ = other;
        Err(Error::state("Metric", "this metric cannot be joined with another one")
            .with_help("its type has no merge of its own"))
    }

    /// The value over all batches so far.
    ///
    /// # Errors
    /// If there were none, or nothing in them counts.
    #[track_caller]
    fn value(&self) -> Result<f64>;

    /// The same measure before its first batch.
    fn fresh(&self) -> Box<dyn Metric>;
}

/// Another metric as one of this kind.
#[track_caller]
fn same_kind<M: Metric>(other: &dyn Metric) -> Result<&M> {
    match (other as &dyn Any).downcast_ref::<M>() {
        Some(other) => Ok(other),
        None => Err(other_kind()),
    }
}

#[track_caller]
fn other_kind() -> Error {
    Error::argument("Metric", "two metrics of different kinds cannot be joined")
}

/// A function of predictions and targets that copies of a metric share.
type SharedFunction = dyn Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync;

/// Whether a batch has class numbers, all of which are left out: there is nothing in it for a metric of classes.
fn nothing_counts(target: &Tensor) -> bool {
    target.is_empty() || target.to_f64_vec().iter().all(|class| *class == losses::IGNORE_INDEX as f64)
}

/// The batch-by-batch form of a function of [`metrics`], if it is one of those that have one.
pub(super) fn of_function<F: 'static>(_: &F) -> Option<Box<dyn Metric>> {
    fn is<F: 'static, G: 'static>(_: G) -> bool {
        TypeId::of::<F>() == TypeId::of::<G>()
    }
    Some(match () {
        () if is::<F, _>(metrics::mse) => Box::new(RunningMse::default()),
        () if is::<F, _>(metrics::rmse) => Box::new(RunningRmse::default()),
        () if is::<F, _>(metrics::mae) => Box::new(RunningMae::default()),
        () if is::<F, _>(metrics::r2) => Box::new(RunningR2::default()),
        () if is::<F, _>(metrics::accuracy) => Box::new(RunningAccuracy::default()),
        () if is::<F, _>(metrics::f1) => Box::new(RunningF1::default()),
        () if is::<F, _>(metrics::perplexity) => Box::new(RunningPerplexity::default()),
        () if is::<F, _>(metrics::exact_match) => Box::new(RunningExactMatch::default()),
        () if is::<F, _>(metrics::mape) => Box::new(RunningNumbers::mape()),
        () if is::<F, _>(metrics::msle) => Box::new(RunningNumbers::msle()),
        () if is::<F, _>(metrics::max_error) => Box::new(RunningNumbers::max_error()),
        () if is::<F, _>(metrics::explained_variance) => Box::new(RunningNumbers::explained_variance()),
        () if is::<F, _>(metrics::balanced_accuracy) => {
            Box::new(RunningClasses::new(Classification::balanced_accuracy))
        }
        () if is::<F, _>(metrics::matthews_correlation) => {
            Box::new(RunningClasses::new(Classification::matthews_correlation))
        }
        () if is::<F, _>(metrics::cohen_kappa) => Box::new(RunningClasses::new(Classification::cohen_kappa)),
        () if is::<F, _>(metrics::log_loss) => Box::new(RunningScores::new(Classification::log_loss)),
        () if is::<F, _>(metrics::brier_score) => Box::new(RunningScores::new(Classification::brier_score)),
        () => return None,
    })
}
