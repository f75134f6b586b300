//! What a pass that keeps examples apart has found out.

use std::fmt;

use super::squares;
use crate::autograd::gradients::Gradients;
use crate::autograd::node::{NodeId, id_of};
use crate::autograd::recording;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// The gradients of each of several losses; see [`Tensor::backward_per_example`].
#[derive(Clone)]
pub struct ExampleGradients {
    pub(super) examples: usize,
    /// In ascending order of numbers.
    pub(super) entries: Vec<(NodeId, Tensor)>,
}

impl fmt::Debug for ExampleGradients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<_> = self.entries.iter().map(|(_, grads)| grads.shape()).collect();
        write!(f, "ExampleGradients({} examples, {shapes:?})", self.examples)
    }
}

/// What was found out about a tensor, by its number.
#[track_caller]
fn about<'a>(entries: &'a [(NodeId, Tensor)], leaf: &Tensor) -> Result<&'a Tensor> {
    let place = id_of(leaf).and_then(|id| entries.binary_search_by_key(&id, |(id, _)| *id).ok());
    match place {
        Some(at) => Ok(&entries[at].1),
        None => Err(Error::gradient("wrt", "the losses do not depend on this tensor, or it is not tracked")),
    }
}

impl ExampleGradients {
    /// How many examples there are.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// The gradients of all examples with respect to a tracked tensor or parameter: `[examples, ..]`.
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    pub fn wrt(&self, leaf: &Tensor) -> Result<&Tensor> {
        about(&self.entries, leaf)
    }

    /// The norm of each example's gradient, of all tensors together: `[examples]`, in `F64`.
    ///
    /// # Errors
    /// None are known of.
    #[track_caller]
    pub fn norms(&self) -> Result<Tensor> {
        let _unrecorded = recording::pause();
        let squared = self.entries.iter().map(|(id, grads)| Ok((*id, squares(&grads.to_dtype(DType::F64))?)));
        total(self.examples, &squared.collect::<Result<Vec<_>>>()?).map(|total| total.sqrt())
    }

    /// Scales the gradients of each example together so that their norm is at most `max_norm`, by `max_norm / (norm + 1e-6)`
    /// if that is below 1: what no single example may exceed in differentially private training (Abadi et al., 2016).
    ///
    /// # Errors
    /// If `max_norm` is not a finite number above 0, or a norm is NaN or infinite.
    #[track_caller]
    pub fn clip_each(&self, max_norm: f64) -> Result<Self> {
        if !(max_norm > 0.0 && max_norm.is_finite()) {
            let message = format!("max_norm is {max_norm}, expected a finite number above 0");
            return Err(Error::argument("clip_each", message));
        }
        let _unrecorded = recording::pause();
        let norms = self.norms()?;
        if let Some((i, norm)) = norms.to_f64_vec().into_iter().enumerate().find(|(_, norm)| !norm.is_finite()) {
            return Err(Error::numeric("clip_each", format!("the norm of the gradient of example {i} is {norm}")));
        }
        let factors = norms.add_scalar(1e-6).rdiv_scalar(max_norm).clamp_max(1.0);
        let scaled = |(id, grads): &(NodeId, Tensor)| {
            let mut shape = vec![1; grads.rank()];
            shape[0] = self.examples;
            Ok((*id, grads.mul(&factors.reshape(shape)?.to_dtype(grads.dtype()))?))
        };
        Ok(Self { examples: self.examples, entries: self.entries.iter().map(scaled).collect::<Result<_>>()? })
    }

    /// The sum over all examples, as gradients for an optimizer.
    ///
    /// # Errors
    /// None are known of.
    #[track_caller]
    pub fn sum(&self) -> Result<Gradients> {
        let _unrecorded = recording::pause();
        let sums = self.entries.iter().map(|(id, grads)| Ok((*id, grads.sum_dims(&[0], false)?)));
        Ok(Gradients::new(sums.collect::<Result<_>>()?))
    }

    /// How many tensors have gradients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The sum over all examples, each scaled by a factor that is made, for one tensor after the other, of the squared norms of its
    /// gradients.
    #[track_caller]
    pub(crate) fn sum_scaled(&self, factors: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Gradients> {
        let _unrecorded = recording::pause();
        let sum = |(id, grads): &(NodeId, Tensor)| {
            let factors = factors(&squares(&grads.to_dtype(DType::F64))?)?.to_dtype(grads.dtype());
            let rows = grads.reshape([self.examples, grads.numel() / self.examples.max(1)])?;
            let all = factors.unsqueeze(0)?.matmul(&rows)?;
            Ok((*id, all.reshape(&grads.shape()[1..])?))
        };
        Ok(Gradients::new(self.entries.iter().map(sum).collect::<Result<_>>()?))
    }

    /// The mean over all examples, as gradients for an optimizer.
    ///
    /// # Errors
    /// None are known of.
    #[track_caller]
    pub fn mean(&self) -> Result<Gradients> {
        let mut sum = self.sum()?;
        sum.scale(1.0 / self.examples as f64);
        Ok(sum)
    }
}

/// The squared norms of the gradients of each of several losses; see [`Tensor::squared_norms_per_example`].
#[derive(Debug, Clone)]
pub struct ExampleNorms {
    pub(super) examples: usize,
    /// In ascending order of numbers; each `[examples]`.
    pub(super) entries: Vec<(NodeId, Tensor)>,
}

impl ExampleNorms {
    /// The sum of the squares of each example's gradient with respect to a tracked tensor or parameter: `[examples]`.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn wrt(&self, leaf: &Tensor) -> Result<&Tensor> {
        about(&self.entries, leaf)
    }

    /// The sum of the squares of each example's gradient, of all tensors together: `[examples]`, in `F64`.
    ///
    /// # Errors
    /// None are known of.
    #[track_caller]
    pub fn total(&self) -> Result<Tensor> {
        let _unrecorded = recording::pause();
        total(self.examples, &self.entries)
    }
}

/// The sum of all entries, `[examples]` each.
fn total(examples: usize, entries: &[(NodeId, Tensor)]) -> Result<Tensor> {
    let mut total = Tensor::zeros([examples])?.to_dtype(DType::F64);
    for (_, squared) in entries {
        total = total.add(&squared.to_dtype(DType::F64))?;
    }
    Ok(total)
}
