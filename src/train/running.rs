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
mod numbers;

use std::any::{Any, TypeId};
use std::sync::Arc;

pub use classes::{RunningClasses, RunningScores};
pub use numbers::RunningNumbers;

use super::metrics::{self, Classification};
use crate::error::{Error, Result};
use crate::losses;
use crate::tensor::exec::reduce::{ReduceOp, total};
use crate::tensor::{DType, Tensor};

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
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()>;

    /// The same with a weight for each example, a number of at least 0.
    ///
    /// # Errors
    /// If the shapes or types do not fit, or, by default, that the metric has no weights.
    fn update_weighted(&mut self, prediction: &Tensor, target: &Tensor, weights: &Tensor) -> Result<()> {
        let _ = (prediction, target, weights);
        Err(Error::state("Metric", "this metric has no weights of examples"))
    }

    /// Adds what another one of the same kind has seen: the rest of the data, on another thread or machine.
    ///
    /// # Errors
    /// If it is of another kind, or, by default, that the metric cannot be joined.
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let _ = other;
        Err(Error::state("Metric", "this metric cannot be joined with another one")
            .with_help("its type has no merge of its own"))
    }

    /// The value over all batches so far.
    ///
    /// # Errors
    /// If there were none, or nothing in them counts.
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

/// A function of all predictions and targets, from [`metrics`] or of the program's own.
type Function = fn(&Tensor, &Tensor) -> Result<f64>;

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

/// A mean of the means of batches, each with as many parts as it is one of.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    total: f64,
    count: f64,
}

impl Sum {
    fn add(&mut self, mean: f64, count: usize) {
        // The mean of nothing is no number.
        if count > 0 {
            self.total += mean * count as f64;
            self.count += count as f64;
        }
    }

    fn join(&mut self, other: Self) {
        self.total += other.total;
        self.count += other.count;
    }

    /// The mean, or the error that `none` gives for no targets at all.
    #[track_caller]
    fn mean(self, none: Function) -> Result<f64> {
        if self.count == 0.0 {
            let nothing = Tensor::zeros([0, 1])?;
            return none(&nothing, &nothing);
        }
        Ok(self.total / self.count)
    }
}

/// How many class numbers count: those of −100 do not.
fn counted(target: &Tensor) -> usize {
    match target.dtype() {
        DType::I64 => total(ReduceOp::CountNonzero, &target.ne_scalar(losses::IGNORE_INDEX as f64)) as usize,
        _ => target.numel(),
    }
}

macro_rules! means {
    ($($(#[$doc:meta])* $Name:ident: $function:path, |$mean:ident| $finish:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $Name(Sum);

        impl Metric for $Name {
            #[track_caller]
            fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
                // Numbers all count: -100 is one like others.
                if !target.is_empty() {
                    self.0.add($function(prediction, target)?, target.numel());
                }
                Ok(())
            }

            #[track_caller]
            fn value(&self) -> Result<f64> {
                let $mean = self.0.mean($function)?;
                Ok($finish)
            }

            #[track_caller]
            fn merge(&mut self, other: &dyn Metric) -> Result<()> {
                self.0.join(same_kind::<Self>(other)?.0);
                Ok(())
            }

            fn fresh(&self) -> Box<dyn Metric> {
                Box::new(Self::default())
            }
        }
    )*};
}

means! {
    /// [`metrics::mse`] batch by batch.
    RunningMse: metrics::mse, |mean| mean;
    /// [`metrics::rmse`] batch by batch.
    RunningRmse: squared_rmse, |mean| mean.sqrt();
    /// [`metrics::mae`] batch by batch.
    RunningMae: metrics::mae, |mean| mean;
}

/// The mean squared error, with errors that name `rmse`.
#[track_caller]
fn squared_rmse(prediction: &Tensor, target: &Tensor) -> Result<f64> {
    match metrics::mse(prediction, target) {
        Ok(mean) => Ok(mean),
        Err(_) => metrics::rmse(prediction, target),
    }
}

/// Whether a batch has class numbers, all of which are left out: there is nothing in it for a metric of classes.
fn nothing_counts(target: &Tensor) -> bool {
    target.is_empty() || target.to_f64_vec().iter().all(|class| *class == losses::IGNORE_INDEX as f64)
}

/// [`metrics::accuracy`] batch by batch.
#[derive(Debug, Clone, Default)]
pub struct RunningAccuracy(Sum);

impl Metric for RunningAccuracy {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if nothing_counts(target) {
            return Ok(());
        }
        let (predicted, actual) = metrics::class_pairs("accuracy", prediction, target)?;
        let hits = predicted.iter().zip(&actual).filter(|(p, y)| p == y).count();
        self.0.add(hits as f64 / actual.len() as f64, actual.len());
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        self.0.mean(metrics::accuracy)
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        self.0.join(same_kind::<Self>(other)?.0);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self::default())
    }
}

/// [`metrics::perplexity`] batch by batch.
#[derive(Debug, Clone, Default)]
pub struct RunningPerplexity(Sum);

impl Metric for RunningPerplexity {
    #[track_caller]
    fn update(&mut self, logits: &Tensor, targets: &Tensor) -> Result<()> {
        let count = counted(targets);
        if count > 0 {
            if logits.shape().split_last().is_none_or(|(_, rest)| rest != targets.shape()) {
                // An error, which is the function's.
                metrics::perplexity(logits, targets)?;
            }
            let _unrecorded = crate::autograd::pause_recording();
            let loss = losses::token_cross_entropy(logits, targets)?.item()?;
            if loss.is_nan() {
                metrics::perplexity(logits, targets)?;
            }
            self.0.add(loss, count);
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        Ok(self.0.mean(metrics::perplexity)?.exp())
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        self.0.join(same_kind::<Self>(other)?.0);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self::default())
    }
}

/// [`metrics::exact_match`] batch by batch.
#[derive(Debug, Clone, Default)]
pub struct RunningExactMatch(Sum);

impl Metric for RunningExactMatch {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if !nothing_counts(target) {
            let (right, all) = metrics::matches(prediction, target)?;
            self.0.add(right as f64 / all as f64, all);
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        self.0.mean(metrics::exact_match)
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        self.0.join(same_kind::<Self>(other)?.0);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self::default())
    }
}

/// [`metrics::r2`] batch by batch: the variance of the targets by Welford's method, which does not subtract large sums.
#[derive(Debug, Clone, Default)]
pub struct RunningR2 {
    outputs: Vec<Output>,
}

/// One of the outputs of a model.
#[derive(Debug, Clone, Default)]
struct Output {
    count: f64,
    mean: f64,
    /// The sum of the squared distances of the targets from their mean.
    spread: f64,
    /// The sum of the squared errors.
    residual: f64,
}

impl Metric for RunningR2 {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if target.is_empty() {
            return Ok(());
        }
        // Whatever is wrong with a batch is wrong with the whole.
        metrics::r2(prediction, target)?;
        let width = target.numel() / target.shape().first().copied().unwrap_or(1);
        if !self.outputs.is_empty() && self.outputs.len() != width {
            let message = format!("a batch of {width} outputs after batches of {}", self.outputs.len());
            return Err(Error::shape("r2", message));
        }
        self.outputs.resize(width, Output::default());
        let pairs = prediction.to_f64_vec().into_iter().zip(target.to_f64_vec());
        for (i, (p, y)) in pairs.enumerate() {
            let output = &mut self.outputs[i % width];
            output.count += 1.0;
            output.residual += (p - y).powi(2);
            let distance = y - output.mean;
            output.mean += distance / output.count;
            output.spread += distance * (y - output.mean);
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        if self.outputs.is_empty() {
            let nothing = Tensor::zeros([0])?;
            return metrics::r2(&nothing, &nothing);
        }
        let of = |output: &Output| match (output.spread == 0.0, output.residual == 0.0) {
            (false, _) => 1.0 - output.residual / output.spread,
            (true, exact) => f64::from(u8::from(exact)),
        };
        Ok(self.outputs.iter().map(of).sum::<f64>() / self.outputs.len() as f64)
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if self.outputs.is_empty() {
            self.outputs.clone_from(&other.outputs);
            return Ok(());
        }
        if !other.outputs.is_empty() && self.outputs.len() != other.outputs.len() {
            let message = format!("a batch of {} outputs after batches of {}", other.outputs.len(), self.outputs.len());
            return Err(Error::shape("r2", message));
        }
        for (a, b) in self.outputs.iter_mut().zip(&other.outputs) {
            // Chan, Golub and LeVeque, 1979.
            let (distance, count) = (b.mean - a.mean, a.count + b.count);
            a.spread += b.spread + distance * distance * (a.count * b.count / count);
            a.mean += distance * (b.count / count);
            a.residual += b.residual;
            a.count = count;
        }
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self::default())
    }
}

/// [`metrics::f1`] batch by batch. It keeps two numbers of each example.
#[derive(Debug, Clone, Default)]
pub struct RunningF1 {
    /// Predicted and actual classes, one number each for an example, whatever the number of classes.
    predicted: Vec<i64>,
    actual: Vec<i64>,
}

impl Metric for RunningF1 {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        if nothing_counts(target) {
            return Ok(());
        }
        let (predicted, actual) = metrics::class_pairs("f1", prediction, target)?;
        self.predicted.extend(predicted);
        self.actual.extend(actual);
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        let list = |classes: &[i64]| Tensor::from_vec(classes.to_vec(), [classes.len()]);
        metrics::f1(&list(&self.predicted)?, &list(&self.actual)?)
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        self.predicted.extend(&other.predicted);
        self.actual.extend(&other.actual);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self::default())
    }
}

/// What [`averaged`] makes.
#[derive(Clone)]
pub struct Averaged {
    function: Arc<SharedFunction>,
    sum: Sum,
}

/// The mean of a function's values over the batches, each counted by its examples: for measures that are means themselves.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::running::{self, Metric};
///
/// let mut near = running::averaged(|prediction, target| {
///     (prediction - target)?.abs().le(&Tensor::full([1], 0.5)?)?.to_dtype(DType::F32).mean().item()
/// });
/// near.update(&tensor![1.0, 2.0, 3.0], &tensor![1.1, 2.2, 9.0])?;
/// near.update(&tensor![5.0], &tensor![4.0])?;
/// assert!((near.value()? - 0.5).abs() < 1e-6);
/// let trainer = Trainer::new(losses::mse, Adam::new(1e-3)).running_metric("near", near);
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn averaged(function: impl Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static) -> Averaged {
    Averaged { function: Arc::new(function), sum: Sum::default() }
}

impl std::fmt::Debug for Averaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Averaged").field("sum", &self.sum).finish_non_exhaustive()
    }
}

impl Metric for Averaged {
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        let examples = target.shape().first().copied().unwrap_or(1);
        if examples > 0 {
            self.sum.add((self.function)(prediction, target)?, examples);
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        self.sum.mean(|_, _| Err(Error::argument("averaged", "there are no examples")))
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        // Another closure is another measure, even if it is of the same type.
        if !Arc::ptr_eq(&self.function, &other.function) {
            return Err(other_kind());
        }
        self.sum.join(other.sum);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self { function: self.function.clone(), sum: Sum::default() })
    }
}

type SharedFunction = dyn Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync;

/// What [`at_once`] makes.
#[derive(Clone)]
pub struct AtOnce {
    function: Arc<SharedFunction>,
    predictions: Vec<Tensor>,
    targets: Vec<Tensor>,
}

/// A function of all predictions at once, which are kept until then: for measures that need their order, such as the area under the
/// ROC curve.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::running::{self, Metric};
///
/// let mut auc = running::at_once(metrics::roc_auc);
/// let mut rest = auc.fresh();
/// auc.update(&tensor![0.1, 0.4], &Tensor::from_nested([0i64, 0])?)?;
/// rest.update(&tensor![0.35, 0.8], &Tensor::from_nested([1i64, 1])?)?;
/// auc.merge(&*rest)?;
/// assert_eq!(auc.value()?, 0.75);
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn at_once(function: impl Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static) -> AtOnce {
    AtOnce { function: Arc::new(function), predictions: Vec::new(), targets: Vec::new() }
}

impl std::fmt::Debug for AtOnce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AtOnce").field("batches", &self.targets.len()).finish_non_exhaustive()
    }
}

impl Metric for AtOnce {
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        self.predictions.push(prediction.detach());
        self.targets.push(target.detach());
        Ok(())
    }

    fn value(&self) -> Result<f64> {
        if self.targets.is_empty() {
            return Err(Error::argument("at_once", "there are no examples"));
        }
        (self.function)(&joined(&self.predictions)?, &joined(&self.targets)?)
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if !Arc::ptr_eq(&self.function, &other.function) {
            return Err(other_kind());
        }
        self.predictions.extend_from_slice(&other.predictions);
        self.targets.extend_from_slice(&other.targets);
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self { function: self.function.clone(), predictions: Vec::new(), targets: Vec::new() })
    }
}

/// Batches as one tensor. A single one is not copied.
#[track_caller]
pub(super) fn joined(parts: &[Tensor]) -> Result<Tensor> {
    match parts {
        [one] => Ok(one.clone()),
        parts => Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0),
    }
}
