//! Batches that each example is in by chance.

use super::check_rate;
use crate::data::{BatchSampler, Order};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Draws batches that each example is in with the same probability, whatever the others do: their sizes vary, and may be 0. What
/// privacy is counted by is true of these, and not of batches of one size.
///
/// ```
/// use demotic::Rng;
/// use demotic::privacy::PoissonSampler;
///
/// let sampler = PoissonSampler::new(1000, 0.05, Rng::seed(0))?;
/// let rows = sampler.batch(3)?;
/// assert!((20..90).contains(&rows.numel()));
/// // A batch is known by its number, so a training can go on anywhere.
/// assert_eq!(sampler.batch(3)?.to_vec::<i64>()?, rows.to_vec::<i64>()?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PoissonSampler {
    examples: usize,
    rate: f64,
    rng: Rng,
}

impl PoissonSampler {
    /// From so many examples, each with a probability of `rate`.
    ///
    /// # Errors
    /// If there are no examples, or the rate is not above 0 and at most 1.
    #[track_caller]
    pub fn new(examples: usize, rate: f64, rng: Rng) -> Result<Self> {
        check_rate("PoissonSampler", rate)?;
        if examples == 0 || rate == 0.0 {
            let message = format!("{examples} examples at a rate of {rate}: every batch would be empty");
            return Err(Error::argument("PoissonSampler", message));
        }
        Ok(Self { examples, rate, rng })
    }

    /// How many examples there are.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// How likely each of them is in a batch.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How many examples a batch has on average.
    #[must_use]
    pub fn expected(&self) -> f64 {
        self.rate * self.examples as f64
    }

    /// How many batches come to as many examples as there are, as one epoch has them.
    #[must_use]
    pub fn batches_per_epoch(&self) -> u64 {
        (1.0 / self.rate).ceil() as u64
    }

    /// The rows of batch number `step`, ascending, of type `I64`.
    ///
    /// # Errors
    /// If they do not fit into memory.
    #[track_caller]
    pub fn batch(&self, step: u64) -> Result<Tensor> {
        let mut rng = self.rng.fork(step);
        let rows: Vec<i64> = (0..self.examples as i64).filter(|_| rng.bernoulli(self.rate)).collect();
        let count = rows.len();
        Tensor::from_vec(rows, [count])
    }
}

/// For a [`Trainer`](crate::train::Trainer), whose size of batches is the number of examples that are [expected](PoissonSampler::expected), rounded up or down. What is drawn
/// comes from the trainer's generator.
impl BatchSampler for PoissonSampler {
    #[track_caller]
    fn order(&self, samples: usize, size: usize, rng: &mut Rng) -> Result<Order> {
        // Rounded either way.
        let is_about = (size as f64 - self.expected().max(1.0)).abs() < 1.0;
        if samples != self.examples || !is_about {
            let expected = self.expected().round().max(1.0);
            let message =
                format!("batches of {expected} of {} examples, and not of {size} of {samples}", self.examples);
            return Err(Error::argument("PoissonSampler", message)
                .with_help(format!("batch_size({expected}) is what it draws on average")));
        }
        let mut batch = || (0..samples).filter(|_| rng.bernoulli(self.rate)).collect();
        Ok(Order::exactly((0..self.batches_per_epoch()).map(|_| batch()).collect::<Vec<_>>()))
    }

    fn chance(&self) -> Option<f64> {
        Some(self.rate)
    }
}
