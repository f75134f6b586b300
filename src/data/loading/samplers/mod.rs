//! In which order samples come, and which of them make a batch.

mod buckets;
mod stratified;
mod weighted;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::rng::Rng;

pub use buckets::{BucketSampler, GroupSampler};
pub use stratified::StratifiedSampler;
pub use weighted::WeightedSampler;

/// The order of the samples of an epoch, where it is another one than a random one of all: for
/// [`Batches::sampler`](crate::data::Batches::sampler) and [`Trainer::sampler`](crate::train::Trainer::sampler).
///
/// What is random comes from the generator alone, so that the same seed gives the same order, and a run that is resumed finds it
/// again. A function of the number of samples, the size of the batches and the generator is a sampler:
///
/// ```
/// use demotic::data::{Dataset, Order, TensorDataset};
/// use demotic::{tensor, Result, Rng};
///
/// let data = TensorDataset::new(tensor![0.0, 1.0, 2.0, 3.0], tensor![0.0, 1.0, 2.0, 3.0])?;
/// let backwards = |samples: usize, _size: usize, _rng: &mut Rng| -> Result<Order> {
///     Ok(Order::new((0..samples).rev().collect()))
/// };
/// let (x, _) = data.batches(3).sampler(&backwards).next().unwrap()?;
/// assert_eq!(x.to_vec::<f32>()?, [3.0, 2.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait BatchSampler: Send + Sync {
    /// The samples of one epoch: of `samples` that there are, in batches of `size`. A sample may come several times, or not at
    /// all.
    ///
    /// # Errors
    /// If the sampler does not suit the data.
    fn order(&self, samples: usize, size: usize, rng: &mut Rng) -> Result<Order>;

    /// How many samples an epoch has, for what is said of the progress.
    fn num_samples(&self, samples: usize) -> usize {
        samples
    }

    /// How likely each sample is in a batch, if that does not depend on the others: what privacy is counted by.
    fn chance(&self) -> Option<f64> {
        None
    }
}

impl<F: Fn(usize, usize, &mut Rng) -> Result<Order> + Send + Sync> BatchSampler for F {
    fn order(&self, samples: usize, size: usize, rng: &mut Rng) -> Result<Order> {
        self(samples, size, rng)
    }
}

/// The numbers of samples in the order in which they come, and where batches end if that is not after every so many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    numbers: Vec<usize>,
    cuts: Option<Vec<Range<usize>>>,
}

impl Order {
    /// Samples in this order, from which batches of the usual size are cut.
    #[must_use]
    pub fn new(numbers: Vec<usize>) -> Self {
        Self { numbers, cuts: None }
    }

    /// Batches as they are, whatever their sizes. Empty ones are left out.
    #[must_use]
    #[doc(alias = "batch_sampler")]
    pub fn batches(batches: impl IntoIterator<Item = Vec<usize>>) -> Self {
        Self::exactly(batches.into_iter().filter(|batch| !batch.is_empty()))
    }

    /// The same with those that are empty.
    #[must_use]
    pub fn exactly(batches: impl IntoIterator<Item = Vec<usize>>) -> Self {
        let (mut numbers, mut cuts) = (Vec::new(), Vec::new());
        for batch in batches {
            let start = numbers.len();
            numbers.extend(batch);
            cuts.push(start..numbers.len());
        }
        Self { numbers, cuts: Some(cuts) }
    }

    /// The numbers of the samples, one after the other.
    #[must_use]
    pub fn numbers(&self) -> &[usize] {
        &self.numbers
    }

    pub(super) fn into_parts(self) -> (Vec<usize>, Option<Vec<Range<usize>>>) {
        (self.numbers, self.cuts)
    }
}

/// Checks that a sampler was made for as many samples as there are.
#[track_caller]
fn check_count(op: &'static str, what: &str, known: usize, samples: usize) -> Result<()> {
    if known != samples {
        return Err(Error::argument(op, format!("{known} {what} for a dataset of {samples} samples")));
    }
    Ok(())
}
