//! What the targets share.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;

thread_local! {
    static FILE: OnceCell<PathBuf> = const { OnceCell::new() };
}

/// Writes the bytes to a file of this process and hands over its path: readers take paths.
pub fn with_file<T>(bytes: &[u8], read: impl FnOnce(&PathBuf) -> T) -> T {
    FILE.with(|file| {
        let path = file.get_or_init(|| std::env::temp_dir().join(format!("demotic-fuzz-{}", std::process::id())));
        fs::write(path, bytes).expect("the temporary folder can be written to");
        read(path)
    })
}
