//! How much must be changed to make one text of another.

use super::grams::Words;
use super::{no_texts, same_number};
use crate::error::{Error, Result};

/// How many insertions, deletions and replacements make one sequence of the other.
fn distance(a: &[u32], b: &[u32]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

fn characters(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

/// How many characters must be inserted, removed or replaced to make one text of the other (Levenshtein, 1966). Its time is the
/// product of the lengths.
///
/// ```
/// use demotic::train::metrics::edit_distance;
///
/// assert_eq!(edit_distance("kitten", "sitting"), 3);
/// ```
#[must_use]
#[doc(alias = "levenshtein")]
pub fn edit_distance(a: &str, b: &str) -> usize {
    distance(&characters(a), &characters(b))
}

/// The changes that make references of texts, in relation to the length of the references: the word error rate of speech
/// recognition, or the same with characters. It may exceed 1.
///
/// ```
/// use demotic::train::metrics::ErrorRate;
///
/// let mut rate = ErrorRate::words();
/// rate.update("the cat sat", "the cat sat down");
/// rate.update("a dog", "the dog");
/// assert_eq!(rate.value()?, 2.0 / 6.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ErrorRate {
    words: bool,
    changes: usize,
    length: usize,
    texts: usize,
}

impl ErrorRate {
    /// Words, divided at white space.
    #[must_use]
    pub fn words() -> Self {
        Self { words: true, changes: 0, length: 0, texts: 0 }
    }

    /// Characters, spaces among them.
    #[must_use]
    pub fn characters() -> Self {
        Self { words: false, ..Self::words() }
    }

    fn name(&self) -> &'static str {
        if self.words { "word_error_rate" } else { "character_error_rate" }
    }

    /// Adds a text and what it should be.
    pub fn update(&mut self, text: &str, reference: &str) {
        let (here, there) = if self.words {
            let mut words = Words::default();
            let mut numbers = |text| words.numbers(&str::split_whitespace(text).collect::<Vec<_>>());
            (numbers(text), numbers(reference))
        } else {
            (characters(text), characters(reference))
        };
        self.changes += distance(&here, &there);
        self.length += there.len();
        self.texts += 1;
    }

    /// Adds what another one has counted.
    ///
    /// # Errors
    /// If one counts words and the other characters.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.words != other.words {
            return Err(Error::argument(self.name(), "a rate of words and one of characters cannot be joined"));
        }
        self.changes += other.changes;
        self.length += other.length;
        self.texts += other.texts;
        Ok(())
    }

    /// The rate over all texts so far.
    ///
    /// # Errors
    /// If there were none, or the references are empty.
    #[track_caller]
    pub fn value(&self) -> Result<f64> {
        match (self.texts, self.length) {
            (0, _) => Err(no_texts(self.name())),
            (_, 0) => Err(Error::argument(self.name(), "the references are empty, so that it is not defined")),
            _ => Ok(self.changes as f64 / self.length as f64),
        }
    }
}

#[track_caller]
fn rate(mut rate: ErrorRate, texts: &[&str], references: &[&str]) -> Result<f64> {
    same_number(rate.name(), texts.len(), references.len())?;
    for (text, reference) in texts.iter().zip(references) {
        rate.update(text, reference);
    }
    rate.value()
}

/// The words that must be inserted, removed or replaced, over the words of the references. [`ErrorRate`] takes texts one by one.
///
/// # Errors
/// If there are no texts, not as many references, or all references are empty.
#[track_caller]
#[doc(alias = "wer")]
pub fn word_error_rate(texts: &[&str], references: &[&str]) -> Result<f64> {
    rate(ErrorRate::words(), texts, references)
}

/// The characters that must be inserted, removed or replaced, over those of the references.
///
/// # Errors
/// As for [`word_error_rate`].
#[track_caller]
#[doc(alias = "cer")]
pub fn character_error_rate(texts: &[&str], references: &[&str]) -> Result<f64> {
    rate(ErrorRate::characters(), texts, references)
}

/// The share of texts that are their reference, character by character. Of tensors, see [`exact_match`](super::super::exact_match).
///
/// # Errors
/// If there are no texts, or not as many references.
#[track_caller]
pub fn exact_match_texts(texts: &[&str], references: &[&str]) -> Result<f64> {
    same_number("exact_match", texts.len(), references.len())?;
    let same = texts.iter().zip(references).filter(|(a, b)| a == b).count();
    Ok(same as f64 / texts.len() as f64)
}
