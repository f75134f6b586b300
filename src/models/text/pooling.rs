//! From the vectors of all tokens to one vector of their text.

use crate::error::Result;
use crate::models::Pooling;
use crate::tensor::Tensor;

/// `[batch, time, hidden]` to `[batch, hidden]`. `padding` is `[batch, time]`, `true` for tokens that do not count.
#[track_caller]
pub(super) fn pool(vectors: &Tensor, padding: Option<&Tensor>, pooling: Pooling) -> Result<Tensor> {
    let hide = |value: f64| match padding {
        Some(padding) => vectors.masked_fill(&padding.unsqueeze(-1)?, value),
        None => Ok(vectors.clone()),
    };
    match pooling {
        Pooling::First => vectors.select(1, 0),
        Pooling::Max => hide(f64::NEG_INFINITY)?.amax(&[1], false),
        Pooling::Mean => match padding {
            None => vectors.mean_dims(&[1], false),
            Some(padding) => {
                let (batch, time) = (vectors.shape()[0], vectors.shape()[1]);
                let padding = padding.to_vec::<bool>()?;
                // Of a text that is nothing but padding, zeros.
                let count = |row: &[bool]| row.iter().filter(|absent| !**absent).count().max(1) as f64;
                let lengths = padding.chunks(time.max(1)).map(count).collect();
                let lengths = Tensor::from_vec::<f64>(lengths, [batch, 1])?.to_dtype(vectors.dtype());
                hide(0.0)?.sum_dims(&[1], false)?.div(&lengths)
            }
        },
    }
}
