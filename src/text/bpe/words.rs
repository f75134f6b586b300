//! GPT-2's division of a text into words, within which bytes are merged.

use crate::text::unicode::{is_letter, is_number};

/// The words of a text: all of it, in order.
///
/// They are the matches of `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, a regular
/// expression that Radford et al. (2019) chose: contractions; letters, digits, or other characters, each with the space
/// before them; and white space, of which the last character is left to the word behind it.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, after) = rest.split_at(word(rest));
        rest = after;
        Some(word)
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

fn class(c: char) -> Class {
    if is_letter(c) {
        Class::Letter
    } else if c.is_whitespace() {
        Class::Space
    } else if is_number(c) {
        Class::Number
    } else {
        Class::Other
    }
}

/// The length of the first word in bytes.
pub(super) fn word(text: &str) -> usize {
    const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    if let Some(found) = CONTRACTIONS.iter().find(|contraction| text.starts_with(**contraction)) {
        return found.len();
    }
    // One space may stand before a word.
    let space = usize::from(text.starts_with(' '));
    match text[space..].chars().next().map(class) {
        Some(first) if first != Class::Space => space + run(&text[space..], first),
        _ => {
            let whole = run(text, Class::Space);
            let last = text[..whole].chars().next_back().map_or(0, char::len_utf8);
            // At the end of the text, or if it is a single character, nothing is left for a word behind it.
            if whole == text.len() || last == whole { whole } else { whole - last }
        }
    }
}

/// The length of the characters of a class at the beginning.
fn run(text: &str, wanted: Class) -> usize {
    text.find(|c| class(c) != wanted).unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
