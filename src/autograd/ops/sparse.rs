//! What is computed with sparse matrices.

use super::matmul::{expect_features, expect_fractions, with_bias};
use super::record;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::sparse as exec;
use crate::tensor::sparse::SparseTensor;

/// # Multiplying
impl SparseTensor {
    /// `x · Wᵀ + bias`, for a sparse matrix of weights `[out, in]`. Gradient, of `x` and `bias`: that of a dense layer with these weights,
    /// which are not trained.
    ///
    /// # Shapes
    /// - `x`: `[.., in]`, of any floating-point type
    /// - `bias`: `[out]`, of the same type
    /// - output: `[.., out]`
    ///
    /// # Errors
    /// If the shapes or types do not fit.
    #[track_caller]
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let _timer = crate::profile::op("linear_sparse");
        expect_fractions(x, "linear", "the input")?;
        let [outputs, features] = self.sizes();
        expect_features(x, outputs, features)?;
        let y = record("linear_sparse", exec::linear(x, self)?, &[x], |tape| {
            let weight = self.clone();
            tape.edge(x, move |g| g.matmul(&weight.to_dense()?.to_dtype(g.dtype())));
            tape.keeps_examples(x, x.rank() > 1);
        });
        with_bias(y, outputs, bias)
    }
}
