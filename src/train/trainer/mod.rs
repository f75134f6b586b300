//! The training loop: its options. [`run`] has the loop itself.

mod diagnosis;
mod evaluation;
mod resume;
mod run;

use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

pub use evaluation::{Evaluation, predict};

use super::early_stopping::EarlyStopping;
use super::history::{Epoch, StepReport};
use super::running::{self, AtOnce, Metric};
use super::stop::StopHandle;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::io::{CheckpointFolder, Metadata};
use crate::layers::{Layer, Module};
use crate::losses::Loss;
use crate::optimizers::Optimizer;
use crate::optimizers::schedule::Schedule;
use crate::regularizers::{Constraint, Penalty};
use crate::tensor::Tensor;

/// Batches of inputs and targets.
type Examples<'d> = dyn Dataset<Batch = (Tensor, Tensor)> + 'd;
/// Called after each epoch.
type Callback = Box<dyn FnMut(&Epoch, &dyn Module) -> Result<ControlFlow<()>> + Send>;
/// Called after some steps, with the model as what it is.
type Hook = Box<dyn FnMut(&StepReport, &dyn Any) -> Result<ControlFlow<()>> + Send>;

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
///
/// # Language models
///
/// They are trained by steps rather than by epochs, with a learning rate that changes at each step:
///
/// ```
/// use demotic::data::NextTokens;
/// use demotic::optimizers::schedule::Curve;
/// use demotic::prelude::*;
/// use demotic::text::TokenStream;
///
/// /// The logits of the next token from the present one alone.
/// #[derive(Clone)]
/// struct Bigrams {
///     table: Param,
/// }
/// module!(Bigrams { table });
/// impl Layer for Bigrams {
///     fn forward(&self, ids: &Tensor, _: &mut Mode) -> Result<Tensor> {
///         let flat = self.table.index_select(0, &ids.reshape([ids.numel()])?)?;
///         flat.reshape([ids.shape()[0], ids.shape()[1], self.table.shape()[1]])
///     }
/// }
/// fn loss(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
///     let classes = logits.size(-1)?;
///     losses::cross_entropy(&logits.reshape([targets.numel(), classes])?, &targets.reshape([targets.numel()])?)
/// }
///
/// let mut rng = Rng::seed(0);
/// let (text, rest) = TokenStream::from_ids((0..2000).map(|i| i % 7).collect::<Vec<_>>())?.split(0.9)?;
/// let (train, validation) = (NextTokens::new(text, 16)?, NextTokens::new(rest, 16)?);
/// let mut model = Bigrams { table: Param::new(Tensor::zeros([7, 7])?)? };
/// let history = Trainer::new(loss, AdamW::new(0.1).decay_matrices_only().clip_norm(1.0))
///     .max_steps(60)
///     .batch_size(4)
///     .accumulate(2)
///     .step_schedule(Curve::cosine(0.1, 50).warm_up(10))
///     .validation(&validation)
///     .evaluate_every(20)
///     .every(20, |report, model: &Bigrams| {
///         // Print a sample here.
///         assert!(report.step % 20 == 0 && model.table.shape() == [7, 7]);
///         Ok(std::ops::ControlFlow::Continue(()))
///     })
///     .fit(&mut model, &train, &mut rng)?;
/// assert_eq!((history.steps, history.evaluations.len()), (60, 3));
/// assert!(history.evaluations[2].perplexity() < 1.5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Interruptions
///
/// With [`checkpoints`](Self::checkpoints), a run that was interrupted goes on with [`resume`](Self::resume), and ends with the
/// same bits as one that was not: in the middle of an epoch too, with shuffling, dropout, momentum, schedules and early
/// stopping.
///
/// While [`fit`](Self::fit) of a trainer with `checkpoints` runs, **Ctrl-C** ends it after the present step: a checkpoint is saved,
/// and `fit` returns with [`Ended::Interrupted`](super::Ended::Interrupted), so that the program can say how to go on. A second
/// Ctrl-C ends the process at once, as does the first one before and after `fit`, and in a trainer without checkpoints. This is
/// the feature `interrupt`, which is on by default; it does nothing on Windows, nor where the program handles or ignores
/// the signal itself. A [`StopHandle`] does the same from within the program, everywhere.
pub struct Trainer<'d> {
    loss: Box<dyn Loss>,
    optimizer: Box<dyn Optimizer>,
    epochs: Option<usize>,
    max_steps: Option<u64>,
    batch_size: usize,
    accumulate: usize,
    drop_last: bool,
    validation: Option<&'d Examples<'d>>,
    evaluate_every: Option<u64>,
    metrics: Vec<(String, Box<dyn Metric>)>,
    stopping: Option<EarlyStopping>,
    schedule: Option<Box<dyn Schedule>>,
    /// Whether the schedule advances with each step, not with each epoch.
    per_step: bool,
    penalties: Vec<Box<dyn Penalty>>,
    constraints: Vec<Box<dyn Constraint>>,
    callbacks: Vec<Callback>,
    hooks: Vec<(u64, Hook)>,
    checkpoints: Option<CheckpointFolder>,
    checkpoint_every: Option<u64>,
    metadata: Metadata,
    resume: Option<PathBuf>,
    stop: StopHandle,
    progress: bool,
}

impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("epochs", &self.epochs)
            .field("max_steps", &self.max_steps)
            .field("batch_size", &self.batch_size)
            .finish_non_exhaustive()
    }
}

impl<'d> Trainer<'d> {
    /// Minimises `loss` with `optimizer`: by default for 10 epochs in batches of 32, without validation.
    #[must_use]
    pub fn new(loss: impl Loss + 'static, optimizer: impl Optimizer + 'static) -> Self {
        Self {
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            epochs: None,
            max_steps: None,
            batch_size: 32,
            accumulate: 1,
            drop_last: false,
            validation: None,
            evaluate_every: None,
            metrics: Vec::new(),
            stopping: None,
            schedule: None,
            per_step: false,
            penalties: Vec::new(),
            constraints: Vec::new(),
            callbacks: Vec::new(),
            hooks: Vec::new(),
            checkpoints: None,
            checkpoint_every: None,
            metadata: Metadata::new(),
            resume: None,
            stop: StopHandle::new(),
            progress: false,
        }
    }

    /// How often all training data are gone through, at the most. Default 10; without an end, if
    /// [`max_steps`](Self::max_steps) sets one.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = Some(epochs);
        self
    }

    /// Ends training after this many steps of the optimizer, in the middle of an epoch if need be.
    #[must_use]
    pub fn max_steps(mut self, steps: u64) -> Self {
        self.max_steps = Some(steps);
        self
    }

    /// How many examples go through the model at a time.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Averages the gradients of `batches` batches for each step of the optimizer: the step of one large batch with the memory
    /// of a small one. Batches count by [`Loss::count`]. The last step of an epoch may have fewer.
    #[must_use]
    #[doc(alias = "gradient_accumulation_steps")]
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.accumulate = batches;
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
    pub fn validation(mut self, data: &'d Examples<'d>) -> Self {
        self.validation = Some(data);
        self
    }

    /// Measures the model after every so many steps as well, for epochs that are long. [Early stopping](Self::early_stopping)
    /// then goes by these measurements.
    #[must_use]
    pub fn evaluate_every(mut self, steps: u64) -> Self {
        self.evaluate_every = Some(steps);
        self
    }

    /// Another measure to report, for example `("rmse", metrics::rmse)`.
    ///
    /// The usual functions of [`metrics`](super::metrics), given by name, are computed [batch by batch](super::running). Any other
    /// function is called with the predictions and targets of all validation data at once, which are kept until then: for a
    /// model with large outputs take a [`running_metric`](Self::running_metric).
    #[must_use]
    pub fn metric(
        mut self,
        name: impl Into<String>,
        metric: impl Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static,
    ) -> Self {
        let metric = running::of_function(&metric).unwrap_or_else(|| Box::new(AtOnce::new(metric)));
        self.metrics.push((name.into(), metric));
        self
    }

    /// Another measure to report, which sees the validation data batch by batch.
    #[must_use]
    pub fn running_metric(mut self, name: impl Into<String>, metric: impl Metric + 'static) -> Self {
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
        self.per_step = false;
        self
    }

    /// Changes the learning rate after each step of the optimizer: for curves with a warm-up. Replaces
    /// [`schedule`](Self::schedule).
    #[must_use]
    pub fn step_schedule(mut self, schedule: impl Schedule + 'static) -> Self {
        self.schedule = Some(Box::new(schedule));
        self.per_step = true;
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

    /// Calls a function after every `steps` steps, for example to print a sample of a language model. The function names the
    /// type of the model. Training ends when it returns [`ControlFlow::Break`].
    #[must_use]
    pub fn every<L: Layer + 'static>(
        mut self,
        steps: u64,
        mut hook: impl FnMut(&StepReport, &L) -> Result<ControlFlow<()>> + Send + 'static,
    ) -> Self {
        let typed = move |report: &StepReport, model: &dyn Any| match model.downcast_ref::<L>() {
            Some(model) => hook(report, model),
            None => {
                let message =
                    format!("the function takes a {}, the model is something else", std::any::type_name::<L>());
                Err(Error::argument("every", message).with_help("give it the type that is trained"))
            }
        };
        self.hooks.push((steps, Box::new(typed)));
        self
    }

    /// Saves a checkpoint in a folder after each epoch, or as [`checkpoint_every`](Self::checkpoint_every) says, and at the end.
    ///
    /// ```no_run
    /// # use demotic::prelude::*;
    /// # fn run(model: &mut Linear, train: &TensorDataset, rng: &mut Rng) -> Result<()> {
    /// use demotic::io::CheckpointFolder;
    ///
    /// let folder = CheckpointFolder::new("runs/first").keep(3);
    /// let mut trainer = Trainer::new(losses::mse, Adam::new(1e-3)).epochs(100).checkpoints(folder.clone());
    /// if let Some(latest) = folder.latest()? {
    ///     trainer = trainer.resume(latest);
    /// }
    /// trainer.fit(model, train, rng)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn checkpoints(mut self, folder: CheckpointFolder) -> Self {
        self.checkpoints = Some(folder);
        self
    }

    /// Saves the checkpoints after every so many steps instead of after each epoch.
    #[must_use]
    pub fn checkpoint_every(mut self, steps: u64) -> Self {
        self.checkpoint_every = Some(steps);
        self
    }

    /// Texts and JSON that go into each checkpoint, such as the configuration of the model.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Lets the next [`fit`](Self::fit) go on from a checkpoint, or from the latest one in a folder, with a trainer, model and
    /// data that are made as they were then. [`epochs`](Self::epochs) and [`max_steps`](Self::max_steps) may be larger.
    #[must_use]
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume = Some(path.into());
        self
    }

    /// Lets `handle` end the run; see [`StopHandle`].
    #[must_use]
    pub fn stop_handle(mut self, handle: StopHandle) -> Self {
        self.stop = handle;
        self
    }

    /// Says on standard error how far it is: with a bar, if that is a terminal and the feature `progress` is on, and otherwise
    /// with a line for each epoch. A run that is counted in steps has a line for each
    /// [measurement](Self::evaluate_every), or, without these, twenty lines in all. Of more than a hundred epochs not
    /// every one has a line.
    #[must_use]
    pub fn progress(mut self) -> Self {
        self.progress = true;
        self
    }
}
