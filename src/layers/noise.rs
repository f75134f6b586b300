//! Layers that act at random in training: dropout of channels, noise, skipped branches.

use super::core::{Layer, LayerConfig, Mode, described};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::layout::Dims;

#[track_caller]
fn check_probability(name: &'static str, p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::argument(name, format!("p is {p}, expected a probability from 0 to 1")))
}

/// Ones and zeros, these with probability `p`, for all channels of all examples: in a shape that broadcasts to that of `x`, of which
/// the first `kept` dimensions count.
#[track_caller]
fn mask(x: &Tensor, kept: usize, p: f64, rng: &mut Rng) -> Result<Tensor> {
    let sizes = x.shape().iter().enumerate().map(|(i, size)| if i < kept { *size } else { 1 });
    let ones = Tensor::ones(&*Dims::collect(sizes))?.to_dtype(x.dtype());
    // Scaled by what is undone here, so that its choices are those of dropout.
    Ok(ones.dropout(p, rng)?.ne_scalar(0.0).to_dtype(x.dtype()))
}

/// How many dimensions come before those of places: those of the batch, if there is one, and of channels.
#[track_caller]
fn channel_dims(name: &'static str, x: &Tensor, dims: usize) -> Result<usize> {
    x.expect_any_float(name, "the input")?;
    match x.rank().checked_sub(dims) {
        Some(kept @ 1..=2) => Ok(kept),
        _ => {
            let message =
                format!("the input has shape {:?}, expected {} or {} dimensions", x.shape(), dims + 1, dims + 2);
            Err(Error::shape(name, message).with_help("[batch, channels, ..], or without a batch"))
        }
    }
}

/// What scaled exponential units make of minus infinity.
const SATURATED: f64 = -1.758_099_340_847_376_6;

/// Sets what a mask is zero for to the saturated value, and scales and moves everything back to mean 0 and variance 1.
#[track_caller]
fn alpha_dropout(x: &Tensor, mask: &Tensor, p: f64) -> Result<Tensor> {
    if p == 1.0 {
        return Ok(x.mul_scalar(0.0));
    }
    let a = 1.0 / ((SATURATED * SATURATED * p + 1.0) * (1.0 - p)).sqrt();
    let moved = mask.rsub_scalar(1.0).mul_scalar(a * SATURATED).add_scalar(-a * SATURATED * p);
    x.mul(&mask.mul_scalar(a))?.add(&moved)
}

/// Layers with a probability, that do nothing in evaluation, nor with `p` = 0.
macro_rules! random {
    ($($(#[$doc:meta])* $Layer:ident |$layer:ident, $x:ident, $rng:ident| $act:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $Layer {
            p: f64,
        }

        crate::module!($Layer {}, plain { p });

        impl $Layer {
            /// A layer that drops with probability `p`.
            ///
            /// # Errors
            /// If `p` is not a probability.
            #[track_caller]
            pub fn new(p: f64) -> Result<Self> {
                check_probability(concat!(stringify!($Layer), "::new"), p)?;
                Ok(Self { p })
            }

            /// The probability.
            #[must_use]
            pub fn p(&self) -> f64 {
                self.p
            }

            #[track_caller]
            fn act(&self, $x: &Tensor, $rng: &mut Rng) -> Result<Tensor> {
                let $layer = self;
                $act
            }
        }

        described! { $Layer, |layer| LayerConfig::new().with("p", layer.p), |options, _| Self::new(options.take("p")?)? }

        impl Layer for $Layer {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                let y = match mode.rng() {
                    Some(rng) if self.p > 0.0 => self.act(x, rng),
                    _ => Ok(x.clone()),
                };
                mode.here(y)
            }
        }
    )*};
}

#[track_caller]
fn drop_channels(name: &'static str, x: &Tensor, dims: usize, p: f64, rng: &mut Rng) -> Result<Tensor> {
    let mask = mask(x, channel_dims(name, x, dims)?, p, rng)?;
    x.mul(&mask.mul_scalar(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 }))
}

random! {
    /// [`Dropout2d`] for sequences of vectors.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, length]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let y = Dropout1d::new(0.5)?.forward(&Tensor::ones([2, 8, 3])?, &mut Mode::train(&mut Rng::seed(0)))?;
    /// assert!(y.sum_dims(&[2], false)?.to_vec::<f32>()?.iter().all(|sum| [0.0, 6.0].contains(sum)));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Dropout1d |layer, x, rng| drop_channels("Dropout1d", x, 1, layer.p, rng);

    /// Sets whole channels of each image to zero with probability `p` while training, and divides the others by `1 − p` (Tompson et al.,
    /// *Efficient Object Localization Using Convolutional Networks*, 2015): neighbouring places are so much alike that single ones
    /// would not be missed. Does nothing in evaluation.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let dropout = Dropout2d::new(0.5)?;
    /// let x = Tensor::ones([2, 8, 3, 3])?;
    /// assert_eq!(dropout.predict(&x)?.sum().item()?, 144.0);
    /// let y = dropout.forward(&x, &mut Mode::train(&mut Rng::seed(0)))?;
    /// assert!(y.sum_dims(&[2, 3], false)?.to_vec::<f32>()?.iter().all(|sum| [0.0, 18.0].contains(sum)));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Dropout2d |layer, x, rng| drop_channels("Dropout2d", x, 2, layer.p, rng);

    /// [`Dropout2d`] for volumes.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, depth, height, width]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let y = Dropout3d::new(1.0)?.forward(&Tensor::ones([2, 8, 3, 3, 3])?, &mut Mode::train(&mut Rng::seed(0)))?;
    /// assert_eq!(y.sum().item()?, 0.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Dropout3d |layer, x, rng| drop_channels("Dropout3d", x, 3, layer.p, rng);

    /// Dropout for networks of [`Selu`](super::Selu) units (Klambauer et al., *Self-Normalizing Neural Networks*, 2017): sets elements to
    /// what these units saturate at, and scales and moves everything so that mean 0 and variance 1 stay what they are. Does nothing in
    /// evaluation. Of any shape.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let x = Tensor::normal([100_000], 0.0, 1.0, &mut rng)?;
    /// let y = AlphaDropout::new(0.3)?.forward(&x, &mut Mode::train(&mut rng))?;
    /// assert!(y.mean().item()?.abs() < 0.02 && (y.var(0.0).item()? - 1.0).abs() < 0.02);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    AlphaDropout |layer, x, rng| {
        x.expect_any_float("AlphaDropout", "the input")?;
        alpha_dropout(x, &mask(x, x.rank(), layer.p, rng)?, layer.p)
    };

    /// [`AlphaDropout`] of whole channels.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, ..]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let layer = FeatureAlphaDropout::new(0.5)?;
    /// let y = layer.forward(&Tensor::zeros([2, 8, 4, 4])?, &mut Mode::train(&mut Rng::seed(0)))?;
    /// assert_eq!(y.var_dims(&[2, 3], 0.0, false)?.sum().item()?, 0.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    FeatureAlphaDropout |layer, x, rng| {
        x.expect_any_float("FeatureAlphaDropout", "the input")?;
        if x.rank() < 2 {
            let message = format!("the input has shape {:?}, expected [batch, channels, ..]", x.shape());
            return Err(Error::shape("FeatureAlphaDropout", message));
        }
        alpha_dropout(x, &mask(x, 2, layer.p, rng)?, layer.p)
    };

    /// Drops what it is given of whole examples with probability `p` while training, and divides the others by `1 − p` (Huang et al.,
    /// *Deep Networks with Stochastic Depth*, 2016): at the end of a branch beside which a path skips it, so that examples go through
    /// fewer layers. torchvision's `StochasticDepth` in the mode `row`. Does nothing in evaluation.
    ///
    /// # Shapes
    /// - input and output: `[batch, ..]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let layer = StochasticDepth::new(0.5)?;
    /// let y = layer.forward(&Tensor::ones([6, 4])?, &mut Mode::train(&mut Rng::seed(0)))?;
    /// assert!(y.sum_dims(&[1], false)?.to_vec::<f32>()?.iter().all(|sum| [0.0, 8.0].contains(sum)));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    StochasticDepth |layer, x, rng| {
        x.expect_any_float("StochasticDepth", "the input")?;
        let mask = mask(x, 1, layer.p, rng)?;
        x.mul(&mask.mul_scalar(if layer.p < 1.0 { 1.0 / (1.0 - layer.p) } else { 0.0 }))
    };
}

/// Adds normally distributed noise while training, to inputs of any shape: Keras' `GaussianNoise`. Does nothing in evaluation.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let y = GaussianNoise::new(0.1)?.forward(&Tensor::zeros([10_000])?, &mut Mode::train(&mut rng))?;
/// assert!((y.std(0.0).item()? - 0.1).abs() < 0.01);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GaussianNoise {
    std: f64,
}

crate::module!(GaussianNoise {}, plain { std });

impl GaussianNoise {
    /// Noise of this standard deviation.
    ///
    /// # Errors
    /// If it is negative or not finite.
    #[track_caller]
    pub fn new(std: f64) -> Result<Self> {
        if !(std >= 0.0 && std.is_finite()) {
            return Err(Error::argument("GaussianNoise::new", format!("std is {std}, expected a number from 0 on")));
        }
        Ok(Self { std })
    }
}

described! {
    GaussianNoise,
    |layer| LayerConfig::new().with("std", layer.std),
    |options, _| Self::new(options.take("std")?)?,
}

impl Layer for GaussianNoise {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = match mode.rng() {
            Some(rng) if self.std > 0.0 => {
                let noise = x.expect_any_float("GaussianNoise", "the input");
                noise.and_then(|()| x.add(&Tensor::normal(x.shape(), 0.0, self.std, rng)?.to_dtype(x.dtype())))
            }
            _ => Ok(x.clone()),
        };
        mode.here(y)
    }
}
