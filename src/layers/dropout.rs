//! Dropout.

use super::core::{Architecture, Layer, LayerConfig, Mode};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Sets each element of a tensor of any shape to zero with probability `p` while training, and divides the others by `1 − p`, so that the
/// expected value stays the same (Srivastava et al., *Dropout*, 2014). Does nothing in evaluation.
///
/// ```
/// use demotic::prelude::*;
///
/// let dropout = Dropout::new(0.5)?;
/// let x = Tensor::ones([1000])?;
/// assert_eq!(dropout.predict(&x)?.sum().item()?, 1000.0);
///
/// let y = dropout.forward(&x, &mut Mode::train(&mut Rng::seed(0)))?;
/// assert!(y.to_vec::<f32>()?.iter().all(|y| *y == 0.0 || *y == 2.0));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dropout {
    p: f64,
}

crate::module!(Dropout {}, plain { p });

impl Dropout {
    /// A layer that drops elements with probability `p`.
    ///
    /// # Errors
    /// If `p` is not a probability.
    #[track_caller]
    pub fn new(p: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument("Dropout::new", format!("p is {p}, expected a probability from 0 to 1")));
        }
        Ok(Self { p })
    }

    /// The probability with which an element is dropped.
    #[must_use]
    pub fn p(&self) -> f64 {
        self.p
    }
}

impl Architecture for Dropout {
    const KIND: &'static str = "Dropout";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        Ok(LayerConfig::new().with("p", self.p))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
        let layer = Self::new(config.take("p")?)?;
        config.done()?;
        Ok(layer)
    }
}

impl Layer for Dropout {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = match mode.rng() {
            Some(rng) if self.p > 0.0 => x.dropout(self.p, rng),
            _ => Ok(x.clone()),
        };
        mode.here(y)
    }
}
