//! Gradients of single examples, in one pass.
//!
//! The loss of each example is an element of a vector, and the examples are the first dimension of what it was computed from, or
//! another one, where operations that move elements have put them there: recurrent networks have steps in front of them. That
//! dimension may have several rows for each example, one after the other, as where all steps of all sequences are rows.
//! A gradient is held in one of two ways. Where example `i` of a result depends on example `i` of a tensor alone, the gradient
//! of that tensor, of its shape, says everything: the examples are *apart* in it. Where a tensor is *shared* by all examples,
//! as parameters are, each example has a gradient of its own: one more dimension in front.
//!
//! Which of the two it is, and whether an operation keeps examples apart at all, is known of operations on elements by their
//! names, of others because they say so ([`Tape::keeps_examples`](super::node::Tape::keeps_examples),
//! [`Function::backward_per_example`](super::Function::backward_per_example)). An operation that says nothing is refused by its name, never guessed.

mod book;
mod results;
mod sink;

use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

pub use results::{ExampleGradients, ExampleNorms};
pub use sink::ExampleSink;

use book::{Book, Uses};

use super::engine::{Arrived, Goal, Latest, Pass, freed};
use super::gradients::{Gradients, NodeMap};
use super::lineage;
use super::node::{Examples, Node, NodeId, Rule, node_of};
use super::recording;
use super::several::SeveralCall;
use crate::error::{Error, Here, Result, bug};
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

/// What a pass that keeps examples apart is to find out about a tensor that they share. The sum over all of them is what
/// [`backward`](Tensor::backward) gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ask {
    /// The gradient of each example: `[examples, ..]`.
    PerExample,
    /// The sum of the squares of each example's gradient: `[examples]`. Often without making the gradients.
    SquaredNorm,
}

/// Operations whose results depend, element by element, on the same element of their inputs, which may be broadcast.
const ELEMENTWISE: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "add",
    "add_alpha",
    "add_scalar",
    "alias",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "broadcast_to",
    "celu",
    "clamp",
    "clamp_tensor",
    "contiguous",
    "cos",
    "cosh",
    "div",
    "div_mode",
    "div_scalar",
    "elu",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "gelu",
    "gelu_tanh",
    "hardsigmoid",
    "hardtanh",
    "hardswish",
    "leaky_relu",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_sigmoid",
    "masked_fill",
    "maximum",
    "minimum",
    "mish",
    "mul",
    "mul_scalar",
    "neg",
    "pow",
    "powf",
    "rdiv_scalar",
    "reciprocal",
    "relu",
    "relu6",
    "remainder",
    "rsqrt",
    "rsub_scalar",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "sub",
    "sub_alpha",
    "tan",
    "tanh",
    "tanhshrink",
    "to_dtype",
    "where",
];

/// The gradient of a node, as far as it has arrived.
enum Held {
    /// Of the node's shape, and which dimension is that of the examples, or of equally many rows of each of them.
    Apart(Tensor, usize),
    /// One more dimension in front: the examples share the node.
    Shared(Tensor),
}

/// The gradients of several results of an operation, as far as they have arrived, with the dimension of the examples.
type OfResults = Vec<Option<(Tensor, usize)>>;

struct ExamplePass {
    examples: usize,
    ask: Ask,
    pending: NodeMap<Held>,
    several: NodeMap<OfResults>,
    queue: BinaryHeap<Latest>,
    /// How many operations use each node.
    uses: NodeMap<usize>,
    /// What was found out about the leaves, the latest first: `[examples, ..]`, or norms.
    found: Vec<(NodeId, Tensor)>,
    norms: NodeMap<Tensor>,
    book: Option<Book>,
}

#[track_caller]
fn refused(op: &str, why: &str) -> Error {
    Error::gradient(op, format!("the gradients of single examples: {why}"))
        .with_help("compute the loss of one example after the other, with a backward pass for each")
}

const NO_RULE: &str = "this operation has no rule for them";

impl ExamplePass {
    fn give(&mut self, op: &'static str, node: &Arc<Node>, held: Held) -> Result<()> {
        match self.pending.entry(node.id) {
            Entry::Vacant(slot) => {
                slot.insert(held);
                self.queue.push(Latest(node.clone()));
                Ok(())
            }
            Entry::Occupied(mut slot) => match (slot.get_mut(), &held) {
                (Held::Shared(sum), Held::Shared(term)) => super::engine::add_to(sum, term),
                (Held::Apart(sum, axis), Held::Apart(term, other)) if axis == other => super::engine::add_to(sum, term),
                _ => Err(refused(op, "an input is shared by all examples in one place, and not in another")),
            },
        }
    }

    /// What is to be found out about an input: norms only where nothing else will be added to its gradient.
    fn asks(&self, node: &Arc<Node>) -> Ask {
        match self.ask {
            Ask::SquaredNorm if self.line_of(node).is_some() => Ask::SquaredNorm,
            _ => Ask::PerExample,
        }
    }

    /// From an input to the leaf that it is, or has the numbers of, as a transposed weight has, if nothing else uses what is between:
    /// the norms of their gradients are the same.
    fn line_of(&self, node: &Arc<Node>) -> Option<Vec<Arc<Node>>> {
        let mut line = Vec::new();
        let mut next = Some(node.clone());
        while let Some(node) = next.filter(|next| self.uses.get(&next.id) == Some(&1) && next.dtype == node.dtype) {
            let is_leaf = node.is_leaf();
            next = lineage::moved(&node);
            line.push(node);
            if is_leaf {
                return Some(line);
            }
        }
        None
    }

    /// Takes the gradients of all examples with respect to an input that they share.
    fn give_each(&mut self, op: &'static str, node: &Arc<Node>, grads: Tensor) -> Result<()> {
        if self.asks(node) == Ask::PerExample {
            return self.give_shared(op, node, grads);
        }
        let norms = squares(&grads)?;
        let is_kept = match &mut self.book {
            Some(book) if node.is_leaf() => book.keep(node, grads),
            _ => false,
        };
        if is_kept { self.give_norms(op, node.id, norms) } else { self.give_shared(op, node, norms) }
    }

    fn give_norms(&mut self, op: &'static str, leaf: NodeId, norms: Tensor) -> Result<()> {
        match self.norms.insert(leaf, norms) {
            None => Ok(()),
            Some(_) => Err(Error::gradient(op, "its rule for single examples gave the norms of one input twice")),
        }
    }

    /// Takes what a rule found out about an input that examples share.
    fn give_shared(&mut self, op: &'static str, node: &Arc<Node>, found: Tensor) -> Result<()> {
        let wanted = node.dtype.gradient();
        let line = if self.ask == Ask::SquaredNorm { self.line_of(node) } else { None };
        let is_norm = line.is_some();
        let line = line.unwrap_or_else(|| vec![node.clone()]);
        let last = line.last().map_or(node.id, |leaf| leaf.id);
        if let Some(book) = &mut self.book {
            book.shared.extend(line.into_iter().map(|node| (node.id, node)));
            book.is_use = true;
        }
        let shape = if is_norm { Dims::collect([self.examples]) } else { self.with_examples(&node.shape)? };
        if *found.shape() != *shape || Some(found.dtype()) != wanted {
            let (given, dtype) = (found.shape(), found.dtype());
            let message = format!("its rule for single examples gave {given:?} of {dtype}, expected {:?}", &*shape);
            return Err(Error::gradient(op, message));
        }
        if is_norm {
            return self.give_norms(op, last, found);
        }
        self.give(op, node, Held::Shared(found))
    }

    fn with_examples(&self, shape: &[usize]) -> Result<Dims> {
        let shape: Vec<usize> = std::iter::once(self.examples).chain(shape.iter().copied()).collect();
        crate::tensor::create::check_shape("backward_per_example", &shape, DType::F32)
    }

    fn run(mut self) -> Result<Self> {
        while let Some(Latest(node)) = self.queue.pop() {
            if let Some(grads) = self.several.remove(&node.id) {
                self.of_results(&node, &grads)?;
                self.write_down(&node, || Uses::Several(grads));
                continue;
            }
            match self.pending.remove(&node.id) {
                None => (),
                Some(Held::Shared(grads)) if node.is_leaf() => self.found.push((node.id, grads)),
                Some(Held::Apart(_, axis)) if node.is_leaf() => {
                    let place = if axis == 0 { "first dimension".into() } else { format!("dimension {axis}") };
                    let message = format!(
                        "a tracked tensor of shape {:?} has the examples in its {place}, so they do not share it",
                        node.shape
                    );
                    return Err(refused("backward_per_example", &message));
                }
                Some(Held::Shared(grads)) => {
                    self.each_in_turn(&node, &grads)?;
                    // What is behind it follows from its own gradient.
                    self.book.iter_mut().for_each(|book| book.is_use = false);
                }
                Some(Held::Apart(grad, axis)) => match node.output_of() {
                    Some((of, i)) => self.collect(of, i, (grad, axis)),
                    None => {
                        self.all_at_once(&node, &grad, axis)?;
                        self.write_down(&node, || Uses::One(grad, axis));
                    }
                },
            }
        }
        self.found.reverse();
        Ok(self)
    }

    fn write_down(&mut self, node: &Arc<Node>, grads: impl FnOnce() -> Uses) {
        if let Some(book) = &mut self.book {
            book.write_down(node, grads);
        }
    }

    /// Behind a tensor that all examples share, such as a weight made of others: the rule is run for each example.
    fn each_in_turn(&mut self, node: &Arc<Node>, grads: &Tensor) -> Result<()> {
        if node.output_of().is_some() {
            return Err(refused(node.name, NO_RULE));
        }
        let rule = node.shared_rule().ok_or_else(|| freed(node))?;
        let mut inputs: NodeMap<(Arc<Node>, Vec<Tensor>)> = NodeMap::default();
        for i in 0..self.examples {
            let mut collector = Pass::new(Goal::Leaves, true);
            collector.apply(node, &rule, Arrived::One(&grads.select(0, i as isize)?.contiguous()))?;
            for (input, grad) in collector.arrived() {
                let (_, list) = inputs.entry(input.id).or_insert_with(|| (input, Vec::new()));
                list.push(grad);
            }
        }
        let mut inputs: Vec<_> = inputs.into_values().collect();
        NodeId::sort(&mut inputs, |(input, _)| input.id);
        for (input, list) in inputs {
            if list.len() != self.examples {
                return Err(refused(node.name, "its backward gave some of the examples a gradient, and others none"));
            }
            let all = Tensor::stack(&list.iter().collect::<Vec<_>>(), 0)?;
            match self.asks(&input) {
                Ask::SquaredNorm => self.give_shared(node.name, &input, squares(&all)?)?,
                _ => self.give_shared(node.name, &input, all)?,
            }
        }
        Ok(())
    }

    /// Keeps the gradient of one of several results until those of all have come.
    fn collect(&mut self, of: &Arc<Node>, i: usize, grad: (Tensor, usize)) {
        let queue = &mut self.queue;
        let grads = self.several.entry(of.id).or_insert_with(|| {
            queue.push(Latest(of.clone()));
            Vec::new()
        });
        grads.resize(grads.len().max(i + 1), None);
        grads[i] = Some(grad);
    }

    fn of_results(&mut self, node: &Arc<Node>, grads: &OfResults) -> Result<()> {
        let _timer = crate::profile::backward(node.name);
        let rule = node.shared_rule().ok_or_else(|| freed(node))?;
        let Rule::Several(call) = &*rule else {
            return Err(bug!(node.name, "several results of an operation with one"));
        };
        let call: &SeveralCall = call;
        let outputs = call.linked(node);
        let all: Vec<Option<Tensor>> = grads.iter().map(|grad| Some(grad.as_ref()?.0.clone())).collect();
        let axes: Vec<Option<usize>> = grads.iter().map(|grad| Some(grad.as_ref()?.1)).collect();
        let rows = grads.iter().flatten().map(|(grad, axis)| grad.shape()[*axis]).next().unwrap_or(self.examples);
        let mut sink = ExampleSink { pass: self, op: node.name, inputs: call.inputs(), axes: &axes, rows };
        call.backward_per_example(&outputs, &all, &mut sink)
    }

    fn all_at_once(&mut self, node: &Arc<Node>, grad: &Tensor, axis: usize) -> Result<()> {
        let _timer = crate::profile::backward(node.name);
        let rule = node.shared_rule().ok_or_else(|| freed(node))?;
        let rows = node.shape[axis];
        match &*rule {
            Rule::Edges { edges, output } => {
                let output = output.as_ref().map(Tensor::for_gradient);
                for edge in edges {
                    let input = &edge.input;
                    let elementwise = ELEMENTWISE.contains(&node.name);
                    let place = match &edge.examples {
                        Examples::Shared(rule) if axis == 0 => {
                            let found = rule(&self.apart(grad, 0)?, self.asks(input))?;
                            self.give_shared(node.name, input, found)?;
                            continue;
                        }
                        _ if elementwise => (axis + input.shape.len()).checked_sub(node.shape.len()),
                        Examples::Kept => (axis == 0).then_some(0),
                        Examples::Moved(places) => places.get(axis).map(|place| usize::from(*place)),
                        Examples::Reshaped => self.place_before(node, axis, input),
                        Examples::Shared(_) | Examples::Unknown => None,
                    };
                    let is_reshaped = matches!(edge.examples, Examples::Reshaped);
                    let place = place.filter(|place| is_reshaped || input.shape.get(*place) == Some(&rows));
                    if !elementwise && place.is_none() {
                        return Err(refused(node.name, NO_RULE));
                    }
                    let found = edge.vjp.product(grad, output.as_ref())?;
                    if let Some(place) = place {
                        let found = super::engine::fit(node.name, input, found)?;
                        self.give(node.name, input, Held::Apart(found, place))?;
                    } else {
                        let found = self.broadcast(node, input, &found, axis)?;
                        self.give_shared(node.name, input, found)?;
                    }
                }
                Ok(())
            }
            // They have rules for examples in the first dimension.
            Rule::Function(_) if axis > 0 => Err(refused(node.name, NO_RULE)),
            Rule::Function(call) => {
                let mut sink = ExampleSink { pass: self, op: node.name, inputs: call.inputs(), axes: &[Some(0)], rows };
                call.backward_per_example(grad, &mut sink)
            }
            Rule::Several(_) => Err(bug!(node.name, "an operation with several results, reached without one of them")),
        }
    }

    /// With the rows of each example in a dimension of their own, behind that of the examples, if there are several.
    fn apart(&self, grad: &Tensor, axis: usize) -> Result<Tensor> {
        let rows = grad.shape()[axis];
        if rows == self.examples {
            Ok(grad.clone())
        } else {
            grad.unflatten(axis as isize, [self.examples, rows / self.examples])
        }
    }

    /// Which dimension of the input, with the same elements in the same order, has the examples of dimension `axis`: the one in which
    /// as many elements belong to one of them.
    fn place_before(&self, node: &Node, axis: usize, input: &Node) -> Option<usize> {
        let each = |shape: &[usize], d: usize| shape[d..].iter().product::<usize>() / self.examples;
        let of = each(&node.shape, axis);
        (0..input.shape.len()).find(|d| input.shape[*d].is_multiple_of(self.examples) && each(&input.shape, *d) == of)
    }

    /// What there is to know about an input that was broadcast to the examples, from a gradient of the result's shape.
    fn broadcast(&self, node: &Node, input: &Arc<Node>, grad: &Tensor, axis: usize) -> Result<Tensor> {
        if *grad.shape() != *node.shape {
            return Err(refused(node.name, NO_RULE));
        }
        let dtype = input.dtype.gradient().unwrap_or(DType::F32);
        let missing = node.shape.len() - input.shape.len();
        let kept = |d: usize| if d < missing { 1 } else { input.shape[d - missing] };
        let mut kept: Vec<usize> = (0..node.shape.len()).map(kept).collect();
        kept[axis] = self.examples;
        // Several rows of an example are added up.
        let grad = self.apart(grad, axis)?;
        if grad.rank() > kept.len() {
            kept.insert(axis + 1, 1);
        }
        let first: Vec<isize> =
            std::iter::once(axis).chain((0..kept.len()).filter(|d| *d != axis)).map(|d| d as isize).collect();
        let all = grad.to_dtype(dtype).sum_to(&kept)?.permute(&first)?.reshape(&*self.with_examples(&input.shape)?)?;
        match self.asks(input) {
            Ask::SquaredNorm => squares(&all),
            _ => Ok(all),
        }
    }
}

/// The sum of squares of each example.
fn squares(grads: &Tensor) -> Result<Tensor> {
    match grads.rank() {
        1 => Ok(grads.square()),
        _ => grads.square().flatten(1, -1)?.sum_dims(&[1], false),
    }
}

/// The error of a [`Function`](super::Function) without a rule for single examples.
#[track_caller]
pub(in crate::autograd) fn no_rule(op: &str) -> Error {
    refused(op, NO_RULE)
}

/// How many examples there are, what was found of each leaf, and the book, if one was kept.
type Found = (usize, Vec<(NodeId, Tensor)>, Option<Book>);

/// # Gradients of single examples
impl Tensor {
    #[track_caller]
    fn run_per_example(&self, op: &'static str, ask: Ask, book: Option<Book>) -> Result<Found> {
        let &[examples] = self.shape() else {
            let message = format!("the loss has shape {:?}, expected one number for each example", self.shape());
            return Err(Error::shape(op, message)
                .with_help("compute it with Reduction::None, and take means over all dimensions but the first"));
        };
        let Some(root) = node_of(self) else {
            let message = "there is nothing to differentiate: the loss was not computed from tracked tensors";
            return Err(Error::gradient(op, message));
        };
        if examples == 0 {
            return Err(Error::shape(op, "no examples"));
        }
        if examples == 1 {
            let grads = recording::with(true, || self.sum()).backward_retain()?;
            let each = |(id, grad): (NodeId, Tensor)| {
                let grads = grad.unsqueeze(0)?;
                Ok((id, if ask == Ask::SquaredNorm { squares(&grads)? } else { grads }))
            };
            return Ok((1, grads.into_entries().into_iter().map(each).collect::<Result<_>>()?, None));
        }
        let mut uses = NodeMap::default();
        let (mut seen, mut stack) = (NodeMap::default(), vec![root.clone()]);
        while let Some(node) = stack.pop() {
            if seen.insert(node.id, ()).is_none() {
                node.inputs(&mut |input| {
                    *uses.entry(input.id).or_insert(0) += 1;
                    stack.push(input.clone());
                });
            }
        }
        let mut pass = ExamplePass {
            examples,
            ask,
            pending: NodeMap::default(),
            several: NodeMap::default(),
            queue: BinaryHeap::new(),
            uses,
            found: Vec::new(),
            norms: NodeMap::default(),
            book,
        };
        pass.give(op, &root, Held::Apart(self.detach().for_gradient().ones_like(), 0))?;
        let ExamplePass { mut found, norms, book, .. } = pass.run()?;
        if ask == Ask::SquaredNorm {
            for (_, grads) in &mut found {
                *grads = squares(grads)?;
            }
            found.extend(norms);
            NodeId::sort(&mut found, |(id, _)| *id);
        }
        Ok((examples, found, book))
    }

    /// The sum of the gradients of all elements of this vector of losses, each times a factor that `factors` makes of their squared
    /// norms: in one pass, which frees the graph. Beside the gradients of an ordinary pass, those of the results of all layers with
    /// parameters are kept until the norms are known, or some of those of single examples.
    ///
    /// # Errors
    /// As for [`backward_per_example`](Self::backward_per_example), and those of `factors`.
    #[track_caller]
    pub(crate) fn backward_scaled(
        &self,
        factors: &mut dyn FnMut(&ExampleNorms) -> Result<Tensor>,
    ) -> Result<Gradients> {
        let run = || {
            let (op, book) = ("backward_scaled", Some(Book::default()));
            let (examples, entries, book) = self.run_per_example(op, Ask::SquaredNorm, book)?;
            let factors = factors(&ExampleNorms { examples, entries })?;
            match book {
                Some(book) => book.weighted(examples, &factors),
                None => Ok(recording::with(true, || self.mul(&factors.to_dtype(self.dtype())).map(|x| x.sum()))?
                    .backward()?
                    .into_entries()
                    .into_iter()
                    .collect()),
            }
        };
        Ok(Gradients::new(recording::with(false, run).here()?))
    }

    /// The gradients of each element of this vector of losses, one for each example, with respect to every tracked tensor it
    /// was computed from: what a loop over the examples would give, in one pass. For differentially private training, influence
    /// of examples, the scale of noise.
    ///
    /// Examples are the first dimension of everything that is not shared by all of them. Parameters may enter by
    /// [`linear`](Self::linear), [`embedding`](Self::embedding), convolutions, norms of each example,
    /// [`recurrence`](Self::recurrence), and everywhere by broadcasting; functions of parameters alone may be anything. Operations that cannot tell examples apart, because they sum over them themselves, are refused
    /// by name. If a loss also depends on other examples, as through a mean over all of them, that counts. The recorded graph
    /// is kept.
    ///
    /// # Errors
    /// If this is not a vector, was not computed from tracked tensors, or an operation cannot keep examples apart.
    ///
    /// ```
    /// use demotic::losses::{Loss, Mse, Reduction};
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let mut model = sequential![Linear::new(3, 8, &mut rng)?, Tanh, Linear::new(8, 1, &mut rng)?];
    /// let (x, y) = (Tensor::normal([16, 3], 0.0, 1.0, &mut rng)?, Tensor::zeros([16, 1])?);
    /// let prediction = model.forward(&x, &mut Mode::eval())?;
    /// let losses = Mse::new().reduction(Reduction::None).loss(&prediction, &y)?.mean_dims(&[1], false)?;
    ///
    /// // No example moves the model further than another.
    /// let grads = losses.backward_per_example()?.clip_each(0.1)?.mean()?;
    /// Sgd::new(0.1).step(&mut model, &grads)?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "vmap")]
    #[track_caller]
    pub fn backward_per_example(&self) -> Result<ExampleGradients> {
        let run = || self.run_per_example("backward_per_example", Ask::PerExample, None);
        let (examples, entries, _) = recording::with(false, run).here()?;
        Ok(ExampleGradients { examples, entries })
    }

    /// The squared norms of the gradients that [`backward_per_example`](Self::backward_per_example) gives, without making those
    /// of [`linear`](Self::linear) and [`embedding`](Self::embedding) layers: it takes the memory of an ordinary pass. The
    /// recorded graph is kept, so that the losses can be weighted by what was found, and differentiated again.
    ///
    /// # Errors
    /// As for `backward_per_example`.
    #[track_caller]
    pub fn squared_norms_per_example(&self) -> Result<ExampleNorms> {
        let run = || self.run_per_example("squared_norms_per_example", Ask::SquaredNorm, None);
        let (examples, entries, _) = recording::with(false, run).here()?;
        Ok(ExampleNorms { examples, entries })
    }
}

#[cfg(test)]
mod tests;
