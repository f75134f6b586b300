//! The activations as layers, for use in a [`Sequential`](super::Sequential).

use super::layer::{Layer, Mode};
use super::summary;
use crate::error::Result;
use crate::tensor::Tensor;

/// A layer without parameters that applies an operation of the same name.
macro_rules! activations {
    ($($(#[$doc:meta])* $Name:ident => |$x:ident| $y:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        pub struct $Name;
        crate::module!($Name {});
        impl Layer for $Name {
            #[track_caller]
            fn forward(&self, $x: &Tensor, _: &mut Mode<'_>) -> Result<Tensor> {
                summary::noted(self, Ok($y))
            }
        }
    )*};
}

/// The same with options.
macro_rules! activations_with_options {
    ($($(#[$doc:meta])* $Name:ident { $($(#[$field_doc:meta])* $field:ident: $Type:ty = $default:expr),* } => |$op:ident, $x:ident| $y:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Name {
            $($(#[$field_doc])* pub $field: $Type,)*
        }
        crate::module!($Name {}, plain { $($field),* });
        impl Default for $Name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }
        impl Layer for $Name {
            #[track_caller]
            fn forward(&self, $x: &Tensor, _: &mut Mode<'_>) -> Result<Tensor> {
                let $op = self;
                summary::noted(self, $y)
            }
        }
    )*};
}

activations! {
    /// [`Tensor::relu`] as a layer.
    Relu => |x| x.relu();
    /// [`Tensor::relu6`] as a layer.
    Relu6 => |x| x.relu6();
    /// [`Tensor::selu`] as a layer.
    Selu => |x| x.selu();
    /// [`Tensor::gelu`] (exact) as a layer.
    Gelu => |x| x.gelu();
    /// [`Tensor::gelu_tanh`], the approximation that GPT-2 uses, as a layer.
    GeluTanh => |x| x.gelu_tanh();
    /// [`Tensor::silu`] as a layer.
    Silu => |x| x.silu();
    /// [`Tensor::mish`] as a layer.
    Mish => |x| x.mish();
    /// [`Tensor::softsign`] as a layer.
    Softsign => |x| x.softsign();
    /// [`Tensor::hardswish`] as a layer.
    Hardswish => |x| x.hardswish();
    /// [`Tensor::hardsigmoid`] as a layer.
    Hardsigmoid => |x| x.hardsigmoid();
    /// [`Tensor::sigmoid`] as a layer.
    Sigmoid => |x| x.sigmoid();
    /// [`Tensor::log_sigmoid`] as a layer.
    LogSigmoid => |x| x.log_sigmoid();
    /// [`Tensor::tanh`] as a layer.
    Tanh => |x| x.tanh();
}

activations_with_options! {
    /// [`Tensor::leaky_relu`] as a layer.
    LeakyRelu {
        /// The slope for negative inputs.
        slope: f64 = 0.01
    } => |op, x| Ok(x.leaky_relu(op.slope));
    /// [`Tensor::elu`] as a layer.
    Elu {
        /// The negative of the limit for large negative inputs.
        alpha: f64 = 1.0
    } => |op, x| Ok(x.elu(op.alpha));
    /// [`Tensor::softplus`] as a layer.
    Softplus {
        /// The steepness.
        beta: f64 = 1.0,
        /// The input times `beta` from which on the function is the identity.
        threshold: f64 = 20.0
    } => |op, x| x.softplus(op.beta, op.threshold);
    /// [`Tensor::hardtanh`] as a layer.
    Hardtanh {
        /// The lower limit.
        lo: f64 = -1.0,
        /// The upper limit.
        hi: f64 = 1.0
    } => |op, x| x.hardtanh(op.lo, op.hi);
    /// [`Tensor::softmax`] as a layer.
    Softmax {
        /// The dimension whose elements add up to 1; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.softmax(op.dim);
    /// [`Tensor::log_softmax`] as a layer.
    LogSoftmax {
        /// The dimension whose exponentials add up to 1; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.log_softmax(op.dim);
    /// [`Tensor::glu`] as a layer.
    Glu {
        /// The dimension that is halved; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.glu(op.dim);
}
