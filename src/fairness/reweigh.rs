//! Weights that make the outcome independent of the group.

use super::Groups;
use crate::error::Result;
use crate::tensor::{DType, Tensor};

/// A weight for each row, with which the outcome does not depend on the group: `P(group) · P(outcome) / P(group, outcome)` (Kamiran and
/// Calders, *Data preprocessing techniques for classification without discrimination*, 2012). `[n]` in `F32`, of mean 1 where every
/// group has both outcomes.
///
/// Train with them by [`Weighted`](crate::train::Weighted), on a [`WeightedDataset`](crate::data::WeightedDataset).
///
/// ```
/// use demotic::fairness::{Groups, reweighing};
/// use demotic::prelude::*;
///
/// let groups = Groups::named(["f", "f", "f", "m", "m", "m"])?;
/// let y = Tensor::from_nested([1i64, 0, 0, 1, 1, 0])?;
/// let weights = reweighing(&y, &groups)?;
/// assert_eq!(weights.to_vec::<f32>()?, [1.5, 0.75, 0.75, 0.75, 0.75, 1.5]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the target is not 0 or 1 for each row.
#[track_caller]
pub fn reweighing(target: &Tensor, groups: &Groups) -> Result<Tensor> {
    let y = groups.expect("reweighing", target)?;
    let n = y.len() as f64;
    let sizes = groups.counts();
    let mut both = vec![[0usize; 2]; sizes.len()];
    let mut outcomes = [0usize; 2];
    for (y, group) in y.iter().zip(groups.codes()) {
        both[*group][usize::from(*y)] += 1;
        outcomes[usize::from(*y)] += 1;
    }
    let weight = |(y, group): (&bool, &usize)| {
        let y = usize::from(*y);
        sizes[*group] as f64 * outcomes[y] as f64 / (n * both[*group][y] as f64)
    };
    let weights: Vec<f64> = y.iter().zip(groups.codes()).map(weight).collect();
    Ok(super::column(weights)?.to_dtype(DType::F32))
}
