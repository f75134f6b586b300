//! What may be attended to.

use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// What each position may attend to. Masks of all kinds add up.
///
/// ```
/// use demotic::prelude::*;
///
/// let masks = AttentionMasks::new().causal();
/// # let _ = masks;
/// ```
#[derive(Debug, Clone, Default)]
pub struct AttentionMasks {
    causal: bool,
    mask: Option<Tensor>,
    key_padding: Option<Tensor>,
}

impl AttentionMasks {
    /// Everything may be attended to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No position attends to a later one; see [`AttentionOptions::causal`].
    #[must_use]
    pub fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// A `Bool` tensor, `true` where a query may attend to a key, or one of the type of the queries that is added to the
    /// scores: `[T, S]`, `[heads, T, S]`, or anything that broadcasts to `[.., heads, T, S]`. The first dimension of three
    /// can also be `batch · heads`, as in PyTorch.
    #[must_use]
    pub fn mask(mut self, mask: &Tensor) -> Self {
        self.mask = Some(mask.clone());
        self
    }

    /// `[.., S]`: a `Bool` tensor, `true` for keys that are padding and must not be attended to, or one that is added to
    /// the scores. PyTorch's `key_padding_mask`.
    #[must_use]
    pub fn key_padding(mut self, padding: &Tensor) -> Self {
        self.key_padding = Some(padding.clone());
        self
    }

    /// The options for queries `[.., heads, T, d]` of a layer of this name, `keys` keys of their own and `added` ones that
    /// everybody sees.
    #[track_caller]
    pub(super) fn options(&self, name: &str, q: &Tensor, keys: usize, added: usize) -> Result<AttentionOptions> {
        let lead = &q.shape()[..q.rank() - 3];
        let queries = q.shape()[q.rank() - 2];
        let mut mask = match &self.mask {
            Some(mask) => Some(checked(name, mask, q, keys)?),
            None => None,
        };
        if let Some(padding) = &self.key_padding {
            let expected: Vec<usize> = lead.iter().copied().chain([keys]).collect();
            if padding.shape() != expected {
                let message = format!("key padding {:?}, expected {expected:?}", padding.shape());
                return Err(Error::shape(name, message));
            }
            let shape: Vec<usize> = lead.iter().copied().chain([1, 1, keys]).collect();
            let padding = padding.reshape(&shape)?;
            let padding = if padding.dtype() == DType::Bool { padding.logical_not()? } else { padding };
            mask = Some(match mask {
                Some(mask) => both(&mask, &padding)?,
                None => padding,
            });
        }
        let mut causal = self.causal;
        if added > 0 {
            if causal {
                let lower = Tensor::full_dtype([queries, keys], 1.0, DType::Bool)?;
                let lower = lower.tril(keys as isize - queries as isize)?;
                mask = Some(match mask {
                    Some(mask) => both(&mask, &lower)?,
                    None => lower,
                });
                causal = false;
            }
            mask = match mask {
                Some(mask) => {
                    let mut wide = mask.shape().to_vec();
                    let last = wide.len() - 1;
                    wide[last] = keys;
                    let mask = mask.broadcast_to(&wide)?;
                    wide[last] = added;
                    let open = f64::from(u8::from(mask.dtype() == DType::Bool));
                    Some(Tensor::cat(&[&mask, &Tensor::full_dtype(&wide, open, mask.dtype())?], -1)?)
                }
                None => None,
            };
        }
        let options = AttentionOptions::new();
        let options = if causal { options.causal() } else { options };
        let options = match &mask {
            Some(mask) => options.mask(mask),
            None => options,
        };
        Ok(options)
    }
}

/// The mask with at least two dimensions, and without the product of batch and heads.
#[track_caller]
fn checked(name: &str, mask: &Tensor, q: &Tensor, keys: usize) -> Result<Tensor> {
    let n = q.rank();
    let (lead, heads, queries) = (&q.shape()[..n - 3], q.shape()[n - 3], q.shape()[n - 2]);
    let mut full: Vec<usize> = lead.to_vec();
    full.extend([heads, queries, keys]);
    if mask.rank() == 3 && mask.shape()[0] == lead.iter().product::<usize>() * heads {
        return mask.reshape(&full);
    }
    let fits = crate::tensor::layout::broadcast(mask.shape(), &full).as_deref() == Some(&full[..]);
    if mask.rank() == 0 || !fits {
        let message = format!("a mask of shape {:?} for scores {full:?}", mask.shape());
        return Err(Error::shape(name, message)
            .with_help("a mask of padded keys [batch, S] is given by AttentionMasks::key_padding"));
    }
    Ok(mask.clone())
}

/// What two masks allow together.
#[track_caller]
fn both(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match (a.dtype() == DType::Bool, b.dtype() == DType::Bool) {
        (true, true) => a.logical_and(b),
        (false, false) => a.add(b),
        (true, false) => both(b, a),
        (false, true) => {
            let zero = Tensor::full_dtype((), 0.0, a.dtype())?;
            a.add(&b.where_(&zero, &zero.full_like(f64::NEG_INFINITY))?)
        }
    }
}
