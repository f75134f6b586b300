//! The autoencoder.

use super::coder::{CodeDecoder, CodeEncoder, CoderConfig};
use crate::error::{Here, Result};
use crate::layers::{Layer, LayerExt, Linear, Mode};
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// An autoencoder: an encoder that makes a short code of an example, and a decoder that makes the example of the code. It is trained to
/// give back what it gets, for which the code has to say what matters (Hinton and Salakhutdinov, *Reducing the dimensionality of data with
/// neural networks*, 2006).
///
/// # Shapes
/// - input and output: `[batch, ..]` with examples of the configuration's shape
/// - code: `[batch, latent]`
/// - parameters: `encoder.convs.0.weight`, …, `encoder.hidden.0.weight`, …, `code.weight`, `decoder.hidden.0.weight`, …,
///   `decoder.convs.0.weight`, …
///
/// ```
/// use demotic::data::TensorDataset;
/// use demotic::models::{Autoencoder, CoderConfig};
/// use demotic::prelude::*;
///
/// // Points in four dimensions that lie on a plane.
/// let mut rng = Rng::seed(1);
/// let places = Tensor::normal([128, 2], 0.0, 1.0, &mut rng)?;
/// let x = places.matmul(&tensor![[1.0, 0.5, -1.0, 0.0], [0.0, 1.0, 0.5, -1.0]])?;
/// let mut model = Autoencoder::new(CoderConfig::new(4, 2), &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.clone())?;
/// Trainer::new(losses::mse, Adam::new(0.01)).epochs(100).fit(&mut model, &data, &mut rng)?;
/// assert!(losses::mse(&model.predict(&x)?, &x)?.item()? < 0.01);
/// assert_eq!(model.encode(&x, &mut Mode::eval())?.shape(), [128, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Autoencoder {
    /// What is found in an example.
    pub encoder: CodeEncoder,
    /// The code of it.
    pub code: Linear,
    /// The example of a code.
    pub decoder: CodeDecoder,
    config: CoderConfig,
}

crate::module!(Autoencoder { encoder, code, decoder }, plain { config });
architecture!(Autoencoder, CoderConfig);

impl Autoencoder {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0, there are convolutions for what is no picture, the activation gives fewer features than it takes, or the
    /// weights do not fit into memory.
    #[track_caller]
    pub fn new(config: CoderConfig, rng: &mut Rng) -> Result<Self> {
        config.check("Autoencoder::new", 1).here()?;
        let encoder = CodeEncoder::new(&config, rng)?;
        let code = Linear::new(encoder.features(), config.latent, rng)?;
        Ok(Self { encoder, code, decoder: CodeDecoder::new(&config, rng)?, config })
    }

    /// The codes of examples: `[batch, latent]`.
    ///
    /// # Errors
    /// If the examples have another shape.
    #[track_caller]
    pub fn encode(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let features = self.encoder.at("encoder", x, mode)?;
        self.code.at("code", &features, mode)
    }

    /// The examples of codes.
    ///
    /// # Errors
    /// If the codes have another size.
    #[track_caller]
    pub fn decode(&self, code: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.decoder.at("decoder", code, mode)
    }
}

impl Layer for Autoencoder {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let code = self.encode(x, mode)?;
        self.decode(&code, mode)
    }
}
