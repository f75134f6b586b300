//! Any bytes as a checkpoint. The checksum at the end is mended first, or nothing would get past it.
#![no_main]

use demotic::io::Checkpoint;
use demotic::prelude::*;
use libfuzzer_sys::fuzz_target;

/// CRC-64 of ECMA-182 in the reflected form of XZ.
fn checksum(bytes: &[u8]) -> u64 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8)
            .fold(crc ^ u64::from(byte), |crc: u64, _| (crc >> 1) ^ (0xC96C_5795_D787_0F42 & (crc & 1).wrapping_neg()))
    })
}

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(end) = file.len().checked_sub(8) {
        let sum = checksum(&file[..end]);
        file[end..].copy_from_slice(&sum.to_le_bytes());
    }
    for bytes in [bytes, &file] {
        demotic_fuzz::with_file(bytes, |path| {
            let Ok(checkpoint) = Checkpoint::load(path) else { return };
            let mut model = Linear::new(2, 1, &mut Rng::seed(0)).expect("small");
            let mut rng = Rng::seed(0);
            let _ = checkpoint.restore_model(&mut model);
            let _ = checkpoint.restore_optimizer(&mut Adam::new(0.1));
            let _ = checkpoint.restore_rng(&mut rng);
            checkpoint.save(path.with_extension("again")).expect("it was read");
        });
    }
});
