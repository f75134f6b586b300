//! Batches of samples that belong together.

use super::{BatchSampler, Order, check_count};
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Batches whose samples are all of one group: of pictures of one size, for example. The batches of all groups come in a random
/// order, the last ones of each may be smaller.
///
/// ```
/// use demotic::data::{Dataset, GroupSampler, TensorDataset};
/// use demotic::{tensor, Rng};
///
/// let groups = [0, 1, 0, 1, 0];
/// let data = TensorDataset::new(tensor![0.0, 1.0, 0.0, 1.0, 0.0], tensor![0.0, 1.0, 0.0, 1.0, 0.0])?;
/// let sampler = GroupSampler::new(&groups)?;
/// for batch in data.batches(2).sampler(&sampler).shuffle(&mut Rng::seed(0)) {
///     let (x, _) = batch?;
///     assert_eq!(x.min()?.item()?, x.max()?.item()?);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GroupSampler {
    groups: Vec<usize>,
}

impl GroupSampler {
    /// The number of the group of each sample.
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    pub fn new(groups: &[usize]) -> Result<Self> {
        if groups.is_empty() {
            return Err(Error::argument("GroupSampler", "there are no samples"));
        }
        Ok(Self { groups: groups.to_vec() })
    }
}

impl BatchSampler for GroupSampler {
    #[track_caller]
    fn order(&self, samples: usize, size: usize, rng: &mut Rng) -> Result<Order> {
        check_count("GroupSampler", "groups", self.groups.len(), samples)?;
        let mut order = rng.permutation(samples)?;
        crate::order::sort_by_key(&mut order, |sample| self.groups[*sample] as u64);
        let groups = order.chunk_by(|a, b| self.groups[*a] == self.groups[*b]);
        Ok(mixed(groups.flat_map(|group| group.chunks(size.max(1))), rng))
    }
}

/// Batches of sequences of about one length, so that little padding is needed. Samples are shuffled, sorted by length within
/// pools of so many batches, cut into batches, and these shuffled again: the larger a pool, the less padding, and the less random
/// is it which sequences meet.
///
/// ```
/// use demotic::data::{BucketSampler, Dataset, Sentences};
/// use demotic::Rng;
///
/// let sentences: Vec<Vec<i64>> = (0..64).map(|i| vec![7; 2 + (i * 13) % 40]).collect();
/// let sampler = BucketSampler::new(sentences.iter().map(Vec::len).collect())?;
/// let data = Sentences::new(&sentences, 0)?;
/// let mut rng = Rng::seed(0);
/// let padded = |x: demotic::Result<(demotic::Tensor, _)>| x.map(|(x, _)| x.numel());
/// let sorted: usize = data.batches(8).sampler(&sampler).shuffle(&mut rng).map(padded).sum::<demotic::Result<_>>()?;
/// let random: usize = data.batches(8).shuffle(&mut rng).map(padded).sum::<demotic::Result<_>>()?;
/// assert!(sorted < random * 3 / 4, "{sorted} {random}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "bucket_by_sequence_length")]
#[doc(alias = "LengthGroupedSampler")]
pub struct BucketSampler {
    lengths: Vec<usize>,
    pool: usize,
}

impl BucketSampler {
    /// The length of each sample.
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    pub fn new(lengths: Vec<usize>) -> Result<Self> {
        if lengths.is_empty() {
            return Err(Error::argument("BucketSampler", "there are no samples"));
        }
        Ok(Self { lengths, pool: 100 })
    }

    /// How many batches are sorted by length together, 100 by default.
    #[must_use]
    pub fn pool(mut self, batches: usize) -> Self {
        self.pool = batches.max(1);
        self
    }
}

impl BatchSampler for BucketSampler {
    #[track_caller]
    fn order(&self, samples: usize, size: usize, rng: &mut Rng) -> Result<Order> {
        check_count("BucketSampler", "lengths", self.lengths.len(), samples)?;
        let mut order = rng.permutation(samples)?;
        let size = size.max(1);
        for pool in order.chunks_mut(size.saturating_mul(self.pool)) {
            crate::order::sort_by_key(pool, |sample| !(self.lengths[*sample] as u64));
        }
        Ok(mixed(order.chunks(size), rng))
    }
}

/// Batches in a random order.
fn mixed<'b>(batches: impl Iterator<Item = &'b [usize]>, rng: &mut Rng) -> Order {
    let mut batches: Vec<Vec<usize>> = batches.map(<[usize]>::to_vec).collect();
    rng.shuffle(&mut batches);
    Order::batches(batches)
}
