//! The best of many without sorting them: time in proportion to their number.

use crate::order;

/// A token that may be chosen, with a probability in proportion to its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: i64,
    pub(super) weight: f64,
}

impl Candidate {
    /// A key that orders heavier tokens first; of equal ones, smaller ids.
    fn rank(&self) -> u128 {
        u128::from(!order::key(self.weight)) << 64 | u128::from(order::whole_key(self.token))
    }
}

/// The `k`-th largest of the scores (from 1 on, and at most their number).
///
/// Only those above the best threshold known so far are kept, and half of them are dropped when they become too many. They are kept
/// as keys, the largest of which is the smallest score: selecting among keys is there for sorting tensors.
pub(crate) fn kth_largest(scores: &[f64], k: usize, buffer: &mut Vec<u64>) -> f64 {
    debug_assert!(k >= 1 && k <= scores.len());
    let room = k.saturating_mul(2).max(64);
    let mut threshold = f64::NEG_INFINITY;
    buffer.clear();
    for &score in scores {
        if score > threshold || buffer.len() < k {
            buffer.push(!order::key(score));
            if buffer.len() == room {
                threshold = order::number(!*buffer.select_nth_unstable(k - 1).1);
                buffer.truncate(k);
            }
        }
    }
    order::number(!*buffer.select_nth_unstable(k - 1).1)
}

/// Leaves the fewest heaviest candidates (at least one) whose weights add up to the share `p` of all, in the order in
/// which they were.
///
/// A binary search for their number, each step of which looks only at the half that is still open.
pub(super) fn nucleus(kept: &mut Vec<Candidate>, p: f64, ranked: &mut Vec<u128>) {
    let target = p * kept.iter().map(|c| c.weight).sum::<f64>();
    ranked.clear();
    ranked.extend(kept.iter().map(Candidate::rank));
    // The first `low` are not enough, they weigh `before`; the first `high` are, or there are no more.
    let (mut low, mut high, mut before) = (0, ranked.len(), 0.0);
    while high - low > 1 {
        let middle = low.midpoint(high);
        ranked[low..high].select_nth_unstable(middle - low);
        let upper: f64 = ranked[low..middle].iter().map(|rank| order::number(!((rank >> 64) as u64))).sum();
        if before + upper >= target {
            high = middle;
        } else {
            (low, before) = (middle, before + upper);
        }
    }
    if let Some(last) = ranked.get(low) {
        kept.retain(|c| c.rank() <= *last);
    }
}

#[cfg(test)]
mod tests;
