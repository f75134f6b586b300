//! The multi-layer perceptron.

use crate::error::{Error, InLayer, Result};
use crate::layers::{Dropout, Init, Layer, Linear, Mode, Relu};
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
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mlp {
    layers: Vec<Linear>,
    activation: Box<dyn Layer>,
    dropout: Option<Dropout>,
}

crate::module!(Mlp { layers, activation, dropout });

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
        let mut layers = Vec::with_capacity(sizes.len() - 1);
        for pair in sizes.windows(2) {
            layers.push(Linear::new(pair[0], pair[1], rng)?);
        }
        Ok(Self { layers, activation: Box::new(Relu), dropout: None })
    }

    /// Another activation.
    #[must_use]
    pub fn activation(mut self, activation: impl Layer + 'static) -> Self {
        self.activation = Box::new(activation);
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
            x = layer.forward(&x, mode).in_layer(i).in_layer("layers")?;
            if i + 1 < self.layers.len() {
                x = self.activation.forward(&x, mode).in_layer("activation")?;
                if let Some(dropout) = &self.dropout {
                    x = dropout.forward(&x, mode).in_layer("dropout")?;
                }
            }
        }
        Ok(x)
    }
}
