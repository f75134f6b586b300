//! Documents that share a row.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// Which positions may look at which, in rows of several documents: `[batch, 1, time, time]` of type `Bool`, true where
/// the position (third dimension) may attend to another (fourth): one before it, or itself, in the same document.
///
/// `ids` has shape `[batch, time]`; a document begins at each `separator`, as [`NextTokens::packed`](super::NextTokens::packed)
/// lays them out. The second dimension stands for the heads of an attention.
///
/// # Errors
/// If the ids are not `[batch, time]` of type `I64`, or the mask does not fit into memory.
///
/// ```
/// use demotic::{Tensor, data};
///
/// let ids = Tensor::from_nested([[5i64, 0, 6]])?;
/// let mask = data::document_mask(&ids, 0)?;
/// assert_eq!(mask.shape(), [1, 1, 3, 3]);
/// assert_eq!(mask.to_f64_vec(), [1., 0., 0., 0., 1., 0., 0., 1., 1.]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn document_mask(ids: &Tensor, separator: i64) -> Result<Tensor> {
    let op = "document_mask";
    ids.expect_dtype(op, "the ids", DType::I64)?;
    let &[rows, time] = ids.shape() else {
        return Err(Error::shape(op, format!("the ids have shape {:?}, expected [batch, time]", ids.shape())));
    };
    let mut mask = Tensor::full_dtype([rows, 1, time, time], 0.0, DType::Bool)?;
    let (ids, allowed) = (ids.packed(), mask.as_mut_slice::<bool>()?);
    for (i, row) in ids.as_slice::<i64>()?.chunks_exact(time.max(1)).enumerate() {
        let mut begin = 0;
        for (t, id) in row.iter().enumerate() {
            if *id == separator {
                begin = t;
            }
            allowed[(i * time + t) * time..][begin..=t].fill(true);
        }
    }
    Ok(mask)
}
