//! Operations whose forward and backward are written as one unit: fused operations and those of users.

use std::sync::Arc;

use super::engine::Sink;
use super::grad::local_gradients;
use super::node::{Node, Rule, is_recorded, node_of};
use super::per_example::{ExampleSink, no_rule};
use super::recording;
use crate::error::{Error, Here, Result};
use crate::tensor::Tensor;

/// An operation with a hand-written gradient.
///
/// Most operations are made of others and need none of this: their gradients follow. A `Function` is for
/// those that are faster, or more exact, when forward and backward are written as a whole.
///
/// [`custom`] does the same with two closures, [`MultiFunction`](super::MultiFunction) for several results.
pub trait Function: Send + Sync + 'static {
    /// The operation's name in errors and profiles.
    fn name(&self) -> &'static str;

    /// Computes the result. What the backward pass needs besides inputs and output may be kept in `self`.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs.
    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor>;

    /// Passes the gradient on: for each input that [`sink.wants`](Sink::wants), gives its gradient to the sink.
    ///
    /// 16-bit types are not met here: their gradients are `F32`, and inputs and output are saved as `F32` values.
    ///
    /// # Errors
    /// Those of the operations it uses.
    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()>;

    /// The same for a pass that [keeps examples apart](Tensor::backward_per_example), the first dimension of the output being
    /// that of the examples. Without this, such a pass is refused, with the function's name.
    ///
    /// If example `i` of the output depends on example `i` of each input alone, it is
    /// [`sink.run_apart(self, saved, grad, n)`](ExampleSink::run_apart). Inputs that all examples share get the gradient of each
    /// of them: [`sink.give_each`](ExampleSink::give_each).
    ///
    /// # Errors
    /// Those of the operations it uses.
    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        let _ = (saved, grad, sink);
        Err(no_rule(self.name()))
    }

    /// Whether `backward` looks at the output. If not, it is not kept in memory.
    fn keeps_output(&self) -> bool {
        false
    }

    /// How gradients of this function's gradient are found.
    fn second_order(&self) -> SecondOrder {
        SecondOrder::Backward
    }

    /// The same operation made of differentiable ones; needed with [`SecondOrder::Composite`]. Inputs of 16-bit types are met
    /// as `F32` values, and the result is of that type then.
    ///
    /// # Errors
    /// Those of the operations it uses.
    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let _ = inputs;
        Err(no_second_order(self.name()))
    }
}

/// How gradients of a [`Function`]'s gradient are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecondOrder {
    /// `backward` itself is made of tensor operations, and is recorded.
    Backward,
    /// Through [`Function::composite`].
    Composite,
    /// They are not: asking for them is an error.
    None,
}

pub(super) fn no_second_order(name: &str) -> Error {
    Error::gradient(name, "the gradient of this operation cannot be differentiated again")
        .with_help("make its backward of tensor operations, or give it a composite form")
}

/// What the backward pass of a [`Function`] may look at.
#[derive(Debug)]
pub struct Saved<'a> {
    name: &'static str,
    inputs: &'a [Tensor],
    /// The inputs in the types that they were given in.
    originals: &'a [Tensor],
    outputs: &'a [Option<Tensor>],
}

impl<'a> Saved<'a> {
    /// Hands to `f` what was saved: `inputs`, 16-bit ones as `F32` values, and the outputs that were kept.
    pub(super) fn with<R>(
        name: &'static str,
        inputs: &[Tensor],
        outputs: &[Option<Tensor>],
        f: impl FnOnce(&Saved<'_>) -> R,
    ) -> R {
        let is_wide = inputs.iter().all(|x| x.dtype().gradient().is_none_or(|dtype| dtype == x.dtype()));
        let wide: Option<Vec<Tensor>> = (!is_wide).then(|| inputs.iter().map(Tensor::for_gradient).collect());
        f(&Saved { name, inputs: wide.as_deref().unwrap_or(inputs), originals: inputs, outputs })
    }

    /// The inputs as they were given, for those that run the forward pass again.
    pub(crate) fn originals(&self) -> &'a [Tensor] {
        self.originals
    }

    /// The inputs of the forward pass.
    #[must_use]
    pub fn inputs(&self) -> &[Tensor] {
        self.inputs
    }

    /// The output of the forward pass; of several, the first.
    ///
    /// # Errors
    /// If the function did not ask to keep it.
    pub fn output(&self) -> Result<&Tensor> {
        self.output_at(0)
    }

    /// Output `i` of a function with [several](super::MultiFunction).
    ///
    /// # Errors
    /// If the function did not ask to keep it, or there is none.
    #[track_caller]
    pub fn output_at(&self, i: usize) -> Result<&Tensor> {
        self.outputs
            .get(i)
            .and_then(Option::as_ref)
            .ok_or_else(|| Error::gradient(self.name, "backward uses the output, but keeps_output() is false"))
            .here()
    }
}

/// A recorded call of a [`Function`].
pub(crate) struct Call {
    function: Box<dyn Function>,
    inputs: Vec<Tensor>,
    pub(crate) output: Option<Tensor>,
}

impl Call {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Arc<Node>> {
        self.inputs.iter().filter_map(node_of)
    }

    pub(crate) fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    /// Runs the backward pass of the function. `output` is the kept output, recorded if this pass is.
    pub(crate) fn backward(&self, output: &Option<Tensor>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let name = self.function.name();
        match self.function.second_order() {
            SecondOrder::None if recording::is_enabled() => Err(no_second_order(name)),
            SecondOrder::Composite if recording::is_enabled() => {
                let grads = [Some(grad.clone())];
                local_gradients(&self.inputs, self.inputs.len(), &grads, sink, &mut |inputs| {
                    Ok(vec![self.function.composite(&widened(inputs))?])
                })
            }
            _ => Saved::with(name, &self.inputs, std::slice::from_ref(output), |saved| {
                self.function.backward(saved, grad, sink)
            }),
        }
    }
}

/// Inputs as composite forms meet them.
pub(super) fn widened(inputs: &[Tensor]) -> Vec<Tensor> {
    inputs.iter().map(Tensor::for_gradient).collect()
}

impl Call {
    /// The same for a pass that keeps examples apart.
    pub(super) fn backward_per_example(&self, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        let output = self.output.as_ref().map(Tensor::for_gradient);
        Saved::with(self.function.name(), &self.inputs, &[output], |saved| {
            self.function.backward_per_example(saved, grad, sink)
        })
    }
}

/// Runs a [`Function`] and records it.
///
/// # Errors
/// Those of its forward pass.
#[track_caller]
pub fn apply<F: Function>(mut function: F, inputs: &[&Tensor]) -> Result<Tensor> {
    let _timer = crate::profile::op(function.name());
    let output = {
        let _unrecorded = recording::pause();
        function.forward(inputs)?
    };
    Ok(attach(function, inputs, output, is_recorded(inputs)))
}

/// Makes `output` the recorded result of `function`.
pub(crate) fn attach<F: Function>(function: F, inputs: &[&Tensor], output: Tensor, recorded: bool) -> Tensor {
    let output = output.detach();
    // Integers and truth values have no gradient.
    if recorded && output.dtype().gradient().is_some() { attached(Box::new(function), inputs, output) } else { output }
}

fn attached(function: Box<dyn Function>, inputs: &[&Tensor], output: Tensor) -> Tensor {
    let name = function.name();
    let kept = function.keeps_output().then(|| output.clone());
    let inputs = inputs.iter().map(|x| (*x).clone()).collect();
    let call = Call { function, inputs, output: kept };
    let node = Node::op(name, &output, Rule::Function(call));
    output.with_node(Some(node))
}

/// An operation of your own, from two closures.
///
/// `forward` computes the result from the inputs; `backward` gets the gradient of the result, the inputs and
/// the result, and returns the gradient of each input (`None` where there is none). Gradients of gradients
/// work if `backward` is made of tensor operations.
///
/// # Errors
/// Those of `forward`. During the backward pass: those of `backward`, and gradients of a wrong number or shape.
///
/// ```
/// use demotic::{autograd, tensor, Tensor};
///
/// fn cube(x: &Tensor) -> demotic::Result<Tensor> {
///     autograd::custom(
///         "cube",
///         &[x],
///         |inputs| inputs[0].mul(&inputs[0].square()),
///         |grad, inputs, _output| Ok(vec![Some(grad.mul(&(inputs[0].square() * 3.0))?)]),
///     )
/// }
///
/// let x = tensor![2.0].tracked()?;
/// let grads = cube(&x)?.sum().backward()?;
/// assert_eq!(grads.wrt(&x)?.item()?, 12.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn custom(
    name: &'static str,
    inputs: &[&Tensor],
    forward: impl Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
    backward: impl Fn(&Tensor, &[Tensor], &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
) -> Result<Tensor> {
    apply(Custom { name, forward, backward }, inputs)
}

struct Custom<F, B> {
    name: &'static str,
    forward: F,
    backward: B,
}

impl<F, B> Function for Custom<F, B>
where
    F: Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
    B: Fn(&Tensor, &[Tensor], &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        (self.forward)(inputs).outside()
    }

    fn keeps_output(&self) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        give_all(self.name, (self.backward)(grad, saved.inputs(), saved.output()?)?, saved.inputs().len(), sink)
    }
}

/// Hands on the gradients that the closure of a user returned for all inputs.
pub(super) fn give_all(
    name: &'static str,
    grads: Vec<Option<Tensor>>,
    inputs: usize,
    sink: &mut Sink<'_, '_>,
) -> Result<()> {
    if grads.len() != inputs {
        let message = format!("backward returned {} gradients for {inputs} inputs", grads.len());
        return Err(Error::gradient(name, message));
    }
    for (i, grad) in grads.into_iter().enumerate() {
        if let Some(grad) = grad {
            sink.give(i, grad)?;
        }
    }
    Ok(())
}
