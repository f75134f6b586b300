//! Where rules put what they find out about single examples.

use std::fmt;

use super::{Ask, ExamplePass, Held, refused, squares};
use crate::autograd::engine::{Goal, Pass, Sink, fit};
use crate::autograd::function::{Function, Saved};
use crate::autograd::node::node_of;
use crate::error::Result;
use crate::tensor::Tensor;

/// Where a [`Function`] puts what it finds out about single examples.
pub struct ExampleSink<'p, 'i> {
    pub(super) pass: &'p mut ExamplePass,
    pub(super) op: &'static str,
    pub(super) inputs: &'i [Tensor],
    /// Which dimension of each result is that of the examples.
    pub(super) axes: &'i [Option<usize>],
    /// How many rows there are in it: those of the examples, or several of each.
    pub(super) rows: usize,
}

impl fmt::Debug for ExampleSink<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExampleSink({}, {} examples)", self.op, self.pass.examples)
    }
}

impl ExampleSink<'_, '_> {
    /// How many examples there are. Where there are several rows of each in the first dimension of the result, a rule finds out
    /// about rows, and what it finds is added up.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.pass.examples
    }

    /// Whether anyone needs the gradients of input `i`.
    #[must_use]
    pub fn wants(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Tensor::is_tracked)
    }

    /// Whether examples are apart in input `i`, its first dimension being theirs. Where it is a parameter that happens to have
    /// as many rows, only the operation itself knows better.
    #[must_use]
    pub fn is_apart(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(|x| x.shape().first() == Some(&self.rows))
    }

    /// What is to be given of input `i` if the examples share it: [`Ask::PerExample`] or [`Ask::SquaredNorm`].
    #[must_use]
    pub fn asks(&self, i: usize) -> Ask {
        // The norm of a sum is not that of its terms.
        let node = self.inputs.get(i).filter(|_| self.rows == self.pass.examples).and_then(node_of);
        node.map_or(Ask::PerExample, |node| self.pass.asks(&node))
    }

    /// Adds to the gradient of input `i`, in which the examples are apart: example `i` of the result depends on example `i` of
    /// it alone. Ignored if nobody needs it.
    ///
    /// # Errors
    /// If the shape or the type does not fit the input, or its first dimension is not that of the examples.
    pub fn give_apart(&mut self, i: usize, grad: Tensor) -> Result<()> {
        if self.wants(i) && !self.is_apart(i) {
            return Err(refused(self.op, &format!("the first dimension of input {i} is not that of the examples")));
        }
        self.give_apart_in(i, 0, grad)
    }

    /// The same of an input that has the examples in dimension `axis`.
    ///
    /// # Errors
    /// If the shape or the type does not fit the input, or this dimension is not that of the examples.
    pub fn give_apart_in(&mut self, i: usize, axis: usize, grad: Tensor) -> Result<()> {
        let Some(node) = self.inputs.get(i).and_then(node_of) else { return Ok(()) };
        if node.shape.get(axis) != Some(&self.rows) {
            return Err(refused(self.op, &format!("dimension {axis} of input {i} is not that of the examples")));
        }
        let grad = fit(self.op, &node, grad)?;
        self.pass.give(self.op, &node, Held::Apart(grad, axis))
    }

    /// Of an operation with several results: which dimension of result `i` is that of the examples. `None` if the losses do not
    /// depend on it.
    #[must_use]
    pub fn result_axis(&self, i: usize) -> Option<usize> {
        self.axes.get(i).copied().flatten()
    }

    /// For a weight `[outputs, features]`, input `i`, that multiplies each step of `x`, `[examples, steps, features]`: `g` is the
    /// gradient of the products, `[examples, steps, outputs]`.
    pub(in crate::autograd) fn give_products(&mut self, i: usize, g: &Tensor, x: &Tensor) -> Result<()> {
        let Some(node) = self.inputs.get(i).and_then(node_of) else { return Ok(()) };
        let (examples, outputs, features) = (self.pass.examples, node.shape[0], node.shape[1]);
        let steps = g.numel() / (examples * outputs).max(1);
        let (g, x) = (g.reshape([examples, steps, outputs])?, x.reshape([examples, steps, features])?);
        // ‖gᵀ x‖² is the sum of the products of all pairs of steps: less work, unless there are many of them.
        let found = match self.pass.asks(&node) {
            Ask::SquaredNorm if steps == 1 => {
                let sizes = |x: &Tensor| x.square().sum_dims(&[1, 2], false);
                sizes(&g)?.mul(&sizes(&x)?)?
            }
            Ask::SquaredNorm if steps.saturating_mul(outputs + features) < outputs.saturating_mul(features) => {
                let pairs = g.matmul(&g.t())?.mul(&x.matmul(&x.t())?)?;
                // Rounding may take a sum of nearly 0 below it.
                pairs.sum_dims(&[1, 2], false)?.clamp_min(0.0)
            }
            _ => return self.pass.give_each(self.op, &node, g.t().matmul(&x)?),
        };
        self.pass.give_shared(self.op, &node, found)
    }

    /// Says about input `i`, which the examples share, what is [asked](Self::asks) for: the gradient of each example,
    /// `[examples, ..]`, or the sum of its squares, `[examples]`. Ignored if nobody needs it.
    ///
    /// # Errors
    /// If the shape or the type does not fit.
    pub fn give_shared(&mut self, i: usize, found: Tensor) -> Result<()> {
        let Some(node) = self.inputs.get(i).and_then(node_of) else { return Ok(()) };
        if self.rows == self.pass.examples || found.shape().first() != Some(&self.rows) {
            return self.pass.give_shared(self.op, &node, found);
        }
        let sums = self.pass.apart(&found, 0)?.sum_dims(&[1], false)?;
        let found = if self.pass.asks(&node) == Ask::SquaredNorm { squares(&sums)? } else { sums };
        self.pass.give_shared(self.op, &node, found)
    }

    /// The same, from the gradients of all examples.
    ///
    /// # Errors
    /// If the shape or the type does not fit.
    pub fn give_each(&mut self, i: usize, grads: Tensor) -> Result<()> {
        match self.inputs.get(i).and_then(node_of) {
            Some(node) if self.rows == self.pass.examples => self.pass.give_each(self.op, &node, grads),
            _ => self.give_shared(i, grads),
        }
    }

    /// For functions whose examples are apart in the first `count` inputs, all of those that anyone may need the gradient of, or
    /// the ones that are not given otherwise: runs their `backward` for these.
    ///
    /// # Errors
    /// Those of `backward`; if the first dimension of such an input is not that of the examples.
    pub fn run_apart(&mut self, function: &dyn Function, saved: &Saved<'_>, grad: &Tensor, count: usize) -> Result<()> {
        let inputs = &self.inputs[..count.min(self.inputs.len())];
        let mut collector = Pass::new(Goal::Leaves, true);
        function.backward(saved, grad, &mut Sink::new(&mut collector, self.op, inputs))?;
        for (node, grad) in collector.arrived() {
            if node.shape.first() != Some(&self.rows) {
                return Err(refused(self.op, "examples share an input, and this operation has no rule for that"));
            }
            self.pass.give(self.op, &node, Held::Apart(grad, 0))?;
        }
        Ok(())
    }
}
