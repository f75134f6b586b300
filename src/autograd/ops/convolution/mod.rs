//! Convolutions and transposed convolutions.
//!
//! The three products of a convolution, for its output and for both of its gradients, are the gradients of each other: so one
//! function with three roles has gradients of any order.

mod check;
mod options;
mod quantized;

pub use options::{ConvOptions, PaddingMode};
pub(crate) use quantized::patches;

use std::sync::{Mutex, PoisonError};

use crate::autograd::function::{Function, Saved, apply};
use crate::autograd::node::is_recorded;
use crate::autograd::per_example::no_rule;
use crate::autograd::{Ask, ExampleSink, Sink};
use crate::error::{Result, bug};
use crate::tensor::exec::conv::{self, Geometry};
use crate::tensor::{DType, Tensor};

pub(crate) use crate::tensor::exec::conv::{Finish, Packed};

/// # Convolutions
///
/// ```
/// use demotic::{ConvOptions, Tensor, tensor};
///
/// let options = ConvOptions::new();
/// let y = tensor![[1.0, 2.0, 4.0]].conv1d(&tensor![[[1.0, -1.0]]], None, &options)?;
/// assert_eq!(y.to_f64_vec(), [-1.0, -2.0]);
/// let back = y.conv_transpose1d(&tensor![[[1.0, -1.0]]], None, &options)?;
/// assert_eq!(back.to_f64_vec(), [-1.0, -1.0, 2.0]);
/// let (x, weight) = (Tensor::ones([1, 2, 4, 4, 4])?, Tensor::ones([3, 2, 2, 2, 2])?);
/// let y = x.conv3d(&weight, None, &ConvOptions::new().stride(2))?;
/// assert_eq!((y.shape(), y.max()?.item()?), (&[1, 3, 2, 2, 2][..], 16.0));
/// assert_eq!(y.conv_transpose3d(&weight, None, &ConvOptions::new().stride(2))?.shape(), x.shape());
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The convolution (as everywhere in deep learning, a cross-correlation) of signals with a kernel. See
    /// [`conv2d`](Self::conv2d), of which this is the form in one dimension.
    ///
    /// # Shapes
    /// - input: `[batch, channels, length]`, or `[channels, length]` for one example
    /// - `weight`: `[outputs, channels / groups, kernel]`, `bias`: `[outputs]`
    /// - output: `[batch, outputs, length']`
    ///
    /// # Errors
    /// As for [`conv2d`](Self::conv2d).
    #[track_caller]
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        convolution("conv1d", 1, self, weight, bias, options)
    }

    /// The convolution (as everywhere in deep learning, a cross-correlation) of pictures with a kernel: each output is the sum of the
    /// pixels under the kernel, in all channels of its group, times the weights, and the bias.
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`, or `[channels, height, width]` for one picture
    /// - `weight`: `[outputs, channels / groups, kernel height, kernel width]`, `bias`: `[outputs]`
    /// - output: `[batch, outputs, height', width']` with
    ///   `height' = (height + 2 · padding − dilation · (kernel height − 1) − 1) / stride + 1`, rounded down
    ///
    /// Types of 16 bits are computed in `F32` and rounded back. The result may lie in memory with the channels last.
    ///
    /// Gradients: for the input, the [transposed convolution](Self::conv_transpose2d) of the gradient with the weights; for the
    /// weights, the convolution of the input with the gradient; for the bias, the sum.
    ///
    /// # Errors
    /// If shapes or types do not fit, channels or outputs cannot be divided into the groups, a stride or dilation is 0, or the kernel
    /// is larger than the input with its padding.
    ///
    /// ```
    /// use demotic::{ConvOptions, DType, Tensor};
    ///
    /// let picture = Tensor::arange(9)?.to_dtype(DType::F32).reshape([1, 1, 3, 3])?;
    /// let kernel = Tensor::ones([1, 1, 2, 2])?;
    /// let sums = picture.conv2d(&kernel, None, &ConvOptions::new())?;
    /// assert_eq!(sums.to_vec::<f32>()?, [8.0, 12.0, 20.0, 24.0]);
    ///
    /// let halved = picture.conv2d(&kernel, None, &ConvOptions::new().stride(2).padding(1))?;
    /// assert_eq!(halved.to_vec::<f32>()?, [0.0, 3.0, 9.0, 24.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        convolution("conv2d", 2, self, weight, bias, options)
    }

    /// The convolution (as everywhere in deep learning, a cross-correlation) of volumes, or of films, with a kernel. See
    /// [`conv2d`](Self::conv2d), of which this is the form in three dimensions.
    ///
    /// # Shapes
    /// - input: `[batch, channels, depth, height, width]`, or `[channels, depth, height, width]` for one example
    /// - `weight`: `[outputs, channels / groups, kernel depth, kernel height, kernel width]`, `bias`: `[outputs]`
    /// - output: `[batch, outputs, depth', height', width']`
    ///
    /// # Errors
    /// As for [`conv2d`](Self::conv2d).
    #[track_caller]
    pub fn conv3d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        convolution("conv3d", 3, self, weight, bias, options)
    }

    /// The transposed convolution of signals. See [`conv_transpose2d`](Self::conv_transpose2d), of which this is the form in one
    /// dimension.
    ///
    /// # Shapes
    /// - input: `[batch, channels, length]`, or `[channels, length]` for one example
    /// - `weight`: `[channels, outputs / groups, kernel]`, `bias`: `[outputs]`
    /// - output: `[batch, outputs, length']`
    ///
    /// # Errors
    /// As for [`conv_transpose2d`](Self::conv_transpose2d).
    #[track_caller]
    pub fn conv_transpose1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        transposed("conv_transpose1d", 1, self, weight, bias, options)
    }

    /// The transposed convolution of pictures (also called deconvolution): each pixel adds the kernel, times its value, to the
    /// output, `stride` further on from one pixel to the next. With the same options and weights, it is the gradient of
    /// [`conv2d`](Self::conv2d) for its input, and takes outputs to inputs in shape.
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`, or `[channels, height, width]` for one picture
    /// - `weight`: `[channels, outputs / groups, kernel height, kernel width]`, `bias`: `[outputs]`
    /// - output: `[batch, outputs, height', width']` with
    ///   `height' = (height − 1) · stride − 2 · padding + dilation · (kernel height − 1) + output padding + 1`
    ///
    /// Types of 16 bits are computed in `F32` and rounded back.
    ///
    /// Gradients: the convolution of the gradient for the input, that of the gradient with the input for the weights.
    ///
    /// # Errors
    /// If shapes or types do not fit, channels or outputs cannot be divided into the groups, a stride or dilation is 0, the output
    /// padding is neither smaller than the stride nor than the dilation, or no output is left; and for padding that is not a number
    /// of zeros.
    ///
    /// ```
    /// use demotic::{ConvOptions, Tensor, tensor};
    ///
    /// let picture = tensor![[1.0, 2.0]].reshape([1, 1, 1, 2])?;
    /// let kernel = Tensor::ones([1, 1, 1, 2])?;
    /// let doubled = picture.conv_transpose2d(&kernel, None, &ConvOptions::new().stride([1, 2]))?;
    /// assert_eq!(doubled.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "deconvolution")]
    #[track_caller]
    pub fn conv_transpose2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        transposed("conv_transpose2d", 2, self, weight, bias, options)
    }

    /// The transposed convolution of volumes. See [`conv_transpose2d`](Self::conv_transpose2d), of which this is the form in three
    /// dimensions.
    ///
    /// # Shapes
    /// - input: `[batch, channels, depth, height, width]`, or `[channels, depth, height, width]` for one example
    /// - `weight`: `[channels, outputs / groups, kernel depth, kernel height, kernel width]`, `bias`: `[outputs]`
    /// - output: `[batch, outputs, depth', height', width']`
    ///
    /// # Errors
    /// As for [`conv_transpose2d`](Self::conv_transpose2d).
    #[track_caller]
    pub fn conv_transpose3d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        transposed("conv_transpose3d", 3, self, weight, bias, options)
    }
}

#[track_caller]
fn convolution(
    op: &'static str,
    dims: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions,
) -> Result<Tensor> {
    check::operands(op, dims, x, weight, bias)?;
    let numbers = options.numbers(op, dims, &weight.shape()[2..])?;
    let x = &check::with_batch(x, dims)?;
    let (x, geometry) = check::forward(op, dims, x, weight, bias, &numbers, options.mode())?;
    run(Convolution { dims, geometry, role: Role::Output }, &x, weight, bias)
}

/// A convolution of a model that is used, not trained, with what becomes of its sums: not recorded, and with weights that `kept`
/// packs once for as long as they are the same. `None` if that does not go with such operands.
#[track_caller]
pub(crate) fn predicted(
    op: &'static str,
    dims: usize,
    x: &Tensor,
    weight: &Tensor,
    options: &ConvOptions,
    kept: &Mutex<Option<Packed>>,
    finish: Finish<'_>,
) -> Result<Option<Tensor>> {
    let operands: Vec<&Tensor> = [Some(x), Some(weight), finish.bias, finish.beside].into_iter().flatten().collect();
    if is_recorded(&operands) || x.dtype() != DType::F32 || weight.dtype() != DType::F32 || x.rank() != dims + 2 {
        return Ok(None);
    }
    check::operands(op, dims, x, weight, finish.bias)?;
    let numbers = options.numbers(op, dims, &weight.shape()[2..])?;
    let x = &check::with_batch(x, dims)?;
    let ((x, _), geometry) = check::forward(op, dims, x, weight, finish.bias, &numbers, options.mode())?;
    let of_output = |x: &Tensor| x.shape()[..2] == [geometry.batch, geometry.outputs] && x.dtype() == DType::F32;
    let fits = finish.beside.is_none_or(|x| of_output(x) && x.shape()[2..] == geometry.output[3 - dims..]);
    if !fits || finish.bias.is_some_and(|bias| !bias.is_contiguous()) {
        return Ok(None);
    }
    let _timer = crate::profile::op(op);
    let known = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let packed = match known.filter(|kept| kept.is_of(&geometry, weight)) {
        Some(packed) => packed,
        None => {
            // Not under the lock: while threads pack, one of them may take up a job that asks for the same weights.
            let Some(packed) = Packed::new(&geometry, weight)? else { return Ok(None) };
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(packed.clone());
            packed
        }
    };
    conv::finished(&geometry, &x, &packed, finish).map(Some)
}

#[track_caller]
fn transposed(
    op: &'static str,
    dims: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions,
) -> Result<Tensor> {
    check::operands(op, dims, x, weight, bias)?;
    let numbers = options.numbers(op, dims, &weight.shape()[2..])?;
    let x = &check::with_batch(x, dims)?;
    let geometry = check::transposed(op, dims, x, weight, bias, &numbers, options.mode())?;
    run(Convolution { dims, geometry, role: Role::Input }, x, weight, bias)
}

/// Runs it, and takes away the batch that one example was made.
#[track_caller]
fn run(function: Convolution, (x, single): &(Tensor, bool), weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let out = match bias {
        Some(bias) => apply(function, &[x, weight, bias])?,
        None => apply(function, &[x, weight])?,
    };
    if *single { out.squeeze(0) } else { Ok(out) }
}

/// Which of three tensors is computed from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The convolution, of an input, weights, and perhaps a bias.
    Output,
    /// The transposed convolution, of an output, weights, and perhaps a bias.
    Input,
    /// The gradient of the weights, of an input and an output.
    Weight,
}

struct Convolution {
    dims: usize,
    geometry: Geometry,
    role: Role,
}

impl Convolution {
    /// Another of the three, for the same sizes.
    #[track_caller]
    fn other(&self, role: Role, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        apply(Self { dims: self.dims, geometry: self.geometry, role }, &[a, b])
    }

    /// The gradients of both operands.
    fn slopes(&self, saved: &Saved<'_>, grad: &Tensor, wants: [bool; 2]) -> Result<[Option<Tensor>; 2]> {
        let [a, b] = [&saved.inputs()[0], &saved.inputs()[1]];
        let [of_a, of_b] = match self.role {
            Role::Output => [(Role::Input, [grad, b]), (Role::Weight, [a, grad])],
            Role::Input => [(Role::Output, [grad, b]), (Role::Weight, [grad, a])],
            Role::Weight => [(Role::Input, [b, grad]), (Role::Output, [a, grad])],
        };
        let slope = |wanted: bool, (role, [a, b]): (Role, [&Tensor; 2])| {
            if wanted { self.other(role, a, b).map(Some) } else { Ok(None) }
        };
        Ok([slope(wants[0], of_a)?, slope(wants[1], of_b)?])
    }
}

/// The sum of each channel.
fn sum_of_channels(x: &Tensor) -> Result<Tensor> {
    let rank = x.rank() as isize;
    let last: Vec<isize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    let turned = x.permute(&last)?;
    // In the order in which they lie in memory.
    if turned.is_contiguous() {
        return turned.sum_dims(&(0..rank - 1).collect::<Vec<_>>(), false);
    }
    x.sum_dims(&pixels(x.rank(), true), false)
}

/// All dimensions but that of the channels, and, with `examples`, that of the examples.
fn pixels(rank: usize, examples: bool) -> Vec<isize> {
    (0..rank as isize).filter(|d| *d != 1 && (examples || *d != 0)).collect()
}

/// The squared norm of the gradient of the weights of each example.
fn squares_by_pairs(g: &Geometry, dims: usize, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let outputs = g.outputs / g.groups;
    let mut sum: Option<Tensor> = None;
    for (group, x) in quantized::columns(g, dims, x)?.into_iter().enumerate() {
        let y = y.narrow(1, group * outputs, outputs)?.reshape([g.batch, outputs, g.area()])?;
        let pairs = y.t().matmul(&y)?.mul(&x.matmul(&x.t())?)?.sum_dims(&[1, 2], false)?;
        sum = Some(match sum {
            Some(sum) => sum.add(&pairs)?,
            None => pairs,
        });
    }
    // Rounding may take a sum of nearly 0 below it.
    sum.map(|sum| sum.clamp_min(0.0)).ok_or_else(|| bug!("conv", "a convolution without groups"))
}

impl Function for Convolution {
    fn name(&self) -> &'static str {
        match (self.role, self.dims) {
            (Role::Output, 1) => "conv1d",
            (Role::Output, 2) => "conv2d",
            (Role::Output, _) => "conv3d",
            (Role::Input, 1) => "conv_transpose1d",
            (Role::Input, 2) => "conv_transpose2d",
            (Role::Input, _) => "conv_transpose3d",
            (Role::Weight, _) => "conv_weight",
        }
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let (g, bias) = (&self.geometry, inputs.get(2).copied());
        match self.role {
            Role::Output => conv::forward(g, inputs[0], inputs[1], bias),
            Role::Input => conv::input(g, inputs[0], inputs[1], bias),
            Role::Weight => conv::weight(g, inputs[0], inputs[1]),
        }
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let slopes = self.slopes(saved, grad, [sink.wants(0), sink.wants(1)])?;
        for (i, slope) in slopes.into_iter().enumerate() {
            if let Some(slope) = slope {
                sink.give(i, slope)?;
            }
        }
        if sink.wants(2) {
            sink.give(2, sum_of_channels(grad)?)?;
        }
        Ok(())
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        if self.role == Role::Weight {
            return Err(no_rule(self.name()));
        }
        if let [Some(slope), _] = self.slopes(saved, grad, [sink.wants(0), false])? {
            sink.give_apart(0, slope)?;
        }
        if sink.wants(1) {
            let x = &saved.inputs()[0];
            let [input, output] = if self.role == Role::Output { [x, grad] } else { [grad, x] };
            // The gradient of an example is the product of what lies under the kernel and the gradient of the output, over all places;
            // its norm that of all pairs of places, which is less work where weights are many.
            let g = &self.geometry;
            let (places, features, outputs) = (g.area(), g.depth(), g.outputs / g.groups.max(1));
            let pairs = self.dims < 3 && places.saturating_mul(features + outputs) < features.saturating_mul(outputs);
            match sink.asks(1) {
                Ask::SquaredNorm if pairs => sink.give_shared(1, squares_by_pairs(g, self.dims, input, output)?)?,
                _ => sink.give_each(1, conv::weights_of_examples(g, input, output)?)?,
            }
        }
        if sink.wants(2) {
            sink.give_each(2, grad.sum_dims(&pixels(grad.rank(), false), false)?)?;
        }
        Ok(())
    }
}
