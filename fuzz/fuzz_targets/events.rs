//! Any bytes as an event file. The checksums of its records are mended first, or nothing would get past them.
#![no_main]

use demotic::train::tensorboard::{EventValue, read_events};
use demotic_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

/// CRC-32C by Castagnoli's polynomial, masked as records have it.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let crc = !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn mended(bytes: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (bytes.to_vec(), 0);
    while let Some((size, sum)) = bytes[at..].split_first_chunk_mut::<8>() {
        let Some((sum, rest)) = sum.split_first_chunk_mut::<4>() else { break };
        *sum = checksum(size);
        let size = u64::from_le_bytes(*size);
        let Some(event) = usize::try_from(size).ok().filter(|size| *size <= rest.len()) else { break };
        let (event, rest) = rest.split_at_mut(event);
        let Some(sum) = rest.first_chunk_mut::<4>() else { break };
        *sum = checksum(event);
        at += 16 + event.len();
    }
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes, &mended(bytes)] {
        let Ok(events) = with_file(bytes, |path| read_events(path)) else { continue };
        for event in events {
            if let EventValue::Histogram(histogram) = event.value {
                let _ = (histogram.mean(), histogram.deviation());
            }
        }
    }
});
