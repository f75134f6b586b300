//! Any bytes as a serialised tensor, in JSON and in a binary format: an error, or a tensor that serialises to the same again.
#![no_main]

use demotic::Tensor;
use libfuzzer_sys::fuzz_target;

fn used(tensor: &Tensor) {
    assert!(!tensor.to_string().is_empty());
    let json = serde_json::to_string(tensor).expect("tensors serialise");
    let again: Tensor = serde_json::from_str(&json).expect("what was serialised is read");
    assert_eq!((again.dtype(), again.shape()), (tensor.dtype(), tensor.shape()));
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensor) = serde_json::from_slice(bytes) {
        used(&tensor);
    }
    let config = bincode::config::standard().with_limit::<{ 1 << 20 }>();
    if let Ok((tensor, _)) = bincode::serde::decode_from_slice::<Tensor, _>(bytes, config) {
        used(&tensor);
    }
});
