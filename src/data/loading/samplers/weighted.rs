//! Some samples more often than others.

use super::{BatchSampler, Order, check_count};
use crate::data::split::Ranked;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// Draws samples by their weights: with replacement, so that a sample may come several times in an epoch, or
/// [without](Self::without_replacement).
///
/// ```
/// use demotic::data::{Dataset, TensorDataset, WeightedSampler};
/// use demotic::{Rng, Tensor, tensor};
///
/// // One of five is of the class 1: both come equally often.
/// let data = TensorDataset::new(tensor![0.0, 1.0, 2.0, 3.0, 4.0], Tensor::from_nested([0_i64, 0, 0, 0, 1])?)?;
/// let sampler = WeightedSampler::balanced(&[0, 0, 0, 0, 1])?.num_samples(1000);
/// let batches = data.batches(100).sampler(&sampler).shuffle(&mut Rng::seed(0));
/// let ones: f64 = batches.map(|batch| batch?.1.sum().item()).sum::<demotic::Result<f64>>()?;
/// assert!((400.0..600.0).contains(&ones), "{ones}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "WeightedRandomSampler")]
pub struct WeightedSampler {
    weights: Vec<f64>,
    count: Option<usize>,
    is_replaced: bool,
}

impl WeightedSampler {
    /// A weight for each sample. They need not add up to 1.
    ///
    /// # Errors
    /// If there are none, one is negative or not finite, or all are zero.
    #[track_caller]
    pub fn new(weights: Vec<f64>) -> Result<Self> {
        let op = "WeightedSampler";
        if let Some((i, weight)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
            let message = format!("the weight of sample {i} is {weight}, expected a finite number of at least 0");
            return Err(Error::argument(op, message));
        }
        let total: f64 = weights.iter().sum();
        if total == 0.0 {
            return Err(Error::argument(op, format!("none of {} weights is above 0", weights.len())));
        }
        if !total.is_finite() {
            return Err(Error::argument(op, "the sum of the weights is infinite"));
        }
        Ok(Self { weights, count: None, is_replaced: true })
    }

    /// Weights with which every class comes equally often: one over the number of its samples. `labels` has the class of each
    /// sample, as [`Table::factorize`](crate::data::Table::factorize) gives it.
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    pub fn balanced(labels: &[usize]) -> Result<Self> {
        if labels.is_empty() {
            return Err(Error::argument("WeightedSampler", "there are no samples"));
        }
        let Ranked { of_row, counts, .. } = Ranked::of(labels);
        Self::new(of_row.iter().map(|rank| 1.0 / counts[*rank] as f64).collect())
    }

    /// How many samples are drawn for an epoch; as many as there are by default.
    #[must_use]
    pub fn num_samples(mut self, count: usize) -> Self {
        self.count = Some(count);
        self
    }

    /// Draws no sample twice in an epoch. Samples of weight 0 do not come at all.
    #[must_use]
    #[doc(alias = "replacement")]
    pub fn without_replacement(mut self) -> Self {
        self.is_replaced = false;
        self
    }
}

impl BatchSampler for WeightedSampler {
    #[track_caller]
    fn order(&self, samples: usize, _: usize, rng: &mut Rng) -> Result<Order> {
        let op = "WeightedSampler";
        check_count(op, "weights", self.weights.len(), samples)?;
        let count = self.count.unwrap_or(samples);
        check_list(op, "sample numbers", count, size_of::<usize>())?;
        if !self.is_replaced {
            return self.each_once(count, rng);
        }
        let mut sums = Vec::with_capacity(samples);
        let mut total = 0.0;
        for weight in &self.weights {
            total += weight;
            sums.push(total);
        }
        let last = self.weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
        let draw = |_| {
            let at = rng.uniform() * total;
            sums.partition_point(|sum| *sum <= at).min(last)
        };
        Ok(Order::new((0..count).map(draw).collect()))
    }

    fn num_samples(&self, samples: usize) -> usize {
        self.count.unwrap_or(samples)
    }
}

impl WeightedSampler {
    /// The samples with the smallest of `-ln(u) / weight`, which are distributed as if one were drawn after the other (P. S.
    /// Efraimidis and P. G. Spirakis, *Weighted random sampling with a reservoir*, 2006).
    #[track_caller]
    fn each_once(&self, count: usize, rng: &mut Rng) -> Result<Order> {
        let mut keys = Vec::with_capacity(self.weights.len());
        for (sample, weight) in self.weights.iter().enumerate() {
            let key = -(1.0 - rng.uniform()).ln() / weight;
            if *weight > 0.0 {
                keys.push((key, sample));
            }
        }
        if count > keys.len() && self.count.is_some() {
            let message = format!("{count} samples without replacement, but {} have a weight above 0", keys.len());
            return Err(Error::argument("WeightedSampler", message));
        }
        crate::order::sort_by_key(&mut keys, |(key, _)| crate::order::key(*key));
        Ok(Order::new(keys.into_iter().take(count).map(|(_, sample)| sample).collect()))
    }
}
