//! Dropout of weights.

use super::core::{Layer, LayerConfig, Mode, Param, Weight, described};
use super::linear::Linear;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A dense layer of which each weight is zero with probability `p` while training, for the whole batch, and divided by `1 − p`
/// otherwise (Wan et al., *Regularization of neural networks using DropConnect*, 2013). In evaluation it is the dense layer.
///
/// Shapes and names of parameters are those of [`Linear`].
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let layer = DropConnect::new(Linear::new(8, 4, &mut rng)?, 0.5)?;
/// let x = Tensor::ones([2, 8])?;
/// assert_eq!(layer.predict(&x)?.shape(), [2, 4]);
/// let trained = layer.forward(&x, &mut Mode::train(&mut rng))?;
/// assert_ne!(trained.to_vec::<f32>()?, layer.predict(&x)?.to_vec::<f32>()?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DropConnect {
    /// `[out_features, in_features]`.
    pub weight: Weight,
    /// `[out_features]`.
    pub bias: Option<Param>,
    p: f64,
}

crate::module!(DropConnect { weight, bias }, plain { p });

impl DropConnect {
    /// The layer with weights that are dropped with probability `p`.
    ///
    /// # Errors
    /// If `p` is not a probability.
    #[track_caller]
    pub fn new(layer: Linear, p: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument("DropConnect::new", format!("p is {p}, expected a probability from 0 to 1")));
        }
        Ok(Self { weight: layer.weight, bias: layer.bias, p })
    }

    /// The probability with which a weight is dropped.
    #[must_use]
    pub fn p(&self) -> f64 {
        self.p
    }
}

described! {
    DropConnect,
    |layer| {
        // In words of the dense layer, whose checks these are.
        let dense = Linear { weight: layer.weight.clone(), bias: layer.bias.clone() };
        LayerConfig::new().with("linear", dense.config()?).with("p", layer.p)
    },
    |options, rng| Self::new(Linear::from_config(options.take("linear")?, rng)?, options.take("p")?)?,
    |sizes| sizes.of_part::<Linear>("linear")
}

impl Layer for DropConnect {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let bias = self.bias.as_deref();
        let y = match mode.rng() {
            Some(rng) if self.p > 0.0 => self.weight.value().and_then(|weight| {
                let weight = self.weight.outputs_first(weight);
                x.linear(&weight.dropout(self.p, rng)?, bias)
            }),
            _ => self.weight.linear(x, bias, mode),
        };
        mode.here(y)
    }
}
