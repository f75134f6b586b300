//! Softmax and its logarithm, and gated linear units.

use super::{record, two_forms};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Softmax};
use crate::tensor::layout::dim_index;

/// # Softmax and gates
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![0.0, 0.0];
/// assert!(x.log_softmax(0)?.exp().allclose(&x.softmax(0)?, 1e-6, 0.0, false)?);
/// assert_eq!(tensor![4.0, 6.0, 0.0, 0.0].glu(0)?.to_f64_vec(), [2.0, 3.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
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
        normalize("softmax", self, dim, Softmax::Plain)
    }

    /// `x − ln Σ eˣ` along one dimension: the logarithm of [`softmax`](Self::softmax), exact also where that is too small
    /// for a number. Integers become `F32`. Gradient: `g − eʸ Σ g` with the result `y`.
    ///
    /// # Errors
    /// If there is no such dimension.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        normalize("log_softmax", self, dim, Softmax::Log)
    }

    /// A gated linear unit (Dauphin et al., 2017): the first half along a dimension, times the
    /// [`sigmoid`](Self::sigmoid) of the second half.
    ///
    /// # Errors
    /// If there is no such dimension, or its size is odd.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Result<Tensor> {
        let (a, b) = halves("glu", self, dim)?;
        a.mul(&b.sigmoid())
    }
}

/// Both halves of a dimension.
#[track_caller]
pub(super) fn halves(name: &'static str, x: &Tensor, dim: isize) -> Result<(Tensor, Tensor)> {
    let size = x.shape()[dim_index(name, dim, x.rank())?];
    if !size.is_multiple_of(2) {
        let message = format!("dimension {dim} of {:?} has size {size}, which has no halves", x.shape());
        return Err(Error::shape(name, message));
    }
    let half = size / 2;
    Ok((x.narrow(dim, 0, half)?, x.narrow(dim, half, half)?))
}

#[track_caller]
fn normalize(name: &'static str, x: &Tensor, dim: isize, which: Softmax) -> Result<Tensor> {
    let axis = dim_index(name, dim, x.rank())?;
    let _timer = crate::profile::op(name);
    let out = fused::softmax(which, x, axis);
    Ok(record(name, out, &[x], |tape| {
        let fused = move |g: &Tensor, y: &Tensor| Ok(fused::softmax_backward(which, g, y, axis));
        tape.edge_with_output(x, two_forms(fused, move |g, y| composite(which, g, y, axis as isize)));
        tape.keeps_examples(x, axis > 0);
    }))
}

/// The gradient made of differentiable operations.
fn composite(which: Softmax, g: &Tensor, y: &Tensor, dim: isize) -> Result<Tensor> {
    match which {
        Softmax::Plain => y.mul(&g.sub(&g.mul(y)?.sum_dims(&[dim], true)?)?),
        Softmax::Log => g.sub(&y.exp().mul(&g.sum_dims(&[dim], true)?)?),
    }
}
