//! A model as the chain of its layers, for methods that have a rule for each of them.

use super::subject::Explained;
use crate::autograd::{self, GradOptions, grad};
use crate::error::{Error, Result};
use crate::layers::*;
use crate::tensor::Tensor;

/// What a layer does to what goes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Weights and a bias.
    Dense,
    /// Affine, without weights of its own that could be changed: means, norms with fixed statistics.
    Affine,
    /// Each element by itself.
    Activation,
    /// The largest of some.
    Largest,
    /// Another shape at most.
    Same,
}

pub(super) struct Link {
    pub(super) path: String,
    pub(super) layer: Box<dyn Layer>,
    pub(super) role: Role,
}

/// The layers in the order in which they are run, and what each of them takes.
pub(super) struct Chain(pub(super) Vec<Link>);

/// Which layers are run, and whether they run others.
#[derive(Default)]
struct Seen {
    leaves: Vec<(String, String)>,
    open: Vec<bool>,
    /// The first that runs others otherwise than one after the other can be expected to.
    container: Option<String>,
}

impl Hooks for Seen {
    fn enter(&mut self, _: &Place<'_>) -> Result<()> {
        self.open.iter_mut().for_each(|is_leaf| *is_leaf = false);
        self.open.push(true);
        Ok(())
    }

    fn output(&mut self, at: &Place<'_>, _: &Tensor) -> Result<Option<Tensor>> {
        if self.open.pop() == Some(true) {
            self.leaves.push((at.path.to_string(), at.kind.to_string()));
        } else if at.kind != "Sequential" && self.container.is_none() {
            self.container = Some(format!("`{}` ({})", at.path, at.kind));
        }
        Ok(None)
    }
}

/// A layer as one of those that have a role.
fn known(module: &dyn Module) -> Option<(Box<dyn Layer>, Role)> {
    let any = module.as_any_ref();
    macro_rules! roles {
        ($($role:ident: $($Layer:ty),+;)*) => {$($(
            if let Some(layer) = any.downcast_ref::<$Layer>() {
                return Some((layer.clone_layer(), Role::$role));
            }
        )+)*};
    }
    macro_rules! norms {
        ($($Norm:ty),+) => {$(
            if let Some(norm) = any.downcast_ref::<$Norm>() {
                return norm.running_mean.is_some().then(|| (norm.clone_layer(), Role::Affine));
            }
        )+};
    }
    norms!(BatchNorm1d, BatchNorm2d, BatchNorm3d);
    roles! {
        Dense: Linear, Conv1d, Conv2d, Conv3d;
        Affine: AvgPool1d, AvgPool2d, AvgPool3d, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, GlobalAvgPool;
        Largest: MaxPool1d, MaxPool2d, MaxPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, GlobalMaxPool;
        Same: Flatten, Dropout, Dropout1d, Dropout2d, Dropout3d;
    }
    let of_elements = match Activation::of(any)? {
        Activation::Softmax { .. } | Activation::LogSoftmax { .. } | Activation::Softmin { .. } => false,
        other => other.shortening().is_none(),
    };
    of_elements.then(|| (Activation::of(any).map(|it| it.clone_layer())).map(|layer| (layer, Role::Activation)))?
}

impl Chain {
    /// The chain that a model is, on inputs of this shape.
    #[track_caller]
    pub(super) fn of(op: &'static str, of: &Explained<'_>, x: &Tensor) -> Result<Self> {
        let model = of.model(op)?;
        let _unrecorded = autograd::pause_recording();
        let mut seen = Seen::default();
        let expected = model.forward(x, &mut Mode::eval().with_hooks(&mut seen))?;
        if seen.leaves.is_empty() {
            seen.leaves.push((String::new(), model.kind().to_string()));
        }
        let mut found = Vec::new();
        let mut on_module = |path: &str, module: &dyn Module| {
            if seen.leaves.iter().any(|(leaf, _)| leaf == path)
                && let Some((layer, role)) = known(module)
            {
                found.push((path.to_string(), layer, role));
            }
        };
        Visitor::with_modules(&mut |_, _| (), &mut on_module).module(model.as_module());
        let mut chain = Vec::with_capacity(seen.leaves.len());
        for (path, kind) in &seen.leaves {
            let Some((_, layer, role)) = found.iter().find(|(at, ..)| at == path) else {
                let name = if path.is_empty() { "the model".to_string() } else { format!("`{path}`") };
                let e = Error::argument(op, format!("{name} is a {kind}, for which this method has no rule"));
                return Err(e.with_help(match kind.as_str() {
                    "Softmax" | "LogSoftmax" => "explain the logits: a model without its last layer",
                    _ => OTHERS,
                }));
            };
            chain.push(Link { path: path.clone(), layer: layer.clone_layer(), role: *role });
        }
        let chain = Self(chain);
        let same = match chain.run(x) {
            Ok(all) => match all.last() {
                Some(y) if y.shape() == expected.shape() => y.allclose(&expected, 1e-4, 1e-5, true)?,
                _ => false,
            },
            Err(_) => false,
        };
        if !same {
            let what = seen.container.unwrap_or_else(|| format!("the model ({})", model.kind()));
            let message = format!("{what} does more than to run its layers one after the other");
            return Err(Error::argument(op, message).with_help(OTHERS));
        }
        Ok(chain)
    }

    /// What each layer takes, and at the end what the last one gives.
    #[track_caller]
    pub(super) fn run(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let _unrecorded = autograd::pause_recording();
        let mut all = vec![x.detach()];
        for link in &self.0 {
            let y = match all.last() {
                Some(x) => link.layer.forward(x, &mut Mode::eval())?,
                None => return Err(crate::error::bug!("forward", "no input")),
            };
            all.push(y);
        }
        Ok(all)
    }
}

const OTHERS: &str = "IntegratedGradients, gradient_shap and KernelShap explain models of any layers";

/// The gradient of a layer's output, weighed by `by`, with respect to its input `x`.
#[track_caller]
pub(super) fn pulled(layer: &dyn Layer, x: &Tensor, by: &Tensor) -> Result<Tensor> {
    let x = x.tracked()?;
    let y = autograd::with_recording(true, || layer.forward(&x, &mut Mode::eval()))?;
    let options = GradOptions::new().grad_outputs(vec![by.clone()]).allow_unused(true);
    grad(&[&y], &[&x], options)?.pop().ok_or_else(|| crate::error::bug!("grad", "no gradient for an input"))
}
