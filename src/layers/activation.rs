//! The activations as layers, for use in a [`Sequential`](super::Sequential).

use std::any::Any;

use serde::{Deserialize, Serialize};

use super::core::{Architecture, Blueprint, Layer, Mode, Module, Visitor, VisitorMut};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A layer without parameters that applies an operation of the same name.
macro_rules! activations {
    ($($(#[$doc:meta])* $Name:ident => |$x:ident| $y:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Shapes
        /// - input and output: `[..]`, any shape
        ///
        /// ```
        /// use demotic::prelude::*;
        ///
        /// let mut rng = Rng::seed(0);
        #[doc = concat!("let model = sequential![Linear::new(4, 8, &mut rng)?, ", stringify!($Name), ", Linear::new(8, 1, &mut rng)?];")]
        /// assert_eq!(model.predict(&Tensor::ones([2, 4])?)?.shape(), [2, 1]);
        /// # Ok::<(), demotic::Error>(())
        /// ```
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        pub struct $Name;
        crate::module!($Name {});
        impl $Name {
            #[track_caller]
            fn apply(self, $x: &Tensor) -> Result<Tensor> {
                Ok($y)
            }
        }
        impl Layer for $Name {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                mode.here(self.apply(x))
            }
        }
    )*};
}

/// The same with options.
macro_rules! activations_with_options {
    ($($(#[$doc:meta])* $Name:ident $to:literal { $($(#[$field_doc:meta])* $field:ident: $Type:ty = $default:expr),* } => |$op:ident, $x:ident| $y:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Shapes
        #[doc = concat!("- input: `[.., 8]`, or any other size; output: `[.., ", $to, "]`")]
        ///
        /// ```
        /// use demotic::prelude::*;
        ///
        /// let mut rng = Rng::seed(0);
        #[doc = concat!("let activation = ", stringify!($Name), "::default();")]
        #[doc = concat!("let model = sequential![Linear::new(4, 8, &mut rng)?, activation, Linear::new(", $to, ", 1, &mut rng)?];")]
        /// assert_eq!(model.predict(&Tensor::ones([2, 4])?)?.shape(), [2, 1]);
        /// # Ok::<(), demotic::Error>(())
        /// ```
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
        impl $Name {
            /// The layer with these options; [`default`](Self::default) is the one with the usual ones.
            #[must_use]
            pub const fn new($($field: $Type),*) -> Self {
                Self { $($field),* }
            }

            #[track_caller]
            fn apply(self, $x: &Tensor) -> Result<Tensor> {
                let $op = self;
                $y
            }
        }
        impl Layer for $Name {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                mode.here(self.apply(x))
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
    /// `x · σ(1.702 x)`, an approximation of GELU that CLIP uses (Hendrycks and Gimpel, *Gaussian error linear units*, 2016).
    QuickGelu => |x| x.mul(&x.mul_scalar(1.702).sigmoid())?;
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
    /// [`Tensor::tanhshrink`] as a layer.
    Tanhshrink => |x| x.tanhshrink();
}

activations_with_options! {
    /// [`Tensor::leaky_relu`] as a layer.
    LeakyRelu 8 {
        /// The slope for negative inputs.
        slope: f64 = 0.01
    } => |op, x| Ok(x.leaky_relu(op.slope));
    /// [`Tensor::elu`] as a layer.
    Elu 8 {
        /// The negative of the limit for large negative inputs.
        alpha: f64 = 1.0
    } => |op, x| Ok(x.elu(op.alpha));
    /// [`Tensor::softplus`] as a layer.
    Softplus 8 {
        /// The steepness.
        beta: f64 = 1.0,
        /// The input times `beta` from which on the function is the identity.
        threshold: f64 = 20.0
    } => |op, x| x.softplus(op.beta, op.threshold);
    /// [`Tensor::hardtanh`] as a layer.
    Hardtanh 8 {
        /// The lower limit.
        lo: f64 = -1.0,
        /// The upper limit.
        hi: f64 = 1.0
    } => |op, x| x.hardtanh(op.lo, op.hi);
    /// [`Tensor::softmax`] as a layer.
    Softmax 8 {
        /// The dimension whose elements add up to 1; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.softmax(op.dim);
    /// [`Tensor::log_softmax`] as a layer.
    LogSoftmax 8 {
        /// The dimension whose exponentials add up to 1; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.log_softmax(op.dim);
    /// [`Tensor::glu`] as a layer.
    Glu 4 {
        /// The dimension that is halved; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.glu(op.dim);
    /// [`Tensor::swiglu`] as a layer.
    Swiglu 4 {
        /// The dimension that is halved; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.swiglu(op.dim);
    /// [`Tensor::geglu`] as a layer.
    Geglu 4 {
        /// The dimension that is halved; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.geglu(op.dim);
    /// [`Tensor::reglu`] as a layer.
    Reglu 4 {
        /// The dimension that is halved; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.reglu(op.dim);
    /// [`Tensor::maxout`] as a layer.
    Maxout 4 {
        /// How many neighbours become one.
        pieces: usize = 2,
        /// The dimension that they are in; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.maxout(op.pieces, op.dim);
    /// [`Tensor::celu`] as a layer.
    Celu 8 {
        /// The negative of the limit for large negative inputs.
        alpha: f64 = 1.0
    } => |op, x| x.celu(op.alpha);
    /// [`Tensor::threshold`] as a layer.
    Threshold 8 {
        /// What an input has to exceed.
        threshold: f64 = 0.0,
        /// What takes the place of others.
        value: f64 = 0.0
    } => |op, x| x.threshold(op.threshold, op.value);
    /// [`Tensor::hardshrink`] as a layer.
    Hardshrink 8 {
        /// The magnitude up to which inputs become 0.
        lambda: f64 = 0.5
    } => |op, x| x.hardshrink(op.lambda);
    /// [`Tensor::softshrink`] as a layer.
    Softshrink 8 {
        /// By how much inputs move towards 0.
        lambda: f64 = 0.5
    } => |op, x| x.softshrink(op.lambda);
    /// [`Tensor::softmin`] as a layer.
    Softmin 8 {
        /// The dimension whose elements add up to 1; negative numbers count from the end.
        dim: isize = -1
    } => |op, x| x.softmin(op.dim);
}

/// One value for all of the activations.
macro_rules! all_activations {
    ($($Name:ident $({ $($(#[$doc:meta])* $field:ident: $Type:ty),* })?;)*) => {
        /// Any of the activations, as a configuration names it in files: `"relu"`, `{"leaky_relu": {"slope": 0.1}}`.
        ///
        /// Where one is asked for, the layer itself will do: `GptConfig::new(65, 64).activation(Silu)`.
        ///
        /// ```
        /// use demotic::prelude::*;
        ///
        /// let activation = Activation::from(LeakyRelu { slope: 0.1 });
        /// assert_eq!(activation.predict(&tensor![-1.0, 1.0])?.to_vec::<f32>()?, [-0.1, 1.0]);
        /// # Ok::<(), demotic::Error>(())
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Activation {
            $(
                #[doc = concat!("[`", stringify!($Name), "`](struct@", stringify!($Name), ").")]
                $Name $({ $($(#[$doc])* $field: $Type),* })?,
            )*
        }

        $(impl From<$Name> for Activation {
            fn from(layer: $Name) -> Self {
                let $Name $({ $($field),* })? = layer;
                Self::$Name $({ $($field),* })?
            }
        }

        impl Architecture for $Name {
            const KIND: &'static str = stringify!($Name);
            type Config = Activation;

            #[track_caller]
            fn config(&self) -> Result<Activation> {
                Ok((*self).into())
            }

            #[track_caller]
            fn from_config(config: Activation, _: &mut Rng) -> Result<Self> {
                match config {
                    Activation::$Name $({ $($field),* })? => Ok(Self $({ $($field),* })?),
                    other => Err(another(Self::KIND, other)),
                }
            }
        })*

        impl Activation {
            /// Which of them a layer is, if it is one.
            pub(crate) fn of(layer: &dyn Any) -> Option<Self> {
                $(if let Some(layer) = layer.downcast_ref::<$Name>() {
                    return Some((*layer).into());
                })*
                layer.downcast_ref().copied()
            }

            /// The function of a tensor.
            ///
            /// # Errors
            /// If its options make no sense for this tensor.
            #[track_caller]
            pub fn apply(self, x: &Tensor) -> Result<Tensor> {
                match self {
                    $(Self::$Name $({ $($field),* })? => $Name $({ $($field),* })?.apply(x),)*
                }
            }

            fn layer_name(self) -> &'static str {
                match self {
                    $(Self::$Name $({ $($field: _),* })? => stringify!($Name),)*
                }
            }
        }
    };
}

all_activations! {
    Relu; Relu6; Selu; Gelu; GeluTanh; QuickGelu; Silu; Mish; Softsign; Hardswish; Hardsigmoid; Sigmoid; LogSigmoid; Tanh; Tanhshrink;
    LeakyRelu {
        /// The slope for negative inputs.
        slope: f64
    };
    Elu {
        /// The negative of the limit for large negative inputs.
        alpha: f64
    };
    Softplus {
        /// The steepness.
        beta: f64,
        /// The input times `beta` from which on the function is the identity.
        threshold: f64
    };
    Hardtanh {
        /// The lower limit.
        lo: f64,
        /// The upper limit.
        hi: f64
    };
    Softmax {
        /// The dimension whose elements add up to 1.
        dim: isize
    };
    LogSoftmax {
        /// The dimension whose exponentials add up to 1.
        dim: isize
    };
    Glu {
        /// The dimension that is halved.
        dim: isize
    };
    Swiglu {
        /// The dimension that is halved.
        dim: isize
    };
    Geglu {
        /// The dimension that is halved.
        dim: isize
    };
    Reglu {
        /// The dimension that is halved.
        dim: isize
    };
    Maxout {
        /// How many neighbours become one.
        pieces: usize,
        /// The dimension that they are in.
        dim: isize
    };
    Celu {
        /// The negative of the limit for large negative inputs.
        alpha: f64
    };
    Threshold {
        /// What an input has to exceed.
        threshold: f64,
        /// What takes the place of others.
        value: f64
    };
    Hardshrink {
        /// The magnitude up to which inputs become 0.
        lambda: f64
    };
    Softshrink {
        /// By how much inputs move towards 0.
        lambda: f64
    };
    Softmin {
        /// The dimension whose elements add up to 1.
        dim: isize
    };
}

impl Activation {
    /// What it does to the number of features, if it does not keep it.
    pub(crate) fn shortening(self) -> Option<&'static str> {
        match self {
            Self::Glu { .. } | Self::Swiglu { .. } | Self::Geglu { .. } | Self::Reglu { .. } => {
                Some("gives half of the features it takes")
            }
            Self::Maxout { .. } => Some("gives fewer features than it takes"),
            _ => None,
        }
    }
}

/// Any of them may take the place of another.
impl Architecture for Activation {
    const KIND: &'static str = "Activation";
    type Config = Self;

    fn config(&self) -> Result<Self> {
        Ok(*self)
    }

    fn from_config(config: Self, _: &mut Rng) -> Result<Self> {
        Ok(config)
    }
}

#[cold]
#[track_caller]
fn another(kind: &str, found: Activation) -> Error {
    Error::format("from_config", format!("the configuration of a {kind} is that of a {}", found.layer_name()))
}

/// It has no parameters.
impl Module for Activation {
    fn visit(&self, _: &mut Visitor<'_>) {}
    fn visit_mut(&mut self, _: &mut VisitorMut<'_>) {}
    fn kind(&self) -> &'static str {
        self.layer_name()
    }
    fn blueprint(&self) -> Option<Result<Blueprint>> {
        Some(Blueprint::of(self))
    }
}

impl Layer for Activation {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(self.apply(x))
    }
}

#[cfg(test)]
mod tests;
