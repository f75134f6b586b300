//! The result of a backward pass.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::node::{NodeId, id_of};
use crate::error::{Error, Result};
use crate::tensor::exec::{self, unary::UnaryOp};
use crate::tensor::{DType, Tensor};

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
        exec::unary::unary_in_place(UnaryOp::MulScalar { c: factor }, grad);
    }
}

/// `sum ← sum + factor · term`.
#[track_caller]
fn add_scaled(sum: &mut Tensor, term: &Tensor, factor: f64) -> Result<()> {
    if sum.shape() != term.shape() || sum.dtype() != term.dtype() {
        *sum = sum.add(&term.mul_scalar(factor))?;
        return Ok(());
    }
    exec::binary::accumulate(sum, term, factor)
}

/// What takes the place of a gradient must have its shape and type.
#[track_caller]
fn check_kind(op: &'static str, new: &Tensor, shape: &[usize], dtype: DType) -> Result<()> {
    if new.shape() == shape && new.dtype() == dtype {
        return Ok(());
    }
    let message = format!("a {} gradient of shape {:?} for {shape:?} of {dtype}", new.dtype(), new.shape());
    Err(Error::shape(op, message))
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
#[derive(Clone, Default)]
pub struct Gradients {
    /// In ascending order of numbers, which is that in which the tensors were made.
    entries: Vec<(NodeId, Tensor)>,
}

/// A line for each gradient: shape, type and norm. [`Gradients::named`] also knows the names.
impl fmt::Debug for Gradients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gradients ")?;
        f.debug_list().entries(self.iter().map(Outline)).finish()
    }
}

/// A gradient in a few words: `[64, 8] f32, norm 0.25`.
pub(crate) struct Outline<'a>(pub(crate) &'a Tensor);

impl fmt::Debug for Outline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(grad) = self;
        let norm = super::no_grad(|| grad.to_dtype(DType::F64).square().sum().sqrt().item().unwrap_or(f64::NAN));
        write!(f, "{:?} {}, norm {norm:.4}", grad.shape(), grad.dtype())
    }
}

impl Gradients {
    /// The numbers must ascend.
    pub(crate) fn new(entries: Vec<(NodeId, Tensor)>) -> Self {
        Self { entries }
    }

    pub(crate) fn into_entries(self) -> Vec<(NodeId, Tensor)> {
        self.entries
    }

    /// Where the gradient for this number is, or where it would have to be.
    fn place(&self, id: NodeId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |(id, _)| *id)
    }

    /// The gradient with respect to a tracked tensor or parameter, or `None` if the loss does not depend on it.
    #[must_use]
    pub fn get(&self, leaf: &Tensor) -> Option<&Tensor> {
        Some(&self.entries[self.place(id_of(leaf)?).ok()?].1)
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
        match self.place(id) {
            Ok(at) => Ok(&self.entries[at].1),
            Err(_) => Err(Error::gradient("wrt", "the loss does not depend on this tensor").with_help(
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
        check_kind("set", &grad, old.shape(), old.dtype())?;
        if let Some(Ok(at)) = id_of(leaf).map(|id| self.place(id)) {
            self.entries[at].1 = grad.detach();
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
    /// let loss = |x: &Tensor, y: &Tensor| losses::mse(&model.forward(x, &mut Mode::eval())?, y);
    ///
    /// let mut grads = loss(&x.narrow(0, 0, 4)?, &y.narrow(0, 0, 4)?)?.backward()?;
    /// grads.accumulate(loss(&x.narrow(0, 4, 4)?, &y.narrow(0, 4, 4)?)?.backward()?)?;
    /// grads.scale(0.5);
    ///
    /// let whole = loss(&x, &y)?.backward()?;
    /// let difference = grads.wrt(&model.weight.value()?)?.sub(whole.wrt(&model.weight.value()?)?)?.abs().max()?;
    /// assert!(difference.item()? < 1e-6);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the two have gradients of different types for the same tensor. Nothing is changed then.
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
        for (id, grad) in &other.entries {
            let Ok(at) = self.place(*id) else { continue };
            let sum = &self.entries[at].1;
            if sum.shape() != grad.shape() || sum.dtype() != grad.dtype() {
                // The error, if it is one, before anything is added.
                super::no_grad(|| sum.add(grad))?;
            }
        }
        let mut new = Vec::new();
        for (id, mut grad) in other.entries {
            match self.place(id) {
                Ok(at) => super::no_grad(|| add_scaled(&mut self.entries[at].1, &grad, factor))?,
                Err(_) => {
                    scale(&mut grad, factor);
                    new.push((id, grad));
                }
            }
        }
        if !new.is_empty() {
            self.entries.append(&mut new);
            NodeId::sort(&mut self.entries, |(id, _)| *id);
        }
        Ok(())
    }

    /// Multiplies all gradients by a number, in place.
    pub fn scale(&mut self, factor: f64) {
        self.entries.iter_mut().for_each(|(_, grad)| scale(grad, factor));
    }

    /// Applies a function to every gradient, in the order in which their tensors were made.
    ///
    /// # Errors
    /// Those of the function, or if it makes a gradient of another shape or type, which is then removed. Gradients before the
    /// one at which it failed have changed.
    #[track_caller]
    pub fn update(&mut self, mut f: impl FnMut(&mut Tensor) -> Result<()>) -> Result<()> {
        let _unrecorded = super::recording::pause();
        for at in 0..self.entries.len() {
            let grad = &mut self.entries[at].1;
            let (shape, dtype) = (grad.layout().shape(), grad.dtype());
            f(grad)?;
            if let Err(e) = check_kind("update", grad, &shape, dtype) {
                self.entries.remove(at);
                return Err(e);
            }
            if grad.is_tracked() {
                *grad = grad.detach();
            }
        }
        Ok(())
    }

    /// All gradients, in the order in which their tensors were made.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.entries.iter().map(|(_, grad)| grad)
    }

    /// All gradients in one vector, in the order in which their tensors were made: that of the fields of a model, however the
    /// loss was computed. For sending them somewhere, or adding up those of several processes, in one go.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let (a, b) = (tensor![[1.0, 2.0]].tracked()?, tensor![3.0].tracked()?);
    /// let mut grads = (b.square().sum() + a.sum())?.backward()?;
    /// let flat = grads.flatten()?;
    /// assert_eq!(flat.to_vec::<f32>()?, [1.0, 1.0, 6.0]);
    /// grads.unflatten(&(flat * 0.5))?;
    /// assert_eq!(grads.wrt(&a)?.shape(), [1, 2]);
    /// assert_eq!(grads.wrt(&b)?.item()?, 3.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If gradients have different types.
    #[track_caller]
    pub fn flatten(&self) -> Result<Tensor> {
        let _unrecorded = super::recording::pause();
        let Some((_, first)) = self.entries.first() else { return Tensor::zeros([0]) };
        if let Some(other) = self.iter().find(|grad| grad.dtype() != first.dtype()) {
            let message = format!("gradients of types {} and {}", first.dtype(), other.dtype());
            return Err(
                Error::dtype("flatten", message).with_help("one vector has one type: take them one by one with iter()")
            );
        }
        let parts = self.iter().map(|grad| grad.reshape([grad.numel()])).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)
    }

    /// Replaces all gradients by the parts of a vector such as [`flatten`](Self::flatten) makes.
    ///
    /// # Errors
    /// If the vector does not have as many elements as all gradients together, or another type. Nothing is changed then.
    #[track_caller]
    pub fn unflatten(&mut self, flat: &Tensor) -> Result<()> {
        let _unrecorded = super::recording::pause();
        let numel: usize = self.iter().map(Tensor::numel).sum();
        if flat.shape() != [numel] {
            let message = format!("a tensor of shape {:?} for gradients of {numel} elements", flat.shape());
            return Err(Error::shape("unflatten", message));
        }
        let mut at = 0;
        let mut parts = Vec::with_capacity(self.entries.len());
        for grad in self.iter() {
            let part = flat.narrow(0, at, grad.numel())?.reshape(grad.shape())?;
            check_kind("unflatten", &part, grad.shape(), grad.dtype())?;
            parts.push(part.detach());
            at += grad.numel();
        }
        self.entries.iter_mut().zip(parts).for_each(|((_, grad), part)| *grad = part);
        Ok(())
    }

    /// The gradients with these tensors' numbers; those that are not tracked have none.
    pub(crate) fn of<'t>(pairs: impl Iterator<Item = (&'t Tensor, Tensor)>) -> Self {
        let mut entries: Vec<_> = pairs.filter_map(|(leaf, grad)| Some((id_of(leaf)?, grad.detach()))).collect();
        NodeId::sort(&mut entries, |(id, _)| *id);
        Self { entries }
    }

    /// How many tensors have a gradient.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no gradients at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests;
