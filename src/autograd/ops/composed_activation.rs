//! Activation functions that are made of other operations.

use super::softmax::halves;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::layout::dim_index;

/// # Activation functions made of others
///
/// ```
/// use demotic::{Rng, tensor};
///
/// let x = tensor![-2.0, 0.25, 4.0, 1.0];
/// assert_eq!(x.hardshrink(0.5)?.to_f64_vec(), [-2.0, 0.0, 4.0, 1.0]);
/// assert_eq!(x.prelu(&tensor![0.5])?.to_f64_vec(), [-1.0, 0.25, 4.0, 1.0]);
/// let drawn = x.rrelu(0.125, 0.375, &mut Rng::seed(0))?.to_f64_vec()[0];
/// assert!((-0.75..=-0.25).contains(&drawn));
/// assert_eq!(x.softmin(0)?.argmax()?.item()?, 0.0);
/// // Halves [−2, ¼] and [4, 1]: the first times an activation of the second.
/// assert_eq!(x.reglu(0)?.to_f64_vec(), [-8.0, 0.25]);
/// assert!(x.geglu(0)?.sub(&x.swiglu(0)?)?.abs().max()?.item()? < 0.2);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `x` where it is above `threshold`, else `value`. Gradient: `g` above, 0 elsewhere.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![0.5, 1.0, 2.0].threshold(1.0, -7.0)?.to_vec::<f32>()?, [-7.0, -7.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `threshold` is NaN.
    #[track_caller]
    pub fn threshold(&self, threshold: f64, value: f64) -> Result<Tensor> {
        if threshold.is_nan() {
            return Err(Error::argument("threshold", "the threshold is NaN"));
        }
        let x = self.as_activation();
        x.masked_fill(&x.le_scalar(threshold), value)
    }

    /// `x` where `|x|` is above `lambda`, else 0. Gradient: `g` there, 0 elsewhere. The usual `lambda` is ½.
    ///
    /// # Errors
    /// If `lambda` is negative or NaN.
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Result<Tensor> {
        not_negative("hardshrink", lambda)?;
        let x = self.as_activation();
        x.masked_fill(&x.abs().le_scalar(lambda), 0.0)
    }

    /// `x`, moved towards 0 by `lambda`, and 0 where it would cross it: the step that an L1 penalty makes. Gradient: `g` where `|x|` is
    /// above `lambda`, 0 elsewhere. The usual `lambda` is ½.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![-2.0, 0.25, 1.0].softshrink(0.5)?.to_vec::<f32>()?, [-1.5, 0.0, 0.5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `lambda` is negative or NaN.
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Result<Tensor> {
        not_negative("softshrink", lambda)?;
        let x = self.as_activation();
        x.sub(&x.detach().clamp(Some(-lambda), Some(lambda)))?.masked_fill(&x.abs().le_scalar(lambda), 0.0)
    }

    /// [`softmax`](Self::softmax) of `−x`: the smaller, the more probable.
    ///
    /// # Errors
    /// If the dimension is out of range.
    #[track_caller]
    pub fn softmin(&self, dim: isize) -> Result<Tensor> {
        self.as_activation().neg().softmax(dim)
    }

    /// `x` where it is positive, else `weight · x`, with learned slopes (He et al., *Delving deep into rectifiers*, 2015): a weight of
    /// one element, or one for each channel, which are in dimension 1. Gradient: `g`, or `weight · g`, the latter at 0; that of the
    /// weight is the sum of `x g` where `x` is negative.
    ///
    /// # Errors
    /// If the types differ, or the weight has another number of elements.
    #[track_caller]
    pub fn prelu(&self, weight: &Tensor) -> Result<Tensor> {
        self.expect_any_float("prelu", "the input")?;
        weight.expect_dtype("prelu", "the weight", self.dtype())?;
        let channels = if self.rank() < 2 { 1 } else { self.shape()[1] };
        if weight.rank() > 1 || weight.numel() != 1 && weight.numel() != channels {
            let (slopes, shape) = (weight.shape(), self.shape());
            let message =
                format!("a weight of shape {slopes:?} for an input of shape {shape:?}, expected [1] or [{channels}]");
            return Err(Error::shape("prelu", message).with_help("the channels are in dimension 1"));
        }
        let mut shape = vec![1; self.rank()];
        if weight.numel() > 1 {
            shape[1] = channels;
        }
        self.gt_scalar(0.0).where_(self, &self.mul(&weight.reshape(shape)?)?)
    }

    /// `x` where it is positive, else `a x` with a slope `a` for each element, drawn evenly from `lower` to `upper` (Xu et al., 2015).
    /// Gradient: `g`, or `a g`. Without the randomness, in evaluation, it is [`leaky_relu`](Self::leaky_relu) with their mean. The usual
    /// bounds are 1/8 and 1/3.
    ///
    /// # Errors
    /// If `lower` is above `upper`, or one is not finite.
    #[track_caller]
    pub fn rrelu(&self, lower: f64, upper: f64, rng: &mut Rng) -> Result<Tensor> {
        check_slopes("rrelu", lower, upper)?;
        let x = self.as_activation();
        let slopes = Tensor::uniform(x.shape(), lower, upper, rng)?.to_dtype(x.dtype());
        x.mul(&slopes.masked_fill(&x.gt_scalar(0.0), 1.0)?)
    }

    /// The largest of each `pieces` neighbours along a dimension, which becomes so many times shorter (Goodfellow et al., *Maxout
    /// networks*, 2013). Gradient: `g` for the largest, shared by those that are equal.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![[1.0, 3.0, -2.0, -5.0]].maxout(2, -1)?.to_vec::<f32>()?, [3.0, -2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the dimension is out of range, or its size is no multiple of `pieces`.
    #[track_caller]
    pub fn maxout(&self, pieces: usize, dim: isize) -> Result<Tensor> {
        let dim = dim_index("maxout", dim, self.rank())?;
        let size = self.shape()[dim];
        if pieces == 0 || !size.is_multiple_of(pieces) {
            let message = format!("dimension {dim} of {:?} in pieces of {pieces}", self.shape());
            return Err(
                Error::shape("maxout", message).with_help("its size must be a multiple of the number of pieces")
            );
        }
        let mut shape = self.shape().to_vec();
        shape[dim] = size / pieces;
        shape.insert(dim + 1, pieces);
        self.as_activation().reshape(shape)?.amax(&[dim as isize + 1], false)
    }

    /// `a · silu(b)` of the halves `a` and `b` of a dimension (Shazeer, *GLU variants improve transformer*, 2020).
    ///
    /// # Errors
    /// If the dimension is out of range, or has no halves.
    #[track_caller]
    pub fn swiglu(&self, dim: isize) -> Result<Tensor> {
        let (a, b) = halves("swiglu", self, dim)?;
        a.mul(&b.silu())
    }

    /// `a · gelu(b)` of the halves `a` and `b` of a dimension (Shazeer, 2020).
    ///
    /// # Errors
    /// If the dimension is out of range, or has no halves.
    #[track_caller]
    pub fn geglu(&self, dim: isize) -> Result<Tensor> {
        let (a, b) = halves("geglu", self, dim)?;
        a.mul(&b.gelu())
    }

    /// `a · relu(b)` of the halves `a` and `b` of a dimension (Shazeer, 2020).
    ///
    /// # Errors
    /// If the dimension is out of range, or has no halves.
    #[track_caller]
    pub fn reglu(&self, dim: isize) -> Result<Tensor> {
        let (a, b) = halves("reglu", self, dim)?;
        a.mul(&b.relu())
    }

    /// Numbers that activations are taken of: integers and truth values as `F32`.
    fn as_activation(&self) -> Tensor {
        if self.dtype().is_float() { self.clone() } else { self.to_dtype(crate::tensor::DType::F32) }
    }
}

#[track_caller]
fn not_negative(name: &'static str, lambda: f64) -> Result<()> {
    if lambda >= 0.0 {
        return Ok(());
    }
    Err(Error::argument(name, format!("lambda is {lambda}, expected a number of at least 0")))
}

/// Slopes that can be drawn from.
#[track_caller]
pub(crate) fn check_slopes(name: &'static str, lower: f64, upper: f64) -> Result<()> {
    if lower <= upper && lower.is_finite() && upper.is_finite() {
        return Ok(());
    }
    Err(Error::argument(name, format!("slopes from {lower} to {upper}, expected two numbers in their order")))
}
