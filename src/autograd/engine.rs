//! The backward pass: from outputs to inputs, through the recorded graph.
//!
//! Nodes are visited in descending order of their numbers, so that a node's gradient is complete when its turn
//! comes. The engine does what the rules of single operations leave out: it adds up gradients that arrive over
//! several paths (in place where it owns the memory), sums gradients of broadcast inputs back to their shape, skips
//! inputs that need no gradient, and frees each part of the graph as soon as it is used.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::gradients::NodeMap;
use super::node::{Node, NodeId, Rule, node_of};
use super::recording;
use crate::error::{Error, Result, bug};
use crate::tensor::Tensor;
use crate::tensor::exec::binary;

/// Nodes in descending order.
pub(super) struct Latest(pub(super) Arc<Node>);

impl PartialEq for Latest {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}
impl Eq for Latest {}
impl PartialOrd for Latest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Latest {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

/// Which nodes a pass is about.
pub(super) enum Goal {
    /// All leaves that can be reached.
    Leaves,
    /// These nodes: those that are wanted, and those on the way to them.
    Only(NodeMap<Need>),
}

impl Goal {
    /// These leaves, and other nodes that lead to nothing else.
    pub(super) fn leaves_among<'n>(nodes: impl Iterator<Item = &'n Arc<Node>>) -> Self {
        Self::Only(nodes.map(|node| (node.id, Need { wanted: node.is_leaf(), behind: !node.is_leaf() })).collect())
    }
}

/// What is needed of a node.
#[derive(Clone, Copy)]
pub(super) struct Need {
    /// Its gradient is asked for.
    pub(super) wanted: bool,
    /// So is that of something that it was computed from.
    pub(super) behind: bool,
}

pub(super) struct Pass {
    goal: Goal,
    /// Whether the graph stays usable.
    retain: bool,
    /// Gradients of nodes whose turn has not come, as far as they have arrived.
    pending: NodeMap<Tensor>,
    /// The same for operations with several results: the gradient of each of them that has one.
    gathered: NodeMap<Vec<Option<Tensor>>>,
    queue: BinaryHeap<Latest>,
    /// What was asked for, in the order of the visits: the latest first.
    pub(super) found: Vec<(Arc<Node>, Tensor)>,
    pub(super) filter: Option<Filter>,
    pub(super) filtered: usize,
}

/// Who takes each gradient of a leaf as soon as it is complete, and not at the end, when the leaves have their turn.
pub(super) struct Each<'f> {
    /// The leaves by the operations that come last among those that use them.
    pub(super) last_uses: NodeMap<Vec<NodeId>>,
    pub(super) on_gradient: OnGradient<'f>,
}

/// What takes gradients, with the numbers of their leaves.
pub(crate) type OnGradient<'f> = &'f mut dyn FnMut(NodeId, Tensor) -> Result<()>;

/// What takes the place of the gradient of the result of an operation with this name; nothing if it stays as it is.
pub(crate) type Filter = fn(&'static str, &Tensor) -> Option<Tensor>;

impl Pass {
    pub(super) fn new(goal: Goal, retain: bool) -> Self {
        let (pending, gathered) = (NodeMap::default(), NodeMap::default());
        let (queue, found) = (BinaryHeap::new(), Vec::new());
        Self { goal, retain, pending, gathered, queue, found, filter: None, filtered: 0 }
    }

    fn wants(&self, id: NodeId) -> bool {
        match &self.goal {
            Goal::Leaves => true,
            Goal::Only(needed) => needed.contains_key(&id),
        }
    }

    /// Adds a gradient for `node`, which came from operation `op`.
    pub(super) fn give(&mut self, op: &'static str, node: &Arc<Node>, grad: Tensor) -> Result<()> {
        if !self.wants(node.id) {
            return Ok(());
        }
        let grad = fit(op, node, grad)?;
        match self.pending.entry(node.id) {
            Entry::Vacant(slot) => {
                slot.insert(grad);
                self.queue.push(Latest(node.clone()));
            }
            Entry::Occupied(mut slot) => add_to(slot.get_mut(), &grad)?,
        }
        Ok(())
    }

    /// The gradients that were asked for, in the order in which their tensors were made.
    pub(super) fn run(mut self) -> Result<Vec<(Arc<Node>, Tensor)>> {
        self.walk(&mut None)?;
        Ok(self.found)
    }

    pub(super) fn walk(&mut self, each: &mut Option<Each<'_>>) -> Result<()> {
        while let Some(Latest(node)) = self.queue.pop() {
            let Some(mut grad) = self.pending.remove(&node.id) else {
                if let Some(grads) = self.gathered.remove(&node.id) {
                    self.propagate(&node, Arrived::Several(&grads))?;
                    self.hand_over(&node, each)?;
                }
                continue;
            };
            let (wanted, behind) = match &self.goal {
                Goal::Leaves => (node.is_leaf(), !node.is_leaf()),
                Goal::Only(needed) => needed.get(&node.id).map_or((false, false), |need| (need.wanted, need.behind)),
            };
            if let Some(other) = self.filter.and_then(|filter| filter(node.name, &grad)) {
                (grad, self.filtered) = (other, self.filtered + 1);
            }
            if behind {
                match node.output_of() {
                    None => self.propagate(&node, Arrived::One(&grad))?,
                    Some((of, index)) => self.gather(of, index, &grad)?,
                }
                self.hand_over(&node, each)?;
            }
            if wanted {
                match each {
                    Some(each) => (each.on_gradient)(node.id, grad)?,
                    None => self.found.push((node, grad)),
                }
            }
        }
        self.found.reverse();
        Ok(())
    }

    /// Hands over the gradients that are complete when this node has had its turn.
    fn hand_over(&mut self, node: &Node, each: &mut Option<Each<'_>>) -> Result<()> {
        let Some(each) = each else { return Ok(()) };
        for leaf in each.last_uses.remove(&node.id).unwrap_or_default() {
            if let Some(grad) = self.pending.remove(&leaf) {
                (each.on_gradient)(leaf, grad)?;
            }
        }
        Ok(())
    }

    /// Hands the gradient of one of several results to the operation that they are of.
    fn gather(&mut self, of: &Arc<Node>, index: usize, grad: &Tensor) -> Result<()> {
        let grads = match self.gathered.entry(of.id) {
            Entry::Vacant(slot) => {
                self.queue.push(Latest(of.clone()));
                slot.insert(Vec::new())
            }
            Entry::Occupied(slot) => slot.into_mut(),
        };
        if grads.len() <= index {
            grads.resize(index + 1, None);
        }
        match &mut grads[index] {
            // Two nodes may stand for the same result: see `SeveralCall::linked`.
            Some(sum) => add_to(sum, grad),
            empty => {
                *empty = Some(grad.clone());
                Ok(())
            }
        }
    }

    /// The gradients that have arrived so far, in the order in which their tensors were made.
    pub(super) fn arrived(mut self) -> Vec<(Arc<Node>, Tensor)> {
        let mut nodes: Vec<_> = self.queue.into_iter().map(|Latest(node)| node).collect();
        NodeId::sort(&mut nodes, |node| node.id);
        nodes.into_iter().filter_map(|node| self.pending.remove(&node.id).map(|grad| (node, grad))).collect()
    }

    fn propagate(&mut self, node: &Arc<Node>, grad: Arrived<'_>) -> Result<()> {
        let _timer = crate::profile::backward(node.name);
        // No lock is held while a rule runs: it may be a user's, and differentiate through this node itself.
        if self.retain {
            let rule = node.shared_rule().ok_or_else(|| freed(node))?;
            return self.apply(node, &rule, grad);
        }
        let rule = node.take_rule().ok_or_else(|| freed(node))?;
        let result = self.apply(node, &rule, grad);
        rule.release();
        result
    }

    pub(super) fn apply(&mut self, node: &Arc<Node>, rule: &Rule, arrived: Arrived<'_>) -> Result<()> {
        // While gradients are being recorded, a kept output has to know where it came from.
        let link = |kept: &Option<Tensor>| {
            kept.as_ref().map(|y| {
                let y = y.with_layout(y.layout().clone());
                if recording::is_enabled() { y.with_node(Some(node.clone())) } else { y }.for_gradient()
            })
        };
        match (rule, arrived) {
            (Rule::Edges { edges, output }, Arrived::One(grad)) => {
                let output = link(output);
                for edge in edges {
                    if !self.wants(edge.input.id) {
                        continue;
                    }
                    if let (Some(add_to), Some(sum)) = (&edge.add_to, self.pending.get_mut(&edge.input.id))
                        && sum.is_owned()
                        && !recording::is_enabled()
                    {
                        add_to(grad, sum)?;
                        continue;
                    }
                    let input_grad = edge.vjp.product(grad, output.as_ref())?;
                    self.give(node.name, &edge.input, input_grad)?;
                }
                Ok(())
            }
            (Rule::Function(call), Arrived::One(grad)) => {
                let output = link(&call.output);
                call.backward(&output, grad, &mut Sink { pass: self, op: node.name, inputs: call.inputs() })
            }
            (Rule::Several(call), Arrived::Several(grads)) => {
                let outputs = call.linked(node);
                call.backward(&outputs, grads, &mut Sink { pass: self, op: node.name, inputs: call.inputs() })
            }
            _ => Err(bug!(node.name, "gradients for another number of results than it has")),
        }
    }
}

/// The gradients that have arrived at a node.
pub(super) enum Arrived<'a> {
    One(&'a Tensor),
    /// Of each result of the operation; absent, also at the end, where there is none.
    Several(&'a [Option<Tensor>]),
}

pub(super) fn freed(node: &Node) -> Error {
    Error::gradient("backward", format!("the graph behind `{}` was freed by an earlier backward pass", node.name))
        .with_help("call backward_retain() the first time, or compute the loss again")
}

/// Where a [`Function`](super::Function) puts the gradients of its inputs.
pub struct Sink<'p, 'i> {
    pass: &'p mut Pass,
    pub(super) op: &'static str,
    inputs: &'i [Tensor],
}

impl std::fmt::Debug for Sink<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sink({}, {} inputs)", self.op, self.inputs.len())
    }
}

impl<'p, 'i> Sink<'p, 'i> {
    pub(super) fn new(pass: &'p mut Pass, op: &'static str, inputs: &'i [Tensor]) -> Self {
        Self { pass, op, inputs }
    }
}

impl Sink<'_, '_> {
    /// Whether anyone needs the gradient of input `i`.
    #[must_use]
    pub fn wants(&self, i: usize) -> bool {
        self.inputs.get(i).and_then(super::node::id_of).is_some_and(|id| self.pass.wants(id))
    }

    /// Adds to the gradient of input `i`. It may have the broadcast shape. Ignored if nobody needs it.
    ///
    /// # Errors
    /// If the shape or the type does not fit the input.
    pub fn give(&mut self, i: usize, grad: Tensor) -> Result<()> {
        match self.inputs.get(i).and_then(node_of) {
            Some(node) => self.pass.give(self.op, &node, grad),
            None => Ok(()),
        }
    }
}

/// Brings a gradient to the shape of the node it belongs to.
pub(super) fn fit(op: &'static str, node: &Node, grad: Tensor) -> Result<Tensor> {
    let grad = match node.dtype.gradient() {
        Some(wanted) if grad.dtype() == wanted => grad,
        // A 16-bit gradient of a 16-bit tensor.
        Some(wanted) if grad.dtype() == node.dtype => grad.to_dtype(wanted),
        _ => {
            let message = format!("its backward gave a {} gradient for a {} input", grad.dtype(), node.dtype);
            return Err(Error::gradient(op, message));
        }
    };
    if grad.shape() == &*node.shape {
        return Ok(grad);
    }
    if crate::tensor::layout::broadcast(&node.shape, grad.shape()).as_deref() != Some(grad.shape()) {
        let message = format!("its backward gave a gradient of shape {:?} for {:?}", grad.shape(), node.shape);
        return Err(Error::gradient(op, message));
    }
    grad.sum_to(&node.shape)
}

/// `sum += term`, in place if nothing else can see `sum` and nothing is being recorded.
pub(crate) fn add_to(sum: &mut Tensor, term: &Tensor) -> Result<()> {
    let in_place = sum.is_owned() && term.is_contiguous() && sum.shape() == term.shape() && sum.dtype() == term.dtype();
    if in_place && !recording::is_enabled() {
        return binary::accumulate(sum, term, 1.0);
    }
    *sum = sum.add(term)?;
    Ok(())
}
