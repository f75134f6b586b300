//! What the models of images have in common.

use crate::autograd::ConvOptions;
use crate::error::{Error, Result};
use crate::layers::{Conv2d, Count, Fan, Init, Linear, Mode};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Initial weights of convolutions in torchvision: normally distributed, for rectified units, by the number of outputs.
pub(super) const CONVOLUTION: Init = Init::KaimingNormal { gain: std::f64::consts::SQRT_2, fan: Fan::Out };

/// A convolution with zeros around the image, so that with a stride of 1 it keeps its size, and without a bias.
#[track_caller]
pub(super) fn conv(
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    rng: &mut Rng,
) -> Result<Conv2d> {
    let options = ConvOptions::new().stride(stride).padding(kernel / 2).groups(groups);
    Conv2d::with_options(inputs, outputs, kernel, options, &mut rng.split())?.without_bias().with_init(CONVOLUTION, rng)
}

/// A dense layer with these initial weights, and zeros for a bias.
#[track_caller]
pub(super) fn linear(inputs: usize, outputs: usize, init: Init, rng: &mut Rng) -> Result<Linear> {
    Linear::new(inputs, outputs, &mut rng.split())?.with_init(init, rng)
}

/// The parameters of a convolution without a bias and its batch norm.
pub(super) fn conv_count(inputs: usize, outputs: usize, kernel: usize) -> Count {
    Count::new(kernel) * kernel * inputs * outputs + Count::new(outputs) * 2
}

/// The parameters of a dense layer.
pub(super) fn linear_count(inputs: usize, outputs: usize) -> Count {
    (Count::new(inputs) + 1) * outputs
}

/// A number of channels times a factor, as a multiple of 8 that is not more than a tenth below it: how MobileNets and EfficientNets
/// become wider.
pub(super) fn divisible(channels: usize, factor: f64) -> usize {
    if channels == 0 {
        return 0;
    }
    // What is more than this does not fit into memory, which is found out later.
    let exact = (channels as f64 * factor).min(1e12);
    let rounded = ((exact + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * exact { rounded + 8 } else { rounded }
}

/// Checks a factor of widths or depths.
#[track_caller]
pub(super) fn check_factor(model: &'static str, what: &str, factor: f64) -> Result<()> {
    if factor > 0.0 && factor.is_finite() {
        return Ok(());
    }
    Err(Error::argument(model, format!("the {what} is {factor}, expected a positive number")))
}

/// Checks that an input has images with so many channels, which are large enough to be halved as often as the model does.
#[track_caller]
pub(super) fn check_images(
    model: &'static str,
    x: &Tensor,
    channels: usize,
    least: usize,
    mode: &Mode<'_>,
) -> Result<()> {
    if let [_, given, height, width] = *x.shape()
        && given == channels
        && height.min(width) >= least
    {
        return Ok(());
    }
    let message = format!("the input has shape {:?}, expected [batch, {channels}, height, width]", x.shape());
    let help = match x.rank() {
        3 => "a batch of one image is image.unsqueeze(0)".to_string(),
        _ => format!("images of at least {least} × {least} pixels"),
    };
    mode.here(Err(Error::shape(model, message).with_help(help)))
}

/// Checks that a new head is one for something.
#[track_caller]
pub(super) fn check_head(op: &'static str, classes: usize) -> Result<()> {
    if classes == 0 {
        return Err(Error::argument(op, "0 classes, expected at least 1"));
    }
    Ok(())
}

/// What the models that end with a linear layer `head` share: features, dropout, and the layer that decides, which has the name given
/// in their files.
macro_rules! classifier {
    ($Model:ident, $Config:ident, $head:literal) => {
        impl $Model {
            /// The sizes of the model.
            #[must_use]
            pub fn config(&self) -> &$Config {
                &self.config
            }

            /// The same model with a new last layer, for so many classes: to transfer what was learnt.
            ///
            /// # Errors
            /// If there are none, or they do not fit into memory.
            #[track_caller]
            pub fn with_head(&self, classes: usize, rng: &mut $crate::rng::Rng) -> $crate::error::Result<Self> {
                $crate::models::vision::parts::check_head("with_head", classes)?;
                let mut model = self.clone();
                model.head = head(self.head.in_features(), classes, rng)?;
                model.config.num_classes = classes;
                Ok(model)
            }
        }

        impl $crate::layers::Layer for $Model {
            #[track_caller]
            fn forward(
                &self,
                x: &$crate::tensor::Tensor,
                mode: &mut $crate::layers::Mode<'_>,
            ) -> $crate::error::Result<$crate::tensor::Tensor> {
                let features = self.forward_features(x, mode)?;
                let features = $crate::layers::Layer::forward(&self.dropout, &features, mode)?;
                self.head.at($head, &features, mode)
            }
        }
    };
}
pub(super) use classifier;
