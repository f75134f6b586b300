//! A task whose samples count differently.

use super::diagnosis;
use super::task::{LOSS, Objective, Task};
use crate::autograd;
use crate::error::{Error, Result};
use crate::layers::{Layer, Mode};
use crate::losses::Loss;
use crate::tensor::{DType, Tensor};

/// The task of [`Supervised`](super::Supervised) with a weight for each sample, which a [`WeightedDataset`](crate::data::WeightedDataset)
/// gives: the losses of the samples times their weights, divided by the number of samples. Metrics count each sample once.
///
/// Weights of classes are an option of the losses: [`CrossEntropy::weight`](crate::losses::CrossEntropy::weight).
///
/// ```
/// use demotic::data::WeightedDataset;
/// use demotic::losses::Mse;
/// use demotic::prelude::*;
/// use demotic::train::Weighted;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([100, 1], 0.0, 1.0, &mut rng)?;
/// // The second half has been measured with a sign that is wrong, and does not count much.
/// let sign = Tensor::from_vec((0..100).map(|i| if i < 50 { 1.0 } else { -1.0 }).collect::<Vec<f32>>(), [100, 1])?;
/// let weights = Tensor::from_vec((0..100).map(|i| if i < 50 { 1.0 } else { 0.01 }).collect::<Vec<f32>>(), [100])?;
/// let data = WeightedDataset::new(TensorDataset::new(x.clone(), x.mul(&sign)?)?, &weights)?;
/// let mut model = Linear::new(1, 1, &mut rng)?;
/// Trainer::with_task(Weighted::new(Mse::new().reduction(Reduction::None)), Adam::new(0.05))
///     .epochs(50)
///     .fit(&mut model, &data, &mut rng)?;
/// assert!(model.predict(&tensor![[1.0]])?.item()? > 0.9);
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Weighted {
    loss: Box<dyn Loss>,
}

impl std::fmt::Debug for Weighted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Weighted")
    }
}

impl Weighted {
    /// Minimises a loss that gives one for each sample, or for each element of these: one with [`Reduction::None`](crate::losses::Reduction).
    #[must_use]
    pub fn new(loss: impl Loss + 'static) -> Self {
        Self { loss: Box::new(loss) }
    }

    #[track_caller]
    fn of(
        &self,
        model: &dyn Layer,
        (x, y, weights): &(Tensor, Tensor, Tensor),
        mode: &mut Mode<'_>,
    ) -> Result<Objective> {
        let _unrecorded = (!mode.is_training()).then(autograd::pause_recording);
        let prediction = model.forward(x, mode)?;
        let losses = match self.loss.loss(&prediction, y) {
            Ok(losses) => losses,
            Err(e) => return Err(diagnosis::with_targets_explained(e, y).within(LOSS)),
        };
        let samples = weights.numel();
        if losses.shape().first() != Some(&samples) {
            let message =
                format!("a loss of shape {:?} for {samples} weights, expected [{samples}, ..]", losses.shape());
            return Err(Error::shape("Weighted", message)
                .with_help("take a loss of each sample: losses::Mse::new().reduction(Reduction::None)"));
        }
        // What a sample has several losses of counts by their mean.
        let each = losses.reshape([samples, losses.numel() / samples.max(1)])?.mean_dims(&[1], false)?;
        let each =
            if each.dtype() == DType::F64 { each.mul(&weights.to_dtype(DType::F64))? } else { each.mul(weights)? };
        Ok(Objective::new(each.mean(), samples as f64).with_outputs(prediction, y.clone()))
    }
}

impl<L: Layer> Task<L, (Tensor, Tensor, Tensor)> for Weighted {
    fn objective(&self, model: &L, batch: &(Tensor, Tensor, Tensor), mode: &mut Mode<'_>) -> Result<Objective> {
        self.of(model, batch, mode)
    }

    fn diagnose(&self, (x, y, _): &(Tensor, Tensor, Tensor), number: &dyn Fn(usize) -> usize) -> Option<String> {
        diagnosis::not_finite(x, y, number)
    }

    fn fingerprint(&self, (x, y, weights): &(Tensor, Tensor, Tensor)) -> Vec<f64> {
        diagnosis::some_of(&[x, y, weights])
    }
}
