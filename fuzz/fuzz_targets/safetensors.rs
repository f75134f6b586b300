//! Any bytes as a file of tensors: an error, or tensors that can be used and written again.
#![no_main]

use demotic::io::Metadata;
use demotic::io::safetensors::{load_tensors, save_tensors};
use demotic::prelude::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    demotic_fuzz::with_file(bytes, |path| {
        let Ok(tensors) = load_tensors(path) else { return };
        for tensor in tensors.values() {
            assert!(!tensor.to_string().is_empty());
            let _ = tensor.sum();
        }
        let again = path.with_extension("again");
        save_tensors(tensors.iter().map(|(name, tensor)| (name.clone(), tensor)), &Metadata::new(), &again)
            .expect("they were read");
        let read = load_tensors(&again).expect("they were just written");
        assert!(read.keys().eq(tensors.keys()));
        let mut model = Linear::new(2, 1, &mut Rng::seed(0)).expect("small");
        let _ = model.load(path);
    });
});
