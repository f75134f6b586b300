//! Diffusion: noise that is taken out of pictures step by step.

mod blocks;
mod model;
mod process;
mod sampling;
mod unet;

pub use blocks::{UnetAttention, UnetBlock, UnetResampling, UnetResidual};
pub use model::{Diffusion, DiffusionConfig};
pub use process::{GaussianDiffusion, NoiseSchedule, Prediction};
pub use sampling::DiffusionSampling;
pub use unet::{DiffusionUnet, DiffusionUnetConfig, UnetTimes};

use crate::error::Result;
use crate::layers::{Mode, Module};
use crate::tensor::Tensor;

/// A network that says what of noisy examples is noise: what a [`GaussianDiffusion`] trains and draws with.
///
/// [`DiffusionUnet`] is the one for pictures. Others see the number of the step in their own way:
///
/// ```
/// use demotic::models::{Denoiser, DiffusionSampling, GaussianDiffusion, NoiseSchedule};
/// use demotic::prelude::*;
/// use demotic::train::Objective;
///
/// /// For points in the plane: dense layers, which see the step as a number from 0 to 1.
/// #[derive(Clone)]
/// struct Dense {
///     layers: Sequential,
/// }
///
/// module!(Dense { layers });
///
/// impl Denoiser for Dense {
///     fn denoise(&self, x: &Tensor, steps: &Tensor, _: Option<&Tensor>, mode: &mut Mode) -> Result<Tensor> {
///         let time = steps.to_dtype(x.dtype()).unsqueeze(1)? / 50.0;
///         self.layers.at("layers", &Tensor::cat(&[x, &time], 1)?, mode)
///     }
/// }
///
/// let mut rng = Rng::seed(0);
/// let layers = sequential![Linear::new(3, 64, &mut rng)?, Silu, Linear::new(64, 64, &mut rng)?, Silu, Linear::new(64, 2, &mut rng)?];
/// let mut network = Dense { layers };
/// let process = GaussianDiffusion::new(50, NoiseSchedule::cosine())?;
/// // Points at two places.
/// let mut opt = Adam::new(0.005);
/// for _step in 0..600 {
///     let side = Tensor::bernoulli([64, 1], 0.5, &mut rng)? * 2.0 - 1.0;
///     let points = Tensor::cat(&[&side, &side], 1)?;
///     let loss = process.loss(&network, &points, None, &mut Mode::train(&mut rng))?;
///     opt.step(&mut network, &loss.backward()?)?;
/// }
/// let made = process.sample(&network, &[64, 2], None, &DiffusionSampling::ancestral(), &mut rng)?;
/// // Nearly all of them are at one of the two: near (1, 1) or (-1, -1).
/// let far = made.abs().add_scalar(-1.0).abs().mean().item()?;
/// assert!(far < 0.3, "{far}");
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait Denoiser: Module {
    /// What the network predicts of noisy examples, with their shape: the noise or, as [`Prediction`] says, something else.
    ///
    /// `steps`, `[batch]` of type `I64`, says how noisy each of them is: 0 is the least. `classes`, of the same shape, has the class of
    /// each, or −1 for none; without `classes`, none is known.
    ///
    /// # Errors
    /// If the shapes do not fit.
    #[track_caller]
    fn denoise(&self, x: &Tensor, steps: &Tensor, classes: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor>;
}
