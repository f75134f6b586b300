//! Which of the known categories a value is.

use std::collections::HashMap;

use crate::data::number::NumberKey;

/// Categories by their text and, for those that are numbers, by their value.
pub(super) struct Known<'c> {
    exact: HashMap<&'c str, usize>,
    /// The first category with a value, and the second if there is one.
    by_value: HashMap<NumberKey, (usize, Option<usize>)>,
}

/// What a value is among the categories.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Match {
    Category(usize),
    Unknown,
    /// Another spelling of a number that several categories spell in their ways.
    Either(usize, usize),
}

impl<'c> Known<'c> {
    /// Those of the second list have the numbers behind those of the first.
    pub(super) fn new(categories: &'c [String], more: &'c [String]) -> Self {
        let mut by_value: HashMap<NumberKey, (usize, Option<usize>)> = HashMap::new();
        for (i, category) in categories.iter().chain(more).enumerate() {
            if let Some(key) = NumberKey::of(category) {
                by_value.entry(key).and_modify(|(_, second)| *second = second.or(Some(i))).or_insert((i, None));
            }
        }
        Self { exact: categories.iter().chain(more).map(String::as_str).zip(0..).collect(), by_value }
    }

    /// Whether some categories are numbers.
    pub(super) fn has_numbers(&self) -> bool {
        !self.by_value.is_empty()
    }

    /// The category of the same text; if there is none, of the same number: `1.0` and `01` are `1`.
    pub(super) fn find(&self, text: &str) -> Match {
        if let Some(i) = self.exact.get(text) {
            return Match::Category(*i);
        }
        match NumberKey::of(text).and_then(|key| self.by_value.get(&key)) {
            None => Match::Unknown,
            Some((i, None)) => Match::Category(*i),
            Some((i, Some(j))) => Match::Either(*i, *j),
        }
    }
}

#[cfg(test)]
mod tests;
