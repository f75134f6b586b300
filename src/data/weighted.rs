//! Data whose samples count differently.

use std::ops::Range;

use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// A data set with a weight for each sample: batches of inputs, targets and weights, for [`train::Weighted`](crate::train::Weighted).
///
/// ```
/// use demotic::data::{Dataset, TensorDataset, WeightedDataset};
/// use demotic::tensor;
///
/// let data = TensorDataset::new(tensor![[1.0], [2.0], [3.0]], tensor![[1.0], [2.0], [9.0]])?;
/// // The last one is not to be trusted.
/// let data = WeightedDataset::new(data, &tensor![1.0, 1.0, 0.1])?;
/// let (x, y, weights) = data.batches(2).next().unwrap()?;
/// assert_eq!((x.shape(), y.shape(), weights.shape()), (&[2, 1][..], &[2, 1][..], &[2][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightedDataset<D> {
    data: D,
    weights: Vec<f32>,
}

impl<D: Dataset<Batch = (Tensor, Tensor)>> WeightedDataset<D> {
    /// Weights `[n]` for the `n` samples of a data set. A sample of weight 2 counts like two, one of weight 0 not at all: batches have the
    /// weights divided by the mean of all of them, so that the size of steps does not depend on their unit.
    ///
    /// # Errors
    /// If they are no floats, there is not one for each sample, one is negative or no number, or all are 0.
    #[track_caller]
    pub fn new(data: D, weights: &Tensor) -> Result<Self> {
        let op = "WeightedDataset";
        if weights.shape() != [data.len()] {
            let message = format!("weights of shape {:?} for {} samples, expected [{1}]", weights.shape(), data.len());
            return Err(Error::shape(op, message));
        }
        weights.expect_float(op, "the weights")?;
        let weights: Vec<f32> = weights.to_dtype(DType::F32).to_vec()?;
        if let Some(i) = weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            let message = format!("the weight of sample {i} is {}, expected a number of at least 0", weights[i]);
            return Err(Error::argument(op, message));
        }
        let mean = weights.iter().map(|weight| f64::from(*weight)).sum::<f64>() / weights.len() as f64;
        if mean == 0.0 {
            return Err(Error::argument(op, "all weights are 0, so that no sample counts"));
        }
        let weights = weights.into_iter().map(|weight| (f64::from(weight) / mean) as f32).collect();
        Ok(Self { data, weights })
    }

    #[track_caller]
    fn with_weights(batch: (Tensor, Tensor), weights: Vec<f32>) -> Result<(Tensor, Tensor, Tensor)> {
        let shape = [weights.len()];
        Ok((batch.0, batch.1, Tensor::from_vec(weights, shape)?))
    }
}

impl<D: Dataset<Batch = (Tensor, Tensor)>> Dataset for WeightedDataset<D> {
    type Batch = (Tensor, Tensor, Tensor);

    fn len(&self) -> usize {
        self.data.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<Self::Batch> {
        let batch = self.data.batch(indices, rng)?;
        let weights = indices.iter().filter_map(|i| self.weights.get(*i).copied()).collect();
        Self::with_weights(batch, weights)
    }

    #[track_caller]
    fn batch_range(&self, range: Range<usize>, rng: &mut Rng) -> Result<Self::Batch> {
        let batch = self.data.batch_range(range.clone(), rng)?;
        Self::with_weights(batch, self.weights.get(range).unwrap_or_default().to_vec())
    }
}
