//! The two checksums of 32 bits that event files and pictures have.

/// What each byte adds to the remainder, for a polynomial with its bits reversed.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = (rest >> 1) ^ if rest & 1 == 1 { polynomial } else { 0 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
}

/// Castagnoli's polynomial, and that of Ethernet.
static CASTAGNOLI: [u32; 256] = table(0x82f6_3b78);
static ETHERNET: [u32; 256] = table(0xedb8_8320);

fn sum(table: &[u32; 256], parts: &[&[u8]]) -> u32 {
    let step = |rest: u32, byte: &u8| (rest >> 8) ^ table[((rest & 0xff) as u8 ^ byte) as usize];
    !parts.iter().flat_map(|part| part.iter()).fold(u32::MAX, step)
}

/// CRC-32C, turned and shifted so that a checksum of bytes that have checksums in them is no weak one: that of records.
pub(super) fn masked_crc32c(bytes: &[u8]) -> u32 {
    sum(&CASTAGNOLI, &[bytes]).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 of some parts as one: that of PNG.
pub(super) fn crc32(parts: &[&[u8]]) -> u32 {
    sum(&ETHERNET, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of parametrised CRC algorithms, and those of RFC 3720, B.4.
    #[test]
    fn they_are_those_of_the_catalogue() {
        assert_eq!(sum(&CASTAGNOLI, &[b"123456789"]), 0xe306_9283);
        assert_eq!(crc32(&[b"1234", b"56789"]), 0xcbf4_3926);
        assert_eq!(sum(&CASTAGNOLI, &[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(sum(&CASTAGNOLI, &[&[0xff; 32]]), 0x62a8_ab43);
    }
}
