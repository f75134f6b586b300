//! The larger and the smaller of two numbers, and bounds.

use super::arithmetic::with_integer;
use super::{record, unary};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::binary::{self, BinaryOp};
use crate::tensor::exec::unary::UnaryOp;

/// # Bounds, and the larger or smaller of two
///
/// ```
/// use demotic::tensor;
///
/// let (a, b) = (tensor![1.0, 5.0], tensor![3.0, 2.0]);
/// assert_eq!((a.maximum(&b)?.to_f64_vec(), a.minimum(&b)?.to_f64_vec()), (vec![3.0, 5.0], vec![1.0, 2.0]));
/// assert_eq!((a.clamp_min(2.0).to_f64_vec(), a.clamp_max(2.0).to_f64_vec()), (vec![2.0, 5.0], vec![1.0, 2.0]));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The larger one of `a` and `b`, element by element; NaN if there is one. Integers stay integers. Gradient: `g` for
    /// the larger one, half of it for each if they are equal.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("maximum");
        let out = binary::binary("maximum", BinaryOp::Max, self, other)?;
        Ok(record("maximum", out, &[self, other], |tape| {
            let (a, b) = (self.detach(), other.detach());
            tape.edge(self, move |g| shared(g, &a, &b));
            let (a, b) = (self.detach(), other.detach());
            tape.edge(other, move |g| shared(g, &b, &a));
        }))
    }

    /// The smaller one of `a` and `b`, element by element; NaN if there is one. Integers stay integers. Gradient: `g` for
    /// the smaller one, half of it for each if they are equal.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("minimum");
        let out = binary::binary("minimum", BinaryOp::Min, self, other)?;
        Ok(record("minimum", out, &[self, other], |tape| {
            let (a, b) = (self.detach(), other.detach());
            tape.edge(self, move |g| shared(g, &b, &a));
            let (a, b) = (self.detach(), other.detach());
            tape.edge(other, move |g| shared(g, &a, &b));
        }))
    }

    /// `min(max(x, lo), hi)` with bounds that may be left out; NaN stays, and a bound that is NaN is none. If `lo` is
    /// above `hi`, everything becomes `hi`. Integers stay integers if the bounds are whole, else become `F32`.
    /// Gradient: `g` strictly between the bounds, else 0.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![-2.0, 0.5, 2.0];
    /// assert_eq!(x.clamp(Some(-1.0), Some(1.0)).to_vec::<f32>()?, [-1.0, 0.5, 1.0]);
    /// assert_eq!(x.clamp(None, Some(1.0)).to_vec::<f32>()?, [-2.0, 0.5, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "clip")]
    #[must_use]
    pub fn clamp(&self, lo: Option<f64>, hi: Option<f64>) -> Tensor {
        let whole = |bound: Option<f64>| bound.is_none_or(|c| c == c.trunc());
        if !self.dtype().is_float() && whole(lo) && whole(hi) {
            // The conversion saturates, which leaves every integer within an infinite bound.
            let (lo, hi) = (lo.unwrap_or(f64::NEG_INFINITY) as i64, hi.unwrap_or(f64::INFINITY) as i64);
            return with_integer(BinaryOp::Min, &with_integer(BinaryOp::Max, self, lo), hi);
        }
        // To the kernels, NaN is no bound.
        let (lo, hi) = (lo.unwrap_or(f64::NAN), hi.unwrap_or(f64::NAN));
        unary("clamp", UnaryOp::Clamp { lo, hi }, self, |[lo, hi], g, x| {
            let outside = x.le_scalar(lo).logical_or(&x.ge_scalar(hi))?.logical_or(&x.is_nan())?;
            g.masked_fill(&outside, 0.0)
        })
    }

    /// `min(max(x, lo), hi)` with tensors as bounds, of which one may be left out; all broadcast. NaN in any of them is passed
    /// on. Where `lo` is above `hi`, the result is `hi`.
    ///
    /// Gradients: `g` to the one of the three that the result is taken from. Where `x` equals a bound, each gets half of it, as
    /// in PyTorch.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[-2.0, 0.5], [2.0, 3.0]];
    /// let (lo, hi) = (tensor![-1.0, 1.0], tensor![[1.0], [2.5]]);
    /// assert_eq!(x.clamp_tensor(Some(&lo), Some(&hi))?.to_vec::<f32>()?, [-1.0, 1.0, 2.0, 2.5]);
    /// assert_eq!(x.clamp_tensor(None, Some(&hi))?.to_vec::<f32>()?, [-2.0, 0.5, 2.0, 2.5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "clip")]
    #[doc(alias = "clamp")]
    #[track_caller]
    pub fn clamp_tensor(&self, lo: Option<&Tensor>, hi: Option<&Tensor>) -> Result<Tensor> {
        let (lo, hi) = match (lo, hi) {
            (Some(lo), Some(hi)) => (lo, hi),
            (Some(lo), None) => return self.maximum(lo),
            (None, Some(hi)) => return self.minimum(hi),
            (None, None) => return Ok(self.clone()),
        };
        let _timer = crate::profile::op("clamp_tensor");
        hi.expect_dtype("clamp_tensor", "the upper bound", self.dtype())?;
        let raised = binary::binary("clamp_tensor", BinaryOp::Max, self, lo)?;
        // Of truth values there are numbers now.
        let out = binary::binary("clamp_tensor", BinaryOp::Min, &raised, &hi.detach().cast(raised.dtype()))?;
        Ok(record("clamp_tensor", out, &[self, lo, hi], |tape| {
            let bounds = || Bounds { x: self.detach(), lo: lo.detach(), hi: hi.detach() };
            let b = bounds();
            tape.edge(self, move |g| {
                let outside = b.x.lt(&b.lo)?.logical_or(&b.x.gt(&b.hi)?)?;
                let equal = b.x.eq(&b.lo)?.logical_or(&b.x.eq(&b.hi)?)?;
                portion(g, &outside.logical_not()?, &equal.logical_and(&b.lo.lt(&b.hi)?)?)
            });
            let b = bounds();
            tape.edge(lo, move |g| {
                let equal = b.x.eq(&b.lo)?.logical_and(&b.lo.lt(&b.hi)?)?;
                portion(g, &b.x.lt(&b.lo)?.logical_and(&b.lo.le(&b.hi)?)?.logical_or(&equal)?, &equal)
            });
            let b = bounds();
            tape.edge(hi, move |g| {
                let equal = b.x.eq(&b.hi)?.logical_and(&b.lo.lt(&b.hi)?)?;
                portion(g, &b.x.gt(&b.hi)?.logical_or(&b.lo.gt(&b.hi)?)?.logical_or(&equal)?, &equal)
            });
        }))
    }

    /// The larger one of `x` and `lo`; see [`clamp`](Self::clamp).
    #[must_use]
    pub fn clamp_min(&self, lo: f64) -> Tensor {
        self.clamp(Some(lo), None)
    }

    /// The smaller one of `x` and `hi`; see [`clamp`](Self::clamp).
    #[must_use]
    pub fn clamp_max(&self, hi: f64) -> Tensor {
        self.clamp(None, Some(hi))
    }
}

/// What goes to `a` of the gradient of the larger one of `a` and `b`.
fn shared(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Tensor::where_(&a.eq(b)?, &g.mul_scalar(0.5), g)?.masked_fill(&a.lt(b)?, 0.0)
}

struct Bounds {
    x: Tensor,
    lo: Tensor,
    hi: Tensor,
}

/// `g` where `taken` holds, half of it where `shared` does too, else 0.
fn portion(g: &Tensor, taken: &Tensor, shared: &Tensor) -> Result<Tensor> {
    Tensor::where_(shared, &g.mul_scalar(0.5), g)?.masked_fill(&taken.logical_not()?, 0.0)
}
