use super::*;

fn crc(parts: &[&[u8]]) -> u64 {
    let mut sum = Checksum::new();
    parts.iter().for_each(|part| sum.update(part));
    sum.value()
}

/// The check value of the catalogue of parametrised CRC algorithms, and `xz`'s of nothing.
#[test]
fn it_is_the_checksum_of_xz() {
    assert_eq!(crc(&[b"123456789"]), 0x995d_c9bb_df19_39fa);
    assert_eq!(crc(&[]), 0);
}

#[test]
fn parts_add_up_wherever_they_are_cut() {
    let bytes: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(37)).collect();
    for cut in 0..bytes.len() {
        assert_eq!(crc(&[&bytes[..cut], &bytes[cut..]]), crc(&[&bytes]), "{cut}");
    }
}
