//! Any bytes as a file of PyTorch: an error, or tensors that can be used. The first byte chooses between a whole file and the pickle in
//! one of the old form.
#![no_main]

use demotic::io::{TensorSource, pytorch};
use libfuzzer_sys::fuzz_target;

/// All before the pickle.
const OLD: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
/// All behind it: two storages.
const REST: &[u8] = b"\x80\x02](X\x01\0\0\x000X\x01\0\0\x001e.\x01\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fuzz_target!(|bytes: &[u8]| {
    let whole = match bytes.split_first() {
        Some((0, pickle)) => [OLD, pickle, REST].concat(),
        _ => bytes.to_vec(),
    };
    demotic_fuzz::with_file(&whole, |path| {
        for part in ["", "a"] {
            let Ok(file) = pytorch::Reader::open_part(path, part) else { continue };
            for info in file.infos().iter().take(16) {
                if let Ok(tensor) = file.read(&info.name) {
                    assert_eq!((tensor.shape(), Some(tensor.dtype())), (&*info.shape, info.dtype));
                }
            }
        }
        let _ = pytorch::Reader::open(path);
    });
});
