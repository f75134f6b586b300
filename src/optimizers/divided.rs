//! Steps that several processes divide among them.

use std::collections::BTreeMap;
use std::fmt;

use super::rule::length;
use crate::error::Result;
use crate::layers::Module;
use crate::tensor::Tensor;

/// Which parameters a process makes the step of, where several divide a model among them. For
/// [`DataParallel`](crate::distributed::DataParallel), which makes one of these for each step.
pub struct Divided<'a> {
    /// Whether a parameter, by its path, is this process's.
    pub(crate) is_own: &'a dyn Fn(&str) -> bool,
    /// The norms of gradients that only others have, by path.
    pub(crate) norms: BTreeMap<String, f64>,
    /// Gives the model what the others have made of their parameters.
    pub(crate) gather: &'a dyn Fn(&mut dyn Module) -> Result<()>,
}

impl fmt::Debug for Divided<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Divided({} gradients elsewhere)", self.norms.len())
    }
}

/// The norm of a gradient, from which that of all is made.
pub(crate) fn gradient_norm(grad: &Tensor) -> f64 {
    length(&grad.packed())
}
