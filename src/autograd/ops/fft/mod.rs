//! Discrete Fourier transforms, and what is made of them.
//!
//! A complex number is a pair in a last dimension of 2, real and imaginary part: `torch.view_as_real` of PyTorch's. A transform is a
//! linear function whose transpose is a transform again, so gradients of every order are made of the same three loops.

mod complex;
mod frequencies;
mod hermitian;
mod options;
mod several;
mod stft;
mod transform;
mod windows;

pub use options::{FftNorm, FftOptions};
pub use stft::StftOptions;
