//! Reading by position.

use std::fs::File;
use std::io;

/// A file that several threads read at different places.
#[cfg(unix)]
pub(crate) struct SharedFile(File);

#[cfg(unix)]
impl SharedFile {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, position)
    }
}

/// Where reading by position is not to be had, one thread at a time moves the file's only position.
#[cfg(not(unix))]
pub(crate) struct SharedFile(std::sync::Mutex<File>);

#[cfg(not(unix))]
impl SharedFile {
    pub(crate) fn new(file: File) -> Self {
        Self(std::sync::Mutex::new(file))
    }

    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        // Every read sets the position first, so one that panicked did no harm.
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        io::Seek::seek(&mut *file, io::SeekFrom::Start(position))?;
        io::Read::read_exact(&mut *file, bytes)
    }
}
