//! Data parallel training: each rank works on other batches, and all make the same step.

use std::fmt;
use std::sync::Arc;

use super::compression::{Compression, Residuals};
use super::group::Group;
use super::layout::Layout;
use super::sharded;
use super::step::ParallelStep;
use crate::error::{Error, Here, Result};
use crate::io::{Checksum, Summed};
use crate::layers::{Module, Slot, SlotMut, Visitor, VisitorMut};
use crate::tensor::Tensor;

/// What of a model's training is divided among the ranks, so that each needs less memory (ZeRO; Rajbhandari et al., 2020).
///
/// Each parameter belongs to one rank. The bits are the same with and without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Sharding {
    /// Nothing: every rank has everything.
    #[default]
    None,
    /// The state of the optimizer: stage 1.
    Optimizer,
    /// The state of the optimizer and the sums of gradients: stage 2.
    Gradients,
    /// These, and the parameters of layers that are [`Sharded`](super::Sharded): stage 3. Whatever looks at parameters besides the layers, such as a penalty,
    /// would see parts of them only, and is refused.
    Parameters,
}

/// Training on several ranks, each of which works on some of the batches of a step: what the
/// [`Trainer`](crate::train::Trainer::distributed) does, and a loop written by hand can.
///
/// A step is made of **micro-batches**, whose gradients are averaged. Rank `r` of `n` works on the micro-batches `r`, `r + n`, `r + 2n` …, and
/// gradients are added up in the order of micro-batches, whoever has computed them. So a step of four micro-batches has the same bits on one
/// rank, on two and on four, with any number of threads.
///
/// ```
/// use demotic::distributed::{DataParallel, ThreadGroup};
/// use demotic::prelude::*;
///
/// // Four micro-batches in each step, on one, two and four ranks.
/// let train = |ranks| {
///     ThreadGroup::run(ranks, |group| {
///         let mut rng = Rng::seed(0);
///         let data = TensorDataset::new(Tensor::normal([32, 3], 0.0, 1.0, &mut rng)?, Tensor::ones([32, 1])?)?;
///         let mut model = Linear::new(3, 1, &mut rng)?;
///         let mut opt = Adam::new(0.1);
///         let mut parallel = DataParallel::new(group);
///         parallel.synchronize(&mut model)?;
///         for _ in 0..5 {
///             let mut step = parallel.step(&model, 4)?;
///             for i in step.own() {
///                 let (x, y) = data.batch_range(i * 8..(i + 1) * 8, &mut rng)?;
///                 let loss = losses::mse(&model.forward(&x, &mut Mode::eval())?, &y)?;
///                 step.backward(&loss, 8.0)?;
///             }
///             step.apply(&mut opt, &mut model)?;
///         }
///         model.weight.value()?.to_vec::<f32>()
///     })
/// };
/// let alone = train(1)?;
/// assert_eq!(train(2)?[1], alone[0]);
/// assert_eq!(train(4)?[3], alone[0]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct DataParallel {
    pub(super) group: Arc<dyn Group>,
    pub(super) bucket_bytes: Option<usize>,
    pub(super) sharding: Sharding,
    pub(super) compression: Option<Compression>,
    pub(super) residuals: Residuals,
    /// What all ranks have said before their first step, as one number.
    agreed: Option<u64>,
}

impl fmt::Debug for DataParallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = &self.group;
        write!(f, "DataParallel(rank {} of {}, {:?})", group.rank(), group.size(), self.sharding)
    }
}

impl DataParallel {
    /// Training on the ranks of this group.
    #[must_use]
    pub fn new(group: &dyn Group) -> Self {
        Self {
            group: group.handle(),
            bucket_bytes: None,
            sharding: Sharding::None,
            compression: None,
            residuals: Residuals::default(),
            agreed: None,
        }
    }

    /// How many bytes of gradients travel together, about; by default an eighth of all, from 64 KiB to 4 MiB. Small buckets are on their way earlier,
    /// large ones take fewer messages. The bits do not depend on it.
    #[must_use]
    pub fn bucket_bytes(mut self, bytes: usize) -> Self {
        self.bucket_bytes = Some(bytes.max(1));
        self
    }

    /// What is divided among the ranks. Default [`Sharding::None`].
    #[must_use]
    #[doc(alias = "zero")]
    pub fn sharding(mut self, sharding: Sharding) -> Self {
        self.sharding = sharding;
        self
    }

    /// Lets gradients travel in fewer bytes. **This gives up that the bits are those of one process:** they depend on the number of ranks then.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Whether ranks have to gather parameters together.
    pub(crate) fn divides_parameters(&self) -> bool {
        self.sharding == Sharding::Parameters
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &dyn Group {
        &*self.group
    }

    /// Gives all ranks the parameters and buffers of rank 0: the beginning of every training.
    ///
    /// # Errors
    /// If models differ: every rank gets the same error, which names the rank and the difference. And if a rank fails.
    #[track_caller]
    pub fn synchronize(&self, model: &mut dyn Module) -> Result<()> {
        let group = &*self.group;
        // What an earlier run has left divided, because it failed.
        sharded::unite(group, model)?;
        let mut lines = Vec::new();
        let mut values = Vec::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            let (kind, value) = match slot {
                Slot::Param(param) if param.is_trainable() => ("the parameter", param.value().detach()),
                Slot::Param(param) => ("the frozen parameter", param.value().detach()),
                Slot::Buffer(buffer) => ("the buffer", buffer.get()),
            };
            lines.push((kind.to_string(), format!("`{path}` of {} {:?}", value.dtype(), value.shape())));
            values.push(value);
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        group.agree("synchronize", &lines).here()?;
        if group.size() == 1 {
            return Ok(());
        }
        let mut pending = Vec::with_capacity(values.len());
        for value in &values {
            pending.push(group.start_broadcast(value, 0)?);
        }
        let mut arrived = Vec::with_capacity(values.len());
        for pending in pending {
            arrived.push(pending.wait()?);
        }
        put(model, arrived).here()?;
        if self.sharding == Sharding::Parameters {
            sharded::divide(&Layout::of(model, group.size(), self.bucket_bytes, true), group.rank(), model);
        }
        Ok(())
    }

    /// Gives all ranks all of a model whose [parameters are divided](Sharding::Parameters): for saving it, or when training has ended.
    ///
    /// # Errors
    /// If a rank fails, or memory does not suffice.
    #[track_caller]
    pub fn unite(&self, model: &mut dyn Module) -> Result<()> {
        sharded::unite(&*self.group, model).here()
    }

    /// Makes sure that all ranks have the same model, bit for bit, as they have after the same steps. If not, something was done on some of them only, such as
    /// a change of the learning rate, or their processors do not compute alike. The [`Trainer`](crate::train::Trainer::distributed) does it at the end of each epoch, and of the
    /// run; a [checkpoint](Self::save) does it before.
    ///
    /// # Errors
    /// If a parameter or buffer differs: every rank gets the same error, which names the first, and the rank. And if a rank fails.
    #[track_caller]
    pub fn compare(&self, model: &dyn Module) -> Result<()> {
        self.compare_with("compare", Vec::new(), model).here()
    }

    /// The same for an operation, with what else has to be the same.
    #[track_caller]
    pub(crate) fn compare_with(&self, op: &str, mut lines: Vec<(String, String)>, model: &dyn Module) -> Result<()> {
        if self.group.size() == 1 {
            return Ok(());
        }
        // Of what is divided, each rank has its own.
        let divided = sharded::divided(model);
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            let (kind, value) = match slot {
                Slot::Param(param) => ("the parameter", param.value().detach()),
                Slot::Buffer(buffer) => ("the buffer", buffer.get()),
            };
            if divided.contains_key(path) {
                return;
            }
            let mut bytes = Summed { out: &mut std::io::sink(), sum: Checksum::new() };
            // This does not fail: nothing is written.
            let _ = value.write_le_bytes(&mut bytes);
            lines.push((kind.to_string(), format!("`{path}` with the checksum {:016x}", bytes.sum.value())));
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        self.group.agree(op, &lines)
    }

    /// Makes sure that all ranks are about to make the same step, where this is another one than before.
    #[track_caller]
    fn agree(&mut self, layout: &Layout) -> Result<()> {
        let mut lines = vec![
            ("a step with".to_string(), format!("Sharding::{:?}", self.sharding)),
            ("gradients that are compressed by".to_string(), format!("{:?}", self.compression)),
            ("a size of buckets of".to_string(), format!("{:?}", self.bucket_bytes)),
        ];
        for (path, place) in layout.lines() {
            let value = format!("`{path}` of {:?}, with gradients of {}", place.shape, place.dtype);
            lines.push(("the trained parameter".to_string(), value));
        }
        let mut sum = Checksum::new();
        lines.iter().for_each(|(name, value)| sum.update(format!("{name} {value}\n").as_bytes()));
        let own = Some(sum.value());
        if self.agreed != own {
            self.group.agree("step", &lines)?;
            self.agreed = own;
        }
        Ok(())
    }

    /// Begins a step of so many micro-batches in all.
    ///
    /// # Errors
    /// If there are none; or if ranks have other parameters to train or other options: every rank gets the same error, which names the rank and the difference.
    #[track_caller]
    pub fn step(&mut self, model: &dyn Module, micro_batches: usize) -> Result<ParallelStep<'_>> {
        if micro_batches == 0 {
            return Err(Error::argument("step", "a step of 0 micro-batches, expected at least 1"));
        }
        let ranks = self.group.size();
        if self.sharding == Sharding::Parameters && !micro_batches.is_multiple_of(ranks) {
            let message = format!("{micro_batches} micro-batches for {ranks} ranks that gather parameters together");
            return Err(Error::argument("step", message).with_help(
                "each rank needs as many: a multiple of their number, and drop_last if an epoch ends in between",
            ));
        }
        if let Some(compression) = self.compression {
            compression.check()?;
        }
        let layout = Layout::of(model, self.group.size(), self.bucket_bytes, self.sharding != Sharding::None);
        if ranks > 1 {
            self.agree(&layout).here()?;
        }
        ParallelStep::new(self, model, layout, micro_batches)
    }
}

/// Gives a model these values, in the order of its parameters and buffers.
#[track_caller]
pub(super) fn put(model: &mut dyn Module, values: Vec<Tensor>) -> Result<()> {
    let (mut values, mut result) = (values.into_iter(), Ok(()));
    let mut on_slot = |_: &str, slot: SlotMut<'_>| {
        let Some(value) = values.next() else { return };
        let set = match slot {
            SlotMut::Param(param) => param.set(&value),
            SlotMut::Buffer(buffer) => buffer.set(&value),
        };
        if result.is_ok() {
            result = set;
        }
    };
    VisitorMut::new(&mut on_slot).module(model);
    result
}
