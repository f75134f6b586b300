//! Classes of characters, and accents taken off.
//!
//! The classes are Unicode's general categories, which are not those of `char::is_alphabetic` and the like. Letters and
//! numbers are those of Unicode 16; the classes that only BERT's tokenizer uses are those of its reference implementation, from
//! about Unicode 8. Ids therefore agree with the references for every character.

mod normal;
mod tables;

use tables::{Table, table};

pub(super) use normal::NormalForm;

/// The general categories `L…`.
pub(super) fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { contains(Table::Letters, c) }
}

/// The general categories `N…`.
pub(super) fn is_number(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { contains(Table::Numbers, c) }
}

/// The general categories `P…`, and the symbols of ASCII, such as `$` and `+`.
pub(super) fn is_punctuation(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_punctuation() } else { contains(Table::Punctuation, c) }
}

/// The general category `Mn`, to which most accents belong when they are characters of their own.
pub(super) fn is_nonspacing_mark(c: char) -> bool {
    !c.is_ascii() && contains(Table::NonspacingMarks, c)
}

/// The general categories `M…`: marks.
pub(super) fn is_mark(c: char) -> bool {
    !c.is_ascii() && contains(Table::Marks, c)
}

/// Whether a character belongs to the one before it: most marks, joiners, modifiers of emoji.
pub(super) fn joins(c: char) -> bool {
    !c.is_ascii() && contains(Table::Joining, c)
}

/// What `\w` is in regular expressions: letters, marks, decimal digits, and what joins them, such as `_`.
pub(super) fn is_word_character(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || c == '_' } else { contains(Table::Word, c) }
}

/// The general categories `Cc`, `Cf` and `Co`, but tab, line feed and carriage return.
pub(super) fn is_control(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r') } else { contains(Table::Controls, c) }
}

/// Ideographs: the blocks of unified and compatibility ideographs that BERT separates by spaces.
pub(super) fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0x2F800..=0x2FA1F)
}

/// Whether Chinese and Japanese text has no spaces around the character: ideographs, kana, bopomofo, and the punctuation
/// and full-width symbols of these scripts. Korean is written with spaces.
pub(super) fn is_unspaced(c: char) -> bool {
    is_ideograph(c)
        || matches!(u32::from(c),
            0x2E80..=0x2FDF | 0x3001..=0x312F | 0x31A0..=0x31FF | 0xFE30..=0xFE4F | 0xFF01..=0xFF9F | 0x1B000..=0x1B16F
            | 0x2CEB0..=0x2EE5D | 0x30000..=0x323AF)
}

/// Whether the number of boundaries up to the character is odd.
fn contains(class: Table, c: char) -> bool {
    table(class).partition_point(|boundary| *boundary <= u32::from(c)) % 2 == 1
}

/// Calls `keep` with the characters of the canonical decomposition of `c` (NFD) that are not non-spacing marks: `é` gives
/// `e`, a lone accent nothing. Spacing marks that remain keep their order.
pub(super) fn without_accents(c: char, mut keep: impl FnMut(char)) {
    normal::decompose(c, false, &mut |c| {
        if !is_nonspacing_mark(c) {
            keep(c);
        }
    });
}

#[cfg(test)]
mod tests;
