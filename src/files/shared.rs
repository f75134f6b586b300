//! Reading by position.

use std::fs::File;
use std::io::{self, Read};

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

impl SharedFile {
    /// Some of the bytes from a place on, one after the other.
    pub(crate) fn span(&self, at: u64, count: u64) -> Span<'_> {
        Span { file: self, at, left: count }
    }
}

/// Bytes of a file that follow each other.
pub(crate) struct Span<'a> {
    file: &'a SharedFile,
    at: u64,
    left: u64,
}

impl Read for Span<'_> {
    /// Whole or not at all: what a file is said to have and has not is an error.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (out.len() as u64).min(self.left) as usize;
        self.file.read_exact_at(&mut out[..count], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
