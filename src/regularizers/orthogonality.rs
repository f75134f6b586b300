//! A term of the loss for rows that are not at right angles.

use super::penalty::{Penalty, chosen};
use super::selection::Selection;
use crate::config::configurable;
use crate::error::{Error, Here, Result};
use crate::layers::Module;
use crate::optimizers::options::not_negative;
use crate::tensor::{DType, Tensor};

/// Keeps the rows of matrices orthogonal and of length 1, or their columns if these are fewer: `strength · Σ ‖W Wᵀ − I‖²`, the squared
/// Frobenius norm (Brock et al., 2017; Bansal et al., *Can we gain more from orthogonality regularizations*, 2018).
///
/// A parameter of more than two dimensions is a matrix of a row for each output, as the kernels of a convolution are.
///
/// ```
/// use demotic::layers::Param;
/// use demotic::regularizers::{Orthogonality, Penalty};
/// use demotic::tensor;
///
/// let weight = Param::new(tensor![[1.0, 0.0, 0.0], [0.5, 1.0, 0.0]])?;
/// // W Wᵀ − I is [[0, 0.5], [0.5, 0.25]].
/// assert_eq!(Orthogonality::new(1.0).penalty(&weight)?.item()?, 0.25 + 0.25 + 0.0625);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Orthogonality {
    strength: f64,
    selection: Selection,
}

configurable!(Orthogonality { strength: required, selection as "on" } = Self::new(0.0), check);

impl Orthogonality {
    /// The penalty on all parameters of two or more dimensions. The strength is at least 0.
    #[must_use]
    pub fn new(strength: f64) -> Self {
        Self { strength, selection: Selection::default() }
    }

    /// Only on parameters whose path matches `pattern`, in which `*` stands for any text: `*.weight`. Several patterns add up.
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.selection.add(pattern.into());
        self
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative("Orthogonality", "the strength", self.strength)
    }

    /// The term for one matrix, `[rows, …]`.
    ///
    /// # Errors
    /// If the strength makes no sense, or it has fewer than two dimensions.
    #[track_caller]
    pub fn of(&self, weight: &Tensor) -> Result<Tensor> {
        let op = "Orthogonality";
        self.check()?;
        weight.expect_any_float(op, "the weight")?;
        if weight.rank() < 2 {
            let message = format!("a weight of shape {:?}, expected [rows, columns]", weight.shape());
            return Err(Error::shape(op, message));
        }
        let weight = if weight.dtype().is_differentiable() { weight.clone() } else { weight.to_dtype(DType::F32) };
        let flat = weight.flatten(1, -1)?;
        let few = if flat.shape()[0] <= flat.shape()[1] { flat } else { flat.t() };
        let products = few.matmul(&few.t())?;
        let eye = Tensor::eye(products.shape()[0])?.to_dtype(products.dtype());
        Ok(products.sub(&eye)?.square().sum().mul_scalar(self.strength))
    }
}

impl Penalty for Orthogonality {
    #[track_caller]
    fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        let weights = chosen(&self.selection, model);
        let mut terms = weights.iter().filter(|weight| weight.rank() >= 2);
        let Some(first) = terms.next() else { return Err(self.selection.is_empty("Orthogonality", model)) };
        terms.try_fold(self.of(first)?, |sum, weight| sum.add(&self.of(weight)?)).here()
    }
}
