//! Datasets one batch at a time.

use std::fmt;
use std::panic::Location;

use super::dataset::Dataset;
use super::loading::{BatchSampler, Cursor, Position, prefetched};
use crate::error::{Here, Result};
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
    sampler: Option<&'a dyn BatchSampler>,
    workers: usize,
    line: &'static Location<'static>,
}

impl<'a, D: Dataset + ?Sized> Batches<'a, D> {
    /// What [`Dataset::batches`] returns, for datasets behind a `&dyn Dataset` too.
    #[track_caller]
    #[must_use]
    pub fn new(dataset: &'a D, size: usize) -> Self {
        Self { dataset, cursor: Cursor::new(dataset.len(), size), sampler: None, workers: 1, line: Location::caller() }
    }

    /// Lets a [`BatchSampler`] say which samples come in which order, and which of them make a batch. What is random in that is drawn
    /// from the generator that [`shuffle`](Self::shuffle) is given, and from the same one each time without it.
    #[track_caller]
    #[must_use]
    pub fn sampler(mut self, sampler: &'a dyn BatchSampler) -> Self {
        self.sampler = Some(sampler);
        let drawn = self.cursor.drawn().cloned();
        self.cursor.shuffle(self.sampler, &mut drawn.clone().unwrap_or_else(|| Rng::seed(0)));
        if drawn.is_none() {
            self.cursor.forget_drawn();
        }
        self
    }

    /// Puts the samples into a random order, another one for each call. Draws from the generator at once. More samples
    /// than the memory has room to number are an error, in place of the first batch.
    #[track_caller]
    #[must_use]
    pub fn shuffle(mut self, rng: &mut Rng) -> Self {
        self.cursor.shuffle(self.sampler.or_else(|| self.dataset.sampler()), rng);
        self
    }

    /// Where the epoch stands: what [`resume`](Self::resume) needs to go on from there.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { batch: self.cursor.position(), rng: self.cursor.drawn().cloned() }
    }

    /// Goes on from a [`position`](Self::position), in place of [`shuffle`](Self::shuffle): with the same dataset, size and sampler,
    /// the batches are those that were still to come.
    ///
    /// ```
    /// use demotic::data::{Dataset, Position, TensorDataset};
    /// use demotic::{Rng, Tensor};
    ///
    /// let data = TensorDataset::new(Tensor::arange(10)?, Tensor::arange(10)?)?;
    /// let mut batches = data.batches(3).shuffle(&mut Rng::seed(7));
    /// batches.next();
    /// let saved = serde_json::to_string(&batches.position()).unwrap();
    /// let rest: Vec<_> = batches.map(|batch| batch?.0.to_vec::<i64>()).collect::<demotic::Result<_>>()?;
    ///
    /// let position: Position = serde_json::from_str(&saved).unwrap();
    /// let again = data.batches(3).resume(&position);
    /// assert_eq!(again.map(|batch| batch?.0.to_vec::<i64>()).collect::<demotic::Result<Vec<_>>>()?, rest);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn resume(self, position: &Position) -> Self {
        let mut batches = match &position.rng {
            Some(rng) => self.shuffle(&mut rng.clone()),
            None => self,
        };
        batches.cursor.seek(position.batch);
        batches
    }

    /// How many threads [`prefetch`](Self::prefetch) makes batches on, 1 by default. Up to two batches wait for each of them.
    #[must_use]
    #[doc(alias = "num_workers")]
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = threads;
        self
    }

    /// Lets what is random in the samples depend on a generator, whose state it does not change. [`shuffle`](Self::shuffle) does
    /// so too.
    #[must_use]
    pub fn random(mut self, rng: &Rng) -> Self {
        self.cursor.random(rng);
        self
    }

    /// Calls `f` with each batch, while [other threads](Self::workers) make the next ones: for batches that take as long to make as to
    /// learn from, such as pictures from files. They are the same, in the same order, for any number of threads.
    ///
    /// # Errors
    /// The first of a batch or of `f`, behind which there are no further batches. A panic while a batch is made is an error too. And if
    /// the number of threads is 0 or above 1024, or they cannot be started.
    ///
    /// ```
    /// use demotic::data::{Dataset, TensorDataset};
    /// use demotic::{Rng, Tensor};
    ///
    /// let data = TensorDataset::new(Tensor::zeros([10, 3])?, Tensor::zeros([10, 1])?)?;
    /// let mut sizes = Vec::new();
    /// data.batches(4).shuffle(&mut Rng::seed(0)).workers(2).prefetch(|(x, _y)| {
    ///     sizes.push(x.shape()[0]);
    ///     Ok(())
    /// })?;
    /// assert_eq!(sizes, [4, 4, 2]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn prefetch(mut self, mut f: impl FnMut(D::Batch) -> Result<()>) -> Result<()> {
        let (dataset, cursor) = (self.dataset, &mut self.cursor);
        let mut result = Ok(());
        prefetched(self.workers, &|pick| pick.of(dataset), &mut |ahead| {
            result = loop {
                ahead.ask(cursor, &|_| true);
                let batch = match cursor.next() {
                    None => break Ok(()),
                    Some(Err(e)) => break Err(e),
                    Some(Ok(pick)) => pick.batch,
                };
                if let Err(e) = ahead.take(batch).and_then(&mut f) {
                    break Err(e);
                }
            };
        })?;
        result.outside()
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
        Some(pick.and_then(|pick| pick.of(self.dataset)).map_err(|e| e.outside(self.line)))
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
