//! Every class in every batch.

use super::{BatchSampler, Order, check_count};
use crate::data::split::Ranked;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Batches in which every class has its share of the whole, as near as whole samples allow: of a class that makes up a tenth,
/// a batch of 20 has two, or one or three where its samples do not come out even. Each sample comes once in an epoch.
///
/// ```
/// use demotic::data::{Dataset, StratifiedSampler, TensorDataset};
/// use demotic::{Rng, Tensor};
///
/// let labels: Vec<usize> = (0..40).map(|i| usize::from(i % 4 == 0)).collect();
/// let y = Tensor::from_vec(labels.iter().map(|label| *label as i64).collect(), [40])?;
/// let data = TensorDataset::new(Tensor::zeros([40, 3])?, y)?;
/// let sampler = StratifiedSampler::new(&labels)?;
/// for batch in data.batches(8).sampler(&sampler).shuffle(&mut Rng::seed(0)) {
///     assert_eq!(batch?.1.sum().item()?, 2.0);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StratifiedSampler {
    classes: Ranked,
}

impl StratifiedSampler {
    /// The class of each sample, as [`Table::factorize`](crate::data::Table::factorize) gives it.
    ///
    /// # Errors
    /// If there are none, or a class has one sample only, which cannot be in every batch.
    #[track_caller]
    pub fn new(labels: &[usize]) -> Result<Self> {
        let op = "StratifiedSampler";
        if labels.is_empty() {
            return Err(Error::argument(op, "there are no samples"));
        }
        let classes = Ranked::of(labels);
        if let Some(rank) = classes.counts.iter().position(|count| *count == 1) {
            let message = format!("class {} has one sample only, which cannot be in every batch", classes.known[rank]);
            return Err(Error::argument(op, message).with_help(
                "leave the class out, join it with another one, or draw it more often with WeightedSampler::balanced",
            ));
        }
        Ok(Self { classes })
    }
}

impl BatchSampler for StratifiedSampler {
    /// The samples of a class are spread evenly over the epoch: the k-th of n stands at `(k + u) / n` of it, with one random `u`
    /// for each class.
    #[track_caller]
    fn order(&self, samples: usize, _: usize, rng: &mut Rng) -> Result<Order> {
        let Ranked { of_row, counts, .. } = &self.classes;
        check_count("StratifiedSampler", "classes", of_row.len(), samples)?;
        let order = rng.permutation(samples)?;
        let offsets: Vec<f64> = counts.iter().map(|_| rng.uniform()).collect();
        let mut seen = vec![0usize; counts.len()];
        let mut placed = Vec::with_capacity(samples);
        for sample in order {
            let class = of_row[sample];
            placed.push(((seen[class] as f64 + offsets[class]) / counts[class] as f64, sample));
            seen[class] += 1;
        }
        crate::order::sort_by_key(&mut placed, |(place, _)| crate::order::key(*place));
        Ok(Order::new(placed.into_iter().map(|(_, sample)| sample).collect()))
    }
}
