//! Models that make new examples like those they have learnt from.

mod adversaries;
mod autoencoder;
mod coder;
mod dcgan;
mod diffusion;
mod vae;

pub use adversaries::Adversaries;
pub use autoencoder::Autoencoder;
pub use coder::{CodeDecoder, CodeEncoder, CoderConfig};
pub use dcgan::{Dcgan, DcganConfig, DcganDiscriminator, DcganGenerator};
pub use diffusion::{
    Denoiser, Diffusion, DiffusionConfig, DiffusionSampling, DiffusionUnet, DiffusionUnetConfig, GaussianDiffusion,
    NoiseSchedule, Prediction, UnetAttention, UnetBlock, UnetResampling, UnetResidual, UnetTimes,
};
pub use vae::{Elbo, Observed, Vae, VaeConfig};
