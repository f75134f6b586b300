//! A second handle on the parameters of a layer, and what it is for.

use super::layer::Layer;
use super::mode::Mode;
use super::module::{Module, Slot, SlotMut, Visitor, VisitorMut};
use crate::autograd;
use crate::error::Result;
use crate::tensor::Tensor;

/// A copy of a module whose parameters are the same as the original's as far as gradients are concerned, and whose buffers
/// are the same altogether.
///
/// A plain clone is a model of its own, with gradients of its own. This one is for closures that have to own the layer
/// that they call. Its parameters keep their values when the original's are changed; what it writes into its buffers is seen
/// in the original.
#[must_use]
pub fn share<M: Module + Clone>(module: &M) -> M {
    copy(module, true)
}

/// A copy with the same parameters, and with the same buffers or what is in them now.
fn copy<M: Module + Clone>(module: &M, with_buffers: bool) -> M {
    let (mut params, mut buffers) = (Vec::new(), Vec::new());
    let mut keep = |_: &str, slot: Slot<'_>| match slot {
        Slot::Param(param) => params.push(param.shared()),
        Slot::Buffer(buffer) => buffers.push(buffer.shared()),
    };
    module.visit(&mut Visitor::new(&mut keep));
    let (mut params, mut buffers) = (params.into_iter(), buffers.into_iter());
    let mut copy = module.clone();
    let mut replace = |_: &str, slot: SlotMut<'_>| match slot {
        SlotMut::Param(param) => {
            if let Some(original) = params.next() {
                *param = original;
            }
        }
        SlotMut::Buffer(buffer) => {
            if let (true, Some(original)) = (with_buffers, buffers.next()) {
                *buffer = original;
            }
        }
    };
    copy.visit_mut(&mut VisitorMut::new(&mut replace));
    copy
}

/// The output of a layer without keeping its intermediate results, which are computed a second time in the backward
/// pass: [`autograd::checkpoint`] for layers.
///
/// The second time, the layer is told so by [`Mode::is_recomputing`], its buffers hold what they held before the first time, and
/// what it writes into them is forgotten: running statistics count every example once.
///
/// # Errors
/// Those of the layer.
///
/// ```
/// use demotic::layers::checkpointed;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let block = sequential![Linear::new(4, 4, &mut rng)?, Relu, Dropout::new(0.1)?];
/// let x = Tensor::ones([2, 4])?;
/// let y = checkpointed(&block, &x, &mut Mode::train(&mut rng))?;
/// assert_eq!(y.sum().backward()?.len(), 2);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn checkpointed<L: Layer + Clone + 'static>(layer: &L, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
    // It begins with what the buffers hold before the first run, as that does, and what it writes into them is not kept.
    let copy = copy(layer, false);
    let again = mode.again();
    // Both runs have to make the same random choices.
    let rng = mode.rng().map(|rng| rng.split());
    let mut first_rng = rng.clone();
    autograd::checkpoint_of_two(
        |x| layer.forward(x, &mut mode.first_of_two(first_rng.as_mut())),
        move |x| again.run(rng.clone().as_mut(), |mode| copy.forward(x, mode)),
        x,
    )
}

/// [`checkpointed`] for a layer that has its parameters only while it runs: `fill` gives them to a copy of it, before each of both runs.
#[track_caller]
pub(super) fn checkpointed_filled(
    layer: Box<dyn Layer>,
    fill: impl Fn(&mut dyn Module) -> Result<()> + Send + Sync + 'static,
    x: &Tensor,
    mode: &mut Mode<'_>,
) -> Result<Tensor> {
    let mut filled = copy(&layer, true);
    fill(&mut filled)?;
    let mut kept = Vec::new();
    let mut keep = |_: &str, slot: Slot<'_>| {
        if let Slot::Param(param) = slot {
            kept.push(param.value().clone());
        }
    };
    layer.visit(&mut Visitor::new(&mut keep));
    let empty = copy(&layer, false);
    let again = mode.again();
    let rng = mode.rng().map(|rng| rng.split());
    let mut first_rng = rng.clone();
    autograd::checkpoint_keeping(
        &kept,
        // What it was filled with is let go with it.
        move |x| filled.forward(x, &mut mode.first_of_two(first_rng.as_mut())),
        move |x| {
            let mut filled = copy(&empty, true);
            fill(&mut filled)?;
            again.run(rng.clone().as_mut(), |mode| filled.forward(x, mode))
        },
        x,
    )
}
