//! Datasets one batch at a time.

use std::fmt;

use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// The batches of a [`Dataset`], as [`Dataset::batches`] makes them.
///
/// ```
/// use demotic::data::{Dataset, TensorDataset};
/// use demotic::{Rng, Tensor};
///
/// let data = TensorDataset::new(Tensor::zeros([10, 3])?, Tensor::zeros([10, 1])?)?;
/// let mut rng = Rng::seed(0);
/// for _epoch in 0..2 {
///     for batch in data.batches(4).shuffle(&mut rng).drop_last() {
///         let (x, y) = batch?;
///         assert_eq!((x.shape(), y.shape()), (&[4, 3][..], &[4, 1][..]));
///     }
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// `skip(n)` passes over batches without making them, so an epoch can be resumed in its middle: with the generator
/// in the state that it had before `shuffle`, the remaining batches are the same.
#[doc(alias = "DataLoader")]
pub struct Batches<'a, D: Dataset + ?Sized> {
    dataset: &'a D,
    size: usize,
    /// The samples in random order; in their own if there is none.
    order: Option<Vec<usize>>,
    /// The samples that are still to come are `next .. end`.
    next: usize,
    end: usize,
    /// Returned in place of the first batch.
    error: Option<Error>,
}

impl<'a, D: Dataset + ?Sized> Batches<'a, D> {
    /// What [`Dataset::batches`] returns, for datasets behind a `&dyn Dataset` too.
    #[track_caller]
    #[must_use]
    pub fn new(dataset: &'a D, size: usize) -> Self {
        let error =
            if size == 0 { Some(Error::argument("batches", "the batch size is 0, expected at least 1")) } else { None };
        Self { dataset, size: size.max(1), order: None, next: 0, end: dataset.len(), error }
    }

    /// Puts the samples into a random order, another one for each call. Draws from the generator at once. More samples
    /// than the memory has room to number are an error, in place of the first batch.
    #[track_caller]
    #[must_use]
    pub fn shuffle(mut self, rng: &mut Rng) -> Self {
        let samples = self.dataset.len();
        match check_list("shuffle", "sample numbers", samples, size_of::<usize>()) {
            Ok(()) => self.order = Some(rng.permutation(samples)),
            Err(e) => self.error = self.error.or(Some(e)),
        }
        self
    }

    /// Leaves out the last batch if it would be smaller than the others. There may then be none at all.
    #[must_use]
    pub fn drop_last(mut self) -> Self {
        self.end -= self.end % self.size;
        self
    }
}

impl<D: Dataset + ?Sized> Iterator for Batches<'_, D> {
    type Item = Result<D::Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            self.next = self.end;
            return Some(Err(error));
        }
        let range = self.next..self.next.saturating_add(self.size).min(self.end);
        self.next = range.end;
        if range.is_empty() {
            return None;
        }
        Some(match &self.order {
            Some(order) => self.dataset.batch(&order[range]),
            None => self.dataset.batch_range(range),
        })
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        if self.error.is_none() {
            self.next = self.next.saturating_add(n.saturating_mul(self.size)).min(self.end);
        }
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = if self.error.is_some() { 1 } else { (self.end - self.next).div_ceil(self.size) };
        (left, Some(left))
    }
}

impl<D: Dataset + ?Sized> ExactSizeIterator for Batches<'_, D> {}

impl<D: Dataset + ?Sized> fmt::Debug for Batches<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batches({} left of size {})", self.len(), self.size)
    }
}
