//! The training loop.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Instant;

use super::early_stopping::{EarlyStopping, Verdict};
use super::history::{Ended, Epoch, History};
use super::progress::Progress;
use crate::data::{Batches, Dataset};
use crate::error::{Error, Result};
use crate::layers::{Layer, Mode, Module};
use crate::losses::Loss;
use crate::optimizers::Optimizer;
use crate::optimizers::schedule::Schedule;
use crate::regularizers::{Constraint, Penalty};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A measure for people; see [`metrics`](super::metrics).
type Metric = Box<dyn Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync>;
/// Called after each epoch.
type Callback = Box<dyn FnMut(&Epoch, &dyn Module) -> Result<ControlFlow<()>> + Send>;

/// Trains models: batches, loss, gradients, optimizer, validation, early stopping, history.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([200, 3], 0.0, 1.0, &mut rng)?;
/// let y = (x.sum_dims(&[1], true)? * 2.0) + 1.0;
/// let (train, validation) = TensorDataset::new(x, y)?.split(0.8, &mut rng)?;
///
/// let mut model = Linear::new(3, 1, &mut rng)?;
/// let history = Trainer::new(losses::mse, Adam::new(0.05))
///     .epochs(60)
///     .batch_size(20)
///     .validation(&validation)
///     .metric("rmse", metrics::rmse)
///     .early_stopping(EarlyStopping::new(10))
///     .fit(&mut model, &train, &mut rng)?;
/// assert!(history.last().unwrap().validation_loss.unwrap() < 1e-2);
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Trainer<'d> {
    loss: Box<dyn Loss>,
    optimizer: Box<dyn Optimizer>,
    epochs: usize,
    batch_size: usize,
    drop_last: bool,
    validation: Option<&'d dyn Dataset<Batch = (Tensor, Tensor)>>,
    metrics: Vec<(String, Metric)>,
    stopping: Option<EarlyStopping>,
    schedule: Option<Box<dyn Schedule>>,
    penalties: Vec<Box<dyn Penalty>>,
    constraints: Vec<Box<dyn Constraint>>,
    callbacks: Vec<Callback>,
    progress: bool,
}

impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .finish_non_exhaustive()
    }
}

/// How a model does on data.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean loss, without penalties.
    pub loss: f64,
    /// The metrics, with their names.
    pub metrics: Vec<(String, f64)>,
}

impl<'d> Trainer<'d> {
    /// Minimises `loss` with `optimizer`: by default for 10 epochs in batches of 32, without validation.
    #[must_use]
    pub fn new(loss: impl Loss + 'static, optimizer: impl Optimizer + 'static) -> Self {
        Self {
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            epochs: 10,
            batch_size: 32,
            drop_last: false,
            validation: None,
            metrics: Vec::new(),
            stopping: None,
            schedule: None,
            penalties: Vec::new(),
            constraints: Vec::new(),
            callbacks: Vec::new(),
            progress: false,
        }
    }

    /// How often all training data are gone through, at the most.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// How many examples each step looks at.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Leaves out the last batch of an epoch if it is not full.
    #[must_use]
    pub fn drop_last(mut self) -> Self {
        self.drop_last = true;
        self
    }

    /// Data to measure the model on after each epoch, which it is not trained on.
    #[must_use]
    pub fn validation(mut self, data: &'d dyn Dataset<Batch = (Tensor, Tensor)>) -> Self {
        self.validation = Some(data);
        self
    }

    /// Another measure to report, for example `("rmse", metrics::rmse)`. It takes predictions and targets.
    #[must_use]
    pub fn metric(
        mut self,
        name: impl Into<String>,
        metric: impl Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static,
    ) -> Self {
        self.metrics.push((name.into(), Box::new(metric)));
        self
    }

    /// Stops when the validation loss (the training loss without validation data) does not improve any more, and leaves
    /// the model with the parameters of the best epoch.
    #[must_use]
    pub fn early_stopping(mut self, stopping: EarlyStopping) -> Self {
        self.stopping = Some(stopping);
        self
    }

    /// Changes the learning rate after each epoch. Schedules that look at a loss get the validation loss, or the training
    /// loss without validation data.
    #[must_use]
    pub fn schedule(mut self, schedule: impl Schedule + 'static) -> Self {
        self.schedule = Some(Box::new(schedule));
        self
    }

    /// Adds a penalty on parameters to the loss of each batch.
    #[must_use]
    pub fn penalty(mut self, penalty: impl Penalty + 'static) -> Self {
        self.penalties.push(Box::new(penalty));
        self
    }

    /// Enforces a constraint on parameters after each step.
    #[must_use]
    pub fn constraint(mut self, constraint: impl Constraint + 'static) -> Self {
        self.constraints.push(Box::new(constraint));
        self
    }

    /// Calls a function after each epoch. Training ends when it returns [`ControlFlow::Break`].
    #[must_use]
    pub fn callback(
        mut self,
        callback: impl FnMut(&Epoch, &dyn Module) -> Result<ControlFlow<()>> + Send + 'static,
    ) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Shows a progress bar, if standard error is a terminal and the feature `progress` is on.
    #[must_use]
    pub fn progress(mut self) -> Self {
        self.progress = true;
        self
    }

    /// Trains `model` on `train`, whose order `rng` changes in each epoch.
    ///
    /// # Errors
    /// If an option is impossible, there are no data, the shapes do not fit, or the loss is not a finite number.
    #[track_caller]
    pub fn fit<L: Layer>(
        &mut self,
        model: &mut L,
        train: &dyn Dataset<Batch = (Tensor, Tensor)>,
        rng: &mut Rng,
    ) -> Result<History> {
        if self.epochs == 0 {
            return Err(Error::argument("fit", "the number of epochs is 0, expected at least 1"));
        }
        if train.is_empty() {
            return Err(Error::argument("fit", "there are no training data"));
        }
        if let Some(schedule) = &self.schedule {
            schedule.start(&mut *self.optimizer)?;
        }
        let progress = Progress::new(self.progress, self.epochs);
        let mut history = History { epochs: Vec::new(), kept_epoch: self.epochs, ended: Ended::Finished };
        for number in 1..=self.epochs {
            let start = Instant::now();
            let train_loss = self.train_epoch(number, model, train, rng)?;
            let evaluation = self.evaluate_epoch(model, train)?;
            let validation_loss = self.validation.map(|_| evaluation.loss);
            let epoch = Epoch {
                epoch: number,
                train_loss,
                validation_loss,
                metrics: evaluation.metrics,
                learning_rate: self.optimizer.learning_rate(),
                seconds: start.elapsed().as_secs_f64(),
            };
            progress.epoch(&epoch);
            let judged = validation_loss.unwrap_or(train_loss);
            history.epochs.push(epoch.clone());
            if let Some(schedule) = &mut self.schedule {
                schedule.step(&mut *self.optimizer, judged)?;
            }
            let mut stop = false;
            for callback in &mut self.callbacks {
                stop |= callback(&epoch, model)?.is_break();
            }
            if let Some(stopping) = &mut self.stopping {
                match stopping.update_with(judged, model) {
                    Verdict::Improved => history.kept_epoch = number,
                    Verdict::Waiting => {}
                    Verdict::Stop => stop = true,
                }
            } else {
                history.kept_epoch = number;
            }
            if stop {
                history.ended = Ended::StoppedEarly;
                break;
            }
        }
        progress.finish();
        if let Some(stopping) = &self.stopping {
            stopping.restore_best(model)?;
        }
        Ok(history)
    }

    /// One pass over the training data; the mean loss of its batches, weighted by their sizes.
    #[track_caller]
    fn train_epoch<L: Layer>(
        &mut self,
        epoch: usize,
        model: &mut L,
        train: &dyn Dataset<Batch = (Tensor, Tensor)>,
        rng: &mut Rng,
    ) -> Result<f64> {
        let mut order = rng.split();
        let mut batches = Batches::new(train, self.batch_size).shuffle(&mut order);
        if self.drop_last {
            batches = batches.drop_last();
        }
        let (mut total, mut count) = (0.0, 0);
        for (i, batch) in batches.enumerate() {
            let (x, y) = batch?;
            let prediction = model.forward(&x, &mut Mode::Train(rng))?;
            let mut loss = self.loss.loss(&prediction, &y)?;
            for penalty in &self.penalties {
                loss = loss.add(&penalty.penalty(model)?)?;
            }
            let value = loss.item()?;
            if !value.is_finite() {
                let message = format!("the loss became {value} in batch {} of epoch {epoch}", i + 1);
                return Err(Error::numeric("fit", message)
                    .with_help("lower the learning rate, standardize the inputs, or clip the gradients"));
            }
            self.optimizer.step(model, &loss.backward()?)?;
            for constraint in &self.constraints {
                constraint.apply(model)?;
            }
            let size = x.shape().first().copied().unwrap_or(1);
            total += value * size as f64;
            count += size;
        }
        if count == 0 {
            let message = format!("{} examples make no full batch of {}", train.len(), self.batch_size);
            return Err(Error::argument("fit", message).with_help("use a smaller batch, or keep the last one"));
        }
        Ok(total / count as f64)
    }

    /// Loss and metrics on the validation data; on the training data, if there are no others and metrics are wanted.
    #[track_caller]
    fn evaluate_epoch<L: Layer>(&self, model: &L, train: &dyn Dataset<Batch = (Tensor, Tensor)>) -> Result<Evaluation> {
        match self.validation {
            Some(data) => self.evaluate(model, data),
            None if self.metrics.is_empty() => Ok(Evaluation { loss: f64::NAN, metrics: Vec::new() }),
            None => self.evaluate(model, train),
        }
    }

    /// The loss and the metrics of a model on data.
    ///
    /// # Errors
    /// If there are no data, or the shapes do not fit.
    #[track_caller]
    pub fn evaluate<L: Layer>(&self, model: &L, data: &dyn Dataset<Batch = (Tensor, Tensor)>) -> Result<Evaluation> {
        let (prediction, target) = predict(model, data)?;
        let loss = self.loss.loss(&prediction, &target)?.item()?;
        let mut metrics = Vec::with_capacity(self.metrics.len());
        for (name, metric) in &self.metrics {
            metrics.push((name.clone(), metric(&prediction, &target)?));
        }
        Ok(Evaluation { loss, metrics })
    }
}

/// Examples that [`predict`] sends through the model at a time.
const PREDICT_BATCH: usize = 1024;

/// The predictions of a model for all examples of a dataset, in order, and the targets.
///
/// # Errors
/// If there are no data, or the shapes do not fit.
#[track_caller]
pub fn predict<L: Layer + ?Sized>(model: &L, data: &dyn Dataset<Batch = (Tensor, Tensor)>) -> Result<(Tensor, Tensor)> {
    if data.is_empty() {
        return Err(Error::argument("predict", "there are no examples"));
    }
    let (mut predictions, mut targets) = (Vec::new(), Vec::new());
    for batch in Batches::new(data, PREDICT_BATCH) {
        let (x, y) = batch?;
        predictions.push(model.predict(&x)?);
        targets.push(y);
    }
    let join = |parts: &[Tensor]| Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0);
    Ok((join(&predictions)?, join(&targets)?))
}
