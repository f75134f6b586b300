//! Optimizers that evaluate the loss themselves, as often as they need to.

use std::panic::Location;

use super::OptimizerState;
use super::problem::{no_gradient, quoted};
use crate::autograd::Gradients;
use crate::error::{Error, Here, Result};
use crate::layers::{Module, Slot, SlotMut, Visitor, VisitorMut};
use crate::tensor::Tensor;

/// Changes the parameters of a model so that its loss falls, by computing the loss at more than one place.
///
/// A first-order [`Optimizer`](super::Optimizer) is given the gradients. One of these is given the loss, as a function of the
/// model:
///
/// ```
/// use demotic::layers::Param;
/// use demotic::optimizers::{ClosureOptimizer, Lbfgs};
/// use demotic::tensor;
///
/// // The smallest Σ (x² − 2)² lies at ±√2.
/// let mut x = Param::new(tensor![1.0, -3.0])?;
/// let mut opt = Lbfgs::new(1.0).strong_wolfe();
/// let before = opt.step_with(&mut x, |x| Ok((x.square() - 2.0).square().sum()))?;
/// assert_eq!(before, 50.0);
/// let error = x.abs().add_scalar(-2f64.sqrt()).abs().max()?;
/// assert!(error.item()? < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait ClosureOptimizer: Send + Sync {
    /// Makes a step on an [`Objective`]. Returns the loss at the beginning of the step.
    ///
    /// Nothing is changed if an error is returned.
    ///
    /// # Errors
    /// Those of the objective; if an option makes no sense, a trainable parameter has no gradient, or the loss or a gradient is
    /// NaN or infinite.
    #[track_caller]
    fn step_on(&mut self, objective: &mut dyn Objective) -> Result<f64>;

    /// Makes a step. `loss` computes the loss of the model, a single number, and has to compute the same thing each time it is
    /// called: on the same examples, with the same random choices. Returns the loss at the beginning of the step.
    ///
    /// Nothing is changed if an error is returned.
    ///
    /// # Errors
    /// As for [`step_on`](Self::step_on).
    #[track_caller]
    fn step_with<M: Module>(&mut self, model: &mut M, mut loss: impl FnMut(&M) -> Result<Tensor>) -> Result<f64>
    where
        Self: Sized,
    {
        self.step_on(&mut OfModel { model, loss: &mut loss })
    }

    /// The learning rate, as [`set_learning_rate`](Self::set_learning_rate) left it.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate of the steps to come. It is checked by the next step.
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// Everything that further steps depend on besides the options, for saving it.
    fn state(&self) -> OptimizerState;

    /// Goes on from a saved state: with the same options, further steps are those of the run that was saved.
    ///
    /// # Errors
    /// If the state is that of another kind of optimizer, or of one with other options. Nothing is changed then.
    #[track_caller]
    fn load_state(&mut self, state: OptimizerState) -> Result<()>;
}

impl<O: ClosureOptimizer + ?Sized> ClosureOptimizer for Box<O> {
    #[track_caller]
    fn step_on(&mut self, objective: &mut dyn Objective) -> Result<f64> {
        (**self).step_on(objective).here()
    }
    fn learning_rate(&self) -> f64 {
        (**self).learning_rate()
    }
    fn set_learning_rate(&mut self, learning_rate: f64) {
        (**self).set_learning_rate(learning_rate);
    }
    fn state(&self) -> OptimizerState {
        (**self).state()
    }
    #[track_caller]
    fn load_state(&mut self, state: OptimizerState) -> Result<()> {
        (**self).load_state(state).here()
    }
}

/// A model and its loss, as a [`ClosureOptimizer`] sees them.
pub trait Objective {
    /// The model.
    fn model(&mut self) -> &mut dyn Module;

    /// The loss of the model as it is now, and its gradients.
    ///
    /// # Errors
    /// Those of computing them.
    #[track_caller]
    fn gradients(&mut self) -> Result<(f64, Gradients)>;
}

/// A model, and a closure that computes its loss.
struct OfModel<'a, M> {
    model: &'a mut M,
    loss: &'a mut dyn FnMut(&M) -> Result<Tensor>,
}

impl<M: Module> Objective for OfModel<'_, M> {
    fn model(&mut self) -> &mut dyn Module {
        self.model
    }

    #[track_caller]
    fn gradients(&mut self) -> Result<(f64, Gradients)> {
        let loss = (self.loss)(self.model).outside()?;
        let grads = loss.backward()?;
        Ok((loss.item()?, grads))
    }
}

/// The values of all trainable parameters, in the order of the model.
pub(super) struct Values(Vec<(String, Tensor)>);

impl Values {
    pub(super) fn of(model: &dyn Module) -> Self {
        let mut values = Vec::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let Slot::Param(param) = slot
                && param.is_trainable()
            {
                values.push((path.to_string(), param.value().clone()));
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        Self(values)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(path, value)| (path.as_str(), value))
    }

    /// The gradient of each value. Those without one are an error or, if it is allowed, zeros.
    #[track_caller]
    pub(super) fn gradients(&self, op: &'static str, grads: &Gradients, allow_unused: bool) -> Result<Vec<Tensor>> {
        let missing = |(_, value): &&(String, Tensor)| grads.get(value).is_none();
        let missing: Vec<String> = self.0.iter().filter(missing).map(|(path, _)| path.clone()).collect();
        if !missing.is_empty() && !allow_unused {
            return Err(no_gradient(op, &missing));
        }
        let of = |(_, value): &(String, Tensor)| {
            grads.get(value).map_or_else(|| value.detach().zeros_like(), Tensor::packed)
        };
        Ok(self.0.iter().map(of).collect())
    }

    /// Gives the model the values `f(i, value)`, `i` counting the trainable parameters.
    #[track_caller]
    pub(super) fn replace(
        &self,
        model: &mut dyn Module,
        f: &mut dyn FnMut(usize, &Tensor) -> Result<Tensor>,
    ) -> Result<()> {
        let (mut i, mut result) = (0, Ok(()));
        let caller = Location::caller();
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            if let (SlotMut::Param(param), true) = (slot, result.is_ok())
                && param.is_trainable()
            {
                result = match self.0.get(i) {
                    Some((own, value)) if own == path => f(i, &value.detach()).and_then(|value| param.set(&value)),
                    _ => {
                        Err(Error::parameter("step", format!("the closure has changed the model at {}", quoted(path)))
                            .at(caller))
                    }
                };
                i += 1;
            }
        };
        VisitorMut::new(&mut on_slot).module(model.as_module_mut());
        result
    }

    /// Gives the model these values back, as they were.
    pub(super) fn put_back(&self, model: &mut dyn Module) {
        let mut values = self.0.iter().peekable();
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            if let (SlotMut::Param(param), Some((_, value))) = (slot, values.next_if(|(own, _)| own == path)) {
                param.put_back(value.clone());
            }
        };
        VisitorMut::new(&mut on_slot).module(model.as_module_mut());
    }
}

/// The error for a loss that cannot be worked with.
#[track_caller]
pub(super) fn not_finite(op: &'static str, loss: f64) -> Error {
    Error::numeric(op, format!("the loss is {loss}, or its gradient has NaN or infinite values"))
        .with_help("look for a division by zero, log(0), or NaN in the data. The model is unchanged")
}
