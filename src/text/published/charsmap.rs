//! SentencePiece's tables of replacements, as `tokenizer.json` has them in base64.

use crate::text::unicode::joins;

/// A table.
///
/// It is the size of a trie in bytes, the trie, and the replacements one after the other, each ended by a zero byte. The
/// trie is a double array (Aoe, 1989) in the form of the `darts-clone` library: a unit has in bits 0 to 7 and 31 the label
/// by which it is entered, in bit 8 whether a text ends there, and in the others how its children are found; where a text
/// ends, the first child is the position of its replacement.
#[derive(Debug, Clone)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

/// The longest clusters of characters, in bytes, that are replaced as a whole.
const LONGEST: usize = 5;

impl Charsmap {
    /// Reads a table in base64, and checks all of it.
    pub(super) fn read(base64: &str) -> Result<Self, String> {
        let bytes = decode(base64).ok_or("the table is not in base64")?;
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or("the table is empty")?;
        let size = u32::from_le_bytes(*size) as usize;
        let Some((trie, replacements)) = rest.split_at_checked(size / 4 * 4) else {
            return Err(format!("the table has {} bytes, of which {size} are to be a trie", rest.len()));
        };
        let Ok(replacements) = std::str::from_utf8(replacements) else {
            return Err("the replacements of the table are not UTF-8".to_string());
        };
        let units: Vec<u32> = trie.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        if units.is_empty() {
            return Err("the table has no trie".to_string());
        }
        for (at, unit) in units.iter().enumerate() {
            // No byte leads to a unit with this bit: it is the position of a replacement.
            if unit >> 31 == 1 {
                continue;
            }
            let first = children(at, *unit);
            if first | 0xFF >= units.len() {
                return Err(format!("unit {at} of the table's trie leads out of it"));
            }
            if ends(*unit) {
                let position = position(units[first]);
                if !replacements.is_char_boundary(position) {
                    return Err(format!(
                        "unit {at} of the table's trie is the replacement {position}, which there is not"
                    ));
                }
            }
        }
        Ok(Self { units, replacements: replacements.to_string() })
    }

    /// How many bytes the longest replacement has.
    pub(super) fn longest(&self) -> usize {
        self.replacements.split('\0').map(str::len).max().unwrap_or(0)
    }

    /// The text with what is in the table replaced.
    ///
    /// The reference asks the table for short clusters of characters (a letter with an accent behind it) as a whole, and if
    /// it knows the beginning of one, the rest of it is lost; otherwise for each character.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let cluster = cluster(rest);
            rest = &rest[cluster.len()..];
            match self.replacement(cluster).filter(|_| cluster.len() <= LONGEST) {
                Some(replacement) => out.push_str(replacement),
                None => {
                    for c in cluster.chars() {
                        match self.replacement(c.encode_utf8(&mut [0; 4])) {
                            Some(replacement) => out.push_str(replacement),
                            None => out.push(c),
                        }
                    }
                }
            }
        }
        out
    }

    /// What replaces the shortest text of the table with which another begins.
    fn replacement(&self, text: &str) -> Option<&str> {
        let mut first = children(0, self.units[0]);
        for byte in text.bytes() {
            let at = first ^ usize::from(byte);
            let unit = *self.units.get(at)?;
            if unit & (1 << 31 | 0xFF) != u32::from(byte) || byte == 0 {
                return None;
            }
            first = children(at, unit);
            if ends(unit) {
                let rest = self.replacements.get(position(*self.units.get(first)?)..)?;
                return rest.split('\0').next();
            }
        }
        None
    }
}

/// Where the children of a unit are: beside each other, but for the bits of their labels.
fn children(at: usize, unit: u32) -> usize {
    at ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize
}

fn ends(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

fn position(unit: u32) -> usize {
    (unit & 0x7FFF_FFFF) as usize
}

/// The first character of a text with those that join it.
fn cluster(text: &str) -> &str {
    let mut characters = text.char_indices();
    let end = match characters.next() {
        Some((_, '\r')) if text[1..].starts_with('\n') => 2,
        Some((_, c)) if stands_alone(c) => c.len_utf8(),
        _ => characters.find(|(_, c)| !joins(*c)).map_or(text.len(), |(at, _)| at),
    };
    &text[..end]
}

/// Whether nothing joins a character: controls, and what is not seen.
fn stands_alone(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xAD | 0x61C | 0x180E | 0x200B | 0x200E..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF0..=0xFFFB
            | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE001F | 0xE0080..=0xE00FF
            | 0xE01F0..=0xE0FFF)
}

/// The bytes of a text in base64 (RFC 4648) with padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let unpadded = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for c in unpadded {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

/// The text in base64 of some bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().chain(&[0, 0]).take(3).fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
        text.push_str(&"=="[..3 - three.len()]);
    }
    text
}

#[cfg(test)]
mod tests;
