//! How good stories are that somebody else wrote.

use std::collections::HashSet;
use std::fmt;
use std::ops::AddAssign;

use super::Grammar;

/// What there is to count in stories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quality {
    pub stories: usize,
    /// Stories that have a beginning and an end, and keep to their hero, wish, trouble and friend from the one to the other.
    pub whole: usize,
    pub words: usize,
    /// Words that stories are made of.
    pub known: usize,
    pub sentences: usize,
    /// Sentences that the grammar accepts.
    pub accepted: usize,
    /// Sentences that say what has to be said at their place, in keeping with the title and the sentences before.
    pub in_keeping: usize,
    /// Sentences that are not in the corpus.
    pub new: usize,
}

impl Quality {
    /// Judges a story by the grammar of its language, and by the sentences of the corpus that its author has read.
    pub fn of(title: &str, story: &str, grammar: &Grammar, corpus: &HashSet<&str>) -> Self {
        let sentences = sentences(story);
        let fits = grammar.follow(title, &sentences);
        let all_words: Vec<_> = words(story).collect();
        let count = |holds: &dyn Fn(&str) -> bool| sentences.iter().filter(|sentence| holds(sentence)).count();
        let in_keeping = fits.iter().filter(|fits| **fits).count();
        Self {
            stories: 1,
            whole: usize::from(in_keeping == sentences.len() && in_keeping == grammar.num_sentences()),
            words: all_words.len(),
            known: all_words.iter().filter(|word| grammar.knows(word)).count(),
            sentences: sentences.len(),
            accepted: count(&|sentence| grammar.accepts(sentence)),
            in_keeping,
            new: count(&|sentence| !corpus.contains(sentence)),
        }
    }

    /// The share that `part` is of `of`.
    pub fn share(part: usize, of: usize) -> f64 {
        if of == 0 { 0.0 } else { part as f64 / of as f64 }
    }
}

impl AddAssign for Quality {
    fn add_assign(&mut self, other: Self) {
        self.stories += other.stories;
        self.whole += other.whole;
        self.words += other.words;
        self.known += other.known;
        self.sentences += other.sentences;
        self.accepted += other.accepted;
        self.in_keeping += other.in_keeping;
        self.new += other.new;
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part, of| 100.0 * Self::share(part, of);
        writeln!(f, "  known words                     {:>5.1} % of {}", percent(self.known, self.words), self.words)?;
        let of = self.sentences;
        writeln!(f, "  sentences the grammar accepts   {:>5.1} % of {of}", percent(self.accepted, of))?;
        writeln!(f, "  sentences that fit the story    {:>5.1} % of {of}", percent(self.in_keeping, of))?;
        writeln!(f, "  sentences not in the corpus     {:>5.1} % of {of}", percent(self.new, of))?;
        write!(f, "  stories without any fault       {:>5} of {}", self.whole, self.stories)
    }
}

/// The sentences of a text. A line ends a sentence, and so does `.`, `!`, `?` or its Chinese counterpart outside of
/// quotation marks.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let (mut start, mut quoted) = (0, false);
        for (i, c) in line.char_indices() {
            match c {
                '“' => quoted = true,
                '”' => quoted = false,
                '.' | '!' | '?' | '。' | '！' | '？' if !quoted => {
                    let end = i + c.len_utf8();
                    found.push(line[start..end].trim());
                    start = end;
                }
                _ => {}
            }
        }
        found.push(line[start..].trim());
    }
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// The words of a text: sequences of letters, and single Chinese characters. Punctuation is not a word; a character that
/// is neither, such as the one that stands for broken UTF-8, is.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_ideograph = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let is_mark = |c: char| c.is_whitespace() || c.is_ascii_punctuation() || "“”《》，。！？：—’".contains(c);
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(is_mark);
        let first = rest.chars().next()?;
        let end = if first.is_alphabetic() && !is_ideograph(first) {
            rest.find(|c: char| !c.is_alphabetic() || is_ideograph(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, others) = rest.split_at(end);
        rest = others;
        Some(word)
    })
}
