//! Pictures as PNG files that are not compressed, so that they can be written without a crate for it.

use super::crc::crc32;

/// The bytes in a stored block of zlib at the most.
const BLOCK: usize = 65535;

/// A picture of `height` rows of pixels with 1 or 3 bytes each.
pub(super) fn encode(width: u32, height: u32, channels: usize, pixels: &[u8]) -> Vec<u8> {
    let mut rows = Vec::with_capacity(pixels.len() + height as usize);
    for row in pixels.chunks_exact((width as usize * channels).max(1)) {
        // No filter.
        rows.push(0);
        rows.extend(row);
    }
    let mut stream = vec![0x78, 0x01];
    let blocks = rows.chunks(BLOCK);
    let last = blocks.len().saturating_sub(1);
    for (i, block) in blocks.enumerate() {
        let len = block.len() as u16;
        stream.push(u8::from(i == last));
        stream.extend(len.to_le_bytes());
        stream.extend((!len).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(&rows).to_be_bytes());

    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let colours = if channels == 3 { 2 } else { 0 };
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, colours, 0, 0, 0]].concat();
    for (name, data) in [(b"IHDR", &head), (b"IDAT", &stream), (b"IEND", &Vec::new())] {
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(name);
        out.extend(data);
        out.extend(crc32(&[name, data]).to_be_bytes());
    }
    out
}

fn adler32(bytes: &[u8]) -> u32 {
    // So many sums fit into 32 bits.
    const PART: usize = 5552;
    let (mut a, mut b) = (1u32, 0u32);
    for part in bytes.chunks(PART) {
        for byte in part {
            a += u32::from(*byte);
            b += a;
        }
        (a, b) = (a % 65521, b % 65521);
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What zlib gives.
    #[test]
    fn the_checksum_of_zlib() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(&[255; 1 << 20]), 0x8e88_ef11);
    }
}
