//! Which runs of tokens texts have in common.

use std::collections::HashMap;

/// Words as numbers, the same for the same word.
#[derive(Default)]
pub(super) struct Words<'a>(HashMap<&'a str, u32>);

impl<'a> Words<'a> {
    pub(super) fn numbers(&mut self, words: &[&'a str]) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(words.len());
        for word in words {
            let next = self.0.len() as u32;
            numbers.push(*self.0.entry(word).or_insert(next));
        }
        numbers
    }
}

/// Runs of tokens of one length in several texts, as numbers.
pub(super) struct Grams<'a> {
    tokens: &'a [Vec<u32>],
    /// A number for each run, by the place of its first token.
    runs: Vec<Vec<u32>>,
    order: usize,
    distinct: usize,
}

impl<'a> Grams<'a> {
    /// Runs of no token.
    pub(super) fn new(tokens: &'a [Vec<u32>]) -> Self {
        Self { tokens, runs: tokens.iter().map(|text| vec![0; text.len() + 1]).collect(), order: 0, distinct: 0 }
    }

    /// Goes on to runs that are longer by one: those before, each with the token behind it.
    pub(super) fn longer(&mut self) {
        let mut known: HashMap<u64, u32> = HashMap::new();
        for (runs, tokens) in self.runs.iter_mut().zip(self.tokens) {
            let rest = tokens.get(self.order..).unwrap_or_default();
            runs.truncate(rest.len());
            for (run, token) in runs.iter_mut().zip(rest) {
                let next = known.len() as u32;
                *run = *known.entry(u64::from(*run) << 32 | u64::from(*token)).or_insert(next);
            }
        }
        self.order += 1;
        self.distinct = known.len();
    }

    /// How many runs a text has.
    pub(super) fn total(&self, text: usize) -> usize {
        self.runs[text].len()
    }

    /// How many runs of a text occur in others: each as often as in the one of them that has it most.
    pub(super) fn matches(&self, text: usize, others: &[usize]) -> usize {
        let count = |text: usize| {
            let mut counts = vec![0u32; self.distinct];
            for run in &self.runs[text] {
                counts[*run as usize] += 1;
            }
            counts
        };
        let mut most = vec![0u32; self.distinct];
        for other in others {
            for (most, count) in most.iter_mut().zip(count(*other)) {
                *most = (*most).max(count);
            }
        }
        let mut sum = 0;
        for (here, most) in count(text).into_iter().zip(most) {
            sum += here.min(most) as usize;
        }
        sum
    }
}
