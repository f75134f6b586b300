//! The dense layer in the layout of GPT-2's files.

use std::fmt;

use crate::error::{Error, Result};
use crate::layers::{Init, Layer, Mode, Param, Weight};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A dense layer `y = x · W + b` whose weight has the inputs first: what GPT-2's files hold, and `transformers` calls
/// `Conv1D`. Otherwise the same as [`Linear`](crate::layers::Linear).
///
/// # Shapes
/// - input: `[.., in_features]`
/// - output: `[.., out_features]`
/// - `weight`: `[in_features, out_features]`, `bias`: `[out_features]`
#[derive(Clone)]
pub struct Projection {
    /// `[in_features, out_features]`.
    pub weight: Weight,
    /// `[out_features]`.
    pub bias: Param,
}

crate::module!(Projection { weight, bias });

impl Projection {
    /// A layer with weights of this standard deviation and a bias of zeros.
    ///
    /// # Errors
    /// If a number of features is zero, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(in_features: usize, out_features: usize, std: f64, rng: &mut Rng) -> Result<Self> {
        if in_features == 0 || out_features == 0 {
            let message =
                format!("{in_features} input and {out_features} output features, expected at least 1 of each");
            return Err(Error::argument("Projection::new", message));
        }
        let weight = Weight::new(Init::Normal { mean: 0.0, std }.tensor(&[in_features, out_features], rng)?)?;
        Ok(Self { weight, bias: Param::new(Tensor::zeros([out_features])?)? })
    }
}

impl Layer for Projection {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(self.weight.linear_transposed(x, Some(&self.bias)))
    }
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.weight.shape();
        write!(f, "Projection({} → {})", shape[0], shape[1])
    }
}
