//! What a model is made of: parameters, which are trained, and buffers, which are only kept.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::autograd::ops::renorm::limit_rows;
use crate::error::{Error, Result};
use crate::tensor::exec::reduce::shorten_rows;
use crate::tensor::{DType, Element, Tensor};

/// A tensor that training changes.
///
/// Reads like a [`Tensor`]: `x.linear(&self.weight, None)`. It is tracked unless it was
/// [frozen](Param::set_trainable). A clone is a parameter of its own, with the same values and separate gradients.
pub struct Param {
    value: Tensor,
    origin: u64,
}

/// The number of the next parameter that is made.
static ORIGINS: AtomicU64 = AtomicU64::new(1);

impl Param {
    /// A trainable parameter with these initial values. The gradient of 16-bit values is `F32`.
    ///
    /// # Errors
    /// If the elements are integers or truth values.
    #[track_caller]
    pub fn new(value: Tensor) -> Result<Self> {
        Ok(Self { value: value.tracked()?, origin: ORIGINS.fetch_add(1, Ordering::Relaxed) })
    }

    /// A number that a parameter shares with its clones and with no other.
    pub(crate) fn origin(&self) -> u64 {
        self.origin
    }

    /// The values, tracked if the parameter is trainable.
    #[must_use]
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// Whether training changes this parameter.
    #[must_use]
    pub fn is_trainable(&self) -> bool {
        self.value.is_tracked()
    }

    /// Makes the parameter trainable, or freezes it.
    ///
    /// Gradients that were computed before do not belong to a parameter that was frozen in between.
    pub fn set_trainable(&mut self, trainable: bool) {
        if trainable != self.is_trainable() {
            let value = self.value.detach();
            self.value = match trainable {
                // A parameter's type was checked when it was made.
                true => value.tracked().unwrap_or(value),
                false => value,
            };
        }
    }

    /// Replaces the values.
    ///
    /// # Errors
    /// If the new values have another shape or type.
    #[track_caller]
    pub fn set(&mut self, value: &Tensor) -> Result<()> {
        check_same("set", &self.value, value)?;
        self.value = value.detach().with_node(self.value.node().cloned());
        Ok(())
    }

    /// Takes a value that it had before, as it was: graphs that know it by that value know it again.
    pub(crate) fn put_back(&mut self, value: Tensor) {
        self.value = value;
    }

    /// The elements for writing, in row-major order: for optimizers and constraints, which change them between
    /// the computation of two losses.
    ///
    /// # Errors
    /// If `T` is not the element type.
    #[track_caller]
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        if T::DTYPE != self.value.dtype() {
            let message = format!("the parameter holds {}, not {}", self.value.dtype(), T::DTYPE);
            return Err(Error::dtype("as_mut_slice", message));
        }
        Ok(self.value.leaf_mut())
    }

    /// The values, to be changed in place by what keeps their shape and type.
    pub(crate) fn value_mut(&mut self) -> &mut Tensor {
        &mut self.value
    }
}

#[track_caller]
fn check_same(op: &'static str, old: &Tensor, new: &Tensor) -> Result<()> {
    if old.shape() != new.shape() || old.dtype() != new.dtype() {
        let (shape, dtype) = (new.shape(), new.dtype());
        let message = format!("{shape:?} of {dtype} for a value of shape {:?} of {}", old.shape(), old.dtype());
        return Err(Error::shape(op, message));
    }
    Ok(())
}

impl Deref for Param {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.value
    }
}

impl Clone for Param {
    fn clone(&self) -> Self {
        let value = self.value.detach();
        // A parameter's type was checked when it was made.
        let value = if self.is_trainable() { value.tracked().unwrap_or(value) } else { value };
        Self { value, origin: self.origin }
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frozen = if self.is_trainable() { "" } else { ", frozen" };
        write!(f, "Param({:?} {}{frozen})", self.value.shape(), self.value.dtype())
    }
}

impl Param {
    /// The same parameter once more: same values, same gradients. For graphs that have to own what they use; see
    /// [`share`](crate::layers::share).
    pub(crate) fn shared(&self) -> Self {
        Self { value: self.value.clone(), origin: self.origin }
    }

    /// Gives the values another type.
    #[track_caller]
    pub(crate) fn retype(&mut self, dtype: DType) -> Result<()> {
        let value = self.value.detach().to_dtype(dtype);
        self.value = if self.is_trainable() { value.tracked()? } else { value };
        Ok(())
    }

    /// Scales rows along `dim`, with these norms, that are longer than `max_norm` back to it.
    pub(crate) fn shorten_rows(&mut self, dim: usize, norms: &Tensor, max_norm: f64) {
        shorten_rows(&mut self.value, dim, norms, max_norm, 0.0);
    }

    /// Shortens rows whose `p`-norms are above `max_norm`, so that none is.
    pub(crate) fn limit_rows(&mut self, p: f64, max_norm: f64) {
        limit_rows(&mut self.value, p, max_norm);
    }
}

/// A tensor that belongs to a model but is not trained by gradients, such as running statistics.
///
/// Forward passes may replace it through a shared reference; it is the only part of a model for which that holds. What counts
/// the examples that it sees asks [`Mode::is_recomputing`](super::Mode::is_recomputing) whether it has seen them before.
///
/// A clone is a buffer of its own; [`shared`](Self::shared) is the same once more.
pub struct Buffer(Arc<RwLock<Tensor>>);

impl Buffer {
    /// A buffer with this value.
    #[must_use]
    pub fn new(value: Tensor) -> Self {
        Self(Arc::new(RwLock::new(value.detach())))
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> Tensor {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value.
    ///
    /// # Errors
    /// If the new value has another shape or type.
    #[track_caller]
    pub fn set(&self, value: &Tensor) -> Result<()> {
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        check_same("set", &slot, value)?;
        *slot = value.detach();
        Ok(())
    }

    /// The same buffer once more: what is set here is seen there. For closures that have to own the layer that they call; see
    /// [`share`](super::share).
    #[must_use]
    pub fn shared(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Gives floating numbers another type; others stay what they are.
    pub(crate) fn retype(&self, dtype: DType) {
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if slot.dtype().is_float() {
            *slot = slot.to_dtype(dtype);
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.get();
        write!(f, "Buffer({:?} {})", value.shape(), value.dtype())
    }
}
