//! The different texts of a column, one behind the other in memory.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Different texts, numbered from 0.
#[derive(Default)]
pub(super) struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, code: usize) -> Option<&str> {
        let end = *self.ends.get(code)?;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        self.bytes.get(start..end)
    }

    fn push(&mut self, text: &str) -> usize {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        self.ends.len() - 1
    }
}

/// The number of a text that is missing, and of none in the table of hashes.
pub(super) const MISSING: usize = usize::MAX;

/// Collects texts, each different one only once. A short text takes a few words of memory besides its own bytes, where a
/// map of strings would take a dozen.
#[derive(Default)]
pub(super) struct TextBuilder {
    codes: Vec<usize>,
    texts: Texts,
    /// A hash table with open addressing: the numbers of the texts, each in the first free place from its hash on. The
    /// length is a power of two, and at least a quarter is free.
    slots: Vec<usize>,
    hashes: RandomState,
}

impl TextBuilder {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self { codes: Vec::with_capacity(rows), ..Self::default() }
    }

    pub(super) fn push(&mut self, text: Option<&str>) {
        let code = text.map_or(MISSING, |text| self.code_of(text));
        self.codes.push(code);
    }

    fn code_of(&mut self, text: &str) -> usize {
        if self.slots.len() < (self.texts.len() + 1) * 4 / 3 + 1 {
            self.grow();
        }
        let slot = self.slot_of(text);
        if self.slots[slot] == MISSING {
            self.slots[slot] = self.texts.push(text);
        }
        self.slots[slot]
    }

    /// Where a text stands, or would.
    fn slot_of(&self, text: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.hashes.hash_one(text) as usize & mask;
        while self.slots[slot] != MISSING && self.texts.get(self.slots[slot]) != Some(text) {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.slots = vec![MISSING; (self.slots.len() * 2).max(16)];
        for code in 0..self.texts.len() {
            let slot = self.texts.get(code).map_or(0, |text| self.slot_of(text));
            self.slots[slot] = code;
        }
    }

    /// The number of each row's text, and the texts.
    pub(super) fn finish(mut self) -> (Vec<usize>, Texts) {
        self.texts.bytes.shrink_to_fit();
        self.texts.ends.shrink_to_fit();
        (self.codes, self.texts)
    }
}

#[cfg(test)]
mod tests;
