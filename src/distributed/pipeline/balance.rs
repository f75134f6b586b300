//! How many blocks each stage gets.

use crate::distributed::part;

/// Into how many blocks for each stage a model is divided so that the dearest stage is as cheap as can be: the last one has the output layer, and
/// the others are even. Every stage gets at least one; there are at least as many blocks.
pub(super) fn balance(blocks: usize, stages: usize, [block, head]: [u64; 2]) -> Vec<usize> {
    let others = stages.saturating_sub(1);
    if others == 0 {
        return vec![blocks];
    }
    let cost = |last: &usize| {
        let most = (blocks - last).div_ceil(others) as u64;
        most.saturating_mul(block).max((*last as u64).saturating_mul(block).saturating_add(head))
    };
    let last = (1..=blocks.saturating_sub(others)).rev().min_by_key(cost).unwrap_or(1);
    let first = (0..others).map(|stage| part(blocks.saturating_sub(last), others, stage).len());
    first.chain([last]).collect()
}
