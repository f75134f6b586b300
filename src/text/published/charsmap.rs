//! SentencePiece's tables of replacements, as `tokenizer.json` has them in base64.

/// Checks a table, and returns how many bytes its longest replacement has.
///
/// A table is the size of a trie in bytes, the trie, and the replacements one after the other, each ended by a zero byte.
/// The trie is a double array (Aoe, 1989) in the form of the `darts-clone` library: a unit has in bits 0 to 7 and 31 the
/// label by which it is entered, in bit 8 whether a text ends there, and in the others how its children are found; where a
/// text ends, the first child is the position of its replacement.
pub(super) fn check(base64: &str) -> Result<usize, String> {
    let bytes = decode(base64).ok_or("the table is not in base64")?;
    let (size, rest) = bytes.split_first_chunk::<4>().ok_or("the table is empty")?;
    let size = u32::from_le_bytes(*size) as usize;
    let Some((trie, replacements)) = rest.split_at_checked(size / 4 * 4) else {
        return Err(format!("the table has {} bytes, of which {size} are to be a trie", rest.len()));
    };
    let Ok(replacements) = std::str::from_utf8(replacements) else {
        return Err("the replacements of the table are not UTF-8".to_string());
    };
    let units: Vec<usize> = trie.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit) as usize).collect();
    if units.is_empty() {
        return Err("the table has no trie".to_string());
    }
    for (at, unit) in units.iter().enumerate() {
        // No byte leads to a unit with this bit: it is the position of a replacement.
        if unit >> 31 == 1 {
            continue;
        }
        let children = at ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6));
        if children | 0xFF >= units.len() {
            return Err(format!("unit {at} of the table's trie leads out of it"));
        }
        if unit >> 8 & 1 == 1 {
            let position = units[children] & 0x7FFF_FFFF;
            if !replacements.is_char_boundary(position) {
                return Err(format!("unit {at} of the table's trie is the replacement {position}, which there is not"));
            }
        }
    }
    Ok(replacements.split('\0').map(str::len).max().unwrap_or(0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode("+/+/"), Some(vec![0xFB, 0xFF, 0xBF]));
        assert_eq!([decode("Zg"), decode("Z==="), decode("Zm9\u{e9}"), decode("Zm 8")], [None, None, None, None]);
    }
}
