//! Gradients by the names of the parameters that they belong to.

use std::fmt;

use super::module::{Module, Slot, Visitor};
use crate::autograd::{Gradients, Outline};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The gradients of a model's parameters, each with its path, in the order of the model; see [`Gradients::named`].
///
/// Shown with `{:?}`, it has a line for each parameter: shape, type and norm.
#[derive(Clone)]
pub struct NamedGradients<'a> {
    entries: Vec<(String, &'a Tensor)>,
}

impl<'a> NamedGradients<'a> {
    /// The paths and the gradients.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a Tensor)> {
        self.entries.iter().map(|(path, grad)| (path.as_str(), *grad))
    }

    /// The gradient of the parameter with this path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&'a Tensor> {
        self.iter().find(|(own, _)| *own == path).map(|(_, grad)| grad)
    }

    /// How many parameters have a gradient.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'a> IntoIterator for NamedGradients<'a> {
    type Item = (String, &'a Tensor);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl fmt::Debug for NamedGradients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(path, grad)| (path, Outline(grad)))).finish()
    }
}

/// By the names of a model.
impl Gradients {
    /// The gradients of a model's parameters, each with its path, in the order of the model. Parameters that are frozen, or
    /// that the loss does not depend on, are left out.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = sequential![Linear::new(3, 4, &mut rng)?, Relu, Linear::new(4, 1, &mut rng)?];
    /// let loss = model.forward(&Tensor::ones([2, 3])?, &mut Mode::eval())?.mean();
    /// let grads = loss.backward()?;
    /// for (path, grad) in grads.named(&model) {
    ///     println!("{path}: largest {}", grad.abs().max()?);
    /// }
    /// let paths: Vec<_> = grads.named(&model).into_iter().map(|(path, _)| path).collect();
    /// assert_eq!(paths, ["0.weight", "0.bias", "2.weight", "2.bias"]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn named(&self, model: &dyn Module) -> NamedGradients<'_> {
        let mut entries = Vec::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let Slot::Param(param) = slot {
                entries.extend(self.get(param).map(|grad| (path.to_string(), grad)));
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        NamedGradients { entries }
    }

    /// Gradients for the parameters of `model` that have these paths: those of a file, of another process, or of a computation
    /// of your own.
    ///
    /// ```
    /// use demotic::autograd::Gradients;
    /// use demotic::prelude::*;
    ///
    /// let mut model = Linear::new(2, 1, &mut Rng::seed(0))?.without_bias();
    /// let grads = Gradients::from_named(&model, [("weight", tensor![[0.5, -1.0]])])?;
    /// Sgd::new(0.1).step(&mut model, &grads)?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a path is not that of a trainable parameter or is named twice, or a gradient has another shape or type than its
    /// parameter's gradients have.
    #[track_caller]
    pub fn from_named(
        model: &dyn Module,
        grads: impl IntoIterator<Item = (impl Into<String>, Tensor)>,
    ) -> Result<Gradients> {
        from_named(model, grads.into_iter().map(|(path, grad)| (path.into(), grad)).collect())
    }
}

#[track_caller]
fn from_named(model: &dyn Module, grads: Vec<(String, Tensor)>) -> Result<Gradients> {
    let op = "from_named";
    let mut params = std::collections::BTreeMap::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        if let Slot::Param(param) = slot {
            params.insert(path.to_string(), param.value().clone());
        }
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    let paths = || params.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut pairs = Vec::with_capacity(grads.len());
    let mut seen = std::collections::BTreeSet::new();
    for (path, grad) in grads {
        let Some(param) = params.get(&path) else {
            return Err(Error::parameter(op, format!("the model has no parameter `{path}`"))
                .with_help(format!("its parameters are {}", paths())));
        };
        if !param.is_tracked() {
            return Err(Error::parameter(op, format!("the parameter `{path}` is frozen"))
                .with_help("what is not to be trained has no gradient; unfreeze makes it trainable"));
        }
        let dtype = param.dtype().gradient().unwrap_or(param.dtype());
        if grad.shape() != param.shape() || grad.dtype() != dtype {
            let (shape, given) = (param.shape(), grad.dtype());
            let message = format!("a {given} gradient of shape {:?} for `{path}`, {shape:?} of {dtype}", grad.shape());
            return Err(Error::shape(op, message));
        }
        if !seen.insert(path.clone()) {
            return Err(Error::parameter(op, format!("two gradients for `{path}`")));
        }
        pairs.push((param.clone(), grad));
    }
    Ok(Gradients::of(pairs.iter().map(|(param, grad)| (param, grad.clone()))))
}
