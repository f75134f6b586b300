//! Any bytes as an IDX file: an error, or a tensor that is written and read again as the same one.
#![no_main]

use demotic::data::{read_idx, write_idx};
use demotic_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        let Ok(tensor) = read_idx(path) else { return };
        assert!(!tensor.to_string().is_empty());
        write_idx(path, &tensor).expect("what was read is written");
        let again = read_idx(path).expect("what was written is read");
        assert_eq!(again.shape(), tensor.shape());
    });
});
