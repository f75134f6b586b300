//! The sum of all gradients with a factor for each example, from what a pass has written down.

use std::sync::Arc;

use super::OfResults;
use crate::autograd::engine::{Arrived, Goal, Pass, freed};
use crate::autograd::gradients::NodeMap;
use crate::autograd::node::{Node, NodeId};
use crate::error::Result;
use crate::tensor::Tensor;

/// What a pass writes down so that the sum of all gradients, with a factor for each example, needs no second pass (Bu et al.,
/// *Differentially private optimization on large model at small cost*, 2023).
#[derive(Default)]
pub(super) struct Book {
    /// Leaves with the gradients of all examples, `[examples, ..]`, that were computed for their norms.
    kept: Vec<(Arc<Node>, Tensor)>,
    /// Operations of which all gradients are kept.
    done: Vec<Arc<Node>>,

    /// What examples share: leaves, and what was computed from leaves alone.
    pub(super) shared: NodeMap<Arc<Node>>,
    /// The operations that use these, with the gradients of their results.
    pub(super) uses: Vec<(Arc<Node>, Uses)>,
    /// Whether the present operation is one of them.
    pub(super) is_use: bool,
    /// Whether gradients of it are kept.
    is_kept: bool,
}

/// The gradients of the results of an operation.
pub(super) enum Uses {
    One(Tensor, usize),
    Several(OfResults),
}

/// How many numbers of single examples' gradients are kept: beyond, they are summed up by a second product, as if they had not been known.
const MOST_KEPT: usize = 1 << 22;

impl Book {
    /// Writes down what is still to be done for an operation whose turn is over.
    pub(super) fn write_down(&mut self, node: &Arc<Node>, grads: impl FnOnce() -> Uses) {
        let keeps = std::mem::take(&mut self.is_kept);
        if std::mem::take(&mut self.is_use) {
            self.uses.push((node.clone(), grads()));
        } else if keeps {
            self.done.push(node.clone());
        }
    }

    /// Keeps the gradients of all examples with respect to a leaf, of which there is nothing more to be written down then. Not if they
    /// are too many.
    pub(super) fn keep(&mut self, leaf: &Arc<Node>, grads: Tensor) -> bool {
        let fits =
            grads.rank() > 0 && grads.shape()[1..] == *leaf.shape && Some(grads.dtype()) == leaf.dtype.gradient();
        let others: usize = self.kept.iter().map(|(_, grads)| grads.numel()).sum();
        if !fits || others.saturating_add(grads.numel()) > MOST_KEPT {
            return false;
        }
        self.is_kept = true;
        self.kept.push((leaf.clone(), grads));
        true
    }

    /// The sum over all examples of their gradients times their factors.
    pub(super) fn weighted(self, examples: usize, factors: &Tensor) -> Result<Vec<(NodeId, Tensor)>> {
        let scaled = |grad: &Tensor, axis: usize| {
            let (rows, mut shape) = (grad.shape()[axis], vec![1; grad.rank()]);
            shape[axis] = examples;
            let factors = factors.to_dtype(grad.dtype()).reshape(&shape[..])?;
            let factors =
                if rows == examples { factors } else { factors.repeat_interleave(rows / examples, axis as isize)? };
            grad.mul(&factors)
        };
        let mut pass = Pass::new(Goal::leaves_among(self.shared.values()), false);
        for (node, grads) in self.uses {
            let rule = node.take_rule().ok_or_else(|| freed(&node))?;
            let result = match grads {
                Uses::One(grad, axis) => pass.apply(&node, &rule, Arrived::One(&scaled(&grad, axis)?)),
                Uses::Several(grads) => {
                    let all = grads.iter().map(|of| of.as_ref().map(|(grad, axis)| scaled(grad, *axis)).transpose());
                    pass.apply(&node, &rule, Arrived::Several(&all.collect::<Result<Vec<_>>>()?))
                }
            };
            rule.release();
            result?;
        }
        for node in self.done {
            node.take_rule().ok_or_else(|| freed(&node))?.release();
        }
        let mut all: Vec<(NodeId, Tensor)> = pass.run()?.into_iter().map(|(node, grad)| (node.id, grad)).collect();
        for (leaf, grads) in self.kept {
            let factors = factors.to_dtype(grads.dtype()).reshape([1, examples])?;
            let sum = factors.matmul(&grads.reshape([examples, leaf.shape.iter().product::<usize>()])?)?;
            all.push((leaf.id, sum.reshape(&*leaf.shape)?));
        }
        NodeId::sort(&mut all, |(id, _)| *id);
        Ok(all)
    }
}
