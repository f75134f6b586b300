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
    /// What examples share: leaves, and what was computed from leaves alone.
    pub(super) shared: NodeMap<Arc<Node>>,
    /// The operations that use these, with the gradients of their results.
    pub(super) uses: Vec<(Arc<Node>, Uses)>,
    /// Whether the present operation is one of them.
    pub(super) is_use: bool,
}

/// The gradients of the results of an operation.
pub(super) enum Uses {
    One(Tensor, usize),
    Several(OfResults),
}

impl Book {
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
        Ok(pass.run()?.into_iter().map(|(node, grad)| (node.id, grad)).collect())
    }
}
