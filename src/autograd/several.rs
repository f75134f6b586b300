//! Operations with several results. Each result is a node of the graph, and behind them stands the operation, which is visited
//! once, when the gradients of all its results are complete.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use super::engine::Sink;
use super::function::{Saved, SecondOrder, give_all, no_second_order, widened};
use super::grad::local_gradients;
use super::node::{Node, is_recorded, node_of};
use super::per_example::{ExampleSink, no_rule};
use super::recording;
use crate::error::{Error, Here, Result};
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

/// An operation with several results and a hand-written gradient: a [`Function`](super::Function) for those that compute more
/// than one thing in one go.
///
/// A loss may depend on some of the results only: `backward` is called once, with the [gradients](OutputGradients) of those
/// that it depends on. Results of integers and truth values have no gradient.
///
/// [`custom_many`] does the same with two closures.
pub trait MultiFunction: Send + Sync + 'static {
    /// The operation's name in errors and profiles.
    fn name(&self) -> &'static str;

    /// Computes the results. What the backward pass needs besides inputs and results may be kept in `self`.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs.
    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>>;

    /// Passes the gradients on: for each input that [`sink.wants`](Sink::wants), gives its gradient to the sink.
    ///
    /// 16-bit types are not met here: their gradients are `F32`, and inputs and results are saved as `F32` values.
    ///
    /// # Errors
    /// Those of the operations it uses.
    fn backward(&self, saved: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()>;

    /// The same for a pass that [keeps examples apart](Tensor::backward_per_example). They are a dimension of each result, which
    /// the [sink says](ExampleSink::result_axis). Without this, such a pass is refused, with the function's name.
    ///
    /// # Errors
    /// Those of the operations it uses.
    fn backward_per_example(
        &self,
        saved: &Saved<'_>,
        grads: &OutputGradients<'_>,
        sink: &mut ExampleSink<'_, '_>,
    ) -> Result<()> {
        let _ = (saved, grads, sink);
        Err(no_rule(self.name()))
    }

    /// Whether `backward` looks at result `i`. If not, it is not kept in memory.
    fn keeps_output(&self, i: usize) -> bool {
        let _ = i;
        false
    }

    /// How gradients of this function's gradient are found.
    fn second_order(&self) -> SecondOrder {
        SecondOrder::Backward
    }

    /// The same operation made of differentiable ones; needed with [`SecondOrder::Composite`].
    ///
    /// # Errors
    /// Those of the operations it uses.
    fn composite(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let _ = inputs;
        Err(no_second_order(self.name()))
    }
}

/// The gradients of the results of a [`MultiFunction`].
pub struct OutputGradients<'a> {
    name: &'static str,
    outputs: &'a [(Dims, DType)],
    grads: &'a [Option<Tensor>],
}

impl OutputGradients<'_> {
    /// The gradient of result `i`; `None` if the loss does not depend on it, or there is no such result.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&Tensor> {
        self.grads.get(i)?.as_ref()
    }

    /// The gradient of result `i`, zeros if the loss does not depend on it. They take no memory: they are one number, seen
    /// in the shape of the result.
    ///
    /// # Errors
    /// If there is no such result, or it has no gradients, being one of integers.
    pub fn or_zeros(&self, i: usize) -> Result<Tensor> {
        if let Some(grad) = self.get(i) {
            return Ok(grad.clone());
        }
        match self.outputs.get(i).map(|(shape, dtype)| (shape, dtype.gradient())) {
            Some((shape, Some(dtype))) => Tensor::scalar(0.0).to_dtype(dtype).expanded(shape),
            _ => {
                let message = format!("backward asks for the gradient of result {i}, which has none");
                Err(Error::gradient(self.name, message))
            }
        }
    }

    /// How many results there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Whether there are no results.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }
}

impl fmt::Debug for OutputGradients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes = (0..self.len()).map(|i| self.get(i).map(Tensor::shape));
        write!(f, "OutputGradients({}, {:?})", self.name, shapes.collect::<Vec<_>>())
    }
}

/// A recorded call of a [`MultiFunction`].
pub(crate) struct SeveralCall {
    function: Box<dyn MultiFunction>,
    inputs: Vec<Tensor>,
    outputs: Vec<(Dims, DType)>,
    /// The results that the backward pass looks at.
    kept: Vec<Option<Tensor>>,
    /// The nodes of the results. They keep this alive, so it must not keep them.
    nodes: Arc<OnceLock<Vec<Weak<Node>>>>,
}

impl SeveralCall {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Arc<Node>> {
        self.inputs.iter().filter_map(node_of)
    }

    pub(crate) fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    /// The results that were kept, for the rules of gradients. While gradients are being recorded, they know that they came
    /// from `node`, which is this call's: by their own nodes or, where nobody has these any more, by new ones.
    pub(crate) fn linked(&self, node: &Arc<Node>) -> Vec<Option<Tensor>> {
        let node_of_output = |i: usize, y: &Tensor| {
            let known = self.nodes.get().and_then(|nodes| nodes.get(i)?.upgrade());
            known.unwrap_or_else(|| Node::output(node, i, y))
        };
        let linked = |(i, y): (usize, &Tensor)| match recording::is_enabled() && y.dtype().gradient().is_some() {
            true => y.detach().with_node(Some(node_of_output(i, y))).for_gradient(),
            false => y.for_gradient(),
        };
        self.kept.iter().enumerate().map(|(i, y)| y.as_ref().map(|y| linked((i, y)))).collect()
    }

    /// Runs the backward pass of the function. `outputs` are the kept results, recorded if this pass is.
    pub(crate) fn backward(
        &self,
        outputs: &[Option<Tensor>],
        grads: &[Option<Tensor>],
        sink: &mut Sink<'_, '_>,
    ) -> Result<()> {
        let name = self.function.name();
        match self.function.second_order() {
            SecondOrder::None if recording::is_enabled() => Err(no_second_order(name)),
            SecondOrder::Composite if recording::is_enabled() => {
                local_gradients(&self.inputs, self.inputs.len(), grads, sink, &mut |x| {
                    self.function.composite(&widened(x))
                })
            }
            _ => Saved::with(name, &self.inputs, outputs, |saved| {
                self.function.backward(saved, &OutputGradients { name, outputs: &self.outputs, grads }, sink)
            }),
        }
    }
}

impl SeveralCall {
    /// The same for a pass that keeps examples apart.
    pub(super) fn backward_per_example(
        &self,
        outputs: &[Option<Tensor>],
        grads: &[Option<Tensor>],
        sink: &mut ExampleSink<'_, '_>,
    ) -> Result<()> {
        let name = self.function.name();
        Saved::with(name, &self.inputs, outputs, |saved| {
            self.function.backward_per_example(saved, &OutputGradients { name, outputs: &self.outputs, grads }, sink)
        })
    }
}

/// Runs a [`MultiFunction`] and records it.
///
/// # Errors
/// Those of its forward pass.
///
/// The two halves of a vector and their gradients:
///
/// ```
/// use demotic::autograd::{MultiFunction, OutputGradients, Saved, Sink, apply_many};
/// use demotic::{Result, Tensor, tensor};
///
/// struct Halves;
///
/// impl MultiFunction for Halves {
///     fn name(&self) -> &'static str {
///         "halves"
///     }
///     fn forward(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
///         inputs[0].chunk(2, 0)
///     }
///     fn backward(&self, _: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
///         sink.give(0, Tensor::cat(&[&grads.or_zeros(0)?, &grads.or_zeros(1)?], 0)?)
///     }
/// }
///
/// let x = tensor![1.0, 2.0, 3.0, 4.0].tracked()?;
/// let halves = apply_many(Halves, &[&x])?;
/// let grads = halves[1].square().sum().backward()?;
/// assert_eq!(grads.wrt(&x)?.to_vec::<f32>()?, [0.0, 0.0, 6.0, 8.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn apply_many<F: MultiFunction>(mut function: F, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let _timer = crate::profile::op(function.name());
    let outputs = {
        let _unrecorded = recording::pause();
        function.forward(inputs)?
    };
    Ok(attach_many(Box::new(function), inputs, outputs))
}

/// Makes `outputs` the recorded results of `function`.
fn attach_many(function: Box<dyn MultiFunction>, inputs: &[&Tensor], mut outputs: Vec<Tensor>) -> Vec<Tensor> {
    outputs.iter_mut().for_each(|y| *y = y.detach());
    if !is_recorded(inputs) || outputs.iter().all(|y| y.dtype().gradient().is_none()) {
        return outputs;
    }
    let (name, nodes) = (function.name(), Arc::new(OnceLock::new()));
    let call = SeveralCall {
        inputs: inputs.iter().map(|x| (*x).clone()).collect(),
        outputs: outputs.iter().map(|y| (y.layout().shape(), y.dtype())).collect(),
        kept: outputs.iter().enumerate().map(|(i, y)| function.keeps_output(i).then(|| y.clone())).collect(),
        nodes: nodes.clone(),
        function,
    };
    let node = Node::several(name, call);
    let mut own = Vec::with_capacity(outputs.len());
    for (i, y) in outputs.iter_mut().enumerate() {
        let output = y.dtype().gradient().map(|_| Node::output(&node, i, y));
        own.push(output.as_ref().map_or_else(Weak::new, Arc::downgrade));
        if let Some(output) = output {
            *y = y.with_layout(y.layout().clone()).with_node(Some(output));
        }
    }
    // It was made above, and is empty.
    let _ = nodes.set(own);
    outputs
}

/// An operation of your own with several results, from two closures.
///
/// `forward` computes the results from the inputs; `backward` gets the gradients of the results, the inputs and
/// the results, and returns the gradient of each input (`None` where there is none). Gradients of gradients
/// work if `backward` is made of tensor operations.
///
/// # Errors
/// Those of `forward`. During the backward pass: those of `backward`, and gradients of a wrong number or shape.
///
/// Polar coordinates:
///
/// ```
/// use demotic::{autograd, tensor, Tensor};
///
/// fn polar(x: &Tensor, y: &Tensor) -> demotic::Result<Vec<Tensor>> {
///     autograd::custom_many(
///         "polar",
///         &[x, y],
///         |xy| Ok(vec![xy[0].square().add(&xy[1].square())?.sqrt(), xy[1].atan2(xy[0])?]),
///         |grads, xy, polar| {
///             let (along, around) = (grads.or_zeros(0)?.div(&polar[0])?, grads.or_zeros(1)?.div(&polar[0].square())?);
///             let dx = along.mul(&xy[0])?.sub(&around.mul(&xy[1])?)?;
///             let dy = along.mul(&xy[1])?.add(&around.mul(&xy[0])?)?;
///             Ok(vec![Some(dx), Some(dy)])
///         },
///     )
/// }
///
/// let (x, y) = (tensor![3.0].tracked()?, tensor![4.0].tracked()?);
/// let polar = polar(&x, &y)?;
/// let grads = (&polar[0] + polar[1].mul_scalar(25.0))?.sum().backward()?;
/// assert!((grads.wrt(&x)?.item()? - (0.6 - 4.0)).abs() < 1e-6);
/// assert!((grads.wrt(&y)?.item()? - (0.8 + 3.0)).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn custom_many(
    name: &'static str,
    inputs: &[&Tensor],
    forward: impl Fn(&[&Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    backward: impl Fn(&OutputGradients<'_>, &[Tensor], &[Tensor]) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
) -> Result<Vec<Tensor>> {
    apply_many(CustomMany { name, forward, backward }, inputs)
}

struct CustomMany<F, B> {
    name: &'static str,
    forward: F,
    backward: B,
}

impl<F, B> MultiFunction for CustomMany<F, B>
where
    F: Fn(&[&Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    B: Fn(&OutputGradients<'_>, &[Tensor], &[Tensor]) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        (self.forward)(inputs).outside()
    }

    fn keeps_output(&self, _: usize) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
        let outputs = (0..grads.len()).map(|i| saved.output_at(i).cloned()).collect::<Result<Vec<_>>>()?;
        give_all(self.name, (self.backward)(grads, saved.inputs(), &outputs)?, saved.inputs().len(), sink)
    }
}
