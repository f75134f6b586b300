//! Samples that are made one at a time.

use std::fmt;

use super::collate::Collate;
use crate::data::dataset::Dataset;
use crate::error::{Error, Here, Result};
use crate::parallel;
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// Numbered samples that are had one at a time: the simplest thing to implement for data of your own. [`collated`](Self::collated)
/// makes a [`Dataset`] of it, whose batches are made on all threads.
///
/// ```
/// use demotic::data::{Dataset, Samples};
/// use demotic::{Result, Rng, Tensor};
///
/// /// Noisy points on a parabola.
/// struct Parabola;
///
/// impl Samples for Parabola {
///     type Sample = (Tensor, f32);
///
///     fn len(&self) -> usize {
///         100
///     }
///
///     fn get(&self, i: usize, rng: &mut Rng) -> Result<(Tensor, f32)> {
///         let x = i as f32 / 100.0;
///         Ok((Tensor::from_vec(vec![x, 1.0], [2])?, x * x + 0.01 * rng.normal() as f32))
///     }
/// }
///
/// let data = Parabola.collated();
/// for batch in data.batches(20).shuffle(&mut Rng::seed(0)) {
///     let (x, y) = batch?;
///     assert_eq!((x.shape(), y.shape()), (&[20, 2][..], &[20][..]));
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait Samples: Send + Sync {
    /// What a sample is: `(Tensor, i64)`, for example.
    type Sample: Send;

    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sample `i`, which is below [`len`](Self::len). `rng` is for what is random in it: a generator that depends on the batch and
    /// on the place in it alone, so that the numbers do not depend on the threads.
    ///
    /// # Errors
    /// If it cannot be made.
    fn get(&self, i: usize, rng: &mut Rng) -> Result<Self::Sample>;

    /// A dataset whose batches are the samples, [put together](Collate).
    fn collated(self) -> Collated<Self, OfSamples<Self>>
    where
        Self: Sized,
        Self::Sample: Collate,
    {
        Collated { samples: self, collate: <Self::Sample as Collate>::collate }
    }

    /// A dataset whose batches a function makes of the samples, for those that differ in their size, for example:
    ///
    /// ```
    /// use demotic::data::{Dataset, Padding, Samples};
    /// use demotic::tensor;
    ///
    /// let sequences = vec![tensor![1.0, 2.0], tensor![3.0], tensor![4.0, 5.0, 6.0]];
    /// let data = sequences.collate_with(|sequences| Ok(Padding::new().pad(&sequences)?.values));
    /// assert_eq!(data.batches(3).next().unwrap()?.shape(), [3, 3]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "collate_fn")]
    fn collate_with<B: Send, F: Fn(Vec<Self::Sample>) -> Result<B> + Send + Sync>(self, collate: F) -> Collated<Self, F>
    where
        Self: Sized,
    {
        Collated { samples: self, collate }
    }
}

/// The usual way to make a batch of samples.
type OfSamples<S> = fn(Vec<<S as Samples>::Sample>) -> Result<<<S as Samples>::Sample as Collate>::Batch>;

/// Samples in memory.
impl<T: Clone + Send + Sync> Samples for Vec<T> {
    type Sample = T;

    fn len(&self) -> usize {
        self.len()
    }

    #[track_caller]
    fn get(&self, i: usize, _: &mut Rng) -> Result<T> {
        match self.as_slice().get(i) {
            Some(sample) => Ok(sample.clone()),
            None => Err(Error::index("get", format!("sample {i} of {}, counted from 0", self.len()))),
        }
    }
}

/// A [`Dataset`] of [`Samples`] and how they are put together.
#[derive(Clone)]
pub struct Collated<S, F> {
    samples: S,
    collate: F,
}

impl<S, F> Collated<S, F> {
    /// The samples.
    pub fn samples(&self) -> &S {
        &self.samples
    }
}

impl<S: Samples, B: Send, F: Fn(Vec<S::Sample>) -> Result<B> + Send + Sync> Dataset for Collated<S, F> {
    type Batch = B;

    fn len(&self) -> usize {
        self.samples.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<B> {
        check_list("batch", "samples", indices.len(), 256)?;
        check_numbers(indices, self.len())?;
        let base = rng.split();
        let mut made: Vec<Option<Result<S::Sample>>> = indices.iter().map(|_| None).collect();
        let work: Vec<_> = made.iter_mut().zip(indices).enumerate().collect();
        parallel::for_each(work, &|(place, (slot, i))| {
            *slot = Some(self.samples.get(*i, &mut base.fork(place as u64)));
        });
        let mut samples = Vec::with_capacity(made.len());
        for sample in made.into_iter().flatten() {
            samples.push(sample.outside()?);
        }
        (self.collate)(samples).outside()
    }
}

/// Checks that there is something to make a batch of.
#[track_caller]
pub(super) fn check_numbers(indices: &[usize], samples: usize) -> Result<()> {
    if indices.is_empty() {
        return Err(Error::argument("batch", "a batch of no samples"));
    }
    match indices.iter().find(|i| **i >= samples) {
        Some(wrong) => Err(Error::index("batch", format!("sample {wrong} of a dataset of {samples}, counted from 0"))),
        None => Ok(()),
    }
}

impl<S: Samples, F> fmt::Debug for Collated<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collated({} samples)", self.samples.len())
    }
}
