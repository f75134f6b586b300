//! Layers that change the size of images, and take them apart.

use super::core::{Layer, LayerConfig, Mode, described};
use crate::autograd::{Factors, InterpolateOptions, Interpolation, UnfoldOptions};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::layout::Shape;

/// Makes sequences, images and volumes larger or smaller. See [`Tensor::interpolate`], and [`InterpolateOptions`] for the options.
///
/// # Shapes
/// - input: `[batch, channels, ..]` with one to three more dimensions
/// - output: with the given sizes for these, or `⌊factor n⌋` for `n`
///
/// ```
/// use demotic::autograd::Interpolation;
/// use demotic::prelude::*;
///
/// let up = Upsample::scale(2.0).mode(Interpolation::Linear);
/// assert_eq!(up.predict(&Tensor::ones([1, 3, 8, 6])?)?.shape(), [1, 3, 16, 12]);
/// assert_eq!(Upsample::size([5, 7]).predict(&Tensor::ones([1, 3, 8, 6])?)?.shape(), [1, 3, 5, 7]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Upsample {
    options: InterpolateOptions,
}

crate::module!(Upsample {}, plain { options });

impl Upsample {
    /// A layer that makes images of this size.
    #[must_use]
    pub fn size(size: impl Shape) -> Self {
        Self { options: InterpolateOptions::size(size) }
    }

    /// A layer that makes images larger by this factor.
    #[must_use]
    pub fn scale(factors: impl Factors) -> Self {
        Self { options: InterpolateOptions::scale(factors) }
    }

    /// How numbers between places are found; [`Interpolation::Nearest`] by default.
    #[must_use]
    pub fn mode(mut self, mode: Interpolation) -> Self {
        self.options = self.options.mode(mode);
        self
    }

    /// Whether the centres of the outermost places stay where they are; not by default.
    #[must_use]
    pub fn align_corners(mut self, align: bool) -> Self {
        self.options = self.options.align_corners(align);
        self
    }

    /// Whether places are found by the sizes that the factors lead to; not by default.
    #[must_use]
    pub fn recompute_scale_factor(mut self, recompute: bool) -> Self {
        self.options = self.options.recompute_scale_factor(recompute);
        self
    }
}

described! {
    Upsample,
    |layer| {
        let (size, factors) = layer.options.target();
        let target = LayerConfig::new().with("size", size).with("scale_factor", factors);
        let options = target.with_form("mode", &layer.options.mode).with("align_corners", layer.options.align_corners);
        options.with("recompute_scale_factor", layer.options.recompute)
    },
    |options, _| {
        let size: Option<Vec<usize>> = options.take("size")?;
        let factors: Option<Vec<f64>> = options.take("scale_factor")?;
        let layer = match (size, factors) {
            (Some(size), None) => Self::size(size),
            (None, Some(factors)) => Self::scale(&*factors),
            _ => return Err(Error::format("from_config", "an Upsample with both or none of `size` and `scale_factor`")),
        };
        let layer = layer.mode(options.take("mode")?).align_corners(options.take("align_corners")?);
        layer.recompute_scale_factor(options.take("recompute_scale_factor")?)
    },
}

impl Layer for Upsample {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.interpolate(&self.options))
    }
}

/// Makes images of fewer channels and more places: `[.., c r², h, w]` becomes `[.., c, h r, w r]` (Shi et al., *Real-Time Single Image and
/// Video Super-Resolution*, 2016). See [`Tensor::pixel_shuffle`].
///
/// ```
/// use demotic::prelude::*;
///
/// assert_eq!(PixelShuffle::new(2).predict(&Tensor::ones([1, 12, 4, 4])?)?.shape(), [1, 3, 8, 8]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PixelShuffle {
    factor: usize,
}

crate::module!(PixelShuffle {}, plain { factor });

impl PixelShuffle {
    /// A layer that makes images larger by this factor.
    #[must_use]
    pub fn new(factor: usize) -> Self {
        Self { factor }
    }
}

described! {
    PixelShuffle,
    |layer| LayerConfig::new().with("factor", layer.factor),
    |options, _| Self::new(options.take("factor")?),
}

impl Layer for PixelShuffle {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.pixel_shuffle(self.factor))
    }
}

/// The inverse of [`PixelShuffle`]: `[.., c, h r, w r]` becomes `[.., c r², h, w]`. See [`Tensor::pixel_unshuffle`].
///
/// ```
/// use demotic::prelude::*;
///
/// assert_eq!(PixelUnshuffle::new(2).predict(&Tensor::ones([1, 3, 8, 8])?)?.shape(), [1, 12, 4, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PixelUnshuffle {
    factor: usize,
}

crate::module!(PixelUnshuffle {}, plain { factor });

impl PixelUnshuffle {
    /// A layer that makes images smaller by this factor.
    #[must_use]
    pub fn new(factor: usize) -> Self {
        Self { factor }
    }
}

described! {
    PixelUnshuffle,
    |layer| LayerConfig::new().with("factor", layer.factor),
    |options, _| Self::new(options.take("factor")?),
}

impl Layer for PixelUnshuffle {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.pixel_unshuffle(self.factor))
    }
}

fn config(options: &UnfoldOptions) -> LayerConfig {
    let sizes = LayerConfig::new().with("kernel", options.kernel.clone()).with("stride", options.stride.clone());
    sizes.with("padding", options.padding.clone()).with("dilation", options.dilation.clone())
}

#[track_caller]
fn from_config(options: &mut LayerConfig) -> Result<UnfoldOptions> {
    Ok(UnfoldOptions {
        kernel: options.take("kernel")?,
        stride: options.take("stride")?,
        padding: options.take("padding")?,
        dilation: options.take("dilation")?,
    })
}

macro_rules! windows {
    ($($Layer:ident)*) => {$(
        impl $Layer {
            /// How far windows are apart; 1 by default.
            #[must_use]
            pub fn stride(mut self, stride: impl Shape) -> Self {
                self.options = self.options.stride(stride);
                self
            }

            /// Zeros on each side of the image; none by default.
            #[must_use]
            pub fn padding(mut self, padding: impl Shape) -> Self {
                self.options = self.options.padding(padding);
                self
            }

            /// How far the places of a window are apart; 1 by default.
            #[must_use]
            pub fn dilation(mut self, dilation: impl Shape) -> Self {
                self.options = self.options.dilation(dilation);
                self
            }
        }
    )*};
}

windows!(Unfold Fold);

/// The windows of images as columns: `[batch, channels, height, width]` becomes `[batch, channels · kernel, windows]`. See
/// [`Tensor::im2col`].
///
/// ```
/// use demotic::prelude::*;
///
/// assert_eq!(Unfold::new(3).predict(&Tensor::ones([2, 3, 5, 6])?)?.shape(), [2, 27, 12]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Unfold {
    options: UnfoldOptions,
}

crate::module!(Unfold {}, plain { options });

impl Unfold {
    /// Windows of this size.
    #[must_use]
    pub fn new(kernel: impl Shape) -> Self {
        Self { options: UnfoldOptions::new(kernel) }
    }
}

described! { Unfold, |layer| config(&layer.options), |options, _| Self { options: from_config(options)? } }

impl Layer for Unfold {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.im2col(&self.options))
    }
}

/// The sum of windows at their places: `[batch, channels · kernel, windows]` becomes `[batch, channels, height, width]`. See
/// [`Tensor::col2im`].
///
/// ```
/// use demotic::prelude::*;
///
/// assert_eq!(Fold::new([5, 6], 3).predict(&Tensor::ones([2, 27, 12])?)?.shape(), [2, 3, 5, 6]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fold {
    size: [usize; 2],
    options: UnfoldOptions,
}

crate::module!(Fold {}, plain { size, options });

impl Fold {
    /// Images of this height and width, of windows of this size.
    #[must_use]
    pub fn new(size: [usize; 2], kernel: impl Shape) -> Self {
        Self { size, options: UnfoldOptions::new(kernel) }
    }
}

described! {
    Fold,
    |layer| config(&layer.options).with("size", layer.size),
    |options, _| Self { size: options.take("size")?, options: from_config(options)? },
}

impl Layer for Fold {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(x.col2im(self.size, &self.options))
    }
}
