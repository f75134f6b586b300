//! BLEU.

use std::fmt;

use super::grams::{Grams, Words};
use super::tokens::BleuTokens;
use super::{no_texts, same_number, some_references};
use crate::error::{Error, Here, Result};

/// What [`Bleu`] takes for the precision of runs of which none matches (Chen and Cherry, 2014); the names are sacreBLEU's.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Smoothing {
    /// 0, so that BLEU is 0.
    None,
    /// So many matches in place of none; 0.1 is usual.
    Floor(f64),
    /// So many more matches and runs, of all runs of two tokens and more; 1 is usual.
    AddK(f64),
    /// Half of one match, for the next length a quarter, and so on. The default.
    Exponential,
}

/// BLEU (Papineni et al., 2002) of a corpus, with sacreBLEU's options and numbers: from 0 to 100.
///
/// ```
/// use demotic::train::metrics::Bleu;
///
/// let mut bleu = Bleu::new();
/// bleu.update("The cat sat on the mat.", &["The cat sat on the mat."])?;
/// bleu.update("A dog barked.", &["The dog barked.", "A dog was barking."])?;
/// assert!((bleu.value()?.score - 91.0).abs() < 0.01);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bleu {
    tokens: BleuTokens,
    smoothing: Smoothing,
    max_order: usize,
    lowercase: bool,
    effective_order: bool,
    /// Matching runs and all runs, of each length.
    counts: Vec<(usize, usize)>,
    length: usize,
    reference_length: usize,
    texts: usize,
}

/// BLEU, and what it is made of. Prints as one line.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BleuScore {
    /// From 0 to 100.
    pub score: f64,
    /// The precision of runs of 1, 2, 3 … tokens, in percent.
    pub precisions: Vec<f64>,
    /// The factor by which texts that are too short lose.
    pub brevity_penalty: f64,
    /// The number of tokens of the texts.
    pub length: usize,
    /// The number of tokens of the references, of each text that whose length is nearest.
    pub reference_length: usize,
}

impl fmt::Display for BleuScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BLEU {:.2} (", self.score)?;
        for (i, precision) in self.precisions.iter().enumerate() {
            write!(f, "{}{precision:.1}", if i > 0 { "/" } else { "" })?;
        }
        let Self { brevity_penalty, length, reference_length, .. } = self;
        write!(f, ", brevity penalty {brevity_penalty:.3}, {length} tokens for {reference_length})")
    }
}

impl Default for Bleu {
    fn default() -> Self {
        Self {
            tokens: BleuTokens::Wmt13a,
            smoothing: Smoothing::Exponential,
            max_order: 4,
            lowercase: false,
            effective_order: false,
            counts: vec![(0, 0); 4],
            length: 0,
            reference_length: 0,
            texts: 0,
        }
    }
}

impl Bleu {
    /// Runs of one to four tokens, `13a`, exponential smoothing, capitals count.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How texts are divided.
    #[must_use]
    pub fn tokens(mut self, tokens: BleuTokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// What counts where nothing matches.
    #[must_use]
    pub fn smoothing(mut self, smoothing: Smoothing) -> Self {
        self.smoothing = smoothing;
        self
    }

    /// The length of the longest runs. By default 4. What was counted is forgotten.
    #[must_use]
    pub fn max_order(mut self, order: usize) -> Self {
        self.max_order = order;
        self.counts = vec![(0, 0); order.min(1 << 10)];
        (self.length, self.reference_length, self.texts) = (0, 0, 0);
        self
    }

    /// Capitals do not count.
    #[must_use]
    pub fn lowercase(mut self) -> Self {
        self.lowercase = true;
        self
    }

    /// Only lengths of runs that the texts have: for single sentences, which may be shorter than four tokens.
    #[must_use]
    pub fn effective_order(mut self) -> Self {
        self.effective_order = true;
        self
    }

    /// Adds a text and its references.
    ///
    /// # Errors
    /// If there is no reference, or `max_order` is 0 or above 1024.
    #[track_caller]
    pub fn update(&mut self, text: &str, references: &[&str]) -> Result<()> {
        some_references("bleu", references.len())?;
        if !(1..=1 << 10).contains(&self.max_order) {
            return Err(Error::argument("bleu", format!("max_order is {}, expected 1 to 1024", self.max_order)));
        }
        let mut spaced = Vec::with_capacity(references.len() + 1);
        for text in std::iter::once(&text).chain(references) {
            let text = if self.lowercase { text.to_lowercase() } else { (*text).to_string() };
            spaced.push(self.tokens.spaced(text.trim_end()));
        }
        let (mut words, mut tokens) = (Words::default(), Vec::with_capacity(spaced.len()));
        for text in &spaced {
            tokens.push(words.numbers(&text.split_whitespace().collect::<Vec<_>>()));
        }
        let length = tokens[0].len();
        // The nearest, of two the shorter one.
        let nearest = tokens[1..].iter().map(Vec::len).min_by_key(|n| (n.abs_diff(length), *n)).unwrap_or(0);
        let others: Vec<usize> = (1..tokens.len()).collect();
        let mut grams = Grams::new(&tokens);
        for (matches, total) in &mut self.counts {
            grams.longer();
            if grams.total(0) == 0 {
                break;
            }
            *matches += grams.matches(0, &others);
            *total += grams.total(0);
        }
        self.length += length;
        self.reference_length += nearest;
        self.texts += 1;
        Ok(())
    }

    /// Adds what another one has counted.
    ///
    /// # Errors
    /// If it has other options.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let same =
            self.counts.len() == other.counts.len() && (self.tokens, self.lowercase) == (other.tokens, other.lowercase);
        if !same {
            return Err(Error::argument("bleu", "two scores with different options cannot be joined"));
        }
        for (here, there) in self.counts.iter_mut().zip(&other.counts) {
            here.0 += there.0;
            here.1 += there.1;
        }
        self.length += other.length;
        self.reference_length += other.reference_length;
        self.texts += other.texts;
        Ok(())
    }

    /// The score of all texts so far.
    ///
    /// # Errors
    /// If there were none.
    #[track_caller]
    pub fn value(&self) -> Result<BleuScore> {
        if self.texts == 0 {
            return Err(no_texts("bleu"));
        }
        let (length, reference_length) = (self.length, self.reference_length);
        let brevity_penalty = match length {
            0 if reference_length > 0 => 0.0,
            length if length < reference_length => (1.0 - reference_length as f64 / length as f64).exp(),
            _ => 1.0,
        };
        let n = self.counts.len();
        let mut score = BleuScore { score: 0.0, precisions: vec![0.0; n], brevity_penalty, length, reference_length };
        if self.counts.iter().all(|(matches, _)| *matches == 0) {
            return Ok(score);
        }
        let (mut halves, mut order) = (1.0, n);
        for (i, (matches, total)) in self.counts.iter().enumerate() {
            let more = match self.smoothing {
                Smoothing::AddK(k) if i > 0 => k,
                _ => 0.0,
            };
            let (matches, total) = (*matches as f64 + more, *total as f64 + more);
            if total == 0.0 {
                break;
            }
            if self.effective_order {
                order = i + 1;
            }
            score.precisions[i] = 100.0 / total
                * match self.smoothing {
                    _ if matches > 0.0 => matches,
                    Smoothing::Exponential => {
                        halves *= 2.0;
                        1.0 / halves
                    }
                    Smoothing::Floor(floor) => floor,
                    Smoothing::None | Smoothing::AddK(_) => 0.0,
                };
        }
        // The logarithm of 0 is −∞, and makes the score 0.
        let mean = score.precisions[..order].iter().map(|p| p.ln()).sum::<f64>() / order as f64;
        score.score = brevity_penalty * mean.exp();
        Ok(score)
    }
}

/// BLEU of texts against the references of each, as sacreBLEU computes it by default: from 0 to 100. [`Bleu`] has options.
///
/// # Errors
/// If there are no texts, not as many lists of references, or one is empty.
///
/// ```
/// use demotic::train::metrics;
///
/// let score = metrics::bleu(&["It is a fine day."], &[vec!["It is a fine day today."]])?;
/// assert!((score.score - 67.32).abs() < 1e-2, "{score}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn bleu(texts: &[&str], references: &[Vec<&str>]) -> Result<BleuScore> {
    same_number("bleu", texts.len(), references.len())?;
    let mut bleu = Bleu::new();
    for (text, references) in texts.iter().zip(references) {
        bleu.update(text, references).here()?;
    }
    bleu.value()
}

/// BLEU of a single sentence, of the lengths of runs that it has, smoothed exponentially. A mean of such scores is not the BLEU
/// of a corpus.
///
/// # Errors
/// If there is no reference.
#[track_caller]
pub fn sentence_bleu(text: &str, references: &[&str]) -> Result<BleuScore> {
    let mut bleu = Bleu::new().effective_order();
    bleu.update(text, references).here()?;
    bleu.value()
}
