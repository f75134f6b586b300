//! Any bytes as a GGUF file: an error, or tensors that can be used, and perhaps a tokenizer.
#![no_main]

use demotic::io::{TensorSource, gguf};
use demotic::text::{PublishedTokenizer, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    demotic_fuzz::with_file(bytes, |path| {
        let Ok(file) = gguf::Reader::open(path) else { return };
        for info in file.infos().iter().take(16) {
            if let Ok(tensor) = file.read(&info.name) {
                assert_eq!((tensor.shape(), Some(tensor.dtype())), (&*info.shape, info.dtype));
            }
            let _ = file.read_quantized(&info.name);
        }
        if let Ok(tokenizer) = PublishedTokenizer::from_gguf(&file) {
            let _ = tokenizer.encode("Hello, the world 1234!");
        }
    });
});
