//! Weights most of whose numbers are zero.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::as_rows;
use crate::error::{Error, Result};
use crate::layers::core::param::Buffer;
use crate::tensor::{SparseTensor, Tensor};

/// A weight of which only the numbers are kept that are not zero, and where they are: a [`SparseTensor`] whose parts are buffers of its
/// model, `weight.offsets`, `weight.columns` and `weight.values`. Layers multiply by it as it is; convolutions make it dense for each
/// pass.
#[derive(Clone)]
pub struct Sparse {
    pub(super) shape: Vec<usize>,
    offsets: Buffer,
    columns: Buffer,
    values: Buffer,
    ready: Ready,
    pub(super) turned: bool,
}

crate::module!(Sparse { offsets, columns, values }, plain { shape, ready, turned });

/// The matrix, whose parts were checked, and some of its rows that were asked for. They share their numbers with the buffers.
#[derive(Default)]
struct Ready(Arc<Mutex<Parts>>);

/// The first row and the number of rows of each.
type Parts = Vec<([usize; 2], SparseTensor)>;

/// A copy has buffers of its own.
impl Clone for Ready {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// How many parts are kept at hand: attention multiplies by three.
const MOST_PARTS: usize = 4;

impl Sparse {
    /// A weight with these numbers.
    #[must_use]
    pub fn new(value: &SparseTensor) -> Self {
        Self::of(value, value.shape().to_vec())
    }

    fn of(value: &SparseTensor, shape: Vec<usize>) -> Self {
        let [offsets, columns, values] = value.parts().map(|part| Buffer::new(part.clone()));
        Self { shape, offsets, columns, values, ready: Ready::default(), turned: false }
    }

    /// The weight of a convolution, `[out, in / groups, kernel…]`, of which a row of the matrix has all numbers of an output.
    ///
    /// # Errors
    /// If there are not as many numbers, or as many rows.
    #[track_caller]
    pub fn with_shape(value: &SparseTensor, shape: impl Into<Vec<usize>>) -> Result<Self> {
        let shape = shape.into();
        if shape.len() < 2 || as_rows(&shape) != value.shape() {
            let message = format!("a sparse matrix {:?} for a weight of shape {shape:?}", value.shape());
            return Err(Error::shape("sparse", message));
        }
        Ok(Self::of(value, shape))
    }

    /// Whether its inputs came first before.
    pub(crate) fn turned(self, turned: bool) -> Self {
        Self { turned, ..self }
    }

    /// The matrix.
    ///
    /// # Errors
    /// If the buffers were replaced by such as are no parts of one.
    #[track_caller]
    pub fn value(&self) -> Result<SparseTensor> {
        let rows = as_rows(&self.shape);
        self.part(0, rows.first().copied().unwrap_or(0))
    }

    /// Some of its rows.
    #[track_caller]
    pub(super) fn part(&self, first: usize, count: usize) -> Result<SparseTensor> {
        let &[rows, wide] = &*as_rows(&self.shape) else {
            return Err(Error::shape("sparse", format!("a weight of shape {:?}, expected rows", self.shape)));
        };
        let parts = [&self.offsets, &self.columns, &self.values].map(Buffer::get);
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |whole: &SparseTensor| whole.parts().iter().zip(&parts).all(|(a, b)| a.shares_storage(b));
        if !ready.first().is_some_and(|(_, whole)| is_same(whole)) {
            let [offsets, columns, values] = &parts;
            ready.clear();
            ready.push(([0, rows], SparseTensor::from_parts([rows, wide], offsets, columns, values)?));
        }
        if let Some((_, part)) = ready.iter().find(|(range, _)| *range == [first, count]) {
            return Ok(part.clone());
        }
        let part = ready[0].1.narrow(first, count)?;
        ready.truncate(MOST_PARTS - 1);
        ready.push(([first, count], part.clone()));
        Ok(part)
    }

    #[track_caller]
    pub(super) fn numbers(&self) -> Result<Tensor> {
        self.value()?.to_dense()?.reshape(&*self.shape)
    }

    /// How many numbers are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.get().numel()
    }

    pub(super) fn shared(&self) -> Self {
        let [offsets, columns, values] = [&self.offsets, &self.columns, &self.values].map(Buffer::shared);
        let ready = Ready(Arc::clone(&self.ready.0));
        Self { shape: self.shape.clone(), offsets, columns, values, ready, turned: self.turned }
    }
}

impl fmt::Debug for Sparse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sparse({:?}, {} numbers)", self.shape, self.count())
    }
}
