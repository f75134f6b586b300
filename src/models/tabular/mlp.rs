//! The multi-layer perceptron.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{
    Activation, Architecture, Count, Dropout, Init, IntoLayer, Layer, LayerExt, Linear, Mode, Module, Relu,
    check_memory, inside,
};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Dense layers with an activation, and if wanted dropout, after each but the last.
///
/// # Shapes
/// - input: `[.., sizes[0]]`
/// - output: `[.., sizes[last]]`
///
/// The parameters are named `layers.0.weight`, `layers.0.bias`, `layers.1.weight` …
///
/// ```
/// use demotic::models::Mlp;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = Mlp::new(&[8, 64, 64, 1], &mut rng)?.activation(Gelu).dropout(0.1)?;
/// assert_eq!(model.predict(&Tensor::zeros([5, 8])?)?.shape(), [5, 1]);
///
/// // The file holds the sizes and options as well.
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// model.save(&path)?;
/// let again = Mlp::open(&path)?;
/// assert_eq!(again.layers().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mlp {
    layers: Vec<Linear>,
    activation: Box<dyn Layer>,
    dropout: Option<Dropout>,
}

crate::module!(Mlp { layers, activation, dropout });

/// The sizes and options of an [`Mlp`], as its file holds them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MlpConfig {
    /// The number of input features, the sizes of the hidden layers, the number of outputs.
    pub sizes: Vec<usize>,
    /// The activation behind each layer but the last.
    pub activation: Activation,
    /// The probability of dropout behind each activation, if there is any.
    pub dropout: Option<f64>,
}

impl MlpConfig {
    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        parameters(&self.sizes).get()
    }
}

/// The number of parameters between layers of these sizes.
fn parameters(sizes: &[usize]) -> Count {
    sizes.windows(2).map(|pair| (Count::new(pair[0]) + 1) * pair[1]).sum()
}

impl Architecture for Mlp {
    const KIND: &'static str = "Mlp";
    type Config = MlpConfig;

    #[track_caller]
    fn config(&self) -> Result<MlpConfig> {
        let Some(activation) = Activation::of((*self.activation).as_any_ref()) else {
            let message = format!("the activation `{}` is unknown to files", self.activation.kind());
            return Err(Error::state("config", message)
                .with_help("take one of this crate, or implement Architecture for a model of your own"));
        };
        let inputs = self.layers.first().map(Linear::in_features);
        let sizes = inputs.into_iter().chain(self.layers.iter().map(Linear::out_features)).collect();
        Ok(MlpConfig { sizes, activation, dropout: self.dropout.as_ref().map(Dropout::p) })
    }

    #[track_caller]
    fn from_config(config: MlpConfig, rng: &mut Rng) -> Result<Self> {
        let model = Self::new(&config.sizes, rng)?.activation(config.activation);
        match config.dropout {
            Some(p) => model.dropout(p),
            None => Ok(model),
        }
    }

    fn min_parameters(config: &MlpConfig) -> usize {
        config.num_parameters()
    }
}

impl Mlp {
    /// Layers of the given sizes, from the number of input features to that of outputs, with [`Relu`] in between.
    ///
    /// # Errors
    /// If there are fewer than two sizes, or one is zero.
    #[track_caller]
    pub fn new(sizes: &[usize], rng: &mut Rng) -> Result<Self> {
        if sizes.len() < 2 {
            let message = format!("sizes are {sizes:?}, expected at least the numbers of inputs and outputs");
            return Err(Error::argument("Mlp::new", message));
        }
        check_memory("Mlp::new", parameters(sizes), Count::new(sizes.len()) * 2)?;
        let mut layers = Vec::with_capacity(sizes.len() - 1);
        for pair in sizes.windows(2) {
            layers.push(Linear::new(pair[0], pair[1], rng)?);
        }
        Ok(Self { layers, activation: Box::new(Relu), dropout: None })
    }

    /// Another activation.
    #[must_use]
    pub fn activation(mut self, activation: impl IntoLayer) -> Self {
        self.activation = inside(activation);
        self
    }

    /// Dropout with probability `p` after each activation.
    ///
    /// # Errors
    /// If `p` is not a probability.
    #[track_caller]
    pub fn dropout(mut self, p: f64) -> Result<Self> {
        self.dropout = Some(Dropout::new(p)?);
        Ok(self)
    }

    /// Chooses the weights in another way, and sets the biases to zero.
    ///
    /// # Errors
    /// If the scheme's options make no sense.
    #[track_caller]
    pub fn init(mut self, init: Init, rng: &mut Rng) -> Result<Self> {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in self.layers {
            layers.push(layer.with_init(init, rng)?);
        }
        self.layers = layers;
        Ok(self)
    }

    /// The dense layers in order.
    #[must_use]
    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }
}

impl Layer for Mlp {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.at(("layers", i), &x, mode)?;
            if i + 1 < self.layers.len() {
                x = self.activation.at("activation", &x, mode)?;
                if let Some(dropout) = &self.dropout {
                    x = dropout.at("dropout", &x, mode)?;
                }
            }
        }
        Ok(x)
    }
}
