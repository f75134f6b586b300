//! Limits for gradients, against steps that are far too large.
//!
//! Optimizers clip by themselves if asked to: `Adam::new(1e-3).clip_norm(1.0)`. These functions are for loops that
//! want to see the norm, or that accumulate gradients first.

use super::options::positive;
use crate::autograd::Gradients;
use crate::autograd::ops::norm::expect_length;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::{ReduceOp, total};
use crate::tensor::exec::unary::{self as exec, UnaryOp};

/// Brings every element of every gradient into `-limit ..= limit`. NaN stays.
///
/// # Errors
/// If the limit is not a finite number above 0.
///
/// ```
/// use demotic::{optimizers::clip, tensor};
///
/// let x = tensor![3.0, -0.2].tracked()?;
/// let mut grads = x.square().sum().backward()?;
/// clip::by_value(&mut grads, 1.0)?;
/// assert_eq!(grads.wrt(&x)?.to_vec::<f32>()?, [1.0, -0.4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "clip_grad_value_")]
#[track_caller]
pub fn by_value(grads: &mut Gradients, limit: f64) -> Result<()> {
    positive("clip::by_value", "the limit", limit)?;
    apply(Limit::Value(limit), grads)
}

/// Scales all gradients together so that their norm, the root of the sum of all squares, is at most `max_norm`, and
/// returns what it was before.
///
/// The direction of the step stays the same. As in PyTorch, the factor is `max_norm / (norm + 1e-6)` if that is
/// below 1.
///
/// # Errors
/// If `max_norm` is not a finite number above 0, or the norm is NaN or infinite. The gradients are unchanged then.
///
/// ```
/// use demotic::{optimizers::clip, tensor};
///
/// let x = tensor![3.0, 4.0].tracked()?;
/// let mut grads = x.square().sum().backward()?;
/// assert_eq!(clip::by_norm(&mut grads, 1.0)?, 10.0);
/// assert!((clip::norm(&grads, 2.0)? - 1.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "clip_grad_norm_")]
#[track_caller]
pub fn by_norm(grads: &mut Gradients, max_norm: f64) -> Result<f64> {
    by_p_norm(grads, max_norm, 2.0)
}

/// The same for the `p`-norm, `(Σ |g|ᵖ)^(1/p)`; for an infinite `p`, the largest absolute value.
///
/// # Errors
/// As for [`by_norm`]; and if `p` is not above 0.
#[track_caller]
pub fn by_p_norm(grads: &mut Gradients, max_norm: f64, p: f64) -> Result<f64> {
    let total = norm(grads, p)?;
    from_norm(grads, total, max_norm)
}

/// The same for gradients whose norm is known: that of the gradients of several ranks together.
#[track_caller]
pub(crate) fn from_norm(grads: &mut Gradients, total: f64, max_norm: f64) -> Result<f64> {
    positive("clip::by_norm", "max_norm", max_norm)?;
    if !total.is_finite() {
        return Err(Error::numeric("clip::by_norm", format!("the norm of the gradients is {total}"))
            .with_help("lower the learning rate; look for a division by zero, log(0), or NaN in the data"));
    }
    if let Some(limit) = Limit::for_norm(total, max_norm) {
        apply(limit, grads)?;
    }
    Ok(total)
}

/// The `p`-norm of all gradients together: `(Σ |g|ᵖ)^(1/p)`; for an infinite `p`, the largest absolute value.
///
/// # Errors
/// If `p` is not above 0.
#[track_caller]
pub fn norm(grads: &Gradients, p: f64) -> Result<f64> {
    expect_length("clip::norm", p)?;
    let mut total = Norm::new(p);
    grads.iter().for_each(|grad| total.add(&grad.packed()));
    Ok(total.value())
}

#[track_caller]
fn apply(limit: Limit, grads: &mut Gradients) -> Result<()> {
    grads.update(|grad| {
        limit.apply(grad);
        Ok(())
    })
}

/// A change to each element of a gradient.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// To the nearest number between minus and plus this.
    Value(f64),
    /// To this multiple.
    Scale(f64),
}

impl Limit {
    /// What brings a norm down to `max_norm`, if it has to be.
    pub(super) fn for_norm(norm: f64, max_norm: f64) -> Option<Self> {
        let scale = max_norm / (norm + 1e-6);
        (scale < 1.0).then_some(Self::Scale(scale))
    }

    pub(super) fn apply(self, grad: &mut Tensor) {
        exec::unary_in_place(
            match self {
                Self::Value(limit) => UnaryOp::Clamp { lo: -limit, hi: limit },
                Self::Scale(c) => UnaryOp::MulScalar { c },
            },
            grad,
        );
    }
}

/// A gradient as an update rule gets it: contiguous, clipped, and turned round if the loss is to grow.
pub(super) fn prepared(grad: &Tensor, limit: Option<Limit>, maximize: bool) -> Tensor {
    let mut grad = grad.packed();
    if let Some(limit) = limit {
        limit.apply(&mut grad);
    }
    if maximize { grad.neg() } else { grad }
}

/// The `p`-norm of several tensors together.
#[derive(Debug)]
pub(super) struct Norm {
    p: f64,
    /// Of what was counted so far. It is the norm and not its power, which may be too large or too small for a number.
    total: f64,
}

impl Norm {
    pub(super) fn new(p: f64) -> Self {
        Self { p, total: 0.0 }
    }

    /// Counts in the elements of a contiguous tensor.
    pub(super) fn add(&mut self, x: &Tensor) {
        self.add_norm(norm_of(x, self.p));
    }

    /// Counts in a tensor of which the norm is known.
    pub(super) fn add_norm(&mut self, norm: f64) {
        if self.p.is_infinite() {
            // NaN wins, whether it comes first or last.
            self.total = if norm <= self.total || self.total.is_nan() { self.total } else { norm };
        } else {
            let (low, high) = if norm < self.total { (norm, self.total) } else { (self.total, norm) };
            let sum = if self.p == 2.0 {
                low.hypot(high)
            } else {
                high * (1.0 + (low / high).powf(self.p)).powf(self.p.recip())
            };
            // Of nothing, and of what is infinite or NaN, there is no share.
            self.total = if high == 0.0 || !high.is_finite() { low + high } else { sum };
        }
    }

    pub(super) fn value(&self) -> f64 {
        self.total
    }
}

/// The `p`-norm of a contiguous tensor.
fn norm_of(x: &Tensor, p: f64) -> f64 {
    let norm = total(ReduceOp::Norm(p), x);
    if norm.is_finite() {
        return norm;
    }
    scaled_norm(&x.to_f64_vec(), p)
}

/// The norm of elements whose powers may be too large for their type.
fn scaled_norm(x: &[f64], p: f64) -> f64 {
    let magnitudes = || x.iter().map(|x| x.abs());
    let largest = magnitudes().fold(0.0, |a: f64, b| if b <= a || a.is_nan() { a } else { b });
    if !largest.is_finite() || p.is_infinite() {
        return largest;
    }
    largest * magnitudes().map(|x| (x / largest).powf(p)).sum::<f64>().powf(p.recip())
}
