//! Files that are being written, and what became of those whose process was killed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names begin and end; between them stand the number of the process and that of the file.
const PREFIX: &str = ".demotic-";
const SUFFIX: &str = ".tmp";

/// A new file that is removed again unless it was renamed.
///
/// It is locked as long as it is written. The system gives up the lock when the process ends, however it does, so that a file
/// without a lock is one that nobody is writing any more.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) renamed: bool,
}

impl Temporary {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            // A name of its own, not one derived from the target's, which may be as long as names can be.
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{PREFIX}{}-{count}{SUFFIX}", std::process::id()));
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                // Of a process of the same number on another machine, or one whose file cannot be removed.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            };
            // Between its making and its locking the file looks like one that was left behind. Another process may just be
            // removing it, or have removed it: then this needs another one.
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                Ok(()) if !is_at(&file, &path) => continue,
                // Some network file systems have no locks. Nobody takes the file for abandoned there.
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(Self { path, file, renamed: false }),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing more can be done about a file that cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what killed processes left behind in a folder. What is being written, by whomever, stays.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_name(&entry.file_name().to_string_lossy()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            remove_if_abandoned(&entry.path());
        }
    }
}

/// `.demotic-4711-0.tmp`, and nothing that a person would write.
fn is_name(name: &str) -> bool {
    let numbers = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)?.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, count)| is_number(process) && is_number(count))
}

fn remove_if_abandoned(path: &Path) {
    // For writing: on network file systems, the lock wants it.
    let Ok(file) = OpenOptions::new().write(true).open(path) else { return };
    // Its writer may have renamed it since the folder was read; what is there now is then not what was locked.
    if file.try_lock().is_ok() && is_at(&file, path) {
        let _ = fs::remove_file(path);
    }
}

/// Whether a path still leads to an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Whether a path still leads to a file: names are not used twice, and a file that is open is not replaced.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
