//! What an optimizer of its own has to say: the update rule.

use std::fmt;

use super::clip::{Limit, Norm, prepared};
use crate::autograd::Gradients;
use crate::error::Result;
use crate::layers::{Module, Param, Slot, Visitor};
use crate::tensor::Tensor;

/// How one parameter changes with its gradient: the part in which optimizers differ.
///
/// With a rule of your own, [`Stepper::with_rule`](super::Stepper::with_rule) makes an optimizer that has groups, clipping,
/// checks and state like all others. The sign of the gradient alone:
///
/// ```
/// use demotic::layers::Param;
/// use demotic::optimizers::{Optimizer, StepInfo, Stepper, UpdateRule};
/// use demotic::{Result, Tensor, tensor};
///
/// struct SignSgd;
///
/// impl UpdateRule for SignSgd {
///     fn name(&self) -> &'static str {
///         "SignSgd"
///     }
///
///     fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, _: &mut [Tensor]) -> Result<()> {
///         for (p, g) in param.as_mut_slice::<f32>()?.iter_mut().zip(grad.as_slice::<f32>()?) {
///             *p -= step.learning_rate as f32 * g.signum();
///         }
///         Ok(())
///     }
/// }
///
/// let mut x = Param::new(tensor![1.0, -2.0])?;
/// let grads = x.square().sum().backward()?;
/// Stepper::with_rule(SignSgd, 0.5).step(&mut x, &grads)?;
/// assert_eq!(x.to_vec::<f32>()?, [0.5, -1.5]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// What it remembers of each parameter, it makes in [`init`](Self::init), in any shapes and types; what it needs to know of all
/// gradients together, it finds in [`begin`](Self::begin). If any of its methods fails, the step has not happened: model and
/// state are as before.
///
/// Parameters of 16 bits round most steps away. Their rules get, and change, values in `F32` that the optimizer keeps for them
/// (the *master weights*, saved with the state), so a rule meets `F32` and `F64` only.
pub trait UpdateRule: Send + Sync {
    /// The name of the optimizer in errors, profiles and saved states.
    fn name(&self) -> &'static str;

    /// Says whether the options make sense. Called before each step.
    ///
    /// # Errors
    /// If they do not.
    #[track_caller]
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The weight decay of an optimizer that is not told another one. Default 0.
    fn default_weight_decay(&self) -> f64 {
        0.0
    }

    /// What to remember of a parameter before its first step: tensors of any shape and type, by name. A rule that does not have this
    /// method begins with zeros of the parameter's shape under its [`state_names`](Self::state_names).
    ///
    /// # Errors
    /// Those of the operations that it uses.
    #[track_caller]
    fn init(&self, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        filled(param, self.state_names().unwrap_or_default(), 0.0)
    }

    /// The same for a rule that treats parameters differently, by where they are in the model. It is this method that is called;
    /// if a rule does not have it, it calls [`init`](Self::init).
    ///
    /// # Errors
    /// Those of the operations that it uses; if the rule has no use for such a parameter.
    #[track_caller]
    fn init_at(&self, path: &str, param: &Param) -> Result<Vec<(&'static str, Tensor)>> {
        let _ = path;
        self.init(param)
    }

    /// The names that [`init`](Self::init) gives, if they are the same for every parameter: a saved state with others is
    /// refused when it is loaded, and not at the next step.
    fn state_names(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// The names for one parameter, where they depend on it or on an option: a state with others, made before an option was changed, is
    /// refused at the next step. By default [`state_names`](Self::state_names).
    fn state_names_at(&self, path: &str, param: &Param) -> Option<&'static [&'static str]> {
        let _ = (path, param);
        self.state_names()
    }

    /// What to remember of all parameters together, before the first step: tensors of any shape and type, by name.
    ///
    /// # Errors
    /// Those of the operations that it uses.
    #[track_caller]
    fn shared(&self) -> Result<Vec<(&'static str, Tensor)>> {
        Ok(Vec::new())
    }

    /// Called at the beginning of each step, with all gradients and the tensors of [`shared`](Self::shared), which it may
    /// change. [`update`](Self::update) sees them afterwards.
    ///
    /// # Errors
    /// Those of the operations that it uses.
    #[track_caller]
    fn begin(&self, step: &StepInfo<'_>, grads: &StepGradients<'_>, shared: &mut [Tensor]) -> Result<()> {
        let _ = (step, grads, shared);
        Ok(())
    }

    /// Whether [`update`](Self::update) may return an error where [`check`](Self::check) found none. The optimizer then keeps
    /// the earlier values of all parameters until the last one was updated, so that an error changes nothing; this costs a
    /// copy of them at each step. A rule that cannot fail says so and saves it.
    fn can_fail(&self) -> bool {
        true
    }

    /// Which settings of a [`Group`](super::Group) the rule takes from [`StepInfo`], of `betas` and `eps`. A group with others
    /// is an error.
    fn group_settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Sets the momentum, or β₁ of a rule with betas. Returns whether it has one.
    fn set_momentum(&mut self, momentum: f64) -> bool {
        let _ = momentum;
        false
    }

    /// Changes `param` in place. `grad` is contiguous, of the parameter's shape and type, and clipped; `state` has the
    /// tensors of [`init`](Self::init), in that order.
    ///
    /// # Errors
    /// Those of the operations that it uses.
    fn update(&self, step: &StepInfo<'_>, param: &mut Param, grad: &Tensor, state: &mut [Tensor]) -> Result<()>;
}

/// The settings for one parameter at one step.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepInfo<'a> {
    /// How often the parameter has been changed, this time included: 1 at first. In [`UpdateRule::begin`], the number of the
    /// optimizer's step.
    pub number: u64,
    /// The learning rate, with the scale of the parameter's group.
    pub learning_rate: f64,
    /// The weight decay of the parameter's group or, if it has none, of the optimizer.
    pub weight_decay: f64,
    /// The betas of the parameter's group, if it has any.
    pub betas: Option<(f64, f64)>,
    /// The `eps` of the parameter's group, if it has one.
    pub eps: Option<f64>,
    /// Where the parameter is in the model: `blocks.0.attn.q_proj.weight`. Empty in [`UpdateRule::begin`].
    pub path: &'a str,
    /// The tensors of [`UpdateRule::shared`], as [`UpdateRule::begin`] left them.
    pub shared: &'a [Tensor],
}

impl StepInfo<'_> {
    /// What of the weight decay, times the parameter, is added to the gradient; and what the parameter is multiplied by, if the
    /// decay is decoupled from the gradient.
    pub(super) fn decay(&self, decoupled: bool) -> (f64, f64) {
        match decoupled {
            true => (0.0, 1.0 - self.learning_rate * self.weight_decay),
            false => (self.weight_decay, 1.0),
        }
    }
}

/// The settings for the beginning of a step.
pub(super) fn begin_info(number: u64, learning_rate: f64, weight_decay: f64) -> StepInfo<'static> {
    StepInfo { number, learning_rate, weight_decay, betas: None, eps: None, path: "", shared: &[] }
}

/// All gradients of a step, as [`UpdateRule::update`] will get them.
pub struct StepGradients<'a> {
    model: &'a dyn Module,
    grads: &'a Gradients,
    limit: Option<Limit>,
    maximize: bool,
}

impl<'a> StepGradients<'a> {
    pub(super) fn new(model: &'a dyn Module, grads: &'a Gradients, limit: Option<Limit>, maximize: bool) -> Self {
        Self { model, grads, limit, maximize }
    }

    /// Calls `f` with the path, the parameter and the gradient of each parameter that this step changes, in the order of the
    /// model.
    ///
    /// # Errors
    /// The first one of `f`, which is not called again after it.
    #[track_caller]
    pub fn for_each(&self, mut f: impl FnMut(&str, &Param, &Tensor) -> Result<()>) -> Result<()> {
        self.visit(&mut f)
    }

    #[track_caller]
    fn visit(&self, f: &mut dyn FnMut(&str, &Param, &Tensor) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let (Slot::Param(param), true) = (slot, result.is_ok())
                && let Some(grad) = self.grads.get(param)
            {
                result = f(path, param, &prepared(grad, self.limit, self.maximize));
            }
        };
        self.model.visit(&mut Visitor::new(&mut on_slot));
        result
    }

    /// The root of the sum of the squares of all gradients.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let mut total = Norm::new(2.0);
        // The closure cannot fail.
        let _ = self.for_each(|_, _, grad| {
            total.add(grad);
            Ok(())
        });
        total.value()
    }
}

impl fmt::Debug for StepGradients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StepGradients({} gradients)", self.grads.len())
    }
}

/// The root of the sum of the squares of a contiguous tensor.
pub(super) fn length(x: &Tensor) -> f64 {
    let mut norm = Norm::new(2.0);
    norm.add(x);
    norm.value()
}

/// A state of tensors that have the parameter's shape and type, filled with a number.
#[track_caller]
pub(super) fn filled(param: &Param, names: &[&'static str], value: f64) -> Result<Vec<(&'static str, Tensor)>> {
    Ok(names.iter().map(|name| (*name, param.full_like(value))).collect())
}
