//! Functions of two or three numbers that are put together from others.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::exec::binary::{self, BinaryOp};
use crate::tensor::{DType, Tensor};

/// # Several numbers at once
///
/// ```
/// use demotic::tensor;
///
/// let (x, nan) = (tensor![0.5, 1.0], tensor![f32::NAN, 2.0]);
/// assert_eq!(x.addcdiv(&tensor![3.0, 4.0], &tensor![2.0], 2.0)?.to_f64_vec(), [3.5, 5.0]);
/// assert_eq!(x.lerp_tensor(&tensor![1.5, 3.0], &tensor![0.0, 0.5])?.to_f64_vec(), [0.5, 2.0]);
/// assert_eq!((x.fmax(&nan)?.to_f64_vec(), x.fmin(&nan)?.to_f64_vec()), (vec![0.5, 2.0], vec![0.5, 1.0]));
/// assert_eq!((x.logit(None).to_f64_vec(), tensor![0.0].sinc().item()?), (vec![0.0, f64::INFINITY], 1.0));
/// assert_eq!(x.isclose(&tensor![0.5000001, 1.1], 1e-5, 1e-8, false)?.to_vec::<bool>()?, [true, false]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `x + value · a · b`.
    ///
    /// # Errors
    /// If the element types differ, the shapes do not broadcast, or `value` is not whole for whole numbers.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let y = tensor![1.0, 2.0].addcmul(&tensor![3.0, 4.0], &tensor![5.0, 6.0], 0.5)?;
    /// assert_eq!(y.to_vec::<f32>()?, [8.5, 14.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn addcmul(&self, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
        self.add_alpha(&a.mul(b)?, value)
    }

    /// `x + value · a / b`.
    ///
    /// # Errors
    /// As for [`addcmul`](Self::addcmul).
    #[track_caller]
    pub fn addcdiv(&self, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
        self.add_alpha(&a.div(b)?, value)
    }

    /// Part of the way from `x` to `end`: `x + weight · (end − x)`, computed from the nearer of the two.
    ///
    /// # Errors
    /// If the element types differ, are not floating, or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let y = tensor![0.0, 10.0].lerp(&tensor![1.0, 20.0], 0.25)?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.25, 12.5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: f64) -> Result<Tensor> {
        self.expect_any_float("lerp", "the start")?;
        let way = end.sub(self)?;
        if weight < 0.5 { self.add(&way.mul_scalar(weight)) } else { end.sub(&way.mul_scalar(1.0 - weight)) }
    }

    /// The same with a weight for each element.
    ///
    /// # Errors
    /// As for [`lerp`](Self::lerp).
    #[track_caller]
    pub fn lerp_tensor(&self, end: &Tensor, weight: &Tensor) -> Result<Tensor> {
        self.expect_any_float("lerp_tensor", "the start")?;
        let way = end.sub(self)?;
        let (from_start, from_end) = (self.add(&way.mul(weight)?)?, end.sub(&way.mul(&weight.rsub_scalar(1.0))?)?);
        Tensor::where_(&weight.lt_scalar(0.5), &from_start, &from_end)
    }

    /// What is left of `a / b` with the sign of `a`, as C has it: `a − b · trunc(a / b)`. With the sign of `b` it is
    /// [`remainder`](Self::remainder). Integers stay integers; what is left of a division by zero is NaN, for integers 0.
    /// Gradients: `g` and `−g · trunc(a / b)`.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![-7.0, 7.0].fmod(&tensor![3.0, -3.0])?.to_vec::<f32>()?, [-1.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn fmod(&self, other: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("fmod");
        let (a, b) = (self.detach(), other.detach());
        // With the sign of the divisor, of which there are two: one of them is that of the dividend.
        let opposite = a.lt_scalar(0.0);
        let (plus, minus) = (b.abs(), b.abs().neg());
        let divisor = Tensor::where_(&opposite, &minus, &plus)?;
        let out = binary::binary("fmod", BinaryOp::Rem, &a, &divisor)?;
        Ok(record("fmod", out, &[self, other], |tape| {
            tape.edge(self, |g| Ok(g.clone()));
            let (a, b) = (self.for_gradient(), other.for_gradient());
            // Whole but for rounding, as what is left is taken off.
            tape.edge_with_output(other, move |g, r| g.mul(&a.sub(r)?.div(&b)?.round().neg().detach()));
        }))
    }

    /// The larger of two numbers, or the one that is a number if the other is NaN; equal ones share the gradient.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn fmax(&self, other: &Tensor) -> Result<Tensor> {
        a_number(self, other, &self.maximum(other)?)
    }

    /// The smaller of two numbers, or the one that is a number if the other is NaN; equal ones share the gradient.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    #[track_caller]
    pub fn fmin(&self, other: &Tensor) -> Result<Tensor> {
        a_number(self, other, &self.minimum(other)?)
    }

    /// `log(x / (1 − x))`, the inverse of [`sigmoid`](Self::sigmoid); with `eps`, of `x` kept between `eps` and `1 − eps`.
    #[must_use]
    pub fn logit(&self, eps: Option<f64>) -> Tensor {
        let x = match eps {
            Some(eps) => self.clamp(Some(eps), Some(1.0 - eps)),
            None => self.clone(),
        };
        let odds = x.log().sub(&x.neg().log1p());
        // Both are of one shape and type.
        odds.unwrap_or(x)
    }

    /// `sin(πx) / (πx)`, and 1 at 0.
    #[must_use]
    pub fn sinc(&self) -> Tensor {
        let angle = self.mul_scalar(std::f64::consts::PI);
        let zero = angle.eq_scalar(0.0);
        let quotient = angle.masked_fill(&zero, 1.0).and_then(|angle| angle.sin().div(&angle));
        quotient.and_then(|y| y.masked_fill(&zero, 1.0)).unwrap_or(angle)
    }

    /// `x · log(y)`, which is 0 where `x` is 0, whatever `y` is unless NaN: the terms of an entropy.
    ///
    /// # Errors
    /// If the element types differ or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let p = tensor![0.0, 1.0];
    /// assert_eq!(p.xlogy(&p)?.to_vec::<f32>()?, [0.0, 0.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn xlogy(&self, other: &Tensor) -> Result<Tensor> {
        let infinite = other.le_scalar(0.0).logical_or(&other.eq_scalar(f64::INFINITY))?;
        let none = self.eq_scalar(0.0).logical_and(&infinite)?;
        // 1 in its place, since the product may be larger than either.
        let other = Tensor::where_(&none, &Tensor::number(other.dtype(), 1.0), other)?;
        self.mul(&other.log())
    }

    /// `log(eᵃ + eᵇ)`, without overflow.
    ///
    /// # Errors
    /// If the element types differ, are not floating, or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let y = tensor![1000.0].logaddexp(&tensor![0.0])?;
    /// assert_eq!(y.to_vec::<f32>()?, [1000.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn logaddexp(&self, other: &Tensor) -> Result<Tensor> {
        self.expect_any_float("logaddexp", "the first operand")?;
        let (low, high) = (self.minimum(other)?, self.maximum(other)?);
        // Infinities of one sign have no difference.
        let same = low.eq(&high)?.logical_and(&high.is_inf())?;
        let below = Tensor::where_(&same, &Tensor::number(low.dtype(), 0.0), &low.sub(&high)?)?;
        high.add(&below.exp().log1p())
    }

    /// The same numbers with others in the place of NaN and the infinities: by default the largest and the smallest number of
    /// the type. Gradient: 0 there.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![f32::NAN, f32::INFINITY, 1.0];
    /// assert_eq!(x.nan_to_num(0.0, None, None).to_vec::<f32>()?, [0.0, f32::MAX, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn nan_to_num(&self, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Tensor {
        if !self.dtype().is_float() {
            return self.clone();
        }
        let largest = match self.dtype() {
            DType::F64 => f64::MAX,
            DType::F16 => 65_504.0,
            // (2 − 2⁻⁷) · 2¹²⁷
            DType::BF16 => 1.9921875 * 2f64.powi(127),
            _ => f64::from(f32::MAX),
        };
        let (most, least) = (posinf.unwrap_or(largest), neginf.unwrap_or(-largest));
        let filled = self.masked_fill(&self.is_nan(), nan);
        let filled = filled.and_then(|x| x.masked_fill(&self.eq_scalar(f64::INFINITY), most));
        filled.and_then(|x| x.masked_fill(&self.eq_scalar(f64::NEG_INFINITY), least)).unwrap_or_else(|_| self.clone())
    }

    /// Whether elements are equal but for rounding: `|a − b| ≤ atol + rtol · |b|`, or both the same infinity. NaN is close to
    /// nothing, or to NaN if `equal_nan`. PyTorch's defaults are `1e-5, 1e-8, false`.
    ///
    /// # Errors
    /// If the element types differ, the shapes do not broadcast, or a tolerance is negative or NaN.
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
        if !(rtol >= 0.0 && atol >= 0.0) {
            let message = format!("rtol is {rtol} and atol is {atol}, expected numbers from 0 on");
            return Err(Error::argument("isclose", message));
        }
        let (a, b) = (self.detach(), other.detach());
        let equal = a.eq(&b)?;
        let within = match a.dtype().is_float() {
            true => {
                let near = a.sub(&b)?.abs().le(&b.abs().mul_scalar(rtol).add_scalar(atol))?;
                near.logical_and(&b.is_finite())?.logical_and(&a.is_finite())?
            }
            // Their differences may be none of the type.
            false => {
                let (a, b) = (a.to_dtype(DType::F64), b.to_dtype(DType::F64));
                a.sub(&b)?.abs().le(&b.abs().mul_scalar(rtol).add_scalar(atol))?
            }
        };
        let close = equal.logical_or(&within)?;
        if equal_nan { close.logical_or(&a.is_nan().logical_and(&b.is_nan())?) } else { Ok(close) }
    }

    /// Whether all elements are [close](Self::isclose) to their counterparts.
    ///
    /// # Errors
    /// As for [`isclose`](Self::isclose).
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert!(tensor![1.0, 2.0].allclose(&tensor![1.000001, 2.0], 1e-5, 1e-8, false)?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<bool> {
        Ok(self.isclose(other, rtol, atol, equal_nan)?.all().item()? != 0.0)
    }
}

/// `both`, made of two numbers, and where one of them is NaN the other.
#[track_caller]
fn a_number(a: &Tensor, b: &Tensor, both: &Tensor) -> Result<Tensor> {
    b.is_nan().where_(a, &a.is_nan().where_(b, both)?)
}
