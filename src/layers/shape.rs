//! Layers that only change the shape.

use super::core::{Architecture, Layer, LayerConfig, Mode};
use crate::error::Result;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Joins all dimensions from `start` on into one. By default the first dimension, which counts the examples, is kept:
/// `[n, c, h, w]` becomes `[n, c·h·w]`.
///
/// ```
/// use demotic::prelude::*;
///
/// assert_eq!(Flatten::new().predict(&Tensor::zeros([2, 3, 4, 5])?)?.shape(), [2, 60]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Flatten {
    start: isize,
    end: isize,
}

crate::module!(Flatten {}, plain { start, end });

impl Flatten {
    /// Joins everything but the first dimension.
    #[must_use]
    pub fn new() -> Self {
        Self { start: 1, end: -1 }
    }

    /// Which dimensions are joined.
    pub(crate) fn joined(&self) -> (isize, isize) {
        (self.start, self.end)
    }

    /// Joins the dimensions from `start` to `end`, both included; negative numbers count from the end.
    #[must_use]
    pub fn dims(start: isize, end: isize) -> Self {
        Self { start, end }
    }
}

impl Default for Flatten {
    fn default() -> Self {
        Self::new()
    }
}

impl Architecture for Flatten {
    const KIND: &'static str = "Flatten";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        Ok(LayerConfig::new().with("start", self.start).with("end", self.end))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
        let layer = Self::dims(config.take("start")?, config.take("end")?);
        config.done()?;
        Ok(layer)
    }
}

impl Layer for Flatten {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.flatten(self.start, self.end))
    }
}
