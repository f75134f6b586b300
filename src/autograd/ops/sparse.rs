//! What is computed with sparse matrices.

use super::gather::indices;
use super::matmul::{expect_features, expect_fractions, with_bias};
use super::record;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::index::out_of_range;
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

    /// The rows of a matrix `[n, dim]` that these numbers name, with their zeros: ids `[..]` of type `I64` give `[.., dim]`.
    ///
    /// # Errors
    /// If the ids are not of type `I64`, or one of them is not the number of a row.
    #[track_caller]
    pub fn embedding(&self, ids: &Tensor) -> Result<Tensor> {
        let index = indices("embedding", "the ids", ids)?;
        let [n, dim] = self.sizes();
        if let Some((_, id)) = out_of_range(&index, n) {
            let message = format!("id {id} of the ids {:?} is not in the table of {n} rows", ids.shape());
            return Err(Error::index("embedding", message));
        }
        let rows = index.to_vec::<i64>()?.into_iter().map(|id| self.narrow(id as usize, 1)?.to_dense());
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let shape: Vec<usize> = ids.shape().iter().copied().chain([dim]).collect();
        if rows.is_empty() {
            Tensor::zeros(shape)
        } else {
            Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0)?.reshape(shape)
        }
    }
}
