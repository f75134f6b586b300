//! Bytes as characters that can be printed: how GPT-2's vocabulary writes its tokens.

/// The character that stands for a byte. Printable characters of Latin-1 stand for themselves; the other bytes, in their
/// order, for U+0100 and what follows. A space is `Ġ`, a line feed `Ċ`.
pub(super) const fn character(byte: u8) -> char {
    CHARACTERS[byte as usize]
}

/// The byte that a character stands for.
pub(super) fn byte(c: char) -> Option<u8> {
    BYTES.get(c as usize).copied().flatten()
}

/// The bytes of a written token; `None` if a character stands for no byte.
pub(super) fn read(token: &str) -> Option<Box<[u8]>> {
    token.chars().map(byte).collect()
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

const CHARACTERS: [char; 256] = {
    let mut characters = ['\0'; 256];
    let (mut byte, mut next) = (0, 0x100);
    while byte < 256 {
        let code = if is_printable(byte as u8) {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        if let Some(c) = char::from_u32(code) {
            characters[byte] = c;
        }
        byte += 1;
    }
    characters
};

/// The inverse, by code point; the highest is that of the last byte that is not printable.
const BYTES: [Option<u8>; 0x144] = {
    let mut bytes = [None; 0x144];
    let mut byte = 0;
    while byte < 256 {
        bytes[CHARACTERS[byte] as usize] = Some(byte as u8);
        byte += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        for b in 0..=255 {
            assert_eq!(byte(character(b)), Some(b));
            assert!(!character(b).is_whitespace() && !character(b).is_control());
        }
        assert_eq!(read("ĠcafÃ©Ċ").as_deref(), Some(&b" caf\xC3\xA9\n"[..]));
        assert_eq!((character(0), character(0xAD), byte(' '), byte('一')), ('Ā', 'Ń', None, None));
    }
}
