//! The result of a backward pass.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use super::node::{NodeId, id_of};
use crate::error::{Error, Result};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::map::{binary_in_place, unary_in_place};
use crate::tensor::kernels::ops;
use crate::tensor::{Element, Tensor};

/// A map keyed by node, with a hash that costs nothing: the numbers are already distinct.
pub(crate) type NodeMap<V> = HashMap<NodeId, V, BuildHasherDefault<NodeHasher>>;

#[derive(Default)]
pub(crate) struct NodeHasher(u64);

impl Hasher for NodeHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, n: u64) {
        // The table takes its bucket from the low bits and its tag from the high ones: a multiplication fills both.
        self.0 = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// `grad ← factor · grad`.
fn scale(grad: &mut Tensor, factor: f64) {
    if factor != 1.0 {
        with_float!(grad.dtype(), T => {
            unary_in_place(ops::MulScalar(<T as Element>::from_f64(factor)), grad.data_mut::<T>());
        }, else ());
    }
}

/// `sum ← sum + factor · term`.
#[track_caller]
fn add_scaled(sum: &mut Tensor, term: &Tensor, factor: f64) -> Result<()> {
    if !sum.is_owned() || sum.shape() != term.shape() || sum.dtype() != term.dtype() {
        *sum = sum.add(&term.mul_scalar(factor))?;
        return Ok(());
    }
    let term = term.packed();
    with_float!(sum.dtype(), T => {
        let op = ops::AddScaled { factor: <T as Element>::from_f64(factor) };
        binary_in_place(op, sum.data_mut::<T>(), term.data::<T>());
    }, else ());
    Ok(())
}

/// The gradients of a loss with respect to the tracked tensors it was computed from.
///
/// Returned by [`Tensor::backward`]; optimizers take it in
/// [`step`](crate::optimizers::Optimizer::step). There is nothing to reset between steps: every backward pass
/// returns a new one.
///
/// ```
/// use demotic::tensor;
///
/// let w = tensor![1.0, 2.0].tracked()?;
/// let loss = w.square().sum();
/// let grads = loss.backward()?;
/// assert_eq!(grads.wrt(&w)?.to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    map: NodeMap<Tensor>,
}

impl Gradients {
    pub(crate) fn new(map: NodeMap<Tensor>) -> Self {
        Self { map }
    }

    /// The gradient with respect to a tracked tensor or parameter, or `None` if the loss does not depend on it.
    #[must_use]
    pub fn get(&self, leaf: &Tensor) -> Option<&Tensor> {
        self.map.get(&id_of(leaf)?)
    }

    /// The gradient with respect to a tracked tensor or parameter.
    ///
    /// # Errors
    /// If there is none: the tensor is not tracked, or the loss does not depend on it.
    #[track_caller]
    pub fn wrt(&self, leaf: &Tensor) -> Result<&Tensor> {
        let Some(id) = id_of(leaf) else {
            return Err(Error::gradient("wrt", "the tensor is not tracked")
                .with_help("track it with tracked() before the loss is computed from it"));
        };
        match self.map.get(&id) {
            Some(grad) => Ok(grad),
            None => Err(Error::gradient("wrt", "the loss does not depend on this tensor").with_help(
                "only tensors made with tracked() and parameters have gradients here; for others use autograd::grad",
            )),
        }
    }

    /// Replaces the gradient of one tensor, for example with a clipped one.
    ///
    /// # Errors
    /// If the tensor has no gradient here, or one of another shape or type.
    #[track_caller]
    pub fn set(&mut self, leaf: &Tensor, grad: Tensor) -> Result<()> {
        let old = self.wrt(leaf)?;
        if old.shape() != grad.shape() || old.dtype() != grad.dtype() {
            let (shape, dtype) = (grad.shape(), grad.dtype());
            let message = format!("a {dtype} gradient of shape {shape:?} for {:?} of {}", old.shape(), old.dtype());
            return Err(Error::shape("set", message));
        }
        if let Some(id) = id_of(leaf) {
            self.map.insert(id, grad.detach());
        }
        Ok(())
    }

    /// Adds the gradients of another backward pass, for batches that are worked through in parts. In place: it costs one pass
    /// over the gradients.
    ///
    /// Two halves of a batch, and the gradient of the mean over all of it:
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = Linear::new(3, 1, &mut rng)?;
    /// let (x, y) = (Tensor::normal([8, 3], 0.0, 1.0, &mut rng)?, Tensor::zeros([8, 1])?);
    /// let loss = |x: &Tensor, y: &Tensor| losses::mse(&model.forward(x, &mut Mode::Eval)?, y);
    ///
    /// let mut grads = loss(&x.narrow(0, 0, 4)?, &y.narrow(0, 0, 4)?)?.backward()?;
    /// grads.accumulate(loss(&x.narrow(0, 4, 4)?, &y.narrow(0, 4, 4)?)?.backward()?)?;
    /// grads.scale(0.5);
    ///
    /// let whole = loss(&x, &y)?.backward()?;
    /// let difference = grads.wrt(&model.weight)?.sub(whole.wrt(&model.weight)?)?.abs().max()?;
    /// assert!(difference.item()? < 1e-6);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the two have gradients of different types for the same tensor.
    #[track_caller]
    pub fn accumulate(&mut self, other: Gradients) -> Result<()> {
        self.accumulate_scaled(other, 1.0)
    }

    /// The same with a factor for the other gradients, for parts of different sizes.
    ///
    /// # Errors
    /// As for [`accumulate`](Self::accumulate).
    #[track_caller]
    pub fn accumulate_scaled(&mut self, other: Gradients, factor: f64) -> Result<()> {
        for (id, mut grad) in other.map {
            match self.map.entry(id) {
                Entry::Vacant(slot) => {
                    scale(&mut grad, factor);
                    slot.insert(grad);
                }
                Entry::Occupied(mut slot) => super::no_grad(|| add_scaled(slot.get_mut(), &grad, factor))?,
            }
        }
        Ok(())
    }

    /// Multiplies all gradients by a number, in place.
    pub fn scale(&mut self, factor: f64) {
        self.map.values_mut().for_each(|grad| scale(grad, factor));
    }

    /// Applies a function to every gradient.
    ///
    /// # Errors
    /// Those of the function.
    pub fn update(&mut self, mut f: impl FnMut(&mut Tensor) -> Result<()>) -> Result<()> {
        super::no_grad(|| self.map.values_mut().try_for_each(&mut f))
    }

    /// All gradients, in the order in which their tensors were made.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        let mut entries: Vec<_> = self.map.iter().collect();
        entries.sort_by_key(|(id, _)| **id);
        entries.into_iter().map(|(_, grad)| grad)
    }

    /// How many tensors have a gradient.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are no gradients at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}
