//! A network and a process that go together.

use serde::{Deserialize, Serialize};

use super::process::{GaussianDiffusion, NoiseSchedule, Prediction};
use super::sampling::DiffusionSampling;
use super::unet::{DiffusionUnet, DiffusionUnetConfig};
use crate::error::{Error, Result};
use crate::layers::Mode;
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// The sizes of a [`Diffusion`] model, and its process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DiffusionConfig {
    /// The network.
    pub unet: DiffusionUnetConfig,
    /// How many steps lead from pictures to noise.
    pub steps: usize,
    /// How much noise each of them adds.
    pub schedule: NoiseSchedule,
    /// What the network predicts.
    pub prediction: Prediction,
    /// How often the class of a picture is not told in training.
    pub class_dropout: f64,
}

impl DiffusionConfig {
    /// A thousand steps with linear variances, by a network that predicts the noise and, if it knows classes, is not told them once in
    /// ten times.
    #[must_use]
    pub fn new(unet: DiffusionUnetConfig) -> Self {
        let schedule = NoiseSchedule::linear();
        Self { unet, steps: 1000, schedule, prediction: Prediction::Noise, class_dropout: 0.1 }
    }

    /// Another number of steps.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Other variances.
    #[must_use]
    pub fn schedule(mut self, schedule: NoiseSchedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// The network predicts something else.
    #[must_use]
    pub fn prediction(mut self, prediction: Prediction) -> Self {
        self.prediction = prediction;
        self
    }

    /// With what probability the class of a picture is not told in training, so that the network also learns to do without, as
    /// [guidance](DiffusionSampling::guidance) needs it.
    #[must_use]
    pub fn class_dropout(mut self, p: f64) -> Self {
        self.class_dropout = p;
        self
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.unet.num_parameters()
    }
}

/// A diffusion model of pictures (Ho, Jain and Abbeel, *Denoising diffusion probabilistic models*, 2020): a [`DiffusionUnet`] that
/// learns to tell noise from pictures, and the [`GaussianDiffusion`] by which noise then becomes pictures.
///
/// Pictures have numbers from −1 to 1. Drawing is better with [averaged](crate::optimizers::Averaged) weights.
///
/// ```
/// use demotic::data::TensorDataset;
/// use demotic::models::{Diffusion, DiffusionConfig, DiffusionSampling, DiffusionUnetConfig, NoiseSchedule};
/// use demotic::optimizers::{Averaged, Shared};
/// use demotic::prelude::*;
/// use demotic::train::Objective;
///
/// let mut rng = Rng::seed(0);
/// let unet = DiffusionUnetConfig::new(1).channels(&[8, 8]).layers(1).groups(4).classes(2);
/// let config = DiffusionConfig::new(unet).steps(100).schedule(NoiseSchedule::cosine());
/// let mut model = Diffusion::new(config, &mut rng)?;
///
/// // Bright and dark pictures of 4 by 4 pixels.
/// let classes = Tensor::from_vec((0..64).map(|i| i % 2).collect::<Vec<i64>>(), [64])?;
/// let x = (classes.to_dtype(DType::F32).reshape([64, 1, 1, 1])? * 1.6 - 0.8).broadcast_to([64, 1, 4, 4])?;
/// let data = TensorDataset::new(x, classes)?;
/// let loss = |model: &Diffusion, (x, y): &(Tensor, Tensor), mode: &mut Mode| {
///     Ok(Objective::new(model.loss(x, Some(y), mode)?, x.shape()[0] as f64))
/// };
/// let opt = Shared::new(Averaged::ema(Adam::new(0.01), 0.9));
/// Trainer::with_task(loss, opt.clone()).epochs(2).fit(&mut model, &data, &mut rng)?;
/// opt.with(|opt| opt.swap(&mut model))?;
///
/// let classes = Tensor::from_vec(vec![0i64, 1], [2])?;
/// let made = model.sample([2, 1, 4, 4], Some(&classes), &DiffusionSampling::ddim(10).guidance(2.0), &mut rng)?;
/// assert_eq!(made.shape(), [2, 1, 4, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "DDPM")]
#[derive(Debug, Clone)]
pub struct Diffusion {
    /// The network.
    pub unet: DiffusionUnet,
    process: GaussianDiffusion,
    config: DiffusionConfig,
}

crate::module!(Diffusion { unet }, plain { process, config });
architecture!(Diffusion, DiffusionConfig);

impl Diffusion {
    /// A model with random weights.
    ///
    /// # Errors
    /// Those of [`DiffusionUnet::new`] and [`GaussianDiffusion::new`], and if the dropout of classes is no probability.
    #[track_caller]
    pub fn new(config: DiffusionConfig, rng: &mut Rng) -> Result<Self> {
        let p = config.class_dropout;
        if !(0.0..=1.0).contains(&p) {
            let message = format!("the dropout of classes is {p}, expected a probability from 0 to 1");
            return Err(Error::argument("Diffusion::new", message));
        }
        let process = GaussianDiffusion::new(config.steps, config.schedule)?.prediction(config.prediction);
        Ok(Self { unet: DiffusionUnet::new(config.unet.clone(), rng)?, process, config })
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &GaussianDiffusion {
        &self.process
    }

    /// [`GaussianDiffusion::loss`] of pictures, and of their classes, if the network knows any: some of these are not told in training.
    ///
    /// # Errors
    /// If the pictures or classes do not fit the network.
    #[track_caller]
    pub fn loss(&self, x: &Tensor, classes: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let Some(classes) = classes else { return self.process.loss(&self.unet, x, None, mode) };
        let told = match mode.rng() {
            Some(rng) if self.config.class_dropout > 0.0 => {
                let untold = Tensor::bernoulli(classes.shape(), self.config.class_dropout, rng)?.to_dtype(DType::Bool);
                classes.masked_fill(&untold, -1.0)?
            }
            _ => classes.clone(),
        };
        self.process.loss(&self.unet, x, Some(&told), mode)
    }

    /// New pictures: [`GaussianDiffusion::sample`] of this shape, `[count, channels, height, width]`.
    ///
    /// # Errors
    /// If the shape or the classes do not fit the network, or an option makes no sense.
    #[track_caller]
    pub fn sample(
        &self,
        shape: [usize; 4],
        classes: Option<&Tensor>,
        options: &DiffusionSampling,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        self.process.sample(&self.unet, &shape, classes, options, rng)
    }
}
