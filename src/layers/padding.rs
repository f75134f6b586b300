//! Layers that put margins around sequences, images and volumes.

use super::core::{Layer, LayerConfig, Mode, described};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::argument::DimList;

/// The margins as pairs for the last dimensions, in their order: from one number for all sides, or numbers as PyTorch has them, the last
/// dimension first.
#[track_caller]
fn pairs(name: &'static str, margins: &[isize], dims: usize) -> Result<Vec<(isize, isize)>> {
    match margins {
        [all] => Ok(vec![(*all, *all); dims]),
        _ if margins.len() == 2 * dims => Ok(margins.chunks_exact(2).rev().map(|pair| (pair[0], pair[1])).collect()),
        _ => {
            let message = format!("margins {margins:?}, expected 1 or {} numbers", 2 * dims);
            Err(Error::argument(name, message).with_help("left, right, then top, bottom, then front, back"))
        }
    }
}

/// Layers with margins: of `pad(x, pairs)`.
macro_rules! margins {
    ($($Layer:ident $dims:literal $of:literal $what:literal $example:literal $sum:literal |$x:ident, $pairs:ident $(, $value:ident)?| $pad:expr;)*) => {$(
        #[doc = concat!("Puts a margin around ", $of, ": ", $what, ".")]
        ///
        /// Margins are one number for all sides, or as in PyTorch left and right, then top and bottom, then front and back. Negative
        /// ones take places away.
        ///
        /// # Shapes
        #[doc = concat!("- input and output: the last ", $dims, " dimensions get margins")]
        ///
        /// ```
        /// use demotic::prelude::*;
        ///
        #[doc = concat!("let pad = ", stringify!($Layer), "::new(", $example, ");")]
        #[doc = concat!("let y = pad.predict(&Tensor::ones(vec![2; ", $dims, " + 2])?)?;")]
        #[doc = concat!("assert_eq!(y.shape()[2..], [4; ", $dims, "]);")]
        #[doc = concat!("assert_eq!(y.select(0, 0)?.select(0, 0)?.sum().item()?, ", $sum, ");")]
        /// # Ok::<(), demotic::Error>(())
        /// ```
        #[derive(Debug, Clone)]
        pub struct $Layer {
            margins: Vec<isize>,
            $($value: f64,)?
        }

        crate::module!($Layer {}, plain { margins $(, $value)? });

        impl $Layer {
            /// A layer with these margins.
            #[must_use]
            pub fn new(margins: impl DimList $(, $value: f64)?) -> Self {
                Self { margins: margins.as_dims().to_vec() $(, $value)? }
            }
        }

        described! {
            $Layer,
            |layer| LayerConfig::new().with("margins", layer.margins.clone())$(.with(stringify!($value), layer.$value))?,
            |options, _| Self { margins: options.take("margins")? $(, $value: options.take(stringify!($value))?)? }
        }

        impl Layer for $Layer {
            #[track_caller]
            fn forward(&self, $x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                let padded = pairs(stringify!($Layer), &self.margins, $dims).and_then(|pairs| {
                    $(let $value = self.$value;)?
                    let $pairs = &pairs;
                    $pad
                });
                mode.here(padded)
            }
        }
    )*};
}

margins! {
    ZeroPad1d 1 "sequences" "zeros" "1" "2.0" |x, pairs| x.pad(pairs, 0.0);
    ZeroPad2d 2 "images" "zeros" "1" "4.0" |x, pairs| x.pad(pairs, 0.0);
    ZeroPad3d 3 "volumes" "zeros" "1" "8.0" |x, pairs| x.pad(pairs, 0.0);
    ConstantPad1d 1 "sequences" "a number" "1, 3.0" "8.0" |x, pairs, value| x.pad(pairs, value);
    ConstantPad2d 2 "images" "a number" "1, 3.0" "40.0" |x, pairs, value| x.pad(pairs, value);
    ConstantPad3d 3 "volumes" "a number" "1, 3.0" "176.0" |x, pairs, value| x.pad(pairs, value);
    ReflectionPad1d 1 "sequences" "as in a mirror, without repeating the outermost places" "1" "4.0" |x, pairs| x.pad_reflect(pairs);
    ReflectionPad2d 2 "images" "as in a mirror, without repeating the outermost places" "1" "16.0" |x, pairs| x.pad_reflect(pairs);
    ReflectionPad3d 3 "volumes" "as in a mirror, without repeating the outermost places" "1" "64.0" |x, pairs| x.pad_reflect(pairs);
    ReplicationPad1d 1 "sequences" "the outermost places once more" "1" "4.0" |x, pairs| x.pad_replicate(pairs);
    ReplicationPad2d 2 "images" "the outermost places once more" "1" "16.0" |x, pairs| x.pad_replicate(pairs);
    ReplicationPad3d 3 "volumes" "the outermost places once more" "1" "64.0" |x, pairs| x.pad_replicate(pairs);
    CircularPad1d 1 "sequences" "what is at the other end" "1" "4.0" |x, pairs| x.pad_circular(pairs);
    CircularPad2d 2 "images" "what is at the other end" "1" "16.0" |x, pairs| x.pad_circular(pairs);
    CircularPad3d 3 "volumes" "what is at the other end" "1" "64.0" |x, pairs| x.pad_circular(pairs);
}
