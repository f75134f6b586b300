//! The recorded graph: one node for each tracked tensor, with the rule that carries gradients on to its inputs.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::function::Call;
use super::per_example::Ask;
use super::recording;
use super::several::SeveralCall;
use crate::error::{Result, bug};
use crate::tensor::layout::Dims;
use crate::tensor::{DType, MAX_DIMS, Tensor};

/// Identifies a tracked tensor. Later tensors have larger numbers, so a tensor's number is larger than those of
/// everything it was computed from: descending order of numbers is an order for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u64);

impl NodeId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Sorts what has numbers by them.
    pub(crate) fn sort<T>(items: &mut [T], id: impl Fn(&T) -> Self) {
        crate::order::sort_by_key(items, |item| id(item).0);
    }
}

/// A vector-Jacobian product: from the gradient of an operation's output to the gradient of one input.
pub(crate) enum Vjp {
    OfGradient(Box<dyn OfGradient>),
    /// Computed from the output as well.
    OfOutput(Box<dyn OfOutput>),
}

// Not `dyn Fn`, which is three functions for each closure.

pub(crate) trait OfGradient: Send + Sync {
    fn product(&self, grad: &Tensor) -> Result<Tensor>;
}

impl<F: Fn(&Tensor) -> Result<Tensor> + Send + Sync> OfGradient for F {
    fn product(&self, grad: &Tensor) -> Result<Tensor> {
        self(grad)
    }
}

pub(crate) trait OfOutput: Send + Sync {
    fn product(&self, grad: &Tensor, output: &Tensor) -> Result<Tensor>;
}

impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync> OfOutput for F {
    fn product(&self, grad: &Tensor, output: &Tensor) -> Result<Tensor> {
        self(grad, output)
    }
}

impl Vjp {
    /// The product with `grad`. Without the output, there must be no rule that asked for it.
    pub(crate) fn product(&self, grad: &Tensor, output: Option<&Tensor>) -> Result<Tensor> {
        match (self, output) {
            (Self::OfGradient(vjp), _) => vjp.product(grad),
            (Self::OfOutput(vjp), Some(output)) => vjp.product(grad, output),
            (Self::OfOutput(_), None) => Err(bug!("backward", "an output that was not kept")),
        }
    }
}

/// Adds the gradient of one input, from the gradient of an operation's output, to what has already arrived of it, which
/// is contiguous and belongs to nobody else.
pub(crate) type AddTo = Box<dyn Fn(&Tensor, &mut Tensor) -> Result<()> + Send + Sync>;

/// One input of a recorded operation.
pub(crate) struct Edge {
    pub(crate) input: Arc<Node>,
    pub(crate) vjp: Vjp,
    /// A faster way to the sum of the product and an earlier gradient, where there is one.
    pub(crate) add_to: Option<AddTo>,
    /// What becomes of the examples of a batch.
    pub(crate) examples: Examples,
}

/// Finds out about the examples of a batch, which share an input, what is asked for, from the gradient of an operation's
/// output.
pub(crate) type ExampleRule = Box<dyn Fn(&Tensor, Ask) -> Result<Tensor> + Send + Sync>;

/// How an operation treats the examples of a batch, which are the first dimension of its output; see
/// [`per_example`](super::per_example).
pub(crate) enum Examples {
    /// It does not say.
    Unknown,
    /// Index `i` of the first dimension of the output depends on the same index of the input alone, if the two are of one size.
    Kept,
    /// The same for each dimension of the output, with the number of that of the input; one that there cannot be for none.
    Moved([u8; MAX_DIMS]),
    /// The elements are those of the input in their order, whatever the dimensions are.
    Reshaped,
    /// They share the input.
    Shared(ExampleRule),
}

/// How an operation's gradient goes on to its inputs.
pub(crate) enum Rule {
    /// Each tracked input has a closure of its own. The output is kept if one of them asks for it.
    Edges { edges: Vec<Edge>, output: Option<Tensor> },
    /// One function handles all inputs.
    Function(Call),
    /// The same with several results, each of which has a [node of its own](Node::output).
    Several(Box<SeveralCall>),
}

impl Rule {
    /// The nodes of the tracked inputs.
    pub(crate) fn inputs(&self, f: &mut dyn FnMut(&Arc<Node>)) {
        match self {
            Rule::Edges { edges, .. } => edges.iter().for_each(|edge| f(&edge.input)),
            Rule::Function(call) => call.nodes().for_each(|node| f(&node)),
            Rule::Several(call) => call.nodes().for_each(|node| f(&node)),
        }
    }
}

enum Kind {
    /// A variable: a parameter or an input that gradients are wanted for.
    Leaf,
    /// The result of an operation, or an operation with several results.
    Op(Mutex<Slot>),
    /// One of several results of an operation.
    Output { of: Arc<Node>, index: usize },
}

/// Where the rule of an operation is.
enum Slot {
    Here(Rule),
    /// A pass that keeps the graph runs it, or has run it. It has a handle of its own, so that what it runs may come back
    /// to this node.
    Shared(Arc<Rule>),
    /// A backward pass has used it up.
    Freed,
}

impl Slot {
    fn get(&self) -> Option<&Rule> {
        match self {
            Self::Here(rule) => Some(rule),
            Self::Shared(rule) => Some(rule),
            Self::Freed => None,
        }
    }

    fn free(&mut self) -> Option<TakenRule> {
        match std::mem::replace(self, Self::Freed) {
            Self::Here(rule) => Some(TakenRule::Own(rule)),
            Self::Shared(rule) => Some(TakenRule::Shared(rule)),
            Self::Freed => None,
        }
    }
}

/// A rule that its node does not have any more.
pub(crate) enum TakenRule {
    Own(Rule),
    /// A pass further out may still be running it.
    Shared(Arc<Rule>),
}

impl Deref for TakenRule {
    type Target = Rule;
    fn deref(&self) -> &Rule {
        match self {
            Self::Own(rule) => rule,
            Self::Shared(rule) => rule,
        }
    }
}

impl TakenRule {
    /// Drops the rule, and every rule that only it kept alive, without recursion.
    pub(crate) fn release(self) {
        match self {
            Self::Own(rule) => drop_rule(rule),
            Self::Shared(rule) => drop(Arc::into_inner(rule).map(drop_rule)),
        }
    }
}

/// What autograd knows about a tracked tensor, or about an operation with several of them as results.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) name: &'static str,
    pub(crate) shape: Dims,
    pub(crate) dtype: DType,
    kind: Kind,
}

impl Node {
    pub(crate) fn leaf(tensor: &Tensor) -> Arc<Self> {
        Arc::new(Self::new("leaf", tensor, Kind::Leaf))
    }

    pub(crate) fn op(name: &'static str, output: &Tensor, rule: Rule) -> Arc<Self> {
        Arc::new(Self::new(name, output, Kind::Op(Mutex::new(Slot::Here(rule)))))
    }

    /// The node of an operation with several results. It is no tensor's, and has no shape.
    pub(super) fn several(name: &'static str, call: SeveralCall) -> Arc<Self> {
        let kind = Kind::Op(Mutex::new(Slot::Here(Rule::Several(Box::new(call)))));
        Arc::new(Self { id: NodeId::next(), name, shape: Dims::EMPTY, dtype: DType::F32, kind })
    }

    /// The node of one of these results. Its number is larger than that of the operation, so that the gradients of all
    /// results are complete when the operation's turn comes.
    pub(super) fn output(of: &Arc<Self>, index: usize, tensor: &Tensor) -> Arc<Self> {
        Arc::new(Self::new(of.name, tensor, Kind::Output { of: of.clone(), index }))
    }

    fn new(name: &'static str, tensor: &Tensor, kind: Kind) -> Self {
        Self { id: NodeId::next(), name, shape: tensor.layout().shape(), dtype: tensor.dtype(), kind }
    }

    pub(crate) fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::Leaf)
    }

    /// Of one of several results: the operation, and which of them it is.
    pub(crate) fn output_of(&self) -> Option<(&Arc<Self>, usize)> {
        match &self.kind {
            Kind::Output { of, index } => Some((of, *index)),
            _ => None,
        }
    }

    fn slot(&self) -> Option<MutexGuard<'_, Slot>> {
        match &self.kind {
            Kind::Leaf | Kind::Output { .. } => None,
            Kind::Op(slot) => Some(slot.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Calls `f` for each tracked input. Returns whether the inputs are known: they are not if the graph was freed.
    pub(crate) fn inputs(&self, f: &mut dyn FnMut(&Arc<Node>)) -> bool {
        match (&self.kind, self.slot()) {
            (Kind::Output { of, .. }, _) => {
                f(of);
                true
            }
            (_, None) => true,
            (_, Some(slot)) => slot.get().map(|rule| rule.inputs(f)).is_some(),
        }
    }

    /// The first input of a fused operation, as it was kept for the backward pass.
    pub(super) fn argument(&self) -> Option<Tensor> {
        match self.slot()?.get()? {
            Rule::Function(call) => call.inputs().first().cloned(),
            _ => None,
        }
    }

    /// The rule, for running it and keeping it. `None` for leaves and for graphs that were freed.
    pub(crate) fn shared_rule(&self) -> Option<Arc<Rule>> {
        let mut slot = self.slot()?;
        let rule = match slot.free()? {
            TakenRule::Own(rule) => Arc::new(rule),
            TakenRule::Shared(rule) => rule,
        };
        *slot = Slot::Shared(rule.clone());
        Some(rule)
    }

    /// Takes the rule out: after this the node's part of the graph is freed.
    pub(crate) fn take_rule(&self) -> Option<TakenRule> {
        self.slot()?.free()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({} #{} {:?} {})", self.name, self.id.0, self.shape, self.dtype)
    }
}

/// A graph can be a million operations deep. Dropping it node by node, each from within the last, would overflow
/// the stack; instead, the outermost drop collects the rules of nodes that die with it and frees them in a loop.
impl Drop for Node {
    fn drop(&mut self) {
        let Kind::Op(slot) = &mut self.kind else { return };
        if let Some(rule) = slot.get_mut().unwrap_or_else(PoisonError::into_inner).free() {
            rule.release();
        }
    }
}

/// Drops a rule and every rule that only it kept alive, without recursion.
fn drop_rule(rule: Rule) {
    thread_local! {
        static PENDING: std::cell::RefCell<Option<Vec<Rule>>> = const { std::cell::RefCell::new(None) };
    }
    // A drop further out on this thread is already at work: leave the rule to it.
    let mut rule = Some(rule);
    let nested = PENDING.try_with(|pending| match pending.borrow_mut().as_mut() {
        Some(list) => {
            list.extend(rule.take());
            true
        }
        None => false,
    });
    if nested != Ok(false) {
        return;
    }
    let _ = PENDING.try_with(|pending| *pending.borrow_mut() = Some(Vec::new()));
    while let Some(next) = rule {
        drop(next);
        rule = PENDING.try_with(|pending| pending.borrow_mut().as_mut().and_then(Vec::pop)).ok().flatten();
    }
    let _ = PENDING.try_with(|pending| *pending.borrow_mut() = None);
}

/// The node of a tracked tensor.
pub(crate) fn node_of(tensor: &Tensor) -> Option<Arc<Node>> {
    let node: Arc<dyn Any + Send + Sync> = tensor.node()?.clone();
    node.downcast().ok()
}

/// The identity of a tracked tensor, without touching the reference count.
pub(crate) fn id_of(tensor: &Tensor) -> Option<NodeId> {
    tensor.node()?.downcast_ref::<Node>().map(|node| node.id)
}

/// Collects the gradient rules of one operation; see [`record`].
pub(crate) struct Tape {
    edges: Vec<Edge>,
    keep_output: bool,
}

impl Tape {
    /// The gradient with respect to `input` is `vjp(g)`, `g` being the gradient of the output. It may have the
    /// broadcast shape: the engine sums it to the input's. Gradients of 16-bit tensors are `F32`: a rule that multiplies
    /// by a tensor keeps it as [`for_gradient`](Tensor::for_gradient) gives it.
    pub(crate) fn edge(&mut self, input: &Tensor, vjp: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) {
        if let Some(input) = node_of(input) {
            self.push(input, Vjp::OfGradient(Box::new(vjp)));
        }
    }

    /// The same for a gradient that is zero in most places: `add_to(g, sum)` adds it to an earlier one without making it.
    pub(crate) fn sparse_edge(
        &mut self,
        input: &Tensor,
        vjp: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
        add_to: impl Fn(&Tensor, &mut Tensor) -> Result<()> + Send + Sync + 'static,
    ) {
        self.edge(input, vjp);
        if let Some(edge) = self.last(input) {
            edge.add_to = Some(Box::new(add_to));
        }
    }

    /// The same for a gradient that is best computed from the operation's output: `vjp(g, y)`.
    pub(crate) fn edge_with_output(
        &mut self,
        input: &Tensor,
        vjp: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) {
        if let Some(input) = node_of(input) {
            self.push(input, Vjp::OfOutput(Box::new(vjp)));
            self.keep_output = true;
        }
    }

    fn push(&mut self, input: Arc<Node>, vjp: Vjp) {
        self.edges.push(Edge { input, vjp, add_to: None, examples: Examples::Unknown });
    }

    /// The last edge, if it is that of `input`.
    fn last(&mut self, input: &Tensor) -> Option<&mut Edge> {
        if input.is_tracked() { self.edges.last_mut() } else { None }
    }

    /// Says of the last edge, which is that of `input`, whether index `i` of the first dimension of the output depends on index
    /// `i` of that of the input alone, where both dimensions have the same size.
    pub(crate) fn keeps_examples(&mut self, input: &Tensor, keeps: bool) {
        if let Some(edge) = self.last(input).filter(|_| keeps) {
            edge.examples = Examples::Kept;
        }
    }

    /// Says of the last edge, which is that of `input`, that the output has the elements of the input in their order.
    pub(crate) fn reshapes_examples(&mut self, input: &Tensor) {
        if let Some(edge) = self.last(input) {
            edge.examples = Examples::Reshaped;
        }
    }

    /// Says of the last edge, which is that of `input`, which of its dimensions each dimension of the output is, where both are of
    /// one size and index `i` of the one depends on index `i` of the other alone.
    pub(crate) fn moves_examples(&mut self, input: &Tensor, place: &dyn Fn(usize) -> Option<usize>) {
        if let Some(edge) = self.last(input) {
            edge.examples = Examples::Moved(std::array::from_fn(|d| place(d).map_or(u8::MAX, |place| place as u8)));
        }
    }

    /// Says of the last edge, which is that of `input`, what is known of single examples, which share the input: `rule(g, ask)`.
    pub(crate) fn shared_by_examples(&mut self, input: &Tensor, rule: ExampleRule) {
        if let Some(edge) = self.last(input) {
            edge.examples = Examples::Shared(rule);
        }
    }

    // What follows is not a part of [`record`], which is compiled for every operation.

    /// For an operation that has to be recorded.
    fn new(output: &Tensor, inputs: &[&Tensor]) -> Option<Self> {
        let recorded = is_recorded(inputs) && output.dtype().gradient().is_some();
        recorded.then(|| Self { edges: Vec::with_capacity(inputs.len()), keep_output: false })
    }

    /// The output as the result of an operation with these rules.
    fn finish(self, name: &'static str, output: Tensor) -> Tensor {
        let kept = self.keep_output.then(|| output.with_layout(output.layout().clone()));
        let node = Node::op(name, &output, Rule::Edges { edges: self.edges, output: kept });
        output.with_node(Some(node))
    }
}

/// Whether an operation on these inputs has to be recorded.
#[inline]
pub(crate) fn is_recorded(inputs: &[&Tensor]) -> bool {
    inputs.iter().any(|x| x.node().is_some()) && recording::admits(inputs)
}

/// Makes `output` the recorded result of operation `name` on `inputs`. `rules` says how its gradient goes on; it
/// is called only if one of the inputs is tracked.
///
/// A rule must not capture the output itself, which would then keep itself alive; it is handed in.
#[inline]
pub(crate) fn record(name: &'static str, output: Tensor, inputs: &[&Tensor], rules: impl FnOnce(&mut Tape)) -> Tensor {
    match Tape::new(&output, inputs) {
        Some(mut tape) => {
            rules(&mut tape);
            tape.finish(name, output)
        }
        None => output,
    }
}
