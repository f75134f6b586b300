//! chrF and chrF++.

use super::grams::{Grams, Words};
use super::{no_texts, same_number, some_references};
use crate::error::{Error, Here, Result};

/// chrF (Popović, 2015), the F score of runs of characters, and with [words](Self::word_order) chrF++ (Popović, 2017); with sacreBLEU's
/// options and numbers: from 0 to 100. Of several references, the one counts with which the score is best.
///
/// ```
/// use demotic::train::metrics::Chrf;
///
/// let mut chrf = Chrf::plus_plus();
/// chrf.update("The cat sat.", &["The cat sat."])?;
/// assert_eq!(chrf.value()?, 100.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chrf {
    char_order: usize,
    word_order: usize,
    beta: f64,
    lowercase: bool,
    whitespace: bool,
    counts: Vec<[usize; 3]>,
    texts: usize,
}

impl Default for Chrf {
    fn default() -> Self {
        Self {
            char_order: 6,
            word_order: 0,
            beta: 2.0,
            lowercase: false,
            whitespace: false,
            counts: Vec::new(),
            texts: 0,
        }
    }
}

impl Chrf {
    /// chrF: runs of one to six characters, recall counts twice.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// chrF++: the same with single words and pairs of words.
    #[must_use]
    pub fn plus_plus() -> Self {
        Self::default().word_order(2)
    }

    /// The length of the longest runs of characters. By default 6.
    #[must_use]
    pub fn char_order(mut self, order: usize) -> Self {
        self.char_order = order;
        self.forgotten()
    }

    /// The length of the longest runs of words. By default 0, in chrF++ 2.
    #[must_use]
    pub fn word_order(mut self, order: usize) -> Self {
        self.word_order = order;
        self.forgotten()
    }

    fn forgotten(mut self) -> Self {
        self.counts.clear();
        self.texts = 0;
        self
    }

    /// How many times as much recall counts. By default 2.
    #[must_use]
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    /// Capitals do not count.
    #[must_use]
    pub fn lowercase(mut self) -> Self {
        self.lowercase = true;
        self
    }

    /// White space counts as characters do.
    #[must_use]
    pub fn whitespace(mut self) -> Self {
        self.whitespace = true;
        self
    }

    /// Adds a text and its references.
    ///
    /// # Errors
    /// If there is no reference, or an option makes no sense.
    #[track_caller]
    pub fn update(&mut self, text: &str, references: &[&str]) -> Result<()> {
        some_references("chrf", references.len())?;
        let orders = self.char_order.saturating_add(self.word_order);
        if !(1..=1 << 10).contains(&orders) {
            return Err(Error::argument("chrf", format!("runs of {orders} lengths, expected 1 to 1024")));
        }
        if !(self.beta >= 0.0 && self.beta.is_finite()) {
            return Err(Error::argument("chrf", format!("beta is {}, expected a number of at least 0", self.beta)));
        }
        let mut texts = Vec::with_capacity(references.len() + 1);
        for text in std::iter::once(&text).chain(references) {
            texts.push(if self.lowercase { text.to_lowercase() } else { (*text).to_string() });
        }
        let (mut words, mut characters, mut divided) = (Words::default(), Vec::new(), Vec::new());
        for text in &texts {
            let kept = text.chars().filter(|c| self.whitespace || !c.is_whitespace());
            characters.push(kept.map(u32::from).collect::<Vec<u32>>());
            divided.push(words.numbers(&without_marks(text)));
        }
        let mut each = vec![Vec::with_capacity(orders); references.len()];
        for (tokens, longest) in [(&characters, self.char_order), (&divided, self.word_order)] {
            let mut grams = Grams::new(tokens);
            for _ in 0..longest {
                grams.longer();
                for (i, counts) in each.iter_mut().enumerate() {
                    let (here, there) = (grams.total(0), grams.total(i + 1));
                    counts.push([if there > 0 { here } else { 0 }, there, grams.matches(0, &[i + 1])]);
                }
            }
        }
        let mut best: Option<(f64, Vec<[usize; 3]>)> = None;
        for counts in each {
            let score = self.score(&counts);
            if best.as_ref().is_none_or(|(before, _)| score > *before) {
                best = Some((score, counts));
            }
        }
        if let Some((_, counts)) = best {
            self.add(&counts);
        }
        self.texts += 1;
        Ok(())
    }

    fn add(&mut self, counts: &[[usize; 3]]) {
        self.counts.resize(self.counts.len().max(counts.len()), [0; 3]);
        for (here, there) in self.counts.iter_mut().zip(counts) {
            for i in 0..3 {
                here[i] += there[i];
            }
        }
    }

    /// The F score of runs: in a text, in its reference, and in both.
    fn score(&self, counts: &[[usize; 3]]) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for [here, there, both] in counts {
            if *here > 0 && *there > 0 {
                precision += *both as f64 / *here as f64;
                recall += *both as f64 / *there as f64;
                orders += 1.0;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall, factor) = (precision / orders, recall / orders, self.beta * self.beta);
        100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall)
    }

    /// Adds what another one has counted.
    ///
    /// # Errors
    /// If it has other options.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let options = |x: &Self| (x.char_order, x.word_order, x.beta.to_bits(), x.lowercase, x.whitespace);
        if options(self) != options(other) {
            return Err(Error::argument("chrf", "two scores with different options cannot be joined"));
        }
        self.add(&other.counts);
        self.texts += other.texts;
        Ok(())
    }

    /// The score of all texts so far, from 0 to 100.
    ///
    /// # Errors
    /// If there were none.
    #[track_caller]
    pub fn value(&self) -> Result<f64> {
        match self.texts {
            0 => Err(no_texts("chrf")),
            _ => Ok(self.score(&self.counts)),
        }
    }
}

/// Words, with the mark at the end, or else at the beginning, of each apart.
fn without_marks(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for word in text.split_whitespace() {
        let (first, last) = (word.chars().next(), word.chars().next_back());
        let is_mark = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation());
        // Marks are bytes.
        if word.chars().count() == 1 || !(is_mark(first) || is_mark(last)) {
            out.push(word);
        } else {
            let (a, b) = word.split_at(if is_mark(last) { word.len() - 1 } else { 1 });
            out.extend([a, b]);
        }
    }
    out
}

/// chrF of texts against the references of each: from 0 to 100. [`Chrf`] has options, and chrF++.
///
/// # Errors
/// If there are no texts, not as many lists of references, or one is empty.
///
/// ```
/// use demotic::train::metrics;
///
/// assert_eq!(metrics::chrf(&["good day"], &[vec!["good day"]])?, 100.0);
/// assert!(metrics::chrf(&["good days"], &[vec!["good day"]])? > 80.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn chrf(texts: &[&str], references: &[Vec<&str>]) -> Result<f64> {
    same_number("chrf", texts.len(), references.len())?;
    let mut chrf = Chrf::new();
    for (text, references) in texts.iter().zip(references) {
        chrf.update(text, references).here()?;
    }
    chrf.value()
}
