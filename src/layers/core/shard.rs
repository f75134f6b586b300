//! A module whose parameters are divided among processes, and come together while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::layer::Layer;
use super::mode::Mode;
use super::module::Module;
use super::share::{checkpointed_filled, share};
use crate::autograd;
use crate::error::Result;
use crate::tensor::Tensor;

/// Gives a module those of its parameters that others own, who are said by path.
pub(crate) type Gather = dyn Fn(&BTreeMap<String, usize>, &mut dyn Module) -> Result<()> + Send + Sync;

/// What a module knows of the processes among which its parameters may be divided.
#[derive(Clone)]
pub(crate) struct Shard {
    gather: Arc<Gather>,
    /// Whom the parameters belong to, by path in the module, while they are divided.
    pub(crate) owners: Option<Arc<BTreeMap<String, usize>>>,
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.owners.is_some() { "divided" } else { "whole" })
    }
}

impl Shard {
    /// Of a module that is whole.
    pub(crate) fn new(
        gather: impl Fn(&BTreeMap<String, usize>, &mut dyn Module) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { gather: Arc::new(gather), owners: None }
    }

    /// Gives a copy of the module all parameters.
    #[track_caller]
    fn fill(&self, copy: &mut dyn Module) -> Result<()> {
        let _unrecorded = autograd::pause_recording();
        self.owners.as_deref().map_or(Ok(()), |owners| (self.gather)(owners, copy))
    }

    /// Whether the module has to [run](Self::run) in this way. Whole as well, it runs twice in training: so that what is random in it is the same.
    pub(crate) fn is_needed(&self, mode: &Mode<'_>) -> bool {
        self.owners.is_some() || mode.is_training()
    }

    /// The output of the module, which is in `layer` at the same paths. In training its parameters are there while it runs, once forward and once backward, and
    /// nothing is kept in between but the input.
    #[track_caller]
    pub(crate) fn run(&self, layer: Box<dyn Layer>, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let own = self.clone();
        checkpointed_filled(layer, move |copy| own.fill(copy), x, mode)
    }

    /// A copy of the module with all parameters.
    #[track_caller]
    pub(crate) fn filled<M: Module + Clone>(&self, module: &M) -> Result<M> {
        let mut copy = share(module);
        self.fill(&mut copy)?;
        Ok(copy)
    }
}

/// A module with the same parameters in another one, at the same paths.
macro_rules! same_paths {
    ($Outer:ident { $inner:ident }) => {
        impl $crate::layers::Module for $Outer {
            fn visit(&self, visitor: &mut $crate::layers::Visitor<'_>) {
                visitor.module(&self.$inner);
            }
            fn visit_mut(&mut self, visitor: &mut $crate::layers::VisitorMut<'_>) {
                visitor.module(&mut self.$inner);
            }
        }
    };
}
pub(crate) use same_paths;
