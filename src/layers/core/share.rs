//! A second handle on the parameters of a layer, and what it is for.

use super::layer::Layer;
use super::mode::Mode;
use super::module::{Module, Slot, SlotMut, Visitor, VisitorMut};
use crate::autograd;
use crate::error::Result;
use crate::tensor::Tensor;

/// A copy of a module whose parameters are the same as the original's as far as gradients are concerned.
///
/// A plain clone is a model of its own, with gradients of its own. This one is for closures that have to own the layer
/// that they call. It keeps its values when the original's are changed.
#[must_use]
pub fn share<M: Module + Clone>(module: &M) -> M {
    let mut originals = Vec::new();
    let mut keep = |_: &str, slot: Slot<'_>| {
        if let Slot::Param(param) = slot {
            originals.push(param.shared());
        }
    };
    module.visit(&mut Visitor::new(&mut keep));
    let mut originals = originals.into_iter();
    let mut copy = module.clone();
    let mut replace = |_: &str, slot: SlotMut<'_>| {
        if let (SlotMut::Param(param), Some(original)) = (slot, originals.next()) {
            *param = original;
        }
    };
    copy.visit_mut(&mut VisitorMut::new(&mut replace));
    copy
}

/// The output of a layer without keeping its intermediate results, which are computed a second time in the backward
/// pass: [`autograd::checkpoint`] for layers.
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
    let copy = share(layer);
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
