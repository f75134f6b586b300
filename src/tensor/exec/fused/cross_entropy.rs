//! The cross-entropy of logits with class numbers.

use super::computed;
use crate::error::{Result, bug};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::Real;
use crate::tensor::kernels::cross_entropy::{self as kernel, Criterion};
use crate::tensor::{Element, Tensor};

/// What a cross-entropy is computed with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrossEntropy<'a> {
    /// The class of each row; a number that is none makes a row of no account.
    pub(crate) targets: &'a [i64],
    pub(crate) label_smoothing: f64,
    /// How much each class counts: `[classes]`.
    pub(crate) weight: Option<&'a Tensor>,
}

impl CrossEntropy<'_> {
    /// The settings for logits of a type, and the number of classes.
    fn with_criterion<T: Element + Real, R>(&self, classes: usize, f: impl FnOnce(Criterion<'_, T>) -> R) -> R {
        let weight = self.weight.map(|weight| weight.cast(T::DTYPE).packed());
        f(Criterion {
            targets: self.targets,
            cols: classes,
            label_smoothing: <T as Element>::from_f64(self.label_smoothing),
            weights: weight.as_ref().map(|weight| weight.data()),
        })
    }
}

/// The loss of each row of the logits `[rows, classes]`, and the logarithm of its sum of exponentials, which the gradient
/// needs. Logits of 16 bits are computed in `F32`, and so is the result.
pub(crate) fn cross_entropy(settings: CrossEntropy<'_>, logits: &Tensor) -> Result<[Tensor; 2]> {
    let &[rows, classes] = logits.shape() else {
        return Err(bug!("cross_entropy", "logits of shape {:?}", logits.shape()));
    };
    let dtype = computed(logits.dtype());
    let logits = logits.cast(dtype).packed();
    let [mut losses, mut lse] = [(); 2].map(|()| Tensor::stale(dtype, &[rows]));
    with_float!(dtype, T => settings.with_criterion::<T, _>(classes, |criterion| {
        kernel::cross_entropy::<T>(criterion, logits.data(), losses.data_mut(), lse.data_mut());
    }), else return Err(bug!("cross_entropy", "computed in {dtype}")));
    Ok([losses, lse])
}

/// The gradient of the logits, from that of each row's loss and the logarithms of sums.
pub(crate) fn cross_entropy_backward(
    settings: CrossEntropy<'_>,
    logits: &Tensor,
    lse: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let dtype = lse.dtype();
    let (logits, grad) = (logits.cast(dtype).packed(), grad.cast(dtype).packed());
    let classes = logits.shape().last().copied().unwrap_or(0);
    let mut out = Tensor::stale(dtype, logits.shape());
    with_float!(dtype, T => settings.with_criterion::<T, _>(classes, |criterion| {
        kernel::cross_entropy_backward::<T>(criterion, logits.data(), lse.data(), grad.data(), out.data_mut());
    }), else return Err(bug!("cross_entropy", "computed in {dtype}")));
    Ok(out)
}
