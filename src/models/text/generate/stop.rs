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
mod tests {
    use super::*;
    use crate::Rng;

    /// The first place where a sequence is complete, and the longest one there.
    fn naive(text: &[u8], patterns: &[&[u8]]) -> Option<(usize, usize)> {
        (1..=text.len()).find_map(|end| {
            let longest = patterns.iter().filter(|p| text[..end].ends_with(p)).map(|p| p.len()).max();
            longest.map(|length| (end, length))
        })
    }

    #[test]
    fn matches_are_those_of_a_naive_search() -> Result<()> {
        let mut rng = Rng::seed(1);
        for _ in 0..500 {
            let mut random = |longest| -> Vec<u8> { (0..=rng.below(longest)).map(|_| rng.below(2) as u8).collect() };
            let patterns: Vec<Vec<u8>> = (0..3).map(|_| random(7)).collect();
            let patterns: Vec<&[u8]> = patterns.iter().map(Vec::as_slice).collect();
            let text = random(40);
            let set = StopSet::new("pattern", patterns.iter().copied())?;
            let mut progress = set.start();
            let mut found = None;
            for (i, item) in text.iter().enumerate() {
                if let Some((_, length)) = set.push(&mut progress, item) {
                    found = Some((i + 1, length));
                    break;
                }
                let may_begin = |n: usize| patterns.iter().any(|p| n < p.len() && text[..=i].ends_with(&p[..n]));
                let held = (0..=i + 1).rev().find(|n| may_begin(*n)).unwrap();
                assert_eq!(progress.held(), held, "{:?} {patterns:?}", &text[..=i]);
            }
            assert_eq!(found, naive(&text, &patterns), "{text:?} {patterns:?}");
        }
        Ok(())
    }
}
