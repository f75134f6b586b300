//! Convolutions with weights of a few bits a number, and what their products are made of.

use super::{Convolution, Role, check, convolution};
use crate::autograd::function::apply;
use crate::autograd::{ConvOptions, UnfoldOptions, record};
use crate::error::{Error, Result};
use crate::tensor::exec::conv::Geometry;
use crate::tensor::exec::quantized as exec;
use crate::tensor::{QTensor, Scheme, Tensor};

/// # Convolutions
impl QTensor {
    /// The convolution of pictures with a kernel of this size; a row of these weights has all numbers of an output.
    ///
    /// In [`Int8`](Scheme::Int8), each picture is rounded to eight bits with a scale of its own, and everything up to the sums is whole
    /// numbers; in other schemes, pictures are multiplied by the numbers that the weights stand for. Gradient, of `x` and `bias`: that of
    /// a convolution with these weights, as if nothing were rounded.
    ///
    /// # Shapes
    /// - the weights: `[outputs, channels / groups · kernel height · kernel width]`
    /// - `x`: `[batch, channels, height, width]`, or one picture; of any floating-point type; nothing is rounded in `F64`
    /// - output: as of [`Tensor::conv2d`]
    ///
    /// # Errors
    /// If shapes, types or options do not fit.
    ///
    /// ```
    /// use demotic::prelude::*;
    /// use demotic::tensor::{QTensor, Scheme};
    ///
    /// let mut rng = Rng::seed(0);
    /// let weight = Tensor::normal([4, 3 * 3 * 3], 0.0, 0.2, &mut rng)?;
    /// let (x, options) = (Tensor::normal([2, 3, 8, 8], 0.0, 1.0, &mut rng)?, ConvOptions::new().padding(1));
    /// let near = QTensor::quantize(&weight, Scheme::Int8)?.conv2d(&x, [3, 3], None, &options)?;
    /// let exact = x.conv2d(&weight.reshape([4, 3, 3, 3])?, None, &options)?;
    /// assert!(near.sub(&exact)?.abs().max()?.item()? < 0.1);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn conv2d(
        &self,
        x: &Tensor,
        kernel: [usize; 2],
        bias: Option<&Tensor>,
        options: &ConvOptions,
    ) -> Result<Tensor> {
        let size = kernel[0].saturating_mul(kernel[1]);
        match *self.shape() {
            [outputs, row] if size > 0 && row % size == 0 => {
                self.convolve(2, &[outputs, row / size, kernel[0], kernel[1]], x, bias, options)
            }
            ref shape => {
                let message = format!("a weight of shape {shape:?} for a kernel of {kernel:?}");
                Err(Error::shape("conv2d", message).with_help("[outputs, channels / groups · kernel]"))
            }
        }
    }

    /// The convolution in so many dimensions, with a weight of this shape.
    #[track_caller]
    pub(crate) fn convolve(
        &self,
        dims: usize,
        shape: &[usize],
        x: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvOptions,
    ) -> Result<Tensor> {
        let op = ["conv1d", "conv2d", "conv3d"][dims - 1];
        let _timer = crate::profile::op(op);
        x.expect_any_float(op, "the input")?;
        if self.scheme() != Scheme::Int8 {
            let weight = self.dequantize()?.reshape(shape)?.to_dtype(x.dtype());
            return convolution(op, dims, x, &weight, bias, options);
        }
        let like = Tensor::scalar(0.0).to_dtype(x.dtype()).broadcast_to(shape)?;
        let ((x, single), geometry) = fitting(op, dims, x, &like, bias, options)?;
        let mut y = record("conv_quantized", exec::convolution(&geometry, &x, self, shape)?, &[&x], |tape| {
            let (weight, shape) = (self.clone(), shape.to_vec());
            tape.edge(&x, move |g| {
                let weight = weight.dequantize()?.reshape(&*shape)?.to_dtype(g.dtype());
                apply(Convolution { dims, geometry, role: Role::Input }, &[g, &weight])
            });
            tape.keeps_examples(&x, true);
        });
        if let Some(bias) = bias {
            let mut shape = vec![1; dims + 1];
            shape[0] = geometry.outputs;
            y = y.add(&bias.reshape(shape)?)?;
        }
        if single { y.squeeze(0) } else { Ok(y) }
    }
}

/// The input, padded unless it is by zeros, whether it was one example, and all sizes.
#[track_caller]
fn fitting(
    op: &'static str,
    dims: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions,
) -> Result<((Tensor, bool), Geometry)> {
    check::operands(op, dims, x, weight, bias)?;
    let numbers = options.numbers(op, dims, &weight.shape()[2..])?;
    check::forward(op, dims, &check::with_batch(x, dims)?, weight, bias, &numbers, options.mode())
}

/// What a convolution in one or two dimensions multiplies its weights of this shape with: for each group, `[places, features]`, a row for
/// each place of each example.
#[track_caller]
pub(crate) fn patches(dims: usize, shape: &[usize], x: &Tensor, options: &ConvOptions) -> Result<Vec<Tensor>> {
    let like = Tensor::scalar(0.0).to_dtype(x.dtype()).broadcast_to(shape)?;
    let ((x, _), g) = fitting("conv2d", dims, x, &like, None, options)?;
    let flat = |columns: Tensor| {
        let features = columns.shape()[2];
        columns.reshape([columns.numel() / features.max(1), features])
    };
    columns(&g, dims, &x)?.into_iter().map(flat).collect()
}

/// The same with the examples apart, and what is beyond the borders in the geometry: `[batch, places, features]`.
#[track_caller]
pub(super) fn columns(g: &Geometry, dims: usize, x: &Tensor) -> Result<Vec<Tensor>> {
    let x = if dims == 1 { x.unsqueeze(2)? } else { x.clone() };
    let margins = [1, 2].map(|d| {
        let covered = (g.output[d] - 1) * g.stride[d] + (g.kernel[d] - 1) * g.dilation[d] + 1;
        (g.padding[d] as isize, covered as isize - g.input[d] as isize - g.padding[d] as isize)
    });
    let windows = UnfoldOptions::new([g.kernel[1], g.kernel[2]]).stride([g.stride[1], g.stride[2]]);
    let windows = windows.dilation([g.dilation[1], g.dilation[2]]);
    let (x, channels) = (x.pad(&margins, 0.0)?, g.channels / g.groups);
    (0..g.groups).map(|group| x.narrow(1, group * channels, channels)?.im2col(&windows)?.transpose(1, 2)).collect()
}
