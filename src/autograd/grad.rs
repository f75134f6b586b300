//! What is asked of the backward pass: gradients of some numbers by some tensors.

use std::panic::Location;
use std::sync::Arc;

use super::engine::{Each, Filter, Goal, Need, OnGradient, Pass, Sink, freed};
use super::gradients::{Gradients, NodeMap};
use super::node::{Node, NodeId, node_of};
use super::recording;
use crate::error::{Error, Here, Result, bug};
use crate::tensor::Tensor;

/// Options of [`grad`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct GradOptions {
    /// Record the computation of the gradients, so that they can be differentiated themselves.
    pub create_graph: bool,
    /// Keep the graph for further passes. `create_graph` implies it.
    pub retain_graph: bool,
    /// Return zeros for inputs that the outputs do not depend on, instead of an error.
    pub allow_unused: bool,
    /// The gradients of the outputs. Without them, every output must be a single number, and its gradient is 1.
    pub grad_outputs: Option<Vec<Tensor>>,
}

impl GradOptions {
    /// The gradients alone, of graphs that are freed, and errors for inputs without an influence.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`create_graph`](field@Self::create_graph).
    #[must_use]
    pub fn create_graph(mut self, create: bool) -> Self {
        self.create_graph = create;
        self
    }

    /// Sets [`retain_graph`](field@Self::retain_graph).
    #[must_use]
    pub fn retain_graph(mut self, retain: bool) -> Self {
        self.retain_graph = retain;
        self
    }

    /// Sets [`allow_unused`](field@Self::allow_unused).
    #[must_use]
    pub fn allow_unused(mut self, allow: bool) -> Self {
        self.allow_unused = allow;
        self
    }

    /// Sets [`grad_outputs`](field@Self::grad_outputs).
    #[must_use]
    pub fn grad_outputs(mut self, grads: Vec<Tensor>) -> Self {
        self.grad_outputs = Some(grads);
        self
    }
}

/// The gradients of the (weighted) sum of `outputs` with respect to `inputs`, which may be any tracked tensors, not
/// only leaves.
///
/// # Errors
/// If an output or input is not tracked, an input has no influence (see [`GradOptions::allow_unused`]), the
/// shapes of `grad_outputs` do not fit, or the graph was already freed.
///
/// The second derivative of x³ at 2:
///
/// ```
/// use demotic::{autograd::{grad, GradOptions}, tensor};
///
/// let x = tensor![2.0].tracked()?;
/// let y = x.powf(3.0).sum();
/// let first = grad(&[&y], &[&x], GradOptions::new().create_graph(true))?;
/// let second = grad(&[&first[0].sum()], &[&x], GradOptions::default())?;
/// assert_eq!(second[0].item()?, 12.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn grad(outputs: &[&Tensor], inputs: &[&Tensor], options: GradOptions) -> Result<Vec<Tensor>> {
    let grads = output_gradients(outputs, options.grad_outputs.as_deref())?;
    let mut targets = Vec::with_capacity(inputs.len());
    for (i, input) in inputs.iter().enumerate() {
        targets.push(
            node_of(input)
                .ok_or_else(|| {
                    Error::gradient("grad", format!("input {i} is not tracked"))
                        .with_help("track it with tracked() before using it")
                })
                .here()?,
        );
    }
    let roots: Vec<_> = grads.iter().map(|(node, _)| node.clone()).collect();
    let needed = Reached::from(&roots, |_| false).on_the_way_to(&targets).here()?;
    let mut pass = Pass::new(Goal::Only(needed), options.retain_graph || options.create_graph);
    let found = recording::with(options.create_graph, || {
        for (node, grad) in grads {
            pass.give("grad", &node, grad)?;
        }
        pass.run()
    })
    .here()?;
    let caller = Location::caller();
    let unused = |i: usize, x: &Tensor| match options.allow_unused {
        true => Ok(x.detach().for_gradient().zeros_like()),
        false => Err(Error::gradient("grad", format!("the outputs do not depend on input {i}"))
            .at(caller)
            .with_help("set allow_unused to get zeros for it")),
    };
    let mut result = Vec::with_capacity(inputs.len());
    for (i, (input, target)) in inputs.iter().zip(&targets).enumerate() {
        result.push(match found.binary_search_by_key(&target.id, |(node, _)| node.id) {
            Ok(at) => found[at].1.clone(),
            Err(_) => unused(i, input).here()?,
        });
    }
    Ok(result)
}

/// The gradient of a single number by `input`, where `filter` has changed what arrives at some operations, and how often it did.
#[track_caller]
pub(crate) fn grad_filtered(output: &Tensor, input: &Tensor, filter: Filter) -> Result<(Tensor, usize)> {
    let (grads, Some(target)) = (output_gradients(&[output], None)?, node_of(input)) else {
        return Err(bug!("grad", "an input that is not tracked"));
    };
    let roots: Vec<_> = grads.iter().map(|(node, _)| node.clone()).collect();
    let needed = Reached::from(&roots, |_| false).on_the_way_to(&[target]).here()?;
    let mut pass = Pass::new(Goal::Only(needed), false);
    pass.filter = Some(filter);
    recording::with(false, || {
        for (node, grad) in grads {
            pass.give("grad", &node, grad)?;
        }
        pass.walk(&mut None)
    })
    .here()?;
    let found = pass.found.pop().map_or_else(|| input.detach().for_gradient().zeros_like(), |(_, grad)| grad);
    Ok((found, pass.filtered))
}

/// The nodes of outputs with the gradients to start from.
#[track_caller]
fn output_gradients(outputs: &[&Tensor], grads: Option<&[Tensor]>) -> Result<Vec<(Arc<Node>, Tensor)>> {
    if grads.is_some_and(|grads| grads.len() != outputs.len()) {
        let n = grads.map_or(0, <[_]>::len);
        return Err(Error::argument("grad", format!("{n} gradients for {} outputs", outputs.len())));
    }
    let mut pairs = Vec::with_capacity(outputs.len());
    for (i, output) in outputs.iter().enumerate() {
        let Some(node) = node_of(output) else {
            let message = "there is nothing to differentiate: the output was not computed from tracked tensors";
            return Err(Error::gradient("backward", message).with_help(
                "parameters are tracked unless frozen (unfreeze(\"*\") makes all of a model trainable), other tensors by tracked(); \
                 no_grad and predict record nothing",
            ));
        };
        let grad = match grads {
            Some(grads) if grads[i].shape() == output.shape() => grads[i].clone(),
            Some(grads) => {
                let message =
                    format!("a gradient of shape {:?} for an output of {:?}", grads[i].shape(), output.shape());
                return Err(Error::shape("grad", message));
            }
            None if output.numel() == 1 => output.ones_like(),
            None => {
                let message = format!("the output has shape {:?}, expected a single number", output.shape());
                return Err(
                    Error::shape("backward", message).with_help("reduce the loss first, for example with mean()")
                );
            }
        };
        pairs.push((node, grad));
    }
    Ok(pairs)
}

/// The nodes that some others were computed from.
#[derive(Default)]
struct Reached {
    /// Each with the numbers of its inputs.
    inputs: NodeMap<Vec<NodeId>>,
    /// Those among them whose inputs are not known any more.
    freed: Vec<Arc<Node>>,
}

impl Reached {
    /// Everything that can be reached from `roots` without going on behind nodes that are an `end`. Without recursion.
    fn from(roots: &[Arc<Node>], is_end: impl Fn(NodeId) -> bool) -> Self {
        let mut reached = Self::default();
        let mut stack = roots.to_vec();
        while let Some(node) = stack.pop() {
            if reached.inputs.contains_key(&node.id) {
                continue;
            }
            let mut inputs = Vec::new();
            let known = is_end(node.id)
                || node.inputs(&mut |input| {
                    inputs.push(input.id);
                    stack.push(input.clone());
                });
            reached.inputs.insert(node.id, inputs);
            if !known {
                reached.freed.push(node);
            }
        }
        reached
    }

    /// The leaves by the last node of a pass that uses them, which has the smallest number.
    fn last_uses(&self) -> NodeMap<Vec<NodeId>> {
        let mut last: NodeMap<NodeId> = NodeMap::default();
        for (node, inputs) in &self.inputs {
            for input in inputs.iter().filter(|input| self.inputs.get(input).is_some_and(Vec::is_empty)) {
                let latest = last.entry(*input).or_insert(*node);
                *latest = (*latest).min(*node);
            }
        }
        let mut leaves: Vec<_> = last.into_iter().collect();
        NodeId::sort(&mut leaves, |(leaf, _)| *leaf);
        let mut by_use: NodeMap<Vec<NodeId>> = NodeMap::default();
        for (leaf, node) in leaves.into_iter().rev() {
            by_use.entry(node).or_default().push(leaf);
        }
        by_use
    }

    /// The targets among them, and what lies on the way there.
    ///
    /// An error if that is not known: a target may lie behind a part of the graph that was freed. It has a smaller number
    /// then.
    fn on_the_way_to(&self, targets: &[Arc<Node>]) -> Result<NodeMap<Need>> {
        let targets: NodeMap<()> = targets.iter().map(|target| (target.id, ())).collect();
        let earliest = targets.keys().min();
        let hides_one = |node: &&Arc<Node>| earliest.is_some_and(|target| *target < node.id);
        if let Some(node) = self.freed.iter().filter(hides_one).max_by_key(|node| node.id) {
            return Err(freed(node));
        }
        // Inputs have smaller numbers, so in ascending order they are decided before what was computed from them.
        let mut order: Vec<_> = self.inputs.keys().copied().collect();
        NodeId::sort(&mut order, |id| *id);
        let mut needed: NodeMap<Need> = NodeMap::default();
        for id in order {
            let wanted = targets.contains_key(&id);
            let behind = self.inputs[&id].iter().any(|input| needed.contains_key(input));
            if wanted || behind {
                needed.insert(id, Need { wanted, behind });
            }
        }
        Ok(needed)
    }
}

/// Runs `f` on stand-ins for the first `given` inputs, and hands on to the sink the gradients that those of its results give
/// them. The other inputs are those that `f` uses of its own accord.
#[track_caller]
pub(crate) fn local_gradients(
    inputs: &[Tensor],
    given: usize,
    grads: &[Option<Tensor>],
    sink: &mut Sink<'_, '_>,
    f: &mut dyn FnMut(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<()> {
    let create_graph = recording::is_enabled();
    let first = NodeId::next();
    let (mut stand_ins, mut places, mut targets) = (Vec::with_capacity(given), NodeMap::default(), Vec::new());
    for (i, input) in inputs.iter().enumerate() {
        let inside = match (input.is_tracked(), create_graph) {
            (true, false) if i < given => input.as_leaf(),
            (true, true) if i < given => input.alias(),
            _ => input.clone(),
        };
        if let Some(node) = node_of(&inside) {
            places.insert(node.id, i);
            if sink.wants(i) {
                targets.push(node);
            }
        }
        if i < given {
            stand_ins.push(inside);
        }
    }
    let outputs = recording::with(true, || f(&stand_ins))?;
    let caller = Location::caller();
    let again = |message: String| {
        Error::gradient(sink.op, message)
            .at(caller)
            .with_help("what is computed twice must do the same both times: without a shared generator or counter")
    };
    // A result that depends on nothing tracked has a gradient of 0 for everything.
    let (mut roots, mut starts) = (Vec::new(), Vec::new());
    for (i, grad) in grads.iter().enumerate() {
        let Some(grad) = grad else { continue };
        let Some(output) = outputs.get(i) else {
            return Err(again(format!("the second run gave {} results, the first one more", outputs.len())));
        };
        if output.shape() != grad.shape() {
            let (first, second) = (grad.shape(), output.shape());
            return Err(again(format!("the second run gave the shape {second:?}, the first one {first:?}")));
        }
        if let Some(root) = node_of(output) {
            roots.push(root);
            starts.push(grad.clone());
        }
    }
    if roots.is_empty() {
        return Ok(());
    }
    let reached = Reached::from(&roots, |id| places.contains_key(&id));
    if reached.inputs.keys().any(|id| *id < first && !places.contains_key(id)) {
        return Err(again("the second run used a tracked tensor that the first one did not use".into()));
    }
    let mut pass = Pass::new(Goal::Only(reached.on_the_way_to(&targets)?), create_graph);
    for (root, grad) in roots.iter().zip(starts) {
        pass.give(sink.op, root, grad)?;
    }
    for (node, grad) in pass.run()? {
        if let Some(i) = places.get(&node.id) {
            sink.give(*i, grad)?;
        }
    }
    Ok(())
}

/// # Gradients
impl Tensor {
    #[track_caller]
    fn run_backward(&self, retain: bool) -> Result<Gradients> {
        let mut pass = Pass::new(Goal::Leaves, retain);
        let found = recording::with(false, || {
            for (node, grad) in output_gradients(&[self], None)? {
                pass.give("backward", &node, grad)?;
            }
            pass.run()
        })
        .here()?;
        Ok(Gradients::new(found.into_iter().map(|(node, grad)| (node.id, grad)).collect()))
    }

    /// The gradients of this single number with respect to every tracked tensor it was computed from.
    ///
    /// The recorded graph is freed on the way; see [`backward_retain`](Self::backward_retain).
    ///
    /// # Errors
    /// If the tensor is not a single number, was not computed from tracked tensors, or its graph is already freed.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let w = tensor![3.0].tracked()?;
    /// let loss = (&w * 2.0).square().sum();
    /// assert_eq!(loss.backward()?.wrt(&w)?.item()?, 24.0);
    /// assert!(loss.backward().is_err());
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn backward(&self) -> Result<Gradients> {
        self.run_backward(false)
    }

    /// The same, keeping the graph for another pass.
    ///
    /// # Errors
    /// As for [`backward`](Self::backward).
    #[track_caller]
    pub fn backward_retain(&self) -> Result<Gradients> {
        self.run_backward(true)
    }

    /// Hands each gradient of [`backward`](Self::backward) to a function as soon as it is complete, while the pass goes on.
    #[track_caller]
    pub(crate) fn backward_each(&self, on_gradient: OnGradient<'_>) -> Result<()> {
        let mut pass = Pass::new(Goal::Leaves, false);
        recording::with(false, || {
            let starts = output_gradients(&[self], None)?;
            let roots: Vec<_> = starts.iter().map(|(node, _)| node.clone()).collect();
            let last_uses = Reached::from(&roots, |_| false).last_uses();
            for (node, grad) in starts {
                pass.give("backward", &node, grad)?;
            }
            pass.walk(&mut Some(Each { last_uses, on_gradient }))
        })
        .here()
    }

    /// The same values as a new tracked tensor: operations on it are recorded, and gradients with respect to it can
    /// be asked for. What it was computed from is forgotten. Gradients of 16-bit tensors are `F32`.
    ///
    /// # Errors
    /// If the elements are integers or truth values.
    #[doc(alias = "requires_grad")]
    #[track_caller]
    pub fn tracked(&self) -> Result<Tensor> {
        self.expect_any_float("tracked", "a tensor with gradients")?;
        Ok(self.as_leaf())
    }

    /// The same values in the type of this tensor's gradient, in which the rules for gradients compute.
    pub(crate) fn for_gradient(&self) -> Tensor {
        match self.dtype().gradient() {
            Some(wide) if wide != self.dtype() => self.to_dtype(wide),
            _ => self.clone(),
        }
    }

    /// The same for results of any type that gradients flow through.
    fn as_leaf(&self) -> Tensor {
        let values = self.detach();
        let node = Node::leaf(&values);
        values.with_node(Some(node))
    }

    /// Whether operations on this tensor are recorded.
    #[doc(alias = "requires_grad")]
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.node().is_some()
    }

    /// The same values, without what they were computed from.
    #[must_use]
    pub fn detach(&self) -> Tensor {
        self.with_layout(self.layout().clone())
    }
}
