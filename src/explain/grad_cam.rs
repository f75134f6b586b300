//! What places of a layer's channels an output depends on.

use super::subject::{Explained, found, representation};
use crate::autograd::{InterpolateOptions, Interpolation};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Grad-CAM (Selvaraju et al., *Grad-CAM: visual explanations from deep networks via gradient-based localization*, 2017): the channels of a
/// convolution, each weighed by its mean gradient; what is positive of their sum. It tells where the network looks, as coarsely as the
/// layer is, and for which class.
///
/// ```
/// use demotic::explain::{Explained, GradCam, Target};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![
///     Conv2d::new(1, 4, 3, &mut rng)?, Relu, MaxPool2d::new(2), Flatten::new(), Linear::new(36, 3, &mut rng)?
/// ];
/// let pictures = Tensor::uniform([2, 1, 8, 8], 0.0, 1.0, &mut rng)?;
/// let of = Explained::layer(&model).target(Target::Predicted);
/// assert_eq!(GradCam::new("1").attribute(&of, &pictures)?.shape(), [2, 8, 8]);
/// assert_eq!(GradCam::new("1").as_the_layer_is().attribute(&of, &pictures)?.shape(), [2, 6, 6]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GradCam {
    layer: String,
    plus_plus: bool,
    upsample: bool,
}

impl GradCam {
    /// By the part of the model at this path, which gives `[n, channels, places..]`: usually the last convolution, or the activation
    /// behind it.
    #[must_use]
    pub fn new(layer: impl Into<String>) -> Self {
        Self { layer: layer.into(), plus_plus: false, upsample: true }
    }

    /// Grad-CAM++ (Chattopadhay et al., 2018): weighs the places of a channel by the second and third powers of their gradients, so that
    /// several things in a picture are all found.
    #[must_use]
    pub fn plus_plus(self) -> Self {
        Self { plus_plus: true, ..self }
    }

    /// Leaves the map as coarse as the layer, in place of enlarging it to the picture.
    #[must_use]
    pub fn as_the_layer_is(self) -> Self {
        Self { upsample: false, ..self }
    }

    /// A map for each example, `[n, height, width]`, of numbers from 0 on. That of pictures is enlarged to their size (bilinearly), that
    /// of sequences and volumes stays as coarse as the layer.
    ///
    /// # Errors
    /// If there is no such part, it gives no channels with places, the target does not exist, or a function is explained.
    #[track_caller]
    pub fn attribute(&self, of: &Explained<'_>, x: &Tensor) -> Result<Tensor> {
        let op = "GradCam";
        let model = of.model(op)?;
        of.scorer(op, x)?;
        let maps = representation(model, &self.layer, x)?;
        if maps.rank() < 3 {
            let message = format!("`{}` gives {:?}, expected [n, channels, places..]", self.layer, maps.shape());
            return Err(Error::shape(op, message).with_help("choose a convolution, or what is behind it"));
        }
        let scorer = of.at(&self.layer, x).scorer(op, &maps)?;
        let (grads, _) = scorer.gradients(&maps, &(0..x.shape()[0]).collect::<Vec<_>>())?;
        let places: Vec<isize> = (2..maps.rank() as isize).collect();
        let weights = match self.plus_plus {
            false => grads.mean_dims(&places, true)?,
            true => {
                let square = grads.square();
                let total = maps.sum_dims(&places, true)?;
                let divisor = square.mul_scalar(2.0).add(&total.mul(&square.mul(&grads)?)?)?;
                let none = divisor.eq_scalar(0.0);
                let alpha = square.div(&none.where_(&divisor.ones_like(), &divisor)?)?;
                let alpha = none.where_(&alpha.zeros_like(), &alpha)?;
                alpha.mul(&grads.clamp_min(0.0))?.sum_dims(&places, true)?
            }
        };
        let map = found(op, weights.mul(&maps.to_dtype(weights.dtype()))?.sum_dims(&[1], true)?.clamp_min(0.0))?;
        let size = &x.shape()[2.min(x.rank())..];
        if self.upsample && map.rank() == 4 && x.rank() == 4 && map.shape()[2..] != *size {
            return map.interpolate(&InterpolateOptions::size(size).mode(Interpolation::Linear))?.select(1, 0);
        }
        map.select(1, 0)
    }
}
