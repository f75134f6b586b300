//! What a model is trained for: how a batch becomes a loss.

use crate::autograd;
use crate::error::Result;
use crate::io::Checkpoint;
use crate::layers::{Layer, Mode};
use crate::losses::Loss;
use crate::optimizers::Optimizer;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

use super::diagnosis;

/// What is called, in errors.
pub(super) const LOSS: &str = "the loss of the Trainer";

/// How a batch of type `B` becomes a loss of a model of type `M`: what a [`Trainer`](super::Trainer) minimises.
///
/// [`Supervised`] is the usual one, which [`Trainer::new`](super::Trainer::new) makes of a loss: the model sees the inputs, and the loss
/// compares what it makes of them with the targets. Everything else is a task of one's own, and
/// [`Trainer::with_task`](super::Trainer::with_task) trains it. Where a closure over model, batch and mode says it all, it is one:
///
/// ```
/// use demotic::data::Dataset;
/// use demotic::prelude::*;
/// use demotic::train::Objective;
///
/// /// Two points, and how far they are from each other.
/// struct Pairs(Vec<([f32; 2], [f32; 2], f32)>);
///
/// impl Dataset for Pairs {
///     type Batch = (Tensor, Tensor, Tensor);
///
///     fn len(&self) -> usize {
///         self.0.len()
///     }
///     fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<Self::Batch> {
///         let pick = |f: fn(&([f32; 2], [f32; 2], f32)) -> Vec<f32>, width| {
///             Tensor::from_vec(indices.iter().flat_map(|i| f(&self.0[*i])).collect(), [indices.len(), width])
///         };
///         Ok((pick(|p| p.0.to_vec(), 2)?, pick(|p| p.1.to_vec(), 2)?, pick(|p| vec![p.2], 1)?))
///     }
/// }
///
/// let mut rng = Rng::seed(0);
/// let mut point = || [rng.normal() as f32, rng.normal() as f32];
/// let pairs = (0..64).map(|_| (point(), point())).map(|(a, b)| (a, b, (a[0] - b[0]).hypot(a[1] - b[1])));
/// let data = Pairs(pairs.collect());
/// // A place for each point, so that their distance is the one that was measured.
/// let mut model = Linear::new(2, 2, &mut rng)?;
/// let distance = |model: &Linear, (a, b, y): &(Tensor, Tensor, Tensor), mode: &mut Mode| {
///     let difference = (model.forward(a, mode)? - model.forward(b, mode)?)?;
///     let distance = difference.square().sum_dims(&[1], true)?.add_scalar(1e-6).sqrt();
///     Ok(Objective::new(losses::mse(&distance, y)?, y.numel() as f64))
/// };
/// let history = Trainer::with_task(distance, Adam::new(0.05)).epochs(40).fit(&mut model, &data, &mut rng)?;
/// assert!(history.last().unwrap().train_loss < 1e-3);
/// # Ok::<(), demotic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no task for a model of type `{M}` and batches of type `{B}`",
    note = "`Trainer::new` takes models that are a `Layer` and data with batches of `(Tensor, Tensor)`",
    note = "for others implement `Task<{M}, {B}>`, or give `Trainer::with_task` a closure: \
            `|model: &{M}, batch: &{B}, mode: &mut Mode| Ok(Objective::new(loss, count))`"
)]
pub trait Task<M: ?Sized, B>: Send {
    /// The loss of a batch, in training or in evaluation as `mode` says.
    ///
    /// # Errors
    /// If batch and model do not fit each other.
    fn objective(&self, model: &M, batch: &B, mode: &mut Mode<'_>) -> Result<Objective>;

    /// A step of training that the task makes by itself, for tasks with several losses and optimizers that take turns. Returns
    /// what it has minimised, for the averages and the progress.
    ///
    /// By default `None`, and the Trainer makes the step: it adds the penalties to the [objective](Self::objective),
    /// computes the gradients and gives them to the optimizer.
    ///
    /// # Errors
    /// If batch and model do not fit each other.
    fn step(
        &mut self,
        model: &mut M,
        batch: &B,
        optimizer: &mut dyn Optimizer,
        rng: &mut Rng,
    ) -> Result<Option<Objective>> {
        let _ = (model, batch, optimizer, rng);
        Ok(None)
    }

    /// What is wrong with the values of a batch, where the loss of it is no number: `the inputs are NaN in row 7 of the data`.
    /// `number` tells which sample of the data one of the batch is.
    fn diagnose(&self, batch: &B, number: &dyn Fn(usize) -> usize) -> Option<String> {
        let _ = (batch, number);
        None
    }

    /// A few numbers of a batch, by which data are known again when a run is resumed: those of other data are an error. By default none, so
    /// that only their number is compared.
    fn fingerprint(&self, batch: &B) -> Vec<f64> {
        let _ = batch;
        Vec::new()
    }

    /// Adds what the task remembers to a checkpoint: optimizers of its own
    /// ([`Checkpoint::named_optimizer`]), generators, counts.
    ///
    /// # Errors
    /// If that is not possible.
    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        Ok(checkpoint)
    }

    /// Goes on from what [`save`](Self::save) added.
    ///
    /// # Errors
    /// If it is not there, or does not fit.
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        let _ = saved;
        Ok(())
    }
}

/// A function of model, batch and mode is a task.
impl<M: ?Sized, B, F: Fn(&M, &B, &mut Mode<'_>) -> Result<Objective> + Send> Task<M, B> for F {
    fn objective(&self, model: &M, batch: &B, mode: &mut Mode<'_>) -> Result<Objective> {
        self(model, batch, mode)
    }
}

/// The loss of a batch, and what is known of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Objective {
    /// What is minimised: a single number.
    pub loss: Tensor,
    /// How much the batch counts in a mean over several: see [`Loss::count`]. Batches of 0 are passed over.
    pub count: f64,
    /// Predictions and targets, for metrics.
    pub outputs: Option<(Tensor, Tensor)>,
    /// The number of tokens in the batch, where progress is counted in these.
    pub tokens: Option<u64>,
}

impl Objective {
    /// A loss, and how much it counts in means: by what it was divided, usually the number of targets.
    #[must_use]
    pub fn new(loss: Tensor, count: f64) -> Self {
        Self { loss, count, outputs: None, tokens: None }
    }

    /// The objective of a batch in which nothing counts: it makes no step, and is in no average.
    ///
    /// # Errors
    /// If there is no memory for a number.
    #[track_caller]
    pub fn nothing() -> Result<Self> {
        Ok(Self::new(Tensor::full(&[] as &[usize], f64::NAN)?, 0.0))
    }

    /// Adds predictions and targets, of which metrics are computed.
    #[must_use]
    pub fn with_outputs(mut self, prediction: Tensor, target: Tensor) -> Self {
        self.outputs = Some((prediction, target));
        self
    }

    /// Lets the progress be counted in tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }
}

/// The ready-made task: a model that is a [`Layer`], batches of inputs and targets, and a [`Loss`] that compares the model's
/// predictions with the targets.
pub struct Supervised {
    loss: Box<dyn Loss>,
}

impl Supervised {
    /// The task of minimising a loss.
    #[must_use]
    pub fn new(loss: impl Loss + 'static) -> Self {
        Self { loss: Box::new(loss) }
    }
}

impl std::fmt::Debug for Supervised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Supervised")
    }
}

impl Supervised {
    /// What follows from a prediction. It is the same for every type of model.
    #[track_caller]
    fn compared(&self, x: &Tensor, prediction: Tensor, target: &Tensor, count: f64) -> Result<Objective> {
        let loss = match self.loss.loss(&prediction, target) {
            Ok(loss) => loss,
            Err(e) => return Err(diagnosis::with_targets_explained(e, target).within(LOSS)),
        };
        let objective = Objective::new(loss, count).with_outputs(prediction, target.clone());
        Ok(match x.dtype() == DType::I64 && x.rank() > 1 {
            true => objective.with_tokens(x.numel() as u64),
            false => objective,
        })
    }
}

impl Supervised {
    #[track_caller]
    fn of(&self, model: &dyn Layer, (x, y): &(Tensor, Tensor), mode: &mut Mode<'_>) -> Result<Objective> {
        let count = self.loss.count(y);
        if mode.is_training() && count == 0.0 {
            // Its mean would be one of nothing.
            return Objective::nothing();
        }
        let _unrecorded = (!mode.is_training()).then(autograd::pause_recording);
        let prediction = model.forward(x, mode)?;
        self.compared(x, prediction, y, count)
    }
}

impl<L: Layer> Task<L, (Tensor, Tensor)> for Supervised {
    fn objective(&self, model: &L, batch: &(Tensor, Tensor), mode: &mut Mode<'_>) -> Result<Objective> {
        self.of(model, batch, mode)
    }

    fn diagnose(&self, (x, y): &(Tensor, Tensor), number: &dyn Fn(usize) -> usize) -> Option<String> {
        diagnosis::not_finite(x, y, number)
    }

    fn fingerprint(&self, (x, y): &(Tensor, Tensor)) -> Vec<f64> {
        diagnosis::some_of(&[x, y])
    }
}

/// For a model that is chosen while the program runs.
impl Task<Box<dyn Layer>, (Tensor, Tensor)> for Supervised {
    fn objective(&self, model: &Box<dyn Layer>, batch: &(Tensor, Tensor), mode: &mut Mode<'_>) -> Result<Objective> {
        self.of(&**model, batch, mode)
    }

    fn diagnose(&self, (x, y): &(Tensor, Tensor), number: &dyn Fn(usize) -> usize) -> Option<String> {
        diagnosis::not_finite(x, y, number)
    }

    fn fingerprint(&self, (x, y): &(Tensor, Tensor)) -> Vec<f64> {
        diagnosis::some_of(&[x, y])
    }
}
