//! Everything that a training run needs to go on after it was interrupted, in one file.

mod checksum;
mod folder;
mod format;
mod named_optimizer;
mod parts;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use checksum::{Checksum, Summed};
pub use folder::CheckpointFolder;
pub(super) use format::MAGIC;
pub(crate) use parts::{Part, part_path};

use super::Metadata;
use super::module;
use crate::error::{Error, Here, Result};
use crate::layers::{Module, Slot, SlotMut, Visitor, VisitorMut};
use crate::optimizers::schedule::{Schedule, ScheduleState};
use crate::optimizers::{Optimizer, OptimizerState};
use crate::order::ByName;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The name under which [`Checkpoint::model`] keeps its tensors, and [`Checkpoint::rng`] its generator.
const MODEL: &str = "model";
const RNG: &str = "rng";

/// The state of a training run: model, optimizer, schedule, random generators, counters, and whatever else it needs.
///
/// A checkpoint is a value. It is put together part by part, which copies no elements (it shares them with the model
/// until the model changes), and saved; or loaded, and its parts given back. Training then goes on as if it had never
/// been interrupted, bit for bit. The [`Trainer`](crate::train::Trainer) does all of this by itself.
///
/// ```
/// use demotic::io::Checkpoint;
/// use demotic::prelude::*;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run.ckpt");
/// let mut rng = Rng::seed(0);
/// let mut model = Linear::new(3, 1, &mut rng)?;
/// let mut opt = AdamW::new(1e-3);
/// # let grads = model.forward(&Tensor::ones([2, 3])?, &mut Mode::eval())?.sum().backward()?;
/// # opt.step(&mut model, &grads)?;
/// Checkpoint::new().model(&model).optimizer(&opt).rng(&rng).counter("step", 1200).save(&path)?;
///
/// let saved = Checkpoint::load(&path)?;
/// let mut model = Linear::new(3, 1, &mut rng)?;
/// let mut opt = AdamW::new(1e-3);
/// saved.restore_model(&mut model)?;
/// saved.restore_optimizer(&mut opt)?;
/// saved.restore_rng(&mut rng)?;
/// assert_eq!(saved.get_counter("step")?, 1200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The file
///
/// All integers are little-endian.
///
/// | bytes | |
/// |---|---|
/// | 8 | `DMCHECKP` |
/// | 4 | the version of the format, 3 |
/// | 8 | the size of the file |
/// | 8 | the size of the header, at most 100 MB |
/// | | the header, by `bincode`: names, types and shapes of the tensors, numbers, texts; from version 2 on, also what was frozen; from version 3 on, also what the optimizer shares between parameters |
/// | | the elements of the tensors, in the order of the header |
/// | 8 | CRC-64/XZ of everything before |
///
/// It is written beside an earlier file and then renamed, so that a crash leaves one of the two. Reading trusts nothing:
/// sizes are compared with the file's and the checksum is verified before memory is taken for any tensor.
#[derive(Clone, Default)]
pub struct Checkpoint {
    /// Where it was loaded from.
    path: Option<PathBuf>,
    groups: ByName<Vec<(String, Tensor)>>,
    /// The model's parameters that are not trained.
    frozen: Option<Vec<String>>,
    optimizer: Option<OptimizerState>,
    schedule: Option<ScheduleState>,
    rngs: ByName<Rng>,
    counters: ByName<u64>,
    numbers: ByName<Vec<f64>>,
    metadata: Metadata,
}

/// What goes in.
impl Checkpoint {
    /// An empty checkpoint.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All parameters and buffers of a model, under their paths, and which of them are frozen.
    #[must_use]
    pub fn model(mut self, model: &(impl Module + ?Sized)) -> Self {
        let mut frozen = Vec::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| match slot {
            Slot::Param(param) if !param.is_trainable() => frozen.push(path.to_string()),
            _ => (),
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        self.frozen = Some(frozen);
        self.tensors(MODEL, module::slots(model))
    }

    /// A group of named tensors, besides those of the model.
    #[must_use]
    pub fn tensors(
        mut self,
        group: impl Into<String>,
        tensors: impl IntoIterator<Item = (impl Into<String>, Tensor)>,
    ) -> Self {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.into(), tensor.detach())).collect();
        self.groups.insert(group.into(), tensors);
        self
    }

    /// The state of an optimizer.
    #[must_use]
    pub fn optimizer(mut self, optimizer: &(impl Optimizer + ?Sized)) -> Self {
        self.optimizer = Some(optimizer.state());
        self
    }

    /// The state of an optimizer, as its `state()` gives it: for those that are no [`Optimizer`], such as a
    /// [`ClosureOptimizer`](crate::optimizers::ClosureOptimizer).
    #[must_use]
    pub fn optimizer_state(mut self, state: OptimizerState) -> Self {
        self.optimizer = Some(state);
        self
    }

    /// The state of a learning rate schedule.
    #[must_use]
    pub fn schedule(mut self, schedule: &(impl Schedule + ?Sized)) -> Self {
        self.schedule = Some(schedule.state());
        self
    }

    /// The state of the random generator.
    #[must_use]
    pub fn rng(self, rng: &Rng) -> Self {
        self.named_rng(RNG, rng)
    }

    /// The state of one of several random generators.
    #[must_use]
    pub fn named_rng(mut self, name: impl Into<String>, rng: &Rng) -> Self {
        self.rngs.insert(name.into(), rng.clone());
        self
    }

    /// A count: steps, epochs, the position in the data.
    #[must_use]
    pub fn counter(mut self, name: impl Into<String>, value: u64) -> Self {
        self.counters.insert(name.into(), value);
        self
    }

    /// A list of numbers, such as the losses so far. All of them come back as they were, NaN included.
    #[must_use]
    pub fn numbers(mut self, name: impl Into<String>, values: impl Into<Vec<f64>>) -> Self {
        self.numbers.insert(name.into(), values.into());
        self
    }

    /// Texts and JSON that belong to the run: the configuration of the model, the name of its tokenizer.
    ///
    /// ```
    /// use demotic::io::{Checkpoint, Metadata};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("run.ckpt");
    /// let mut metadata = Metadata::new();
    /// metadata.insert_json("sizes", &[64, 32, 1])?;
    /// Checkpoint::new().metadata(metadata).save(&path)?;
    ///
    /// let sizes: Vec<usize> = Checkpoint::load(&path)?.get_metadata().get_json("sizes")?;
    /// assert_eq!(sizes, [64, 32, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Writes the checkpoint to a file. An earlier file is replaced only when the new one is complete.
    ///
    /// # Errors
    /// If two tensors of a group have the same name, everything besides the elements takes more than 100 MB, or the file
    /// system refuses.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        format::write(self, path.as_ref())
    }
}

/// What comes out.
impl Checkpoint {
    /// Reads a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is something else, was written by a newer release, is truncated or damaged; or if several processes have saved
    /// it, and the part of one of them is missing or of another checkpoint.
    #[track_caller]
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        format::read(path.as_ref())?.joined(path.as_ref())
    }

    /// Gives a model, which must have the same structure, the values that were saved. After an error it is as before.
    ///
    /// What was frozen is frozen again. What is frozen in the model, and was not, stays so: nothing is ever trained against
    /// the program's word.
    ///
    /// # Errors
    /// If there is no model, or it does not fit: the message lists what is missing, unexpected and misshapen.
    #[track_caller]
    pub fn restore_model(&self, model: &mut (impl Module + ?Sized)) -> Result<()> {
        const HELP: &str = "build the model with the options that it had when the checkpoint was saved";
        let op = "restore_model";
        let Some(tensors) = self.groups.get(MODEL) else { return Err(self.lacks(op, "model")) };
        module::load_named(model, op, &self.source(), tensors, HELP)?;
        let mut frozen: BTreeSet<&str> = BTreeSet::new();
        frozen.extend(self.frozen.iter().flatten().map(String::as_str));
        let mut freeze = |path: &str, slot: SlotMut<'_>| {
            if let (SlotMut::Param(param), true) = (slot, frozen.contains(path)) {
                param.set_trainable(false);
            }
        };
        VisitorMut::new(&mut freeze).module(model.as_module_mut());
        Ok(())
    }

    /// The paths of the parameters that were frozen; `None` if the file does not say it, as those of the first releases.
    #[must_use]
    pub fn frozen(&self) -> Option<&[String]> {
        self.frozen.as_deref()
    }

    /// The tensors of a group that [`tensors`](Self::tensors) added, in the same order.
    ///
    /// # Errors
    /// If there is none of that name.
    #[track_caller]
    pub fn get_tensors(&self, group: &str) -> Result<&[(String, Tensor)]> {
        match self.groups.get(group) {
            Some(tensors) => Ok(tensors),
            None => Err(self.lacks("get_tensors", &format!("group of tensors `{group}`"))),
        }
    }

    /// The state of the optimizer that was saved.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn get_optimizer_state(&self) -> Result<&OptimizerState> {
        match &self.optimizer {
            Some(state) => Ok(state),
            None => Err(self.lacks("get_optimizer_state", "optimizer")),
        }
    }

    /// Gives an optimizer, which must be of the same kind and have the same options, the state that was saved.
    ///
    /// # Errors
    /// If there is no optimizer, or it is of another kind or has other options.
    #[track_caller]
    pub fn restore_optimizer(&self, optimizer: &mut (impl Optimizer + ?Sized)) -> Result<()> {
        match &self.optimizer {
            Some(state) => optimizer.load_state(state.clone()).here(),
            None => Err(self.lacks("restore_optimizer", "optimizer")),
        }
    }

    /// Gives a schedule, which must be of the same kind and have the same options, the state that was saved.
    ///
    /// # Errors
    /// If there is no schedule, or it is of another kind.
    #[track_caller]
    pub fn restore_schedule(&self, schedule: &mut (impl Schedule + ?Sized)) -> Result<()> {
        match &self.schedule {
            Some(state) => schedule.load_state(state),
            None => Err(self.lacks("restore_schedule", "schedule")),
        }
    }

    /// Gives the random generator the state that was saved.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn restore_rng(&self, rng: &mut Rng) -> Result<()> {
        *rng = self.get_rng(RNG)?;
        Ok(())
    }

    /// The random generator that [`named_rng`](Self::named_rng) added.
    ///
    /// # Errors
    /// If there is none of that name.
    #[track_caller]
    pub fn get_rng(&self, name: &str) -> Result<Rng> {
        match self.rngs.get(name) {
            Some(rng) => Ok(rng.clone()),
            None => Err(self.lacks("get_rng", &format!("random generator `{name}`"))),
        }
    }

    /// The count that [`counter`](Self::counter) added.
    ///
    /// # Errors
    /// If there is none of that name.
    #[track_caller]
    pub fn get_counter(&self, name: &str) -> Result<u64> {
        match self.counters.get(name) {
            Some(value) => Ok(*value),
            None => Err(self.lacks("get_counter", &format!("counter `{name}`"))),
        }
    }

    /// The numbers that [`numbers`](Self::numbers) added.
    ///
    /// # Errors
    /// If there are none of that name.
    #[track_caller]
    pub fn get_numbers(&self, name: &str) -> Result<&[f64]> {
        match self.numbers.get(name) {
            Some(values) => Ok(values),
            None => Err(self.lacks("get_numbers", &format!("list of numbers `{name}`"))),
        }
    }

    /// The names of the lists of numbers.
    pub fn number_names(&self) -> impl Iterator<Item = &str> {
        self.numbers.iter().map(|(name, _)| name.as_str())
    }

    /// Texts and JSON that were saved with it.
    #[must_use]
    pub fn get_metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether there is a model.
    #[must_use]
    pub fn has_model(&self) -> bool {
        self.groups.get(MODEL).is_some()
    }

    /// Whether there is a schedule.
    #[must_use]
    pub fn has_schedule(&self) -> bool {
        self.schedule.is_some()
    }

    fn source(&self) -> String {
        self.path.as_ref().map_or_else(|| "the checkpoint".to_string(), |path| path.display().to_string())
    }

    #[track_caller]
    fn lacks(&self, op: &'static str, what: &str) -> Error {
        Error::state(op, format!("{} has no {what}", self.source())).with_help(format!("it has {}", self.contents()))
    }

    /// `a model of 4 tensors, Adam, the counter step`.
    fn contents(&self) -> String {
        let mut parts: Vec<String> = self
            .groups
            .iter()
            .map(|(name, tensors)| format!("the group {name} of {} tensors", tensors.len()))
            .collect();
        parts.extend(self.optimizer.iter().map(|state| format!("the optimizer {}", state.optimizer)));
        parts.extend(self.schedule.iter().map(|state| format!("the schedule {}", state.schedule)));
        parts.extend(self.rngs.iter().map(|(name, _)| format!("the generator {name}")));
        parts.extend(self.counters.iter().map(|(name, value)| format!("the counter {name} ({value})")));
        parts.extend(self.numbers.iter().map(|(name, values)| format!("{} numbers {name}", values.len())));
        parts.extend(self.metadata.iter().map(|(name, _)| format!("the text {name}")));
        if parts.is_empty() { "nothing".to_string() } else { parts.join(", ") }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({})", self.contents())
    }
}
