//! Normal forms of texts (Unicode Standard Annex 15), with the tables of the reference implementation.

use super::tables::{TEXTS, Table, table};

/// One of the four normal forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::text) struct NormalForm {
    /// Whether characters that only look different become the same: `ﬁ` is two letters.
    pub(in crate::text) compatibility: bool,
    /// Whether what can be one character is one in the end.
    pub(in crate::text) composed: bool,
}

/// Hangul syllables are composed by a rule: leading consonant, vowel, and perhaps a trailing consonant.
const SYLLABLES: std::ops::Range<u32> = 0xAC00..0xD7A4;
const LEADING: std::ops::Range<u32> = 0x1100..0x1113;
const VOWELS: std::ops::Range<u32> = 0x1161..0x1176;
const TRAILING: std::ops::Range<u32> = 0x11A8..0x11C3;
/// How many syllables have the same leading consonant and vowel, and how many the same leading consonant.
const SAME_VOWEL: u32 = 28;
const SAME_LEADING: u32 = 28 * 21;

impl NormalForm {
    /// The text in this form, if it is not in it.
    pub(in crate::text) fn apply(self, text: &str) -> Option<String> {
        // Nothing is done to what is before the first combining mark, if it is not taken apart.
        let untouched = if self.composed && !self.compatibility { '\u{300}' } else { '\u{80}' };
        if text.chars().all(|c| c < untouched) {
            return None;
        }
        let mut characters: Vec<(u8, char)> = Vec::with_capacity(text.len());
        for c in text.chars() {
            decompose(c, self.compatibility, &mut |c| characters.push((combining_class(c), c)));
        }
        for marks in characters.chunk_by_mut(|a, b| a.0 > 0 && b.0 > 0).filter(|marks| marks.len() > 1) {
            crate::order::sort_by(marks, |a, b| a.0.cmp(&b.0));
        }
        if self.composed {
            compose(&mut characters);
        }
        Some(characters.into_iter().map(|(_, c)| c).collect())
    }
}

/// Calls `keep` with each character of a decomposition.
pub(super) fn decompose(c: char, compatibility: bool, keep: &mut dyn FnMut(char)) {
    let code = u32::from(c);
    if c.is_ascii() {
        return keep(c);
    }
    if SYLLABLES.contains(&code) {
        let index = code - SYLLABLES.start;
        let trailing = index % SAME_VOWEL;
        let (leading, vowel) = (index / SAME_LEADING, index % SAME_LEADING / SAME_VOWEL);
        let codes = [LEADING.start + leading, VOWELS.start + vowel, TRAILING.start - 1 + trailing];
        let parts = if trailing == 0 { &codes[..2] } else { &codes[..] };
        return parts.iter().filter_map(|code| char::from_u32(*code)).for_each(keep);
    }
    let found = if compatibility { find(Table::Compatibility, code) } else { None };
    match found.or_else(|| find(Table::Canonical, code)) {
        Some(text) => text.chars().for_each(keep),
        None => keep(c),
    }
}

fn find(decompositions: Table, code: u32) -> Option<&'static str> {
    let (rows, _) = table(decompositions).as_chunks::<3>();
    let [_, start, len] = rows[rows.binary_search_by_key(&code, |row| row[0]).ok()?];
    TEXTS.get(start as usize..(start + len) as usize)
}

/// The class by which a mark is ordered among others; 0 for a character that is no such mark.
fn combining_class(c: char) -> u8 {
    let code = u32::from(c);
    if code < 0x300 {
        return 0;
    }
    let (ranges, _) = table(Table::CombiningClasses).as_chunks::<3>();
    match ranges[ranges.partition_point(|range| range[1] <= code)..].first() {
        Some([start, _, class]) if *start <= code => *class as u8,
        _ => 0,
    }
}

/// The character that two become, one behind the other.
fn composed(first: char, second: char) -> Option<char> {
    let (a, b) = (u32::from(first), u32::from(second));
    if LEADING.contains(&a) && VOWELS.contains(&b) {
        return char::from_u32(SYLLABLES.start + (a - LEADING.start) * SAME_LEADING + (b - VOWELS.start) * SAME_VOWEL);
    }
    if SYLLABLES.contains(&a) && (a - SYLLABLES.start).is_multiple_of(SAME_VOWEL) && TRAILING.contains(&b) {
        return char::from_u32(a + b - (TRAILING.start - 1));
    }
    let (rows, _) = table(Table::Composed).as_chunks::<3>();
    let at = rows.binary_search_by(|row| (row[0], row[1]).cmp(&(a, b))).ok()?;
    char::from_u32(rows[at][2])
}

/// Composes each base with the marks behind it that no other mark of their class, or of a higher one, keeps from it.
fn compose(characters: &mut Vec<(u8, char)>) {
    let mut kept = 0;
    // Where the last base is, and the class of the last mark on it that stayed.
    let (mut base, mut last) = (None::<usize>, None::<u8>);
    for at in 0..characters.len() {
        let (class, c) = characters[at];
        if let Some(base) = base
            && last.is_none_or(|last| last < class)
            && let Some(both) = composed(characters[base].1, c)
        {
            characters[base].1 = both;
            continue;
        }
        if class == 0 {
            (base, last) = (Some(kept), None);
        } else {
            last = Some(class);
        }
        characters[kept] = (class, c);
        kept += 1;
    }
    characters.truncate(kept);
}

#[cfg(test)]
mod tests;
