//! Convolutions and transposed convolutions as layers.

use std::fmt;

use super::Count;
use super::conv_norm::{Kept, Parts};
use super::core::{ConvKind, Init, Layer, LayerConfig, Mode, Param, Weight, described};
use crate::autograd::{ConvOptions, Finish, PaddingMode};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{Shape, Tensor};

/// A layer: its documentation, the number of its spatial dimensions, the operation, whether that is a transposed one, and the
/// options that only one of the two kinds has.
macro_rules! layer {
    ($(#[$doc:meta])* $name:ident, $dims:literal, $op:ident, $transposed:tt) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            #[doc = layer!(@shape $transposed)]
            pub weight: Weight,
            /// `[out_channels]`.
            pub bias: Option<Param>,
            options: ConvOptions,
            kept: Kept,
        }

        crate::module!($name { weight, bias }, plain { options, kept });

        impl $name {
            /// A layer with a bias, stride 1 and no padding. The kernel is one number, or one for each spatial dimension.
            ///
            /// # Errors
            /// If a number is zero, there are not as many as dimensions, or the weights do not fit into memory.
            #[track_caller]
            pub fn new(in_channels: usize, out_channels: usize, kernel: impl Shape, rng: &mut Rng) -> Result<Self> {
                Self::with_options(in_channels, out_channels, kernel, ConvOptions::new(), rng)
            }

            /// The same with these options, of which the number of groups decides how many weights there are.
            ///
            /// # Errors
            /// As for [`new`](Self::new), or if the channels cannot be divided into the groups.
            #[track_caller]
            pub fn with_options(
                in_channels: usize,
                out_channels: usize,
                kernel: impl Shape,
                options: ConvOptions,
                rng: &mut Rng,
            ) -> Result<Self> {
                let channels = [in_channels, out_channels];
                let name = concat!(stringify!($name), "::new");
                let [weight, bias] = initial(name, $transposed, $dims, channels, kernel.sizes(), &options, rng)?;
                Ok(Self { weight: Weight::new(weight)?, bias: Some(Param::new(bias)?), options, kept: Kept::default() })
            }

            /// How far the kernel moves from one output to the next: [`ConvOptions::stride`].
            #[must_use]
            pub fn stride(self, stride: impl Shape) -> Self {
                Self { options: self.options.stride(stride), ..self }
            }

            /// How many places are added at each end: [`ConvOptions::padding`].
            #[must_use]
            pub fn padding(self, padding: impl Shape) -> Self {
                Self { options: self.options.padding(padding), ..self }
            }

            /// How far apart the places of the kernel are: [`ConvOptions::dilation`].
            #[must_use]
            pub fn dilation(self, dilation: impl Shape) -> Self {
                Self { options: self.options.dilation(dilation), ..self }
            }

            /// The same layer with channels and outputs in so many groups that see only each other
            /// ([`ConvOptions::groups`]). It has fewer weights, which are drawn anew.
            ///
            /// # Errors
            /// If the channels or outputs cannot be divided into the groups.
            #[track_caller]
            pub fn groups(self, groups: usize, rng: &mut Rng) -> Result<Self> {
                let (channels, kernel) = ([self.in_channels(), self.out_channels()], &self.weight.shape()[2..]);
                let options = self.options.clone().groups(groups);
                let name = concat!(stringify!($name), "::groups");
                let [weight, bias] = initial(name, $transposed, $dims, channels, kernel, &options, rng)?;
                let bias = self.bias.map(|_| Param::new(bias)).transpose()?;
                Ok(Self { weight: Weight::new(weight)?, bias, options, kept: Kept::default() })
            }

            layer!(@options $transposed);

            /// The same layer without a bias.
            #[must_use]
            pub fn without_bias(mut self) -> Self {
                self.bias = None;
                self
            }

            /// The same layer with other initial weights; the bias is set to zero.
            ///
            /// # Errors
            /// If the scheme's options make no sense.
            #[track_caller]
            pub fn with_init(mut self, init: Init, rng: &mut Rng) -> Result<Self> {
                self.weight.set(&init.tensor(self.weight.shape(), rng)?.to_dtype(self.weight.dtype()))?;
                if let Some(bias) = &mut self.bias {
                    bias.set(&bias.zeros_like())?;
                }
                Ok(self)
            }

            /// The options that the layer was given.
            #[must_use]
            pub fn options(&self) -> &ConvOptions {
                &self.options
            }

            /// The number of channels that an input has.
            #[must_use]
            pub fn in_channels(&self) -> usize {
                channels(&self.weight, &self.options, $transposed)[0]
            }

            /// The number of channels that an output has.
            #[must_use]
            pub fn out_channels(&self) -> usize {
                channels(&self.weight, &self.options, $transposed)[1]
            }
        }

        described! {
            $name,
            |layer| config(&layer.weight, layer.bias.is_some(), &layer.options, $transposed)?,
            |options, rng| {
                let (channels, kernel, given) = from_config(options)?;
                let layer = Self::with_options(channels[0], channels[1], kernel, given, rng)?;
                if options.take("bias")? { layer } else { layer.without_bias() }
            },
            |sizes| least(sizes)
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                layer!(@used self, x, mode, $transposed);
                // Not a closure, in which the caller's line would be lost.
                if let Err(e) = self.weight.begin_pass(mode) {
                    return mode.here(Err(e));
                }
                mode.here(self.weight.convolve(ConvKind::$name, x, self.bias.as_deref(), &self.options))
            }

            layer!(@together $transposed);
        }

        layer!(@parts $name, $op, $dims, $transposed);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                describe(f, stringify!($name), $transposed, &self.weight, self.bias.is_some(), &self.options)
            }
        }
    };
    (@used $self:ident, $x:ident, $mode:ident, false) => {
        if let Some(y) = $mode.here($self.parts().used($x, Finish::default(), $mode))? {
            return Ok(y);
        }
    };
    (@used $self:ident, $x:ident, $mode:ident, true) => {
        // Their weights are not kept.
        let _ = &$self.kept;
    };
    (@together false) => {
        fn with_next(&self, next: &[Box<dyn Layer>], x: &Tensor, mode: &Mode<'_>) -> Option<(Tensor, usize)> {
            self.parts().with_next(next, x, mode)
        }
    };
    (@together true) => {};
    (@parts $name:ident, $op:ident, $dims:literal, false) => {
        impl $name {
            pub(super) fn parts(&self) -> Parts<'_> {
                let Self { weight, bias, options, kept } = self;
                Parts { name: stringify!($op), dims: $dims, weight, bias: bias.as_deref(), options, kept }
            }
        }
    };
    (@parts $name:ident, $op:ident, $dims:literal, true) => {};
    (@shape false) => { "`[out_channels, in_channels / groups, kernel…]`." };
    (@shape true) => { "`[in_channels, out_channels / groups, kernel…]`." };
    (@options false) => {
        /// Says that there are so many groups, for weights that have become as many.
        pub(crate) fn set_groups(&mut self, groups: usize) {
            self.options = self.options.clone().groups(groups);
        }

        /// As many places are added as are needed for an output of the size of the input: [`ConvOptions::same`].
        #[must_use]
        pub fn same(self) -> Self {
            Self { options: self.options.same(), ..self }
        }

        /// What stands in the places that are added: [`ConvOptions::padding_mode`].
        #[must_use]
        pub fn padding_mode(self, mode: PaddingMode) -> Self {
            Self { options: self.options.padding_mode(mode), ..self }
        }
    };
    (@options true) => {
        /// How many places the output has beyond the least: [`ConvOptions::output_padding`].
        #[must_use]
        pub fn output_padding(self, padding: impl Shape) -> Self {
            Self { options: self.options.output_padding(padding), ..self }
        }
    };
}

layer! {
    /// A convolution of signals: every output is a weighted sum of all channels of a few neighbouring places, with the same weights
    /// everywhere. See [`Tensor::conv1d`].
    ///
    /// # Shapes
    /// - input: `[batch, in_channels, length]`, or `[in_channels, length]`
    /// - output: `[batch, out_channels, length']`
    /// - `weight`: `[out_channels, in_channels / groups, kernel]`, `bias`: `[out_channels]`
    ///
    /// Both start out evenly distributed in `±1/√(in_channels / groups · kernel)`, as in PyTorch.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let layer = Conv1d::new(4, 8, 3, &mut Rng::seed(0))?.same();
    /// assert_eq!(layer.predict(&Tensor::zeros([2, 4, 100])?)?.shape(), [2, 8, 100]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Conv1d, 1, conv1d, false
}

layer! {
    /// A convolution of pictures: every output is a weighted sum of all channels of the pixels around a place, with the same weights
    /// everywhere. See [`Tensor::conv2d`].
    ///
    /// # Shapes
    /// - input: `[batch, in_channels, height, width]`, or `[in_channels, height, width]`
    /// - output: `[batch, out_channels, height', width']` with
    ///   `height' = (height + 2 · padding − dilation · (kernel − 1) − 1) / stride + 1`, rounded down
    /// - `weight`: `[out_channels, in_channels / groups, kernel height, kernel width]`, `bias`: `[out_channels]`
    ///
    /// Both start out evenly distributed in `±1/√(in_channels / groups · kernel height · kernel width)`, as in PyTorch.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let layer = Conv2d::new(3, 64, 7, &mut rng)?.stride(2).padding(3).without_bias();
    /// assert_eq!(layer.predict(&Tensor::zeros([1, 3, 32, 32])?)?.shape(), [1, 64, 16, 16]);
    ///
    /// let depthwise = Conv2d::new(8, 8, 3, &mut rng)?.same().groups(8, &mut rng)?;
    /// assert_eq!(depthwise.weight.shape(), [8, 1, 3, 3]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Conv2d, 2, conv2d, false
}

layer! {
    /// A convolution of volumes, or of films. See [`Tensor::conv3d`].
    ///
    /// # Shapes
    /// - input: `[batch, in_channels, depth, height, width]`, or the same without a batch
    /// - output: `[batch, out_channels, depth', height', width']`
    /// - `weight`: `[out_channels, in_channels / groups, kernel depth, kernel height, kernel width]`, `bias`: `[out_channels]`
    ///
    /// Both start out evenly distributed in `±1/√(in_channels / groups · size of the kernel)`, as in PyTorch.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let layer = Conv3d::new(1, 4, [1, 3, 3], &mut Rng::seed(0))?;
    /// assert_eq!(layer.predict(&Tensor::zeros([2, 1, 5, 8, 8])?)?.shape(), [2, 4, 5, 6, 6]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Conv3d, 3, conv3d, false
}

layer! {
    /// A transposed convolution of signals, which makes them longer. See [`Tensor::conv_transpose1d`].
    ///
    /// # Shapes
    /// - input: `[batch, in_channels, length]`, or `[in_channels, length]`
    /// - output: `[batch, out_channels, length']`
    /// - `weight`: `[in_channels, out_channels / groups, kernel]`, `bias`: `[out_channels]`
    ///
    /// Both start out evenly distributed in `±1/√(out_channels / groups · kernel)`, as in PyTorch.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let layer = ConvTranspose1d::new(4, 2, 2, &mut Rng::seed(0))?.stride(2);
    /// assert_eq!(layer.predict(&Tensor::zeros([1, 4, 10])?)?.shape(), [1, 2, 20]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ConvTranspose1d, 1, conv_transpose1d, true
}

layer! {
    /// A transposed convolution of pictures, which makes them larger. See [`Tensor::conv_transpose2d`].
    ///
    /// # Shapes
    /// - input: `[batch, in_channels, height, width]`, or `[in_channels, height, width]`
    /// - output: `[batch, out_channels, height', width']` with
    ///   `height' = (height − 1) · stride − 2 · padding + dilation · (kernel − 1) + output padding + 1`
    /// - `weight`: `[in_channels, out_channels / groups, kernel height, kernel width]`, `bias`: `[out_channels]`
    ///
    /// Both start out evenly distributed in `±1/√(out_channels / groups · kernel height · kernel width)`, as in PyTorch.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let layer = ConvTranspose2d::new(16, 3, 4, &mut Rng::seed(0))?.stride(2).padding(1);
    /// assert_eq!(layer.predict(&Tensor::zeros([1, 16, 7, 7])?)?.shape(), [1, 3, 14, 14]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ConvTranspose2d, 2, conv_transpose2d, true
}

layer! {
    /// A transposed convolution of volumes, which makes them larger. See [`Tensor::conv_transpose3d`].
    ///
    /// # Shapes
    /// - input: `[batch, in_channels, depth, height, width]`, or the same without a batch
    /// - output: `[batch, out_channels, depth', height', width']`
    /// - `weight`: `[in_channels, out_channels / groups, kernel depth, kernel height, kernel width]`, `bias`: `[out_channels]`
    ///
    /// Both start out evenly distributed in `±1/√(out_channels / groups · size of the kernel)`, as in PyTorch.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let layer = ConvTranspose3d::new(4, 2, 2, &mut Rng::seed(0))?.stride(2);
    /// assert_eq!(layer.predict(&Tensor::zeros([1, 4, 2, 3, 3])?)?.shape(), [1, 2, 4, 6, 6]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ConvTranspose3d, 3, conv_transpose3d, true
}

/// Initial weights and a bias for these channels of input and output.
#[track_caller]
fn initial(
    op: &'static str,
    transposed: bool,
    dims: usize,
    [inputs, outputs]: [usize; 2],
    kernel: &[usize],
    options: &ConvOptions,
    rng: &mut Rng,
) -> Result<[Tensor; 2]> {
    let groups = options.group_count();
    if inputs == 0 || outputs == 0 {
        let message = format!("{inputs} input and {outputs} output channels, expected at least 1 of each");
        return Err(Error::argument(op, message));
    }
    if groups == 0 || inputs % groups != 0 || outputs % groups != 0 {
        let message = format!("{inputs} input and {outputs} output channels cannot be divided into {groups} groups");
        return Err(Error::argument(op, message));
    }
    if (kernel.len() != 1 && kernel.len() != dims) || kernel.contains(&0) {
        let message = format!("a kernel of {kernel:?}, expected one number or {dims}, of at least 1");
        return Err(Error::argument(op, message));
    }
    let [first, second] = if transposed { [inputs, outputs / groups] } else { [outputs, inputs / groups] };
    let mut shape = vec![first, second];
    shape.extend((0..dims).map(|d| kernel[d % kernel.len()]));
    let fan = shape[1..].iter().fold(1, |fan: usize, n| fan.saturating_mul(*n));
    let init = Init::pytorch_default(fan);
    Ok([init.tensor(&shape, rng)?, init.tensor(&[outputs], rng)?])
}

/// The channels of inputs and of outputs.
fn channels(weight: &Weight, options: &ConvOptions, transposed: bool) -> [usize; 2] {
    let (first, second) = (weight.shape()[0], weight.shape()[1] * options.group_count());
    if transposed { [first, second] } else { [second, first] }
}

#[track_caller]
fn config(weight: &Weight, bias: bool, options: &ConvOptions, transposed: bool) -> Result<LayerConfig> {
    weight.expect_plain("config")?;
    let [inputs, outputs] = channels(weight, options, transposed);
    let sizes = LayerConfig::new().with("in_channels", inputs).with("out_channels", outputs);
    let sizes = sizes.with("kernel", &weight.shape()[2..]).with("groups", options.group_count()).with("bias", bias);
    let places = sizes.with("stride", &*options.stride).with("dilation", &*options.dilation);
    let places = places.with("padding", options.margins()).with_form("padding_mode", &options.mode());
    Ok(places.with("output_padding", &*options.output_padding))
}

/// Channels of input and output, kernel, and options.
#[track_caller]
fn from_config(config: &mut LayerConfig) -> Result<([usize; 2], Vec<usize>, ConvOptions)> {
    let channels = [config.take("in_channels")?, config.take("out_channels")?];
    let mut options = ConvOptions::new().groups(config.take("groups")?);
    options = options.stride(config.take::<Vec<usize>>("stride")?).dilation(config.take::<Vec<usize>>("dilation")?);
    options = match config.take::<Option<Vec<usize>>>("padding")? {
        Some(padding) => options.padding(padding),
        None => options.same(),
    };
    options = options.padding_mode(config.take("padding_mode")?);
    options = options.output_padding(config.take::<Vec<usize>>("output_padding")?);
    Ok((channels, config.take("kernel")?, options))
}

/// How many weights there are at least.
fn least(config: &LayerConfig) -> Count {
    let (channels, groups) = (config.size("in_channels") * config.size("out_channels"), config.size("groups").get());
    Count::new(channels.get() / groups.max(1)) * config.product("kernel")
}

fn describe(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    transposed: bool,
    weight: &Weight,
    bias: bool,
    options: &ConvOptions,
) -> fmt::Result {
    let ([inputs, outputs], kernel) = (channels(weight, options, transposed), &weight.shape()[2..]);
    let bias = if bias { "" } else { ", no bias" };
    write!(f, "{name}({inputs} → {outputs}, kernel {kernel:?}{}{bias})", options.described(kernel.len()))
}
