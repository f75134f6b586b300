//! Softmax and its logarithm, and gated linear units.

use super::{record, two_forms};
use crate::error::{Error, Result};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::softmax;
use crate::tensor::layout::{Dims, dim_index};
use crate::tensor::{DType, Tensor};

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
        let axis = dim_index("softmax", dim, self.rank())?;
        let _timer = crate::profile::op("softmax");
        let out = along(axis, [self], |[x], cols| {
            with_float!(x.dtype(), T => Tensor::build::<T>(x.shape(), |out| softmax::softmax(x.data::<T>(), cols, out)), else x)
        });
        Ok(record("softmax", out, &[self], |tape| {
            let fused = move |g: &Tensor, y: &Tensor| {
                Ok(along(axis, [g, y], |[g, y], cols| {
                    with_float!(y.dtype(), T => Tensor::build::<T>(y.shape(), |out| {
                        softmax::softmax_backward(g.data::<T>(), y.data::<T>(), cols, out);
                    }), else y)
                }))
            };
            let composite = move |g: &Tensor, y: &Tensor| {
                let mean = g.mul(y)?.sum_dims(&[axis as isize], true)?;
                y.mul(&g.sub(&mean)?)
            };
            tape.edge_with_output(self, two_forms(fused, composite));
        }))
    }

    /// `x − ln Σ eˣ` along one dimension: the logarithm of [`softmax`](Self::softmax), exact also where that is too small
    /// for a number. Integers become `F32`. Gradient: `g − eʸ Σ g` with the result `y`.
    ///
    /// # Errors
    /// If there is no such dimension.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        let axis = dim_index("log_softmax", dim, self.rank())?;
        let _timer = crate::profile::op("log_softmax");
        let out = along(axis, [self], |[x], cols| {
            with_float!(x.dtype(), T => Tensor::build::<T>(x.shape(), |out| {
                softmax::log_softmax(x.data::<T>(), cols, out);
            }), else x)
        });
        Ok(record("log_softmax", out, &[self], |tape| {
            let fused = move |g: &Tensor, y: &Tensor| {
                Ok(along(axis, [g, y], |[g, y], cols| {
                    with_float!(y.dtype(), T => Tensor::build::<T>(y.shape(), |out| {
                        softmax::log_softmax_backward(g.data::<T>(), y.data::<T>(), cols, out);
                    }), else y)
                }))
            };
            let composite = move |g: &Tensor, y: &Tensor| {
                g.sub(&y.exp().mul(&g.sum_dims(&[axis as isize], true)?)?)
            };
            tape.edge_with_output(self, two_forms(fused, composite));
        }))
    }

    /// A gated linear unit (Dauphin et al., 2017): the first half along a dimension, times the
    /// [`sigmoid`](Self::sigmoid) of the second half.
    ///
    /// # Errors
    /// If there is no such dimension, or its size is odd.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Result<Tensor> {
        let size = self.shape()[dim_index("glu", dim, self.rank())?];
        if size % 2 != 0 {
            let message = format!("dimension {dim} of {:?} has size {size}, which has no halves", self.shape());
            return Err(Error::shape("glu", message));
        }
        let half = size / 2;
        self.narrow(dim, 0, half)?.mul(&self.narrow(dim, half, half)?.sigmoid())
    }
}

/// Runs `f` on rows along a dimension: it gets the operands contiguous and with that dimension last, in `F32` or `F64`,
/// and its size.
fn along<const N: usize>(axis: usize, operands: [&Tensor; N], f: impl FnOnce([Tensor; N], usize) -> Tensor) -> Tensor {
    let Some(first) = operands.first() else { return Tensor::scalar(0.0) };
    let (dtype, rank, cols) = (first.dtype(), first.rank(), first.shape()[axis]);
    // Two dimensions exchanged: the same once more brings them back.
    let mut axes = Dims::collect(0..rank);
    axes.swap(axis, rank - 1);
    let computed = if dtype == DType::F64 { dtype } else { DType::F32 };
    let out = f(operands.map(|x| x.permuted(&axes).packed().cast(computed)), cols).permuted(&axes).packed();
    if dtype.is_float() { out.cast(dtype) } else { out }
}
