//! Arrays of the crate `ndarray`, and tensors as such.

use ::ndarray::{ArrayBase, ArrayD, ArrayViewD, ArrayViewMutD, Data, Dimension, IxDyn, ShapeBuilder};

use super::Tensor;
use super::dtype::Element;
use crate::error::{Error, Here, Result};

impl Tensor {
    /// A tensor with the elements of an array, which are copied once: in one piece if they lie in one, in C's order or in Fortran's (the
    /// tensor is then a permuted view of them).
    ///
    /// ```
    /// use demotic::Tensor;
    /// use ndarray::array;
    ///
    /// let x = Tensor::from_ndarray(&array![[1.0_f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(x.shape(), [2, 2]);
    /// assert_eq!(x.to_ndarray::<f32>()?, array![[1.0, 2.0], [3.0, 4.0]].into_dyn());
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are more dimensions than tensors have.
    #[track_caller]
    pub fn from_ndarray<T: Element, S: Data<Elem = T>, D: Dimension>(array: &ArrayBase<S, D>) -> Result<Self> {
        let view = array.view().into_dyn();
        let shape = view.shape();
        if let Some(elements) = view.as_slice() {
            return Self::from_slice(elements, shape);
        }
        let turned = view.view().reversed_axes();
        if let Some(elements) = turned.as_slice() {
            let back: Vec<isize> = (0..shape.len() as isize).rev().collect();
            return Self::from_slice(elements, turned.shape())?.permute(&back);
        }
        Self::from_vec(view.iter().copied().collect(), shape)
    }

    /// An array with a copy of the elements.
    ///
    /// # Errors
    /// If they are of another type.
    #[track_caller]
    #[doc(alias = "to_array")]
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>> {
        let elements = self.to_vec::<T>()?;
        ArrayD::from_shape_vec(IxDyn(self.shape()), elements)
            .map_err(|e| crate::error::bug!("to_ndarray", "{:?}: {e}", self.shape()))
            .here()
    }

    /// The elements as an array, without a copy: for views of tensors too, such as a transposed one.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].transpose(0, 1)?;
    /// let view = x.view_ndarray::<f32>()?;
    /// assert_eq!(view.shape(), [3, 2]);
    /// assert_eq!(view.sum(), 21.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If they are of another type, or it is a view that repeats elements ([`broadcast_to`](Self::broadcast_to)), which arrays do not have:
    /// [`to_ndarray`](Self::to_ndarray) copies them.
    #[track_caller]
    pub fn view_ndarray<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        let op = "view_ndarray";
        self.expect_dtype(op, "the elements", T::DTYPE)?;
        let shape = IxDyn(self.shape());
        let view = match self.is_empty() {
            // Whose strides would lead out of no elements.
            true => ArrayViewD::from_shape(shape, &[]),
            false => ArrayViewD::from_shape(shape.strides(IxDyn(self.strides())), self.data::<T>()),
        };
        match view {
            Ok(view) => Ok(view),
            Err(_) => {
                let message = format!("a view of shape {:?} that repeats elements", self.shape());
                Err(Error::shape(op, message).with_help("to_ndarray() copies them"))
            }
        }
    }

    /// The elements as an array to write to, without a copy if nobody else sees them and they lie in order; they are copied first
    /// otherwise, as in [`as_mut_slice`](Self::as_mut_slice).
    ///
    /// # Errors
    /// As for [`as_mut_slice`](Self::as_mut_slice).
    #[track_caller]
    pub fn view_ndarray_mut<T: Element>(&mut self) -> Result<ArrayViewMutD<'_, T>> {
        let shape = self.shape().to_vec();
        ArrayViewMutD::from_shape(IxDyn(&shape), self.as_mut_slice::<T>()?)
            .map_err(|e| crate::error::bug!("view_ndarray_mut", "{shape:?}: {e}"))
            .here()
    }
}

#[cfg(test)]
mod tests;
