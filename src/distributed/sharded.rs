//! Layers whose parameters are divided among ranks, and gathered while they are needed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::group::Group;
use super::layout::Layout;
use super::optimizer::gather;
use crate::error::{Error, Result};
use crate::layers::{IntoLayer, Layer, Mode, Module, Shard, SlotMut, Visitor, VisitorMut, same_paths, share};
use crate::models::{gpt, llama};
use crate::tensor::Tensor;

/// A layer, such as a block of a transformer, whose parameters are divided among the ranks of a group: each keeps those that belong to it. All of them
/// are gathered when the layer runs, once forward and once backward, and let go again; between the two nothing of the layer is kept but its input.
/// What [`Sharding::Parameters`](super::Sharding::Parameters) divides is what is in these.
///
/// Paths of parameters are those of the layer inside. Ranks gather together, so all of them must run the same layers in the same order.
///
/// ```
/// use demotic::distributed::{DataParallel, Sharded, Sharding, ThreadGroup};
/// use demotic::prelude::*;
///
/// let train = |sharding| {
///     ThreadGroup::run(2, |group| {
///         let mut rng = Rng::seed(0);
///         let x = Tensor::normal([32, 8], 0.0, 1.0, &mut rng)?;
///         let data = TensorDataset::new(x.clone(), x)?;
///         let block = |rng: &mut Rng| Ok::<_, demotic::Error>(sequential![Linear::new(8, 32, rng)?, Gelu, Linear::new(32, 8, rng)?]);
///         let mut model = sequential![Sharded::new(block(&mut rng)?, group), Sharded::new(block(&mut rng)?, group)];
///         Trainer::new(losses::mse, Adam::new(0.01))
///             .epochs(2)
///             .batch_size(8)
///             .accumulate(2)
///             .distributed(DataParallel::new(group).sharding(sharding))
///             .fit(&mut model, &data, &mut rng)?;
///         model.named_parameters()[3].1.to_vec::<f32>()
///     })
/// };
/// assert_eq!(train(Sharding::Parameters)?, train(Sharding::None)?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "FSDP")]
#[derive(Clone)]
pub struct Sharded {
    layer: Box<dyn Layer>,
    shard: Shard,
}

impl fmt::Debug for Sharded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sharded({}, {:?})", self.layer.kind(), self.shard)
    }
}

impl Sharded {
    /// A layer whose parameters this group may divide. They are whole before and after training.
    #[must_use]
    pub fn new(layer: impl IntoLayer, group: &dyn Group) -> Self {
        Self { layer: layer.into_layer(), shard: shard_of(group) }
    }

    /// The layer inside. While its parameters are divided, it has its own and zeros for others.
    #[must_use]
    pub fn inner(&self) -> &dyn Layer {
        &*self.layer
    }
}

same_paths!(Sharded { layer });

impl Layer for Sharded {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match self.shard.is_needed(mode) {
            true => self.shard.run(share(&self.layer), x, mode),
            false => self.layer.forward(x, mode),
        }
    }
}

fn shard_of(group: &dyn Group) -> Shard {
    let group = group.handle();
    Shard::new(move |owners, module| gather(&*group, &|path| owners.get(path).copied(), module))
}

/// Lets a group divide the parameters of each block of a [`Gpt`](crate::models::Gpt) or [`Llama`](crate::models::Llama), as of a layer that is
/// [`Sharded`]: they are gathered when the block runs, once forward and once backward, and nothing of a block is kept between the two but its input. Returns how
/// many blocks there are. [`Sharding::Parameters`](super::Sharding::Parameters) divides them.
///
/// The model stays what it is, with its names. The bits are those of one that [recomputes its blocks](crate::models::GptConfig::with_checkpointing). What stands before and behind the blocks (tables,
/// the last norm, the output layer) is whole on every rank; its gradients and the state of the optimizer are divided.
///
/// ```
/// use demotic::data::NextTokens;
/// use demotic::distributed::{DataParallel, Sharding, ThreadGroup, shard_blocks};
/// use demotic::models::{Gpt, GptConfig};
/// use demotic::prelude::*;
/// use demotic::text::TokenStream;
///
/// let train = |ranks, sharding| {
///     ThreadGroup::run(ranks, |group| {
///         let text = TokenStream::from_ids((0..200).map(|i| i * i % 11).collect::<Vec<_>>())?;
///         let mut gpt = Gpt::new(GptConfig::new(11, 8).layers(2).heads(2).hidden_size(16), &mut Rng::seed(0))?;
///         assert_eq!(shard_blocks(&mut gpt, group)?, 2);
///         Trainer::new(losses::token_cross_entropy, AdamW::new(0.01))
///             .max_steps(3)
///             .batch_size(2)
///             .accumulate(2)
///             .distributed(DataParallel::new(group).sharding(sharding))
///             .fit(&mut gpt, &NextTokens::new(text, 8)?, &mut Rng::seed(1))?;
///         gpt.transformer.h[1].mlp.c_fc.weight.value()?.to_vec::<f32>()
///     })
/// };
/// assert_eq!(train(2, Sharding::Parameters)?[1], train(1, Sharding::None)?[0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there are no such blocks.
#[doc(alias = "FSDP")]
#[track_caller]
pub fn shard_blocks(model: &mut dyn Module, group: &dyn Group) -> Result<usize> {
    let (shard, mut count) = (shard_of(group), 0);
    let mut on_module = |_: &str, module: &mut dyn Module| {
        if let Some(place) = block_shard(module) {
            *place = Some(shard.clone());
            count += 1;
        }
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(model);
    match count {
        0 => Err(Error::parameter("shard_blocks", "the model has no block of a Gpt or a Llama")
            .with_help("put the layers that are to be divided into Sharded::new(layer, group)")),
        _ => Ok(count),
    }
}

/// The place for the shard of a block, if the module is one.
fn block_shard(module: &mut dyn Module) -> Option<&mut Option<Shard>> {
    let module = module.as_any_mut();
    if module.is::<gpt::Block>() {
        return module.downcast_mut::<gpt::Block>().map(|block| &mut block.shard);
    }
    module.downcast_mut::<llama::Block>().map(|block| &mut block.shard)
}

/// The shard of a module that may be divided.
fn shard_mut(module: &mut dyn Module) -> Option<&mut Shard> {
    if module.as_any_ref().is::<Sharded>() {
        return module.as_any_mut().downcast_mut::<Sharded>().map(|sharded| &mut sharded.shard);
    }
    block_shard(module)?.as_mut()
}

fn shard(module: &dyn Module) -> Option<&Shard> {
    let module = module.as_any_ref();
    let sharded = module.downcast_ref::<Sharded>().map(|sharded| &sharded.shard);
    let gpt = || module.downcast_ref::<gpt::Block>()?.shard.as_ref();
    let llama = || module.downcast_ref::<llama::Block>()?.shard.as_ref();
    sharded.or_else(gpt).or_else(llama)
}

/// Joins paths.
fn below(path: &str, rest: &str) -> String {
    if path.is_empty() { rest.to_string() } else { format!("{path}.{rest}") }
}

/// The parameters of a model that are divided, and whom they belong to.
pub(super) fn divided(model: &dyn Module) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    let mut on_module = |path: &str, module: &dyn Module| {
        if let Some(owners) = shard(module).and_then(|shard| shard.owners.as_ref()) {
            owners.iter().for_each(|(rest, owner)| {
                all.insert(below(path, rest), *owner);
            });
        }
    };
    Visitor::with_modules(&mut |_, _| (), &mut on_module).module(model);
    all
}

/// Divides what may be divided: each rank keeps its own parameters, and of the others their shapes.
pub(super) fn divide(layout: &Layout, rank: usize, model: &mut dyn Module) {
    let mut on_module = |path: &str, module: &mut dyn Module| {
        if shard_mut(module).is_none() {
            return;
        }
        let mut owners = BTreeMap::new();
        let mut on_slot = |rest: &str, slot: SlotMut<'_>| {
            let (SlotMut::Param(param), Some(owner)) = (slot, layout.owner(&below(path, rest))) else { return };
            owners.insert(rest.to_string(), owner);
            if owner != rank {
                // One zero in the shape of the parameter, which stays what it is to graphs and optimizers.
                let place =
                    Tensor::full_dtype([1], 0.0, param.dtype()).and_then(|zero| zero.broadcast_to(param.shape()));
                let _ = place.and_then(|place| param.set(&place));
            }
        };
        module.visit_mut(&mut VisitorMut::new(&mut on_slot));
        if let Some(shard) = shard_mut(module) {
            shard.owners = Some(Arc::new(owners));
        }
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(model);
}

/// Gives all ranks all parameters.
#[track_caller]
pub(super) fn unite(group: &dyn Group, model: &mut dyn Module) -> Result<()> {
    let owners = divided(model);
    if owners.is_empty() {
        return Ok(());
    }
    gather(group, &|path| owners.get(path).copied(), model)?;
    let mut on_module = |_: &str, module: &mut dyn Module| {
        if let Some(shard) = shard_mut(module) {
            shard.owners = None;
        }
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(model);
    Ok(())
}
