//! Layers whose parameters are divided among ranks, and gathered while they are needed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::group::Group;
use super::layout::Layout;
use super::optimizer::gather;
use crate::autograd;
use crate::error::Result;
use crate::layers::{IntoLayer, Layer, Mode, Module, SlotMut, Visitor, VisitorMut, checkpointed_filled};
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
    group: Arc<dyn Group>,
    /// Whom the parameters belong to, by path, while they are divided.
    owners: Option<Arc<BTreeMap<String, usize>>>,
    /// Whether this is a copy that runs once and is let go.
    is_filled: bool,
}

impl fmt::Debug for Sharded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.owners.is_some() { "divided" } else { "whole" };
        write!(f, "Sharded({}, {state}, rank {} of {})", self.layer.kind(), self.group.rank(), self.group.size())
    }
}

impl Sharded {
    /// A layer whose parameters this group may divide. They are whole before and after training.
    #[must_use]
    pub fn new(layer: impl IntoLayer, group: &dyn Group) -> Self {
        Self { layer: layer.into_layer(), group: group.handle(), owners: None, is_filled: false }
    }

    /// The layer inside. While its parameters are divided, it has its own and zeros for others.
    #[must_use]
    pub fn inner(&self) -> &dyn Layer {
        &*self.layer
    }
}

impl Module for Sharded {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module(&self.layer);
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        visitor.module(&mut self.layer);
    }
}

impl Layer for Sharded {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        // Whole as well, what is in it runs twice in training: so that what is random in it is the same.
        if self.is_filled || self.owners.is_none() && !mode.is_training() {
            return self.layer.forward(x, mode);
        }
        let (group, owners) = (self.group.clone(), self.owners.clone());
        let fill = move |copy: &mut Self| {
            let _unrecorded = autograd::pause_recording();
            (copy.is_filled, copy.owners) = (true, None);
            match &owners {
                Some(owners) => gather(&*group, &|path| owners.get(path).copied(), copy),
                None => Ok(()),
            }
        };
        checkpointed_filled(self, fill, x, mode)
    }
}

/// Joins paths.
fn below(path: &str, rest: &str) -> String {
    if path.is_empty() { rest.to_string() } else { format!("{path}.{rest}") }
}

/// The parameters of a model that are divided, and whom they belong to.
pub(super) fn divided(model: &dyn Module) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    let mut on_module = |path: &str, module: &dyn Module| {
        if let Some(Sharded { owners: Some(owners), .. }) = module.as_any_ref().downcast_ref() {
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
        let Some(sharded) = module.as_any_mut().downcast_mut::<Sharded>() else { return };
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
        VisitorMut::new(&mut on_slot).module(&mut sharded.layer);
        sharded.owners = Some(Arc::new(owners));
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(model);
}

/// Gives all ranks all parameters.
pub(super) fn unite(group: &dyn Group, model: &mut dyn Module) -> Result<()> {
    let owners = divided(model);
    if owners.is_empty() {
        return Ok(());
    }
    gather(group, &|path| owners.get(path).copied(), model)?;
    let mut on_module = |_: &str, module: &mut dyn Module| {
        if let Some(sharded) = module.as_any_mut().downcast_mut::<Sharded>() {
            sharded.owners = None;
        }
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(model);
    Ok(())
}
