//! Where a continuation stops.

use crate::error::{Error, Result};

/// Sequences at which a continuation stops: of tokens, or of the bytes of a text.
///
/// Each is matched as it comes, one element at a time, with the automaton of Knuth, Morris and Pratt (1977).
pub(super) struct StopSet<T> {
    patterns: Vec<Pattern<T>>,
}

struct Pattern<T> {
    items: Vec<T>,
    /// For each number of matched elements, how many are still matched when the next one does not fit.
    fallback: Vec<usize>,
}

/// How far each pattern of a set has been matched.
pub(super) struct Progress(Vec<usize>);

impl Progress {
    /// How many of the latest elements may be the beginning of a stop sequence.
    pub(super) fn held(&self) -> usize {
        self.0.iter().copied().max().unwrap_or(0)
    }
}

impl<T: PartialEq + Clone> StopSet<T> {
    /// # Errors
    /// If a sequence is empty.
    #[track_caller]
    pub(super) fn new<'a>(what: &str, patterns: impl Iterator<Item = &'a [T]>) -> Result<Self>
    where
        T: 'a,
    {
        let mut set = Self { patterns: Vec::new() };
        for (i, items) in patterns.enumerate() {
            if items.is_empty() {
                return Err(Error::argument("generate", format!("{what} {i} is empty")));
            }
            let mut fallback = vec![0; items.len() + 1];
            for n in 1..items.len() {
                fallback[n + 1] = advance(items, &fallback, fallback[n], &items[n]);
            }
            set.patterns.push(Pattern { items: items.to_vec(), fallback });
        }
        Ok(set)
    }

    pub(super) fn start(&self) -> Progress {
        Progress(vec![0; self.patterns.len()])
    }

    /// Takes the next element. If a sequence is complete with it, returns which one (the longest of several) and its length.
    pub(super) fn push(&self, progress: &mut Progress, item: &T) -> Option<(usize, usize)> {
        let mut complete: Option<(usize, usize)> = None;
        for (i, (pattern, matched)) in self.patterns.iter().zip(&mut progress.0).enumerate() {
            *matched = advance(&pattern.items, &pattern.fallback, *matched, item);
            let length = pattern.items.len();
            if *matched == length && complete.is_none_or(|(_, longest)| length > longest) {
                complete = Some((i, length));
            }
        }
        complete
    }
}

/// How many elements of a pattern are matched after one more.
fn advance<T: PartialEq>(items: &[T], fallback: &[usize], mut matched: usize, item: &T) -> usize {
    while items.get(matched) != Some(item) {
        if matched == 0 {
            return 0;
        }
        matched = fallback[matched];
    }
    matched + 1
}

#[cfg(test)]
mod tests;
