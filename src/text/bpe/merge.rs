//! The merges of byte-pair encoding applied to one word.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// For two neighbouring tokens, when they are merged (the lower, the earlier) and into which.
pub(in crate::text) type Merges = HashMap<(u32, u32), (u32, u32)>;

/// Merges the pair of the lowest rank, of several such pairs the leftmost, until there is none left. Takes n log n steps
/// for n tokens.
pub(in crate::text) fn merge(mut tokens: Vec<u32>, merges: &Merges) -> Vec<u32> {
    const GONE: u32 = u32::MAX;
    let n = tokens.len();
    // Neighbours that are still there.
    let mut next: Vec<usize> = (1..=n).collect();
    let mut previous: Vec<usize> = (0..n).map(|i| i.wrapping_sub(1)).collect();
    let candidate = |tokens: &[u32], left: usize, right: usize| {
        let pair = (*tokens.get(left)?, *tokens.get(right)?);
        merges.get(&pair).map(|(rank, _)| Reverse((*rank, left, pair)))
    };
    let mut queue: BinaryHeap<_> = (1..n).filter_map(|right| candidate(&tokens, right - 1, right)).collect();
    while let Some(Reverse((_, left, pair))) = queue.pop() {
        let right = next[left];
        // One of the two may have become part of another merge since.
        if tokens[left] != pair.0 || tokens.get(right) != Some(&pair.1) {
            continue;
        }
        let Some((_, merged)) = merges.get(&pair) else { continue };
        tokens[left] = *merged;
        tokens[right] = GONE;
        next[left] = next[right];
        if let Some(previous) = previous.get_mut(next[left]) {
            *previous = left;
        }
        queue.extend(candidate(&tokens, previous[left], left));
        queue.extend(candidate(&tokens, left, next[left]));
    }
    tokens.retain(|token| *token != GONE);
    tokens
}

/// The tokens of words that were met before. Texts repeat their words, so most are found here.
#[derive(Default)]
pub(in crate::text) struct Cache(RwLock<Words>);

type Words = HashMap<Box<[u8]>, Box<[u32]>>;

/// Longer words are rare, and would let the cache grow large.
const MAX_WORD: usize = 64;
/// When there are so many words, the cache is emptied.
const MAX_WORDS: usize = 1 << 16;

impl Cache {
    /// Appends the tokens of a word to `ids`, from the cache or made by `tokens`.
    pub(in crate::text) fn append<E>(
        &self,
        word: &[u8],
        ids: &mut Vec<i64>,
        tokens: impl FnOnce() -> Result<Vec<u32>, E>,
    ) -> Result<(), E> {
        if word.len() > MAX_WORD {
            ids.extend(tokens()?.into_iter().map(i64::from));
            return Ok(());
        }
        // Entries are only ever added whole, so a thread that panicked left nothing half done.
        let words = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = words.get(word) {
            ids.extend(found.iter().map(|id| i64::from(*id)));
            return Ok(());
        }
        drop(words);
        let tokens = tokens()?;
        ids.extend(tokens.iter().map(|id| i64::from(*id)));
        let mut words = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if words.len() >= MAX_WORDS {
            words.clear();
        }
        words.insert(word.into(), tokens.into());
        Ok(())
    }
}

impl Clone for Cache {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Cache({} words)", words.len())
    }
}

#[cfg(test)]
mod tests;
