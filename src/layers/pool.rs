//! Pooling layers.

use super::core::{Layer, LayerConfig, Mode, described};
use crate::autograd::{PoolOptions, TargetSize};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::layout::Shape;

/// Windows by the names of their options, all of which all of them have.
fn config(options: &PoolOptions) -> LayerConfig {
    let sizes = LayerConfig::new().with("kernel", options.kernel.clone()).with("stride", options.stride.clone());
    let places = sizes.with("padding", options.padding.clone()).with("dilation", options.dilation.clone());
    let ends = places.with("ceil_mode", options.ceil_mode).with("count_include_pad", options.count_include_pad);
    ends.with("divisor_override", options.divisor)
}

#[track_caller]
fn from_config(options: &mut LayerConfig) -> Result<PoolOptions> {
    Ok(PoolOptions {
        kernel: options.take("kernel")?,
        stride: options.take("stride")?,
        padding: options.take("padding")?,
        dilation: options.take("dilation")?,
        ceil_mode: options.take("ceil_mode")?,
        count_include_pad: options.take("count_include_pad")?,
        divisor: options.take("divisor_override")?,
    })
}

/// Layers with windows. Those of a maximum have a dilation, those of a mean what it divides by.
macro_rules! windows {
    ($($(#[$doc:meta])* $Layer:ident $op:ident $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $Layer {
            options: PoolOptions,
        }

        crate::module!($Layer {}, plain { options });

        impl $Layer {
            /// Windows of this size, that far apart: a number for all dimensions, or one for each.
            #[must_use]
            pub fn new(kernel: impl Shape) -> Self {
                Self { options: PoolOptions::new(kernel) }
            }

            /// How far windows are apart; the size of one by default.
            #[must_use]
            pub fn stride(mut self, stride: impl Shape) -> Self {
                self.options = self.options.stride(stride);
                self
            }

            /// Places on each side of the input that are not there, at most half of the kernel; 0 by default.
            #[must_use]
            pub fn padding(mut self, padding: impl Shape) -> Self {
                self.options = self.options.padding(padding);
                self
            }

            /// Whether a last window may reach beyond the end; not by default.
            #[must_use]
            pub fn ceil_mode(mut self, ceil: bool) -> Self {
                self.options = self.options.ceil_mode(ceil);
                self
            }

            windows!(@ $kind);
        }

        described! { $Layer, |layer| config(&layer.options), |options, _| Self { options: from_config(options)? } }

        impl Layer for $Layer {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                mode.here(x.$op(&self.options))
            }
        }
    )*};
    (@ max) => {
        /// How far the places of a window are apart; 1 by default.
        #[must_use]
        pub fn dilation(mut self, dilation: impl Shape) -> Self {
            self.options = self.options.dilation(dilation);
            self
        }

        /// The options, for [`Tensor::max_pool2d_with_indices`] and its way back, [`Tensor::max_unpool2d`], and those of other numbers of
        /// dimensions.
        #[must_use]
        pub fn options(&self) -> &PoolOptions {
            &self.options
        }
    };
    (@ mean) => {
        /// Whether the padding counts, as zeros; it does by default.
        #[must_use]
        pub fn count_include_pad(mut self, count: bool) -> Self {
            self.options = self.options.count_include_pad(count);
            self
        }

        /// What the sum of a window is divided by, whatever its size.
        #[must_use]
        pub fn divisor_override(mut self, divisor: usize) -> Self {
            self.options = self.options.divisor_override(divisor);
            self
        }
    };
}

windows! {
    /// The largest number of each window of a sequence. See [`MaxPool2d`], and [`Tensor::max_pool1d`].
    ///
    /// # Shapes
    /// - input: `[batch, channels, length]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let y = MaxPool1d::new(2).predict(&tensor![[1.0, 5.0, 2.0, 3.0]])?;
    /// assert_eq!(y.to_vec::<f32>()?, [5.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    MaxPool1d max_pool1d max;

    /// The largest number of each window of an image. See [`Tensor::max_pool2d`], and [`PoolOptions`] for sizes.
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`, or without a batch
    /// - output: with `⌊(n + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1` places for `n`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let pool = MaxPool2d::new(3).stride(2).padding(1);
    /// assert_eq!(pool.predict(&Tensor::zeros([1, 64, 112, 112])?)?.shape(), [1, 64, 56, 56]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    MaxPool2d max_pool2d max;

    /// The largest number of each window of a volume. See [`MaxPool2d`], and [`Tensor::max_pool3d`].
    ///
    /// # Shapes
    /// - input: `[batch, channels, depth, height, width]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// assert_eq!(MaxPool3d::new(2).predict(&Tensor::zeros([1, 2, 4, 4, 6])?)?.shape(), [1, 2, 2, 2, 3]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    MaxPool3d max_pool3d max;

    /// The mean of each window of a sequence. See [`AvgPool2d`], and [`Tensor::avg_pool1d`].
    ///
    /// # Shapes
    /// - input: `[batch, channels, length]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let y = AvgPool1d::new(2).predict(&tensor![[1.0, 5.0, 2.0, 3.0]])?;
    /// assert_eq!(y.to_vec::<f32>()?, [3.0, 2.5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    AvgPool1d avg_pool1d mean;

    /// The mean of each window of an image. See [`Tensor::avg_pool2d`], and [`PoolOptions`] for sizes.
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`, or without a batch
    /// - output: with `⌊(n + 2 padding − kernel) / stride⌋ + 1` places for `n`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let pool = AvgPool2d::new(3).stride(1).padding(1).count_include_pad(false);
    /// assert_eq!(pool.predict(&Tensor::ones([1, 1, 4, 4])?)?.to_vec::<f32>()?, [1.0; 16]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    AvgPool2d avg_pool2d mean;

    /// The mean of each window of a volume. See [`AvgPool2d`], and [`Tensor::avg_pool3d`].
    ///
    /// # Shapes
    /// - input: `[batch, channels, depth, height, width]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// assert_eq!(AvgPool3d::new(2).predict(&Tensor::zeros([1, 2, 4, 4, 6])?)?.shape(), [1, 2, 2, 2, 3]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    AvgPool3d avg_pool3d mean;
}

macro_rules! norms {
    ($($(#[$doc:meta])* $Layer:ident $op:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $Layer {
            p: f64,
            options: PoolOptions,
        }

        crate::module!($Layer {}, plain { p, options });

        impl $Layer {
            /// The `p`-norm of windows of this size, that far apart.
            #[must_use]
            pub fn new(p: f64, kernel: impl Shape) -> Self {
                Self { p, options: PoolOptions::new(kernel) }
            }

            /// How far windows are apart; the size of one by default.
            #[must_use]
            pub fn stride(mut self, stride: impl Shape) -> Self {
                self.options = self.options.stride(stride);
                self
            }

            /// Whether a last window may reach beyond the end; not by default.
            #[must_use]
            pub fn ceil_mode(mut self, ceil: bool) -> Self {
                self.options = self.options.ceil_mode(ceil);
                self
            }
        }

        described! {
            $Layer,
            |layer| config(&layer.options).with("p", layer.p),
            |options, _| Self { p: options.take("p")?, options: from_config(options)? }
        }

        impl Layer for $Layer {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                mode.here(x.$op(self.p, &self.options))
            }
        }
    )*};
}

norms! {
    /// The norm of each window of a sequence, `(Σ xᵖ)^(1/p)`. See [`Tensor::lp_pool1d`].
    ///
    /// # Shapes
    /// - input: `[batch, channels, length]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// assert_eq!(LpPool1d::new(2.0, 2).predict(&tensor![[3.0, 4.0]])?.to_vec::<f32>()?, [5.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    LpPool1d lp_pool1d;

    /// The norm of each window of an image, `(Σ xᵖ)^(1/p)`. See [`Tensor::lp_pool2d`].
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// assert_eq!(LpPool2d::new(2.0, 2).predict(&Tensor::ones([1, 1, 2, 2])?)?.to_vec::<f32>()?, [2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    LpPool2d lp_pool2d;

    /// The norm of each window of a volume, `(Σ xᵖ)^(1/p)`. See [`Tensor::lp_pool3d`].
    ///
    /// # Shapes
    /// - input: `[batch, channels, depth, height, width]`, or without a batch
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// assert_eq!(LpPool3d::new(1.0, 2).predict(&Tensor::ones([1, 1, 2, 2, 2])?)?.to_vec::<f32>()?, [8.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    LpPool3d lp_pool3d;
}

macro_rules! adaptive {
    ($($Layer:ident $op:ident $dims:literal $of:literal $what:literal;)*) => {$(
        #[doc = concat!("The ", $what, " of windows that make up ", $of, ", as many as there are to be results, whatever the size of the input. See [`Tensor::", stringify!($op), "`].")]
        ///
        /// # Shapes
        #[doc = concat!("- input: `[batch, channels, ..]` with ", $dims, " more dimensions, or without a batch")]
        /// - output: with the given sizes for these
        ///
        /// ```
        /// use demotic::prelude::*;
        ///
        #[doc = concat!("let pool = ", stringify!($Layer), "::new(2);")]
        #[doc = concat!("let mut shape = vec![1, 3]; shape.extend([5; ", $dims, "]);")]
        #[doc = concat!("assert_eq!(pool.predict(&Tensor::ones(shape)?)?.shape()[2..], [2; ", $dims, "]);")]
        /// # Ok::<(), demotic::Error>(())
        /// ```
        #[derive(Debug, Clone)]
        pub struct $Layer {
            output: Vec<Option<usize>>,
        }

        crate::module!($Layer {}, plain { output });

        impl $Layer {
            /// A layer with an output of this size: a number for all dimensions, or one for each, of which those that are `None`
            /// stay as they are.
            #[must_use]
            pub fn new(output: impl TargetSize) -> Self {
                Self { output: output.target() }
            }
        }

        described! {
            $Layer,
            |layer| LayerConfig::new().with("output", layer.output.clone()),
            |options, _| Self { output: options.take("output")? }
        }

        impl Layer for $Layer {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                mode.here(x.$op(self.output.as_slice()))
            }
        }
    )*};
}

adaptive! {
    AdaptiveAvgPool1d adaptive_avg_pool1d 1 "a sequence" "means";
    AdaptiveAvgPool2d adaptive_avg_pool2d 2 "an image" "means";
    AdaptiveAvgPool3d adaptive_avg_pool3d 3 "a volume" "means";
    AdaptiveMaxPool1d adaptive_max_pool1d 1 "a sequence" "largest numbers";
    AdaptiveMaxPool2d adaptive_max_pool2d 2 "an image" "largest numbers";
    AdaptiveMaxPool3d adaptive_max_pool3d 3 "a volume" "largest numbers";
}

/// The mean of each channel over all places: Keras' `GlobalAveragePooling`, for sequences, images and volumes alike.
///
/// # Shapes
/// - input: `[batch, channels, ..]` with one to three more dimensions
/// - output: `[batch, channels]`
///
/// ```
/// use demotic::prelude::*;
///
/// let y = GlobalAvgPool.predict(&tensor![[[1.0, 2.0, 6.0]]])?;
/// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[1, 1][..], vec![3.0]));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GlobalAvgPool;

crate::module!(GlobalAvgPool {});

described! { GlobalAvgPool, |_layer| LayerConfig::new(), |_options, _| Self }

impl Layer for GlobalAvgPool {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(global("GlobalAvgPool", x, |x| match x.rank() {
            3 => x.adaptive_avg_pool1d(1),
            4 => x.adaptive_avg_pool2d(1),
            _ => x.adaptive_avg_pool3d(1),
        }))
    }
}

/// The largest number of each channel: Keras' `GlobalMaxPooling`, for sequences, images and volumes alike.
///
/// # Shapes
/// - input: `[batch, channels, ..]` with one to three more dimensions
/// - output: `[batch, channels]`
///
/// ```
/// use demotic::prelude::*;
///
/// let y = GlobalMaxPool.predict(&tensor![[[1.0, 2.0, 6.0]]])?;
/// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[1, 1][..], vec![6.0]));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GlobalMaxPool;

crate::module!(GlobalMaxPool {});

described! { GlobalMaxPool, |_layer| LayerConfig::new(), |_options, _| Self }

impl Layer for GlobalMaxPool {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(global("GlobalMaxPool", x, |x| match x.rank() {
            3 => x.adaptive_max_pool1d(1),
            4 => x.adaptive_max_pool2d(1),
            _ => x.adaptive_max_pool3d(1),
        }))
    }
}

#[track_caller]
fn global(name: &'static str, x: &Tensor, pool: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if !(3..=5).contains(&x.rank()) {
        let message =
            format!("the input has shape {:?}, expected [batch, channels, ..] with 3 to 5 dimensions", x.shape());
        return Err(Error::shape(name, message));
    }
    pool(x)?.reshape(&x.shape()[..2])
}
