//! Trainers: their options. [`run`] has the loop.

mod averages;
mod cause;
mod evaluation;
mod examples;
mod find_rate;
mod memory;
mod options;
mod part;
mod repeat;
mod resume;
mod run;
mod subject;
mod together;
mod validation;

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

pub use evaluation::{Evaluation, predict};
pub use memory::{MemoryReport, MemoryRow};
pub use options::TrainerOptions;

use super::callback::{self, Callback, Callbacks, Checkpoints, Constrain, Place, Progress, Scheduled};
use super::early_stopping::EarlyStopping;
use super::history::{Epoch, StepReport};
use super::running::{self, Metric};
use super::stop::StopHandle;
use super::task::Supervised;
use crate::count::IntoCount;
use crate::data::{BatchSampler, Dataset};
use crate::distributed::DataParallel;
use crate::error::Result;
use crate::io::{CheckpointFolder, Metadata};
use crate::layers::Module;
use crate::losses::Loss;
use crate::optimizers::Optimizer;
use crate::optimizers::schedule::Schedule;
use crate::regularizers::{Constraint, Penalty};
use crate::tensor::Tensor;

/// Batches of some kind: of inputs and targets, for most.
type Examples<'d, B = (Tensor, Tensor)> = dyn Dataset<Batch = B> + 'd;

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
pub struct Trainer<'d, T = Supervised, B = (Tensor, Tensor)> {
    task: T,
    validation: Option<&'d Examples<'d, B>>,
    core: Core,
}

/// A trainer without the types of its task.
struct Core {
    optimizer: Box<dyn Optimizer>,
    options: TrainerOptions,
    /// Whether the task has said in this run if it makes its steps itself.
    is_asked: bool,
    metrics: Vec<(String, Box<dyn Metric>)>,
    penalties: Vec<Box<dyn Penalty>>,
    callbacks: Callbacks,
    checkpoints: Option<CheckpointFolder>,
    metadata: Metadata,
    resume: Option<PathBuf>,
    /// Some numbers of the data, by which they are known again.
    fingerprint: Vec<f64>,
    sampler: Option<Box<dyn BatchSampler>>,
    /// If the run is one of several ranks.
    parallel: Option<DataParallel>,
    /// Whether these have compared their models after the first step.
    is_compared: bool,
}

impl<T, B> fmt::Debug for Trainer<'_, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.core.options;
        f.debug_struct("Trainer")
            .field("epochs", &options.epochs)
            .field("max_steps", &options.max_steps)
            .field("batch_size", &options.batch_size)
            .finish_non_exhaustive()
    }
}

impl Trainer<'_> {
    /// Minimises `loss` with `optimizer`: by default for 10 epochs in batches of 32, without validation.
    ///
    /// A closure as the loss writes down that its arguments are references, `|prediction: &_, target: &_| ..`, or goes through
    /// [`losses::from_fn`](crate::losses::from_fn).
    #[must_use]
    pub fn new(loss: impl Loss + 'static, optimizer: impl Optimizer + 'static) -> Self {
        Self { task: Supervised::new(loss), validation: None, core: Core::new(Box::new(optimizer)) }
    }
}

impl Core {
    fn new(optimizer: Box<dyn Optimizer>) -> Self {
        Self {
            optimizer,
            options: TrainerOptions::default(),
            is_asked: false,
            metrics: Vec::new(),
            penalties: Vec::new(),
            callbacks: Callbacks::new(),
            checkpoints: None,
            metadata: Metadata::new(),
            resume: None,
            fingerprint: Vec::new(),
            sampler: None,
            parallel: None,
            is_compared: false,
        }
    }
}

impl<T, B> Trainer<'_, T, B> {
    /// Trains for a task of your own: a [`Task`](super::Task), or a closure over model, batch and mode.
    #[must_use]
    pub fn with_task(task: T, optimizer: impl Optimizer + 'static) -> Self {
        Self { task, validation: None, core: Core::new(Box::new(optimizer)) }
    }
}

impl<'d, T, B> Trainer<'d, T, B> {
    /// Other sizes and numbers, all at once: [`epochs`](Self::epochs), [`max_steps`](Self::max_steps),
    /// [`batch_size`](Self::batch_size) and so on.
    #[must_use]
    pub fn with_options(mut self, options: TrainerOptions) -> Self {
        self.core.options = options;
        self
    }

    /// How often all training data are gone through, at the most. Default 10; without an end, if
    /// [`max_steps`](Self::max_steps) sets one.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.core.options.epochs = Some(epochs);
        self
    }

    /// Ends training after this many steps of the optimizer, in the middle of an epoch if need be.
    #[must_use]
    pub fn max_steps(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.core.options.max_steps = Some(steps);
        self
    }

    /// How many examples go through the model at a time.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.core.options.batch_size = batch_size;
        self
    }

    /// Averages the gradients of `batches` batches for each step of the optimizer: the step of one large batch with the memory
    /// of a small one. Batches count by [`Loss::count`]. The last step of an epoch may have fewer.
    #[must_use]
    #[doc(alias = "gradient_accumulation_steps")]
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.core.options.accumulate = batches;
        self
    }

    /// Ends each epoch after so many steps, with its measurements, though there are more data: for data of which an epoch takes too long. Each
    /// epoch then sees another choice of them.
    #[must_use]
    pub fn steps_per_epoch(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.core.options.steps_per_epoch = Some(steps);
        self
    }

    /// Shares the work with other processes: each rank of the group works on some of the batches of a step, of which there are
    /// [`accumulate`](Self::accumulate) on all ranks together, and all make the same step. Validation data are shared as well.
    ///
    /// All ranks make the same trainer, model, data and generator, and call [`fit`](Self::fit). **They end with the same bits, which do not depend on
    /// the number of ranks:** they are those of one process that accumulates as many batches, so a run may go on with fewer or more ranks than it
    /// began with. What is random in a model, such as dropout, is drawn for batch `i` of an epoch from the generator's [fork](crate::Rng::fork) number `i`, and what counts batches, such as
    /// running statistics, gets the mean over those of a step: a trainer without ranks goes from batch to batch with both, which ranks that work at the same time cannot.
    ///
    /// Whether to stop is what all agree on: if one rank wants to, by a callback, a [`StopHandle`] or Ctrl-C, all do. An error on one rank is
    /// an error on all, which names the rank.
    ///
    /// ```
    /// use demotic::distributed::{DataParallel, ThreadGroup};
    /// use demotic::prelude::*;
    ///
    /// let train = |ranks| {
    ///     ThreadGroup::run(ranks, |group| {
    ///         let mut rng = Rng::seed(0);
    ///         let x = Tensor::normal([64, 3], 0.0, 1.0, &mut rng)?;
    ///         let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    ///         let mut model = sequential![Linear::new(3, 8, &mut rng)?, Dropout::new(0.1)?, Linear::new(8, 1, &mut rng)?];
    ///         Trainer::new(losses::mse, Adam::new(0.01))
    ///             .epochs(3)
    ///             .batch_size(4)
    ///             .accumulate(4)
    ///             .distributed(DataParallel::new(group))
    ///             .fit(&mut model, &data, &mut rng)
    ///     })
    /// };
    /// assert_eq!(train(1)?[0].last().unwrap().train_loss, train(4)?[2].last().unwrap().train_loss);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn distributed(mut self, parallel: DataParallel) -> Self {
        self.core.parallel = Some(parallel);
        self
    }

    /// Leaves out the last batch of an epoch if it is not full.
    #[must_use]
    pub fn drop_last(mut self) -> Self {
        self.core.options.drop_last = true;
        self
    }

    /// Lets a [`BatchSampler`] say which training examples come in which order, in place of a random order of all.
    ///
    /// ```
    /// use demotic::data::WeightedSampler;
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let labels: Vec<usize> = (0..60).map(|i| usize::from(i % 10 == 0)).collect();
    /// let y = Tensor::from_vec(labels.iter().map(|label| *label as i64).collect(), [60])?;
    /// let train = TensorDataset::new(Tensor::normal([60, 4], 0.0, 1.0, &mut rng)?, y)?;
    /// let mut model = Linear::new(4, 2, &mut rng)?;
    /// Trainer::new(losses::cross_entropy, Adam::new(0.01))
    ///     .epochs(2)
    ///     .sampler(WeightedSampler::balanced(&labels)?)
    ///     .fit(&mut model, &train, &mut rng)?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn sampler(mut self, sampler: impl BatchSampler + 'static) -> Self {
        self.core.sampler = Some(Box::new(sampler));
        self
    }

    /// Makes training batches on so many threads while the model learns from earlier ones: for data that take long to make, such as
    /// pictures from files. The run has the same bits with any number of them, and a checkpoint does not know of them. Up to two
    /// batches wait for each thread. With 0, the default, batches are made when they are needed.
    ///
    /// A panic while a batch is made becomes an error of [`fit`](Self::fit).
    #[must_use]
    #[doc(alias = "num_workers")]
    pub fn prefetch(mut self, threads: usize) -> Self {
        self.core.options.prefetch = threads;
        self
    }

    /// Data to measure the model on after each epoch, which it is not trained on.
    #[must_use]
    pub fn validation(mut self, data: &'d Examples<'d, B>) -> Self {
        self.validation = Some(data);
        self
    }

    /// Takes a share of the training data away from training and measures the model on them, as on those of
    /// [`validation`](Self::validation). They are chosen at random, the same ones of so many examples every time, so that runs can be
    /// compared and resumed. For data in the order of time, or with a class that is rare, make the parts yourself.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let x = Tensor::normal([100, 3], 0.0, 1.0, &mut rng)?;
    /// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    /// let history = Trainer::new(losses::mse, Adam::new(0.05))
    ///     .validation_split(0.2)
    ///     .batch_size(20)
    ///     .fit(&mut Linear::new(3, 1, &mut rng)?, &data, &mut rng)?;
    /// assert_eq!(history.last().unwrap().step, 10 * 80 / 20);
    /// assert_eq!(history.validation_losses().len(), 10);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn validation_split(mut self, fraction: f64) -> Self {
        self.core.options.validation_split = Some(fraction);
        self
    }

    /// Measures the model after every so many steps as well, for epochs that are long. [Early stopping](Self::early_stopping)
    /// then goes by these measurements.
    #[must_use]
    pub fn evaluate_every(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.core.options.evaluate_every = Some(steps);
        self
    }

    /// Measures the model with the averages that an [`Averaged`](crate::optimizers::Averaged) optimizer keeps: in validation, for
    /// early stopping and for callbacks at the end of an epoch, in the parameters of checkpoints, and in the model that
    /// [`fit`](Self::fit) leaves. Training goes on with the parameters themselves, which [`resume`](Self::resume) finds in the
    /// optimizer's state.
    ///
    /// ```
    /// use demotic::optimizers::Averaged;
    /// use demotic::prelude::*;
    ///
    /// # let mut rng = Rng::seed(0);
    /// # let x = Tensor::normal([40, 3], 0.0, 1.0, &mut rng)?;
    /// # let (train, validation) = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?.split(0.8, &mut rng)?;
    /// # let mut model = Linear::new(3, 1, &mut rng)?;
    /// let mut trainer = Trainer::new(losses::mse, Averaged::ema(Sgd::new(0.05), 0.9))
    ///     .epochs(30)
    ///     .validation(&validation)
    ///     .evaluate_averages();
    /// let history = trainer.fit(&mut model, &train, &mut rng)?;
    /// let loss = history.last().unwrap().validation_loss.unwrap();
    /// assert_eq!(trainer.evaluate(&model, &validation)?.loss, loss);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn evaluate_averages(mut self) -> Self {
        self.core.options.evaluate_averages = true;
        self
    }

    /// Another measure to report, for example `("rmse", metrics::rmse)`.
    ///
    /// The usual functions of [`metrics`](super::metrics), given by name, are computed [batch by batch](super::running). Any other
    /// function is called with the predictions and targets of all validation data at once, which are kept until then: for a
    /// model with large outputs take a [`running_metric`](Self::running_metric), such as
    /// [`running::averaged`](super::running::averaged) of the function.
    #[must_use]
    pub fn metric(
        mut self,
        name: impl Into<String>,
        metric: impl Fn(&Tensor, &Tensor) -> Result<f64> + Send + Sync + 'static,
    ) -> Self {
        let metric = running::of_function(&metric).unwrap_or_else(|| Box::new(running::at_once(metric)));
        self.core.metrics.push((name.into(), metric));
        self
    }

    /// Another measure to report, which sees the validation data batch by batch.
    #[must_use]
    pub fn running_metric(mut self, name: impl Into<String>, metric: impl Metric + 'static) -> Self {
        self.core.metrics.push((name.into(), Box::new(metric)));
        self
    }

    /// Stops when the validation loss (the training loss without validation data) does not improve any more, and leaves
    /// the model with the parameters of the best epoch.
    #[must_use]
    pub fn early_stopping(self, stopping: EarlyStopping) -> Self {
        self.added(Place::EarlyStopping, stopping)
    }

    /// Changes the learning rate after each epoch. Schedules that look at a loss get the validation loss, or the training
    /// loss without validation data.
    #[must_use]
    pub fn schedule(self, schedule: impl Schedule + 'static) -> Self {
        self.added(Place::Schedule, Scheduled::per_epoch(schedule))
    }

    /// Changes the learning rate after each step of the optimizer: for curves with a warm-up. Replaces
    /// [`schedule`](Self::schedule).
    #[must_use]
    pub fn step_schedule(self, schedule: impl Schedule + 'static) -> Self {
        self.added(Place::Schedule, Scheduled::per_step(schedule))
    }

    /// Adds a penalty on parameters to the loss of each batch.
    #[must_use]
    pub fn penalty(mut self, penalty: impl Penalty + 'static) -> Self {
        self.core.penalties.push(Box::new(penalty));
        self
    }

    /// Enforces a constraint on parameters after each step.
    #[must_use]
    pub fn constraint(self, constraint: impl Constraint + 'static) -> Self {
        self.added(Place::Constraint, Constrain(Box::new(constraint)))
    }

    /// Adds a [`Callback`], which is told what happens in the run and may change its course.
    #[must_use]
    pub fn callback(self, callback: impl Callback + 'static) -> Self {
        self.added(Place::Own, callback)
    }

    /// Calls a function after each epoch. Training ends when it returns [`ControlFlow::Break`].
    #[must_use]
    pub fn after_epoch(
        self,
        function: impl FnMut(&Epoch, &dyn Module) -> Result<ControlFlow<()>> + Send + 'static,
    ) -> Self {
        self.callback(callback::after_epoch(function))
    }

    /// Calls a function after every `steps` steps, for example to print a sample of a language model. The function names the
    /// type of the model. Training ends when it returns [`ControlFlow::Break`].
    #[must_use]
    pub fn every<M: Module + 'static>(
        self,
        steps: impl IntoCount,
        function: impl FnMut(&StepReport, &M) -> Result<ControlFlow<()>> + Send + 'static,
    ) -> Self {
        self.callback(callback::every(steps, function))
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
        self.core.checkpoints = Some(folder);
        self
    }

    /// Does not begin a run whose tensors would need more than so many bytes, all that are in use already included: an error says which
    /// layers keep how much, and what would fit. It is found out by steps on two, four, eight examples and so on, as long as they take little of
    /// the limit, after which everything is as before; [`memory_report`](Self::memory_report) tells the same without a limit.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let x = Tensor::normal([4096, 64], 0.0, 1.0, &mut rng)?;
    /// let data = TensorDataset::new(x.clone(), x)?;
    /// let mut model = sequential![Linear::new(64, 1024, &mut rng)?, Tanh, Linear::new(1024, 64, &mut rng)?];
    /// let e = Trainer::new(losses::mse, Adam::new(1e-3))
    ///     .batch_size(4096)
    ///     .memory_limit(24 << 20)
    ///     .fit(&mut model, &data, &mut rng)
    ///     .unwrap_err();
    /// assert!(e.message().starts_with("fit: steps on batches of 4096 need "), "{e}");
    /// assert!(e.help().unwrap().contains("accumulate"), "{e}");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.core.options.memory_limit = Some(bytes);
        self
    }

    /// Saves the checkpoints after every so many steps instead of after each epoch.
    #[must_use]
    pub fn checkpoint_every(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.core.options.checkpoint_every = Some(steps);
        self
    }

    /// Texts and JSON that go into each checkpoint, such as the configuration of the model.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.core.metadata = metadata;
        self
    }

    /// Lets the next [`fit`](Self::fit) go on from a checkpoint, or from the latest one in a folder, with a trainer, model and
    /// data that are made as they were then. [`epochs`](Self::epochs) and [`max_steps`](Self::max_steps) may be larger.
    #[must_use]
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.core.resume = Some(path.into());
        self
    }

    /// Lets `handle` end the run; see [`StopHandle`].
    #[must_use]
    pub fn stop_handle(mut self, handle: StopHandle) -> Self {
        self.core.callbacks = self.core.callbacks.stop_handle(handle);
        self
    }

    /// Says on standard error how far it is: see [`Progress`].
    #[must_use]
    pub fn progress(self) -> Self {
        self.added(Place::Progress, Progress::new())
    }

    /// Shows how far it is as a dashboard in the terminal, with curves: see [`Progress::dashboard`].
    #[cfg(feature = "tui")]
    #[must_use]
    pub fn dashboard(self) -> Self {
        self.added(Place::Progress, Progress::new().dashboard())
    }

    fn added(mut self, place: Place, callback: impl Callback + 'static) -> Self {
        self.core.callbacks.add(place, Box::new(callback));
        self
    }
}

impl Core {
    /// The callback that saves checkpoints, if there is a folder for them.
    fn add_checkpoints(&mut self) {
        if let Some(folder) = &self.checkpoints {
            let checkpoints = Checkpoints::new(folder.clone());
            let checkpoints = match self.options.checkpoint_every {
                Some(steps) => checkpoints.every(steps),
                None => checkpoints,
            };
            self.callbacks.add(Place::Checkpoints, Box::new(checkpoints));
        }
    }
}
