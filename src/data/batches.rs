//! Datasets one batch at a time.

use std::fmt;

use super::cursor::Cursor;
use super::dataset::Dataset;
use crate::error::Result;
use crate::parallel;
use crate::rng::Rng;

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
///
/// A dataset that draws random numbers gets another generator for each batch, which depends on the number of the batch
/// and, after [`shuffle`](Self::shuffle) or [`random`](Self::random), on the generator that these were given. Without either of
/// the two, the numbers are the same each time: those of an evaluation should not differ.
#[doc(alias = "DataLoader")]
pub struct Batches<'a, D: Dataset + ?Sized> {
    dataset: &'a D,
    cursor: Cursor,
}

impl<'a, D: Dataset + ?Sized> Batches<'a, D> {
    /// What [`Dataset::batches`] returns, for datasets behind a `&dyn Dataset` too.
    #[track_caller]
    #[must_use]
    pub fn new(dataset: &'a D, size: usize) -> Self {
        Self { dataset, cursor: Cursor::new(dataset.len(), size) }
    }

    /// Puts the samples into a random order, another one for each call. Draws from the generator at once. More samples
    /// than the memory has room to number are an error, in place of the first batch.
    #[track_caller]
    #[must_use]
    pub fn shuffle(mut self, rng: &mut Rng) -> Self {
        self.cursor.shuffle(rng);
        self
    }

    /// Lets what is random in the samples depend on a generator, whose state it does not change. [`shuffle`](Self::shuffle) does
    /// so too.
    #[must_use]
    pub fn random(mut self, rng: &Rng) -> Self {
        self.cursor.random(rng);
        self
    }

    /// Calls `f` with each batch, while another thread makes the next one: for batches that take as long to make as to learn from, such as
    /// pictures from files. They are the same, in the same order, for any number of threads.
    ///
    /// # Errors
    /// The first of a batch or of `f`, behind which there are no further batches.
    ///
    /// ```
    /// use demotic::data::{Dataset, TensorDataset};
    /// use demotic::{Rng, Tensor};
    ///
    /// let data = TensorDataset::new(Tensor::zeros([10, 3])?, Tensor::zeros([10, 1])?)?;
    /// let mut sizes = Vec::new();
    /// data.batches(4).shuffle(&mut Rng::seed(0)).prefetch(|(x, _y)| {
    ///     sizes.push(x.shape()[0]);
    ///     Ok(())
    /// })?;
    /// assert_eq!(sizes, [4, 4, 2]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "num_workers")]
    #[track_caller]
    pub fn prefetch(mut self, mut f: impl FnMut(D::Batch) -> Result<()>) -> Result<()> {
        let mut made = self.next();
        while let Some(batch) = made {
            let (mut next, mut batch, mut result) = (None, Some(batch?), Ok(()));
            parallel::beside(&mut || next = self.next(), &mut || {
                if let Some(batch) = batch.take() {
                    result = f(batch);
                }
            });
            result?;
            made = next;
        }
        Ok(())
    }

    /// Leaves out the last batch if it would be smaller than the others. There may then be none at all.
    #[must_use]
    pub fn drop_last(mut self) -> Self {
        self.cursor.drop_last();
        self
    }
}

impl<D: Dataset + ?Sized> Iterator for Batches<'_, D> {
    type Item = Result<D::Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let pick = self.cursor.next()?;
        Some(pick.and_then(|pick| pick.of(self.dataset)))
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.cursor.skip(n);
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.cursor.left(), Some(self.cursor.left()))
    }
}

impl<D: Dataset + ?Sized> ExactSizeIterator for Batches<'_, D> {}

impl<D: Dataset + ?Sized> fmt::Debug for Batches<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batches({} left of size {})", self.len(), self.cursor.size())
    }
}
