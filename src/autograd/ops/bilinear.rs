//! Products of two inputs with a weight.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// # Bilinear forms
impl Tensor {
    /// `yₖ = aᵀ Wₖ b + cₖ` for all outputs `k`: this tensor `[.., in1]`, another one `[.., in2]`, a weight `[out, in1, in2]` and perhaps
    /// a bias `[out]` give `[.., out]`. Gradients: those of the products.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let weight = tensor![[[1.0, 0.0], [0.0, 2.0]]];
    /// let y = tensor![3.0, 4.0].bilinear(&tensor![5.0, 6.0], &weight, None)?;
    /// assert_eq!(y.to_vec::<f32>()?, [3.0 * 5.0 + 4.0 * 2.0 * 6.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If shapes or types do not fit each other.
    #[track_caller]
    pub fn bilinear(&self, other: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let fits = match (self.shape().split_last(), other.shape().split_last(), weight.shape()) {
            (Some((a, rest)), Some((b, others)), [_, in1, in2]) => a == in1 && b == in2 && rest == others,
            _ => false,
        };
        if !fits {
            let (a, b, w) = (self.shape(), other.shape(), weight.shape());
            let message = format!("inputs of shapes {a:?} and {b:?} for a weight of shape {w:?}");
            return Err(Error::shape("bilinear", message).with_help(
                "expected [.., in1], [.., in2] and [out, in1, in2], with the same sizes before the features",
            ));
        }
        let (&[out, in1, in2], rest) = (weight.shape(), &self.shape()[..self.rank() - 1]) else {
            return Err(crate::error::bug!("bilinear", "a weight of shape {:?}", weight.shape()));
        };
        let rows: usize = rest.iter().product();
        // Each row of the first input as a matrix [out, in2], which the second is multiplied by.
        let matrices = self.reshape([rows, in1])?.matmul(&weight.permute(&[1, 0, 2])?.reshape([in1, out * in2])?)?;
        let y = matrices.reshape([rows, out, in2])?.matmul(&other.reshape([rows, in2, 1])?)?;
        let y = y.reshape(rest.iter().copied().chain([out]).collect::<Vec<_>>())?;
        match bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }
}
