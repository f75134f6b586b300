//! Scaling back what is too long.

use super::{GRAIN, Real};
use crate::parallel;

/// Scales the rows of `x`, viewed as `[.., rows, inner]`, whose norms are above `limit` by `limit / (norm + eps)`. Others,
/// those with a norm of NaN among them, stay exactly as they are.
pub(crate) fn shorten<T: Real>(x: &mut [T], inner: usize, norms: &[T], limit: T, eps: T) {
    if x.is_empty() {
        return;
    }
    assert!(!norms.is_empty() && x.len().is_multiple_of(inner * norms.len()), "renorm: norms of rows");
    parallel::for_blocks(x, (GRAIN / inner).max(1) * inner, |start, x| {
        for (i, part) in x.chunks_mut(inner).enumerate() {
            let norm = norms[(start / inner + i) % norms.len()];
            if norm > limit {
                let factor = limit / (norm + eps);
                part.iter_mut().for_each(|x| *x *= factor);
            }
        }
    });
}
