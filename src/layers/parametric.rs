//! Activations with slopes that are learned, or drawn.

use super::core::{Layer, LayerConfig, Mode, Param, described};
use crate::autograd::ops::check_slopes;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// `x` where it is positive, else `weight · x`, with slopes that are learned (He et al., *Delving deep into rectifiers*, 2015). See
/// [`Tensor::prelu`].
///
/// # Shapes
/// - input and output: `[n, channels, …]`, or any with one slope for all
/// - `weight`: `[1]` or `[channels]`, starts with ¼
///
/// ```
/// use demotic::prelude::*;
///
/// let layer = Prelu::new(1)?;
/// assert_eq!(layer.predict(&tensor![-1.0, 2.0])?.to_vec::<f32>()?, [-0.25, 2.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "PReLU")]
#[derive(Debug, Clone)]
pub struct Prelu {
    /// `[1]` or `[channels]`.
    pub weight: Param,
}

crate::module!(Prelu { weight });

impl Prelu {
    /// A layer with a slope for each of so many channels, or 1 for all of them together.
    ///
    /// # Errors
    /// If there are none, or they do not fit into memory.
    #[track_caller]
    pub fn new(channels: usize) -> Result<Self> {
        Self::with_slope(channels, 0.25)
    }

    /// The same with another slope to begin with.
    ///
    /// # Errors
    /// As for [`new`](Self::new); if the slope is not finite.
    #[track_caller]
    pub fn with_slope(channels: usize, slope: f64) -> Result<Self> {
        if channels == 0 || !slope.is_finite() {
            let message = format!("{channels} slopes of {slope}, expected at least 1 number");
            return Err(Error::argument("Prelu::new", message));
        }
        Ok(Self { weight: Param::new(Tensor::full([channels], slope)?)? })
    }
}

described! {
    Prelu,
    |layer| LayerConfig::new().with("channels", layer.weight.numel()),
    |options, _| Self::new(options.take("channels")?)?,
    |sizes| sizes.size("channels")
}

impl Layer for Prelu {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.prelu(&self.weight))
    }
}

/// `x` where it is positive, else `a x`: in training with a slope `a` for each element, drawn evenly between two bounds, in evaluation
/// with their mean (Xu et al., *Empirical evaluation of rectified activations*, 2015). Of any shape. See [`Tensor::rrelu`].
///
/// ```
/// use demotic::prelude::*;
///
/// let layer = Rrelu::new(0.1, 0.3)?;
/// assert!((layer.predict(&tensor![-1.0])?.item()? + 0.2).abs() < 1e-6);
/// let drawn = layer.forward(&tensor![-1.0], &mut Mode::train(&mut Rng::seed(0)))?.item()?;
/// assert!(-0.3 <= drawn && drawn <= -0.1);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "RReLU")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rrelu {
    lower: f64,
    upper: f64,
}

crate::module!(Rrelu {}, plain { lower, upper });

/// From 1/8 to 1/3, as in the paper.
impl Default for Rrelu {
    fn default() -> Self {
        Self { lower: 1.0 / 8.0, upper: 1.0 / 3.0 }
    }
}

impl Rrelu {
    /// A layer with slopes between two bounds.
    ///
    /// # Errors
    /// If `lower` is above `upper`, or one is not finite.
    #[track_caller]
    pub fn new(lower: f64, upper: f64) -> Result<Self> {
        check_slopes("Rrelu::new", lower, upper)?;
        Ok(Self { lower, upper })
    }
}

described! {
    Rrelu,
    |layer| LayerConfig::new().with("lower", layer.lower).with("upper", layer.upper),
    |options, _| Self::new(options.take("lower")?, options.take("upper")?)?,
}

impl Layer for Rrelu {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = match mode.rng() {
            Some(rng) => x.rrelu(self.lower, self.upper, rng),
            None => Ok(x.leaky_relu((self.lower + self.upper) / 2.0)),
        };
        mode.here(y)
    }
}
