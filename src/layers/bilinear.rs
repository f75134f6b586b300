//! Products of two inputs.

use std::fmt;

use super::core::{Init, Param};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// `yₖ = aᵀ Wₖ b + cₖ`: every output is a weighted sum of the products of all features of two inputs.
///
/// # Shapes
/// - inputs: `[.., in1]` and `[.., in2]`, with the same sizes before; output: `[.., out]`
/// - `weight`: `[out, in1, in2]`, `bias`: `[out]`
///
/// Both start out evenly distributed in `±1/√in1`, as in PyTorch. It takes two inputs, so it is no
/// [`Layer`](super::Layer).
///
/// ```
/// use demotic::prelude::*;
///
/// let pairs = Bilinear::new(3, 4, 2, &mut Rng::seed(0))?;
/// let y = pairs.apply(&Tensor::ones([5, 3])?, &Tensor::ones([5, 4])?)?;
/// assert_eq!(y.shape(), [5, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Bilinear {
    /// `[out, in1, in2]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
}

crate::module!(Bilinear { weight, bias });

impl Bilinear {
    /// A layer with the given numbers of features, and a bias.
    ///
    /// # Errors
    /// If a number is zero, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(in1: usize, in2: usize, out: usize, rng: &mut Rng) -> Result<Self> {
        if in1 == 0 || in2 == 0 || out == 0 {
            let message = format!("{in1} and {in2} input and {out} output features, expected at least 1 of each");
            return Err(Error::argument("Bilinear::new", message));
        }
        let init = Init::pytorch_default(in1);
        let weight = Param::new(init.tensor(&[out, in1, in2], rng)?)?;
        Ok(Self { weight, bias: Some(Param::new(init.tensor(&[out], rng)?)?) })
    }

    /// The same layer without a bias.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// The output for two inputs.
    ///
    /// # Errors
    /// If their shapes or types do not fit the layer and each other.
    #[track_caller]
    pub fn apply(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        a.bilinear(b, &self.weight, self.bias.as_deref())
    }
}

impl fmt::Debug for Bilinear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &[out, in1, in2] = self.weight.shape() else { return f.write_str("Bilinear") };
        let bias = if self.bias.is_some() { "" } else { ", no bias" };
        write!(f, "Bilinear({in1} × {in2} → {out}{bias})")
    }
}
