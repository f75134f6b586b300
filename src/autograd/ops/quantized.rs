//! What is computed with quantised weights.

use super::gather::indices;
use super::matmul::{expect_features, expect_fractions, with_bias};
use super::record;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::index::out_of_range;
use crate::tensor::exec::quantized as exec;
use crate::tensor::quantized::QTensor;

/// # Multiplying and looking up
impl QTensor {
    /// `x · Wᵀ + bias`, for a matrix of weights `[out, in]`.
    ///
    /// Up to eight rows of `x` are rounded to eight bits, with a scale for each 32 numbers, and multiplied as whole numbers; more are
    /// multiplied as they are by the numbers that the weights stand for. Gradient, of `x` and `bias`: that of a dense layer with these
    /// weights, as if nothing were rounded.
    ///
    /// # Shapes
    /// - `x`: `[.., in]`, of any floating-point type; nothing is rounded in `F64`
    /// - `bias`: `[out]`, of the same type
    /// - output: `[.., out]`
    ///
    /// # Errors
    /// If the shapes or types do not fit.
    #[track_caller]
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let _timer = crate::profile::op("linear_quantized");
        expect_fractions(x, "linear", "the input")?;
        let &[outputs, features] = self.shape() else {
            let message = format!("a weight of shape {:?}, expected [out, in]", self.shape());
            return Err(Error::shape("linear", message));
        };
        expect_features(x, outputs, features)?;
        let y = record("linear_quantized", exec::linear(x, self)?, &[x], |tape| {
            let weight = self.clone();
            tape.edge(x, move |g| g.matmul(&weight.dequantize()?.to_dtype(g.dtype())));
            tape.keeps_examples(x, x.rank() > 1);
        });
        with_bias(y, outputs, bias)
    }

    /// The rows of a matrix `[n, dim]` that these numbers name: ids `[..]` of type `I64` give `[.., dim]`, of type `F32`.
    ///
    /// # Errors
    /// If the ids are not of type `I64`, or one of them is not the number of a row.
    #[track_caller]
    pub fn embedding(&self, ids: &Tensor) -> Result<Tensor> {
        let _timer = crate::profile::op("embedding_quantized");
        let index = indices("embedding", "the ids", ids)?;
        let &[n, dim] = self.shape() else {
            return Err(Error::shape("embedding", format!("a table of shape {:?}, expected [n, dim]", self.shape())));
        };
        if let Some((_, id)) = out_of_range(&index, n) {
            let message = format!("id {id} of the ids {:?} is not in the table of {n} rows", ids.shape());
            return Err(Error::index("embedding", message)
                .with_help("ids count from 0, and the table needs a row for every entry of the vocabulary"));
        }
        let rows = self.with_rows(|blocks| blocks.index_select(0, &index.reshape([index.numel()])?))?;
        let shape: Vec<usize> = ids.shape().iter().copied().chain([dim]).collect();
        rows.dequantize()?.reshape(shape)
    }
}
