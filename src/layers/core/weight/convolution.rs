//! The convolutions that are computed with a weight.

use crate::autograd::ConvOptions;
use crate::error::Result;
use crate::tensor::Tensor;

/// Which convolution a layer computes with its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the layers have these names")]
pub enum ConvKind {
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
}

impl ConvKind {
    /// The convolution itself.
    ///
    /// # Errors
    /// As for [`Tensor::conv2d`].
    #[track_caller]
    pub fn apply(self, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
        match self {
            Self::Conv1d => x.conv1d(w, bias, options),
            Self::Conv2d => x.conv2d(w, bias, options),
            Self::Conv3d => x.conv3d(w, bias, options),
            Self::ConvTranspose1d => x.conv_transpose1d(w, bias, options),
            Self::ConvTranspose2d => x.conv_transpose2d(w, bias, options),
            Self::ConvTranspose3d => x.conv_transpose3d(w, bias, options),
        }
    }

    /// How many spatial dimensions it has, unless it is a transposed one.
    #[must_use]
    pub fn dims(self) -> Option<usize> {
        match self {
            Self::Conv1d => Some(1),
            Self::Conv2d => Some(2),
            Self::Conv3d => Some(3),
            _ => None,
        }
    }
}
