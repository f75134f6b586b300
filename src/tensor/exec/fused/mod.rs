//! The fused loops of training: what takes several tensors at once and reads each of them once.
//!
//! Every loop has one function here, which takes tensors and a plain struct of settings. The operations above know
//! mathematics, the kernels below know slices. Which type a loop computes in, what has to be contiguous for it, and where its
//! results are put is decided here. What does not fit is an internal error: operations compare shapes and types before.

mod attention;
mod batch_norm;
mod cache;
mod cross_entropy;
mod ctc;
mod norm;
mod optim;
mod penalty;
mod recurrent;
mod resample;
mod rotary;
mod softmax;
mod windows;

pub(crate) use attention::{
    Attention, AttentionDropout, AttentionSizes, attention, attention_backward, dropout_factors,
};
pub(crate) use batch_norm::{Channels, channel_affine, channel_moments, channel_products};
pub(crate) use cache::write_rows;
pub(crate) use cross_entropy::{CrossEntropy, cross_entropy, cross_entropy_backward};
pub(crate) use ctc::{CtcSequences, ctc, ctc_backward};
pub(crate) use norm::{Norm, Scale, normalize, normalize_backward};
pub(crate) use optim::{
    AdaGrad, Adadelta, Adam, Adamax, Asgd, Lion, Moments, Parameter, RmsProp, Rprop, Rule, Sgd, update,
};
pub(crate) use penalty::powers_slope;
pub use recurrent::RecurrentUnit;
pub(crate) use recurrent::{Operands as SweepOperands, Span, Sweep, Swept, sweep, sweep_backward};
pub(crate) use resample::{Taps, resample};
pub(crate) use rotary::{Rotation, rotary};
pub(crate) use softmax::{Softmax, softmax, softmax_backward};
pub(crate) use windows::{Grid, Windows, window_max, window_pick, window_put, window_sum};

use crate::tensor::{DType, Tensor};

/// The type that fused loops compute a type in: `F32`, unless it is `F64`.
pub(crate) fn computed(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The same elements with unit stride in the last dimension: itself, or a copy.
fn with_unit_stride(x: &Tensor) -> Tensor {
    let last = x.rank() - 1;
    if x.strides()[last] == 1 || x.shape()[last] == 1 { x.with_layout(x.layout.clone()) } else { x.packed() }
}
