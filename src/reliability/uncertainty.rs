//! How far models that could as well have come out differ.

use crate::error::{Error, Result};
use crate::layers::{Layer, Mode, Module, Slot, Visitor};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// What a model's outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outputs {
    /// Numbers that are predicted.
    Numbers,
    /// Logits of classes, `[n, classes]`, or of the second of two, `[n, 1]`.
    Logits,
}

/// What several models say of the same rows: their mean, and how far they differ.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::{Outputs, Spread};
///
/// // Two models: they agree on the first row.
/// let spread = Spread::of(&[tensor![[3.0], [3.0]], tensor![[3.0], [-3.0]]], Outputs::Logits)?;
/// assert!((spread.mean.to_f64_vec()[3] - 0.5).abs() < 1e-9);
/// let (total, between) = (spread.entropy()?, spread.disagreement()?);
/// assert!(between[0] < 1e-9 && between[1] > 0.4 && total[1] > between[1]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Spread {
    /// The mean of the numbers, or of the probabilities `[n, classes]`; in `F64`.
    pub mean: Tensor,
    /// The standard deviation of the same.
    pub deviation: Tensor,
    /// The number of models.
    pub samples: usize,
    /// The mean of the entropies of the models.
    within: Option<Vec<f64>>,
}

impl Spread {
    /// From the outputs of each model, of one shape.
    ///
    /// # Errors
    /// If there are none, shapes differ, logits are not `[n, classes]`, or something is not finite.
    #[track_caller]
    pub fn of(outputs: &[Tensor], kind: Outputs) -> Result<Self> {
        const OP: &str = "Spread";
        let Some(first) = outputs.first() else { return Err(Error::argument(OP, "no outputs of any model")) };
        let (mut all, mut within) = (Vec::with_capacity(outputs.len()), None);
        for output in outputs {
            if output.shape() != first.shape() {
                return Err(Error::shape(OP, format!("outputs {:?} and {:?}", first.shape(), output.shape())));
            }
            output.expect_finite(OP, "a model's outputs")?;
            let output = output.to_dtype(DType::F64).detach();
            all.push(match (kind, output.shape()) {
                (Outputs::Numbers, _) => output,
                (Outputs::Logits, [_, 1]) => {
                    let p = output.sigmoid();
                    Tensor::cat(&[&p.rsub_scalar(1.0), &p], 1)?
                }
                (Outputs::Logits, [_, _]) => output.softmax(1)?,
                (Outputs::Logits, shape) => {
                    return Err(Error::shape(OP, format!("logits of shape {shape:?}, expected [n, classes]")));
                }
            });
        }
        if kind == Outputs::Logits {
            let n = first.shape()[0];
            let mut sums = vec![0.0; n];
            for p in &all {
                sums.iter_mut().zip(entropies(p)).for_each(|(sum, entropy)| *sum += entropy / all.len() as f64);
            }
            within = Some(sums);
        }
        let stacked = Tensor::stack(&all.iter().collect::<Vec<_>>(), 0)?;
        let (mean, deviation) = (stacked.mean_dims(&[0], false)?, stacked.std_dims(&[0], 0.0, false)?);
        mean.expect_finite(OP, "the mean")?;
        deviation.expect_finite(OP, "the deviation")?;
        Ok(Self { mean, deviation, samples: outputs.len(), within })
    }

    /// The same of models.
    ///
    /// # Errors
    /// Those of the models, and as for [`of`](Self::of).
    #[track_caller]
    pub fn of_models(models: &[Box<dyn Layer>], x: &Tensor, kind: Outputs) -> Result<Self> {
        let mut outputs = Vec::with_capacity(models.len());
        for model in models {
            outputs.push(crate::layers::LayerExt::predict(&**model, x)?);
        }
        Self::of(&outputs, kind)
    }

    /// How unsure all of them are of each row: the entropy of the mean, in nats.
    ///
    /// # Errors
    /// If the outputs are numbers.
    #[track_caller]
    pub fn entropy(&self) -> Result<Vec<f64>> {
        self.within().map(|_| entropies(&self.mean))
    }

    /// How much of that is because they disagree, and more data could mend (mutual information of class and model; Houlsby et al., 2011). The rest
    /// is chance in the outcome.
    ///
    /// # Errors
    /// If the outputs are numbers.
    #[track_caller]
    pub fn disagreement(&self) -> Result<Vec<f64>> {
        let within = self.within()?;
        Ok(entropies(&self.mean).into_iter().zip(within).map(|(total, within)| (total - within).max(0.0)).collect())
    }

    #[track_caller]
    fn within(&self) -> Result<&[f64]> {
        match &self.within {
            Some(within) => Ok(within),
            None => {
                Err(Error::state("Spread", "the outputs are numbers, which have no entropy")
                    .with_help("see `deviation`"))
            }
        }
    }
}

/// The entropy of each row of probabilities.
fn entropies(p: &Tensor) -> Vec<f64> {
    let width = p.shape().last().copied().unwrap_or(1).max(1);
    let part = |p: &f64| if *p > 0.0 { -p * p.ln() } else { 0.0 };
    p.to_f64_vec().chunks(width).map(|row| row.iter().map(part).sum()).collect()
}

/// What a model says with dropout left on, `samples` times: as if it were so many models (Gal and Ghahramani, *Dropout as a Bayesian
/// approximation*, 2016).
///
/// # Errors
/// Those of the model, and as for [`Spread::of`]; if an input is not finite, there are no samples, the model has nothing random in it, or it has layers that would learn from these rows while they
/// are in training (running statistics of batch norm).
#[track_caller]
pub fn mc_dropout(model: &dyn Layer, x: &Tensor, samples: usize, kind: Outputs, rng: &mut Rng) -> Result<Spread> {
    const OP: &str = "mc_dropout";
    if !(1..=100_000).contains(&samples) {
        return Err(Error::argument(OP, format!("{samples} samples, expected 1 to 100000")));
    }
    x.expect_finite(OP, "the input")?;
    let mut running = None;
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        if let Slot::Buffer(_) = slot
            && path.ends_with("running_mean")
        {
            running = Some(path.to_string());
        }
    };
    Module::visit(model, &mut Visitor::new(&mut on_slot));
    if let Some(path) = running {
        let e = Error::state(OP, format!("the model has running statistics, `{path}`, which would follow these rows"));
        return Err(e.with_help("take an ensemble (Spread::of_models), or norms without statistics"));
    }
    let _unrecorded = crate::autograd::pause_recording();
    let mut outputs = Vec::with_capacity(samples);
    for _ in 0..samples {
        outputs.push(model.forward(x, &mut Mode::train(rng))?);
    }
    let spread = Spread::of(&outputs, kind)?;
    if samples > 1 && x.numel() > 0 && spread.deviation.to_f64_vec().iter().all(|d| *d == 0.0) {
        return Err(Error::state(OP, "every sample is the same: there is nothing random in the model")
            .with_help("it needs Dropout layers"));
    }
    Ok(spread)
}
