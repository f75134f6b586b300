//! Metrics of numbers, batch by batch.

use super::{Metric, other_kind, same_kind};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::train::metrics::Regression;

/// A metric of numbers with weights.
type Function = fn(&Regression, &Tensor, &Tensor) -> Result<f64>;

/// Metrics of numbers batch by batch, also with weights of examples. It keeps a few sums for each output of the model.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::running::{Metric, RunningNumbers};
///
/// let mut mape = RunningNumbers::mape();
/// mape.update(&tensor![75.0], &tensor![100.0])?;
/// mape.update_weighted(&tensor![250.0], &tensor![200.0], &tensor![3.0])?;
/// assert_eq!(mape.value()?, 0.25);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunningNumbers {
    kind: Kind,
    outputs: Vec<Sums>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mse,
    Rmse,
    Mae,
    Mape,
    Msle,
    R2,
    ExplainedVariance,
    MaxError,
}

impl Kind {
    /// The same of all predictions at once, with its checks and errors.
    fn function(self) -> Function {
        match self {
            Self::Mse => Regression::mse,
            Self::Rmse => Regression::rmse,
            Self::Mae => Regression::mae,
            Self::Mape => Regression::mape,
            Self::Msle => Regression::msle,
            Self::R2 => Regression::r2,
            Self::ExplainedVariance => Regression::explained_variance,
            Self::MaxError => |_, prediction, target| crate::train::metrics::max_error(prediction, target),
        }
    }

    fn error(self, p: f64, y: f64) -> f64 {
        match self {
            Self::Mse | Self::Rmse | Self::R2 | Self::ExplainedVariance => (p - y) * (p - y),
            Self::Mae | Self::MaxError => (p - y).abs(),
            Self::Mape => (p - y).abs() / y.abs().max(f64::EPSILON),
            Self::Msle => (p.ln_1p() - y.ln_1p()).powi(2),
        }
    }
}

/// A mean and the sum of squared distances from it.
#[derive(Debug, Clone, Copy, Default)]
struct Spread {
    mean: f64,
    sum: f64,
}

impl Spread {
    /// Adds others to such a weight of its own (Chan, Golub and LeVeque, 1979).
    fn join(&mut self, weight: f64, other: Self, other_weight: f64) {
        let distance = other.mean - self.mean;
        let share = other_weight / (weight + other_weight);
        self.sum += other.sum + distance * distance * weight * share;
        self.mean += distance * share;
    }
}

/// Of one output: weights, the errors of the kind, and the spreads of targets and of differences.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    errors: f64,
    largest: f64,
    target: Spread,
    difference: Spread,
}

impl Sums {
    fn join(&mut self, other: &Self) {
        if other.weight > 0.0 {
            self.target.join(self.weight, other.target, other.weight);
            self.difference.join(self.weight, other.difference, other.weight);
            self.weight += other.weight;
            self.errors += other.errors;
            self.largest = self.largest.max(other.largest);
        }
    }
}

macro_rules! kinds {
    ($($name:ident $Kind:ident;)*) => {
        impl RunningNumbers {
            $(
                #[doc = concat!("[`", stringify!($name), "`](crate::train::metrics::", stringify!($name), ") batch by batch.")]
                #[must_use]
                pub fn $name() -> Self {
                    Self { kind: Kind::$Kind, outputs: Vec::new() }
                }
            )*
        }
    };
}

kinds! {
    mse Mse;
    rmse Rmse;
    mae Mae;
    mape Mape;
    msle Msle;
    r2 R2;
    explained_variance ExplainedVariance;
    max_error MaxError;
}

impl RunningNumbers {
    #[track_caller]
    fn take(&mut self, prediction: &Tensor, target: &Tensor, weights: Option<&Tensor>) -> Result<()> {
        if target.is_empty() && prediction.is_empty() {
            return Ok(());
        }
        let mut options = Regression::new();
        if let Some(weights) = weights {
            if weights.to_f64_vec().iter().all(|weight| *weight == 0.0) {
                return Ok(());
            }
            options = options.sample_weights(weights);
        }
        // Whatever is wrong with a batch is wrong with the whole.
        (self.kind.function())(&options, prediction, target)?;
        let examples = target.shape().first().copied().unwrap_or(1);
        let width = target.numel() / examples.max(1);
        self.check_width(width)?;
        self.outputs.resize(width, Sums::default());
        // A weight for each example, or for each number.
        let weights = weights.map(Tensor::to_f64_vec);
        for (i, (p, y)) in prediction.to_f64_vec().into_iter().zip(target.to_f64_vec()).enumerate() {
            let weight = match &weights {
                Some(weights) if weights.len() == examples => weights[i / width],
                Some(weights) => weights[i],
                None => 1.0,
            };
            let error = self.kind.error(p, y);
            self.outputs[i % width].join(&Sums {
                weight,
                errors: weight * error,
                largest: error,
                target: Spread { mean: y, sum: 0.0 },
                difference: Spread { mean: p - y, sum: 0.0 },
            });
        }
        Ok(())
    }

    #[track_caller]
    fn check_width(&self, width: usize) -> Result<()> {
        if !self.outputs.is_empty() && self.outputs.len() != width {
            let message = format!("a batch of {width} outputs after batches of {}", self.outputs.len());
            return Err(Error::shape("RunningNumbers", message));
        }
        Ok(())
    }
}

impl Metric for RunningNumbers {
    #[track_caller]
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        self.take(prediction, target, None)
    }

    #[track_caller]
    fn update_weighted(&mut self, prediction: &Tensor, target: &Tensor, weights: &Tensor) -> Result<()> {
        self.take(prediction, target, Some(weights))
    }

    #[track_caller]
    fn value(&self) -> Result<f64> {
        if self.outputs.is_empty() {
            let nothing = Tensor::zeros([0])?;
            return (self.kind.function())(&Regression::new(), &nothing, &nothing);
        }
        let (mut errors, mut weight, mut largest, mut explained) = (0.0, 0.0, 0.0f64, 0.0);
        for output in &self.outputs {
            errors += output.errors;
            weight += output.weight;
            largest = largest.max(output.largest);
            let rest = if self.kind == Kind::R2 { output.errors } else { output.difference.sum };
            explained += match (output.target.sum == 0.0, rest == 0.0) {
                (_, true) => 1.0,
                (true, false) => 0.0,
                (false, false) => 1.0 - rest / output.target.sum,
            };
        }
        Ok(match self.kind {
            Kind::Mse | Kind::Mae | Kind::Mape | Kind::Msle => errors / weight,
            Kind::Rmse => (errors / weight).sqrt(),
            Kind::R2 | Kind::ExplainedVariance => explained / self.outputs.len() as f64,
            Kind::MaxError => largest,
        })
    }

    #[track_caller]
    fn merge(&mut self, other: &dyn Metric) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if self.kind != other.kind {
            return Err(other_kind());
        }
        if other.outputs.is_empty() {
            return Ok(());
        }
        self.check_width(other.outputs.len())?;
        self.outputs.resize(other.outputs.len(), Sums::default());
        for (here, there) in self.outputs.iter_mut().zip(&other.outputs) {
            here.join(there);
        }
        Ok(())
    }

    fn fresh(&self) -> Box<dyn Metric> {
        Box::new(Self { kind: self.kind, outputs: Vec::new() })
    }
}
