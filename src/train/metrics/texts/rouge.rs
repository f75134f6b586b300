//! ROUGE.

use super::grams::{Grams, Words};
use super::{no_texts, some_references};
use crate::error::{Error, Here, Result};

/// What [`Rouge`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RougeKind {
    /// Runs of so many words: ROUGE-1, ROUGE-2 and so on.
    N(usize),
    /// The longest sequence of words that both have in this order, perhaps with others between: ROUGE-L of whole texts.
    L,
}

/// ROUGE (Lin, 2004), as a mean over texts; with the numbers of the package `rouge-score` without its stemmer. Of several references,
/// the one counts with which F1 is best.
///
/// Words are runs of ASCII letters and digits in lower case, as there: other scripts have none. For those,
/// [`characters`](Self::characters) compares each letter by itself.
///
/// ```
/// use demotic::train::metrics::{Rouge, RougeKind};
///
/// let mut rouge = Rouge::new(RougeKind::N(1));
/// rouge.update("The cat sat.", &["the cat sat down"])?;
/// let score = rouge.value()?;
/// assert_eq!((score.precision, score.recall), (1.0, 0.75));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rouge {
    kind: RougeKind,
    characters: bool,
    sums: [f64; 3],
    texts: usize,
}

/// Precision, recall and F1 of texts against their references, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RougeScore {
    /// How much of the texts is in the references.
    pub precision: f64,
    /// How much of the references is in the texts.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
}

impl Rouge {
    /// Words, and no text yet.
    #[must_use]
    pub fn new(kind: RougeKind) -> Self {
        Self { kind, characters: false, sums: [0.0; 3], texts: 0 }
    }

    /// Letters and digits of any script, each by itself, in lower case: for languages that are written without spaces.
    #[must_use]
    pub fn characters(mut self) -> Self {
        self.characters = true;
        self
    }

    /// Adds a text and its references.
    ///
    /// # Errors
    /// If there is no reference, or runs are of no words.
    #[track_caller]
    pub fn update(&mut self, text: &str, references: &[&str]) -> Result<()> {
        some_references("rouge", references.len())?;
        if let RougeKind::N(n) = self.kind
            && !(1..=1 << 10).contains(&n)
        {
            return Err(Error::argument("rouge", format!("runs of {n} words, expected 1 to 1024")));
        }
        let lower: Vec<String> = std::iter::once(&text).chain(references).map(|text| text.to_lowercase()).collect();
        let (mut words, mut tokens) = (Words::default(), Vec::with_capacity(lower.len()));
        for text in &lower {
            tokens.push(if self.characters {
                text.chars().filter(|c| c.is_alphanumeric()).map(u32::from).collect()
            } else {
                let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
                words.numbers(&parts.collect::<Vec<_>>())
            });
        }
        let mut grams = Grams::new(&tokens);
        if let RougeKind::N(n) = self.kind {
            (0..n).for_each(|_| grams.longer());
        }
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let mut best = [0.0; 3];
        for i in 1..tokens.len() {
            let (both, here, there) = match self.kind {
                RougeKind::N(_) => (grams.matches(0, &[i]), grams.total(0), grams.total(i)),
                RougeKind::L => (in_order(&tokens[0], &tokens[i]), tokens[0].len(), tokens[i].len()),
            };
            let (precision, recall) = (share(both, here), share(both, there));
            let f1 = if both == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
            if i == 1 || f1 > best[2] {
                best = [precision, recall, f1];
            }
        }
        for (sum, x) in self.sums.iter_mut().zip(best) {
            *sum += x;
        }
        self.texts += 1;
        Ok(())
    }

    /// Adds what another one has counted.
    ///
    /// # Errors
    /// If it compares something else.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.kind, self.characters) != (other.kind, other.characters) {
            return Err(Error::argument("rouge", "two scores with different options cannot be joined"));
        }
        for (sum, x) in self.sums.iter_mut().zip(other.sums) {
            *sum += x;
        }
        self.texts += other.texts;
        Ok(())
    }

    /// The means over all texts so far.
    ///
    /// # Errors
    /// If there were none.
    #[track_caller]
    pub fn value(&self) -> Result<RougeScore> {
        if self.texts == 0 {
            return Err(no_texts("rouge"));
        }
        let [precision, recall, f1] = self.sums.map(|sum| sum / self.texts as f64);
        Ok(RougeScore { precision, recall, f1 })
    }
}

/// The length of the longest sequence that both have in order.
fn in_order(a: &[u32], b: &[u32]) -> usize {
    let mut row = vec![0usize; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

/// ROUGE of one text against a reference. [`Rouge`] takes several, and the mean over texts.
///
/// # Errors
/// If runs are of no words.
///
/// ```
/// use demotic::train::metrics::{self, RougeKind};
///
/// let score = metrics::rouge("police killed the gunman", "police kill the gunman", RougeKind::L)?;
/// assert_eq!(score.f1, 0.75);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn rouge(text: &str, reference: &str, kind: RougeKind) -> Result<RougeScore> {
    let mut rouge = Rouge::new(kind);
    rouge.update(text, &[reference]).here()?;
    rouge.value()
}
