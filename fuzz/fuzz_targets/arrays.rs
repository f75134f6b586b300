//! Any bytes as an array of NumPy or as an archive of them: an error, or tensors that are written and read again as the same ones.
#![no_main]

use demotic::Tensor;
use demotic::data::{Npz, read_npy_from, write_npy_to};
use libfuzzer_sys::fuzz_target;

fn used(tensor: &Tensor) {
    assert!(!tensor.to_string().is_empty());
    let mut bytes = Vec::new();
    write_npy_to(&mut bytes, tensor).expect("tensors are written");
    let again = read_npy_from(&bytes[..]).expect("what was written is read");
    assert_eq!((again.dtype(), again.shape()), (tensor.dtype(), tensor.shape()));
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensor) = read_npy_from(bytes) {
        used(&tensor);
    }
    let Ok(archive) = Npz::from_bytes(bytes.to_vec()) else { return };
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    for name in names.iter().take(8) {
        if let Ok(tensor) = archive.read(name) {
            used(&tensor);
        }
    }
});
