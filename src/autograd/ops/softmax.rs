//! Softmax and its logarithm, and gated linear units.

use super::{record, two_forms};
use crate::error::{Error, Result, bug};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::{Real, softmax as kernels};
use crate::tensor::layout::{Dims, dim_index};
use crate::tensor::{DType, Tensor};

/// # Softmax and gates
impl Tensor {
    /// `eˣ / Σ eˣ` along one dimension: positive numbers that add up to 1, computed without overflow. Integers become
    /// `F32`. Gradient: `y (g − Σ g y)` with the result `y`.
    ///
    /// # Errors
    /// If there is no such dimension.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let p = tensor![[1000.0, 1000.0], [0.0, 0.0]].softmax(-1)?;
    /// assert_eq!(p.to_vec::<f32>()?, [0.5; 4]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Result<Tensor> {
        normalize("softmax", self, dim, Softmax)
    }

    /// `x − ln Σ eˣ` along one dimension: the logarithm of [`softmax`](Self::softmax), exact also where that is too small
    /// for a number. Integers become `F32`. Gradient: `g − eʸ Σ g` with the result `y`.
    ///
    /// # Errors
    /// If there is no such dimension.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        normalize("log_softmax", self, dim, LogSoftmax)
    }

    /// A gated linear unit (Dauphin et al., 2017): the first half along a dimension, times the
    /// [`sigmoid`](Self::sigmoid) of the second half.
    ///
    /// # Errors
    /// If there is no such dimension, or its size is odd.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Result<Tensor> {
        let size = self.shape()[dim_index("glu", dim, self.rank())?];
        if !size.is_multiple_of(2) {
            let message = format!("dimension {dim} of {:?} has size {size}, which has no halves", self.shape());
            return Err(Error::shape("glu", message));
        }
        let half = size / 2;
        self.narrow(dim, 0, half)?.mul(&self.narrow(dim, half, half)?.sigmoid())
    }
}

/// A function of rows of numbers, with kernels for contiguous rows of `cols` elements.
trait RowFunction: Copy + Send + Sync + 'static {
    fn forward<T: Real>(self, x: &[T], cols: usize, out: &mut [T]);
    /// The gradient from that of the result and the result.
    fn backward<T: Real>(self, g: &[T], y: &[T], cols: usize, out: &mut [T]);
    /// The same made of differentiable operations.
    fn composite(self, g: &Tensor, y: &Tensor, dim: isize) -> Result<Tensor>;
}

#[derive(Clone, Copy)]
struct Softmax;

impl RowFunction for Softmax {
    fn forward<T: Real>(self, x: &[T], cols: usize, out: &mut [T]) {
        kernels::softmax(x, cols, out);
    }

    fn backward<T: Real>(self, g: &[T], y: &[T], cols: usize, out: &mut [T]) {
        kernels::softmax_backward(g, y, cols, out);
    }

    fn composite(self, g: &Tensor, y: &Tensor, dim: isize) -> Result<Tensor> {
        y.mul(&g.sub(&g.mul(y)?.sum_dims(&[dim], true)?)?)
    }
}

#[derive(Clone, Copy)]
struct LogSoftmax;

impl RowFunction for LogSoftmax {
    fn forward<T: Real>(self, x: &[T], cols: usize, out: &mut [T]) {
        kernels::log_softmax(x, cols, out);
    }

    fn backward<T: Real>(self, g: &[T], y: &[T], cols: usize, out: &mut [T]) {
        kernels::log_softmax_backward(g, y, cols, out);
    }

    fn composite(self, g: &Tensor, y: &Tensor, dim: isize) -> Result<Tensor> {
        g.sub(&y.exp().mul(&g.sum_dims(&[dim], true)?)?)
    }
}

#[track_caller]
fn normalize(name: &'static str, x: &Tensor, dim: isize, f: impl RowFunction) -> Result<Tensor> {
    let axis = dim_index(name, dim, x.rank())?;
    let _timer = crate::profile::op(name);
    let computed = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let out = along(axis, [&x.cast(computed)], |[x], cols| {
        with_float!(computed, T => Ok(Tensor::build::<T>(x.shape(), |out| f.forward(x.data::<T>(), cols, out))), else {
            Err(bug!(name, "computed in {computed}"))
        })
    })?;
    let out = if x.dtype().is_float() { out.cast(x.dtype()) } else { out };
    Ok(record(name, out, &[x], |tape| {
        let fused = move |g: &Tensor, y: &Tensor| {
            along(axis, [g, y], |[g, y], cols| {
                with_float!(y.dtype(), T => Ok(Tensor::build::<T>(y.shape(), |out| {
                    f.backward(g.data::<T>(), y.data(), cols, out);
                })), else Err(bug!(name, "a gradient of type {}", y.dtype())))
            })
        };
        tape.edge_with_output(x, two_forms(fused, move |g, y| f.composite(g, y, axis as isize)));
    }))
}

/// Runs `f` on operands of one shape, which it gets contiguous and with dimension `axis` last, and the size of that.
fn along<const N: usize>(
    axis: usize,
    operands: [&Tensor; N],
    f: impl FnOnce([Tensor; N], usize) -> Result<Tensor>,
) -> Result<Tensor> {
    let shape = operands.first().map_or(Dims::EMPTY, |x| x.layout().shape);
    // Two dimensions exchanged: the same once more brings them back.
    let mut axes = Dims::collect(0..shape.len());
    axes.swap(axis, shape.len() - 1);
    Ok(f(operands.map(|x| x.permuted(&axes).packed()), shape[axis])?.permuted(&axes).packed())
}
