//! What optimizers around other optimizers have in common: tensors of their own for each parameter, and their part of a state.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{other_kind, quoted};
use super::state::OptimizerState;
use crate::error::{Error, Result};
use crate::layers::{Module, Param, Slot, SlotMut, Visitor, VisitorMut};
use crate::tensor::{DType, Tensor};

/// What a wrapper leaves to the optimizer in its field `inner`: rates and momentum.
macro_rules! settings_of_inner {
    () => {
        fn learning_rate(&self) -> f64 {
            self.inner.learning_rate()
        }

        fn set_learning_rate(&mut self, learning_rate: f64) {
            self.inner.set_learning_rate(learning_rate);
        }

        #[track_caller]
        fn set_momentum(&mut self, momentum: f64) -> $crate::Result<()> {
            self.inner.set_momentum(momentum)
        }

        #[track_caller]
        fn set_learning_rate_scale(&mut self, pattern: &str, scale: f64) -> $crate::Result<()> {
            self.inner.set_learning_rate_scale(pattern, scale)
        }
    };
}
pub(crate) use settings_of_inner;

/// `Averaged(Adam)`.
pub(crate) fn wrapped_name(outer: &str, inner: &str) -> String {
    format!("{outer}({inner})")
}

/// The name of the optimizer inside.
#[track_caller]
pub(crate) fn unwrapped(outer: &str, name: &str) -> Result<String> {
    let inner =
        name.strip_prefix(outer).and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.strip_suffix(')'));
    match inner {
        Some(inner) => Ok(inner.to_string()),
        None => Err(other_kind(outer, name)),
    }
}

/// The name of something that the optimizer `outer` adds to the state of the one inside, in which there may be another `outer`.
pub(super) fn own_name(base: &str, outer: &str, inner: &str) -> String {
    match inner.matches(outer).count() {
        0 => base.to_string(),
        depth => format!("{base}.{depth}"),
    }
}

/// A tensor for each trainable parameter, of its shape and of the type of its gradient, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Shadow(BTreeMap<String, Tensor>);

impl Shadow {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the model has in the place of these tensors, of parameters that were frozen since as well.
    pub(super) fn own_values(&self, model: &dyn Module) -> Self {
        let mut all = BTreeMap::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let Slot::Param(param) = slot
                && self.0.contains_key(path)
            {
                all.insert(path.to_string(), param.detach());
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        Self(all)
    }

    /// Says whether the model still has all parameters that there are tensors for, in their shapes and of the types of their
    /// gradients.
    #[track_caller]
    pub(super) fn check(&self, op: &'static str, model: &dyn Module) -> Result<()> {
        self.check_types(op, model, DType::gradient)
    }

    /// The same for tensors of the types of the parameters themselves.
    #[track_caller]
    pub(super) fn check_values(&self, op: &'static str, model: &dyn Module) -> Result<()> {
        self.check_types(op, model, Some)
    }

    #[track_caller]
    fn check_types(&self, op: &'static str, model: &dyn Module, of: fn(DType) -> Option<DType>) -> Result<()> {
        let mut missing: BTreeSet<&str> = BTreeSet::new();
        missing.extend(self.0.keys().map(String::as_str));
        let mut misfit = None;
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let (Slot::Param(param), Some(own)) = (slot, self.0.get(path)) {
                missing.remove(path);
                if own.shape() != param.shape() || Some(own.dtype()) != of(param.dtype()) {
                    misfit.get_or_insert_with(|| path.to_string());
                }
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        const HELP: &str = "an optimizer serves one model, or its clones";
        if let Some(path) = misfit {
            let message = format!("the optimizer's state does not fit the shape and type of {}", quoted(&path));
            return Err(Error::state(op, message).with_help(HELP));
        }
        if let Some(path) = missing.first() {
            let message = format!("there is a state for {}, which is not in the model", quoted(path));
            return Err(Error::parameter(op, message).with_help(HELP));
        }
        Ok(())
    }

    /// Replaces the tensor of each trainable parameter by `f(tensor, value)`, the value in the type of its gradient; `tensor` is
    /// absent where the parameter has none yet.
    #[track_caller]
    pub(super) fn update(
        &mut self,
        model: &dyn Module,
        f: &dyn Fn(Option<&Tensor>, &Tensor) -> Result<Tensor>,
    ) -> Result<()> {
        let mut result = Ok(());
        let mut new = BTreeMap::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let (Slot::Param(param), true) = (slot, result.is_ok())
                && param.is_trainable()
            {
                match f(self.0.get(path), &param.detach().for_gradient()) {
                    Ok(tensor) => drop(new.insert(path.to_string(), tensor)),
                    Err(e) => result = Err(e),
                }
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        result?;
        self.0.extend(new);
        Ok(())
    }

    /// Gives the model these values.
    #[track_caller]
    pub(super) fn put(&self, model: &mut dyn Module) -> Result<()> {
        self.put_into(model, |_| true)
    }

    /// The same for what is trained, as a step does it.
    #[track_caller]
    pub(super) fn put_into_trained(&self, model: &mut dyn Module) -> Result<()> {
        self.put_into(model, Param::is_trainable)
    }

    #[track_caller]
    fn put_into(&self, model: &mut dyn Module, is_meant: fn(&Param) -> bool) -> Result<()> {
        let mut result = Ok(());
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            if let (SlotMut::Param(param), Some(own), true) = (slot, self.0.get(path), result.is_ok())
                && is_meant(param)
            {
                result = param.set(&own.to_dtype(param.dtype()));
            }
        };
        VisitorMut::new(&mut on_slot).module(model.as_module_mut());
        result
    }

    /// Adds the tensors to a state, under a name of their own.
    pub(super) fn save(&self, name: &str, state: &mut OptimizerState) {
        for (path, tensor) in &self.0 {
            let parameter = state.parameters.entry(path.clone()).or_default();
            parameter.tensors.insert(name.to_string(), tensor.clone());
        }
    }

    /// Takes them out of a state again.
    pub(super) fn load(name: &str, state: &mut OptimizerState) -> Self {
        let mut all = BTreeMap::new();
        state.parameters.retain(|path, parameter| {
            if let Some(tensor) = parameter.tensors.remove(name) {
                all.insert(path.clone(), tensor);
            }
            // Without steps, it was there for the sake of the tensor.
            parameter.steps > 0
        });
        Self(all)
    }
}

/// Adds a count to the state of a wrapper.
pub(super) fn save_count(name: &str, count: u64, state: &mut OptimizerState) {
    // As two halves, which are exact as numbers.
    let halves = [(count >> 32) as f64, f64::from(count as u32)];
    if let Ok(halves) = Tensor::from_vec(halves.to_vec(), [2]) {
        state.shared.insert(name.to_string(), halves);
    }
}

/// Takes it out again. It is 0 if it is not there.
pub(super) fn load_count(name: &str, state: &mut OptimizerState) -> u64 {
    match state.shared.remove(name).map(|halves| halves.to_f64_vec()).as_deref() {
        Some([high, low]) => ((*high as u64) << 32) | (*low as u64 & u64::from(u32::MAX)),
        _ => 0,
    }
}
